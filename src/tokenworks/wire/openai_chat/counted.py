"""How many tools an answer of chat completions calls."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokenworks.wire import sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.openai_chat.relay import ChatStream, ChatWhole
from tokenworks.wire.peek import MALFORMED

_NAMES = (b'"tool_calls"', b'"function_call"')


class _Named(msgspec.Struct, gc=False):
    name: object = None


class _Call(msgspec.Struct, gc=False):
    index: object = None
    id: object = None
    function: _Named | None = None
    custom: _Named | None = None

    @property
    def named(self) -> bool:
        """Whether this is where a call begins: pieces that go on with one have no name."""
        called = self.function or self.custom
        return called is not None and bool(called.name)


class _Said(msgspec.Struct, gc=False):
    tool_calls: Sequence[_Call] | None = None
    function_call: _Named | None = None  # before there were tools


class _Choice(msgspec.Struct, gc=False):
    index: object = None
    message: _Said | None = None
    delta: _Said | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: Sequence[_Choice] | None = None


_decode_choices = msgspec.json.Decoder(list[_Choice]).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


def calls_of(whole: ChatWhole) -> int:
    """Calls in a whole answer; 0 where they can't be read."""
    return calls_in(bytes(whole.fields["choices"]))


def calls_in(choices: bytes) -> int:
    """Calls in the ``choices`` of a whole answer; 0 where they can't be read."""
    if not any(name in choices for name in _NAMES):
        return 0
    try:
        said = [choice.message for choice in _decode_choices(choices) if choice.message is not None]
    except MALFORMED:
        return 0
    return sum(len(each.tool_calls or ()) + (each.function_call is not None) for each in said)


class CountedStream(ChatStream):
    """A stream whose ``tool_calls`` are counted: only chunks that name something are looked at.

    In texts the quotes are escaped, so one that talks about calls is none. Providers number and name their
    calls in different ways, see ``calls.Calls``: an id or a number that was seen is the same call.
    """

    __slots__ = ("seen", "tool_calls")

    def __init__(self, telling: Telling) -> None:
        super().__init__(telling)
        self.tool_calls = 0
        self.seen: set[tuple[object, str, object]] = set()  # choice; "id" or "index"; which

    def feed(self, data: bytes) -> bytes:
        """See ChatStream."""
        out = super().feed(data)
        if b'"name"' in out:
            for event in sse.events(out):
                body = sse.payload(event)
                if body is not None and b'"name"' in body:
                    self._count(body)
        return out

    def _count(self, body: bytes) -> None:
        try:
            choices = _decode_chunk(body).choices or ()
        except MALFORMED:
            return
        for choice in choices:
            said = choice.delta or choice.message
            if said is None:
                continue
            for call in said.tool_calls or ():
                if call.named and not self._known(choice.index or 0, call):
                    self.tool_calls += 1
            if said.function_call is not None and said.function_call.name:
                self.tool_calls += not self._known(choice.index or 0, _Call(index="function_call"))

    def _known(self, choice: object, call: _Call) -> bool:
        """Whether the call has begun before; from now on it has."""
        seen = self.seen
        by_id = (choice, "id", call.id) if isinstance(call.id, str) and call.id else None
        by_index = (choice, "index", call.index) if isinstance(call.index, int | str) else None
        known = by_id in seen if by_id is not None else by_index is not None and by_index in seen
        seen.update(each for each in (by_id, by_index) if each is not None)
        return known
