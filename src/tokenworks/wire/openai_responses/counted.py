"""How many tools a response calls: those that the caller is to run, not the provider's own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokenworks.wire import sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.openai_responses.relay import ResponsesStream, ResponsesWhole
from tokenworks.wire.peek import MALFORMED, Fields

CALLS = frozenset(
    (
        "function_call",
        "custom_tool_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "computer_call",
    )
)
_ADDED = "response.output_item.added"
_MARK = b"output_item.added"


class _Item(msgspec.Struct, gc=False):
    type: object = None


class _Event(msgspec.Struct, gc=False):
    type: object = None
    item: _Item | None = None


_decode_items = msgspec.json.Decoder(Sequence[_Item]).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def calls_of(whole: ResponsesWhole) -> int:
    """Calls in a whole answer; 0 where they can't be read."""
    return calls_in(bytes(whole.fields["output"]))


def calls_in(output: bytes) -> int:
    """Calls in the ``output`` of a whole response; 0 where it can't be read."""
    if b'_call"' not in output:
        return 0
    try:
        return sum(item.type in CALLS for item in _decode_items(output) if isinstance(item.type, str))
    except MALFORMED:
        return 0


class CountedStream(ResponsesStream):
    """A stream whose ``tool_calls`` are counted: as they begin, and again where all of the output is told."""

    __slots__ = ("begun", "in_output")

    def __init__(self, telling: Telling) -> None:
        super().__init__(telling)
        self.begun = self.in_output = 0

    @property
    def tool_calls(self) -> int:  # type: ignore[override]  # nobody sets it
        """How many so far."""
        return max(self.begun, self.in_output)

    def feed(self, data: bytes) -> bytes:
        """See Passage."""
        out = super().feed(data)
        if _MARK in out:
            for event in sse.events(out):
                body = sse.payload(event)
                if body is not None and _MARK in body:
                    self.begun += _begins(body)
        return out

    def _complete(self, response: Fields) -> None:
        super()._complete(response)
        self.in_output = calls_in(bytes(response.get("output", b"")))


def _begins(body: bytes) -> bool:
    try:
        event = _decode_event(body)
    except MALFORMED:
        return False
    item = event.item
    return event.type == _ADDED and item is not None and isinstance(item.type, str) and item.type in CALLS
