"""How many tools an answer of messages calls: those that the caller is to run, not the provider's own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokenworks.wire import sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.anthropic_messages.relay import MessagesStream, MessagesWhole
from tokenworks.wire.peek import MALFORMED

_CALL = "tool_use"
_MARK = b'"tool_use"'


class _Block(msgspec.Struct, gc=False):
    type: object = None


class _Event(msgspec.Struct, gc=False):
    type: object = None
    content_block: _Block | None = None


_decode_blocks = msgspec.json.Decoder(Sequence[_Block]).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def calls_of(whole: MessagesWhole) -> int:
    """Calls in a whole answer; 0 where they can't be read."""
    return calls_in(bytes(whole.fields["content"]))


def calls_in(content: bytes) -> int:
    """Calls in the ``content`` of a whole answer; 0 where it can't be read."""
    if _MARK not in content:
        return 0
    try:
        return sum(block.type == _CALL for block in _decode_blocks(content))
    except MALFORMED:
        return 0


class CountedStream(MessagesStream):
    """A stream whose ``tool_calls`` are counted, where each one begins."""

    __slots__ = ("tool_calls",)

    def __init__(self, telling: Telling) -> None:
        super().__init__(telling)
        self.tool_calls = 0

    def feed(self, data: bytes) -> bytes:
        """See Passage."""
        out = super().feed(data)
        if _MARK in out:
            for event in sse.events(out):
                body = sse.payload(event)
                if body is not None and _MARK in body:
                    self.tool_calls += _begins(body)
        return out


def _begins(body: bytes) -> bool:
    """Not the end of the message, which has the same word for why it stopped."""
    try:
        event = _decode_event(body)
    except MALFORMED:
        return False
    block = event.content_block
    return event.type == "content_block_start" and block is not None and block.type == _CALL
