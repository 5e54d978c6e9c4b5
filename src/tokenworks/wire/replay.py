"""Reasoning that a maker must see again, put back where the caller's client has dropped it.

Some makers refuse a conversation whose tool calls come back without the reasoning, or the signature,
that led to them; most clients know nothing of that. What an answer said is remembered under its tool
calls, which clients do send back.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.answer import Answer, Event, ThinkingPiece, ToolPiece
from tokenworks.wire.conversation import Conversation, Maker, Message, Thinking, ToolUse
from tokenworks.wire.openai_chat.messages import Call, read_messages, style_of, write_messages
from tokenworks.wire.pairing import Reader
from tokenworks.wire.peek import MALFORMED, Fields, raw

TEXT, SIGNATURES, WHOLE = "echo_reasoning_content", "echo_thought_signatures", "replay_full_assistant"
QUIRKS = frozenset((TEXT, SIGNATURES, WHOLE))  # makers with one of these need it

UNIQUE = 16  # letters and digits of an id, besides the tool's name, that no other call has

_ODD = re.compile(r"[^a-zA-Z0-9]")
_BLANK = (b"null", b'""', b"[]")
_EXACT = 2**53  # above, floats are no exact integers
_decode = msgspec.json.Decoder().decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_fields = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class Remembered(msgspec.Struct, frozen=True):
    """What led to the tool calls of one answer: its reasoning, and the signature of each by its name."""

    thinking: tuple[Thinking, ...] = ()
    signatures: dict[str, str] = {}


Recall = Mapping[str, Remembered]  # ``name_of`` a tool call → what led to it


def name_of(call: ToolUse) -> str:
    """What ``call`` is remembered under: its id, where that is long enough to be its own.

    Some makers count their calls from 0 in every conversation: there the tool and its arguments, however
    they are spelled, must be the same too.
    """
    digest = hashlib.blake2b(_bytes(call.id), digest_size=20)
    if len(_ODD.sub("", call.id.replace(call.name, ""))) < UNIQUE:
        digest.update(b"\0%b\0" % _bytes(call.name))
        digest.update(_spelled(call.arguments))
    return digest.hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _spelled(arguments: str) -> bytes:
    spelled = _bytes(arguments.strip()) or b"{}"
    with contextlib.suppress(*MALFORMED):  # what is no JSON comes back as it is
        spelled = _encode(_plain(_decode(spelled)))
    return spelled


def _plain(value: Any) -> Any:
    """``value`` with numbers as clients of other languages write them: 1 for 1.0."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


# --- what an answer said ------------------------------------------------------------------------


def remembered(answer: Answer) -> tuple[list[str], Remembered] | None:
    """The names of the tool calls of ``answer`` and what led to them; None where it calls none.

    That there was nothing is worth knowing too: nobody need look for it any longer.
    """
    thinking = tuple(block for block in answer.content if isinstance(block, Thinking))
    return _remembered([block for block in answer.content if isinstance(block, ToolUse)], thinking)


def _remembered(
    calls: Sequence[ToolUse], thinking: tuple[Thinking, ...]
) -> tuple[list[str], Remembered] | None:
    if not calls:
        return None
    named = {name_of(call): call.signature for call in calls}
    return list(named), Remembered(thinking, {name: text for name, text in named.items() if text})


class Gleaner:
    """Reads along with a stream for what must be remembered of it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._thinking: dict[int, Thinking] = {}
        self._calls: dict[int, ToolUse] = {}

    def feed(self, data: bytes) -> None:
        """The same bytes that the stream was fed. Raises ValueError when they can't be one of events."""
        self._take(self._reader.feed(data))

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, ThinkingPiece):
                had = self._thinking.get(event.index, Thinking())
                self._thinking[event.index] = Thinking(
                    had.text + event.text,
                    had.signature + event.signature,
                    had.redacted + event.redacted,
                    event.id or had.id,
                    event.format or had.format,
                )
            elif isinstance(event, ToolPiece):
                call = self._calls.get(event.index, ToolUse("", "", ""))
                self._calls[event.index] = ToolUse(
                    event.id or call.id,
                    event.name or call.name,
                    call.arguments + event.arguments,
                    call.signature + event.signature,
                )

    def remembered(self) -> tuple[list[str], Remembered] | None:
        """As ``remembered`` of a whole answer, at the end of the stream. Raises ValueError as ``feed``."""
        self._take(self._reader.flush())
        thinking = tuple(self._thinking[index] for index in sorted(self._thinking))
        return _remembered([self._calls[index] for index in sorted(self._calls)], thinking)


# --- what a request lacks -----------------------------------------------------------------------


def wanting(conversation: Conversation, quirks: frozenset[str]) -> list[str]:
    """Names of tool calls that come back without what a maker of these ``quirks`` told with them.

    Those of one answer stand together, the oldest first.
    """
    found = (message for message in conversation.messages if _lacks(message, quirks))
    return list(dict.fromkeys(name_of(call) for message in found for call in _calls(message)))


def wanting_in(messages: msgspec.Raw, quirks: frozenset[str]) -> list[str]:
    """The same, of the ``messages`` of a chat request, whatever stands beside its tool calls."""
    found = [
        message
        for each in _list(messages)
        if b'"tool_calls"' in bytes(each) and (message := _read(each)) is not None
    ]
    return wanting(Conversation("", tuple(found)), quirks)


def with_reasoning(conversation: Conversation, recall: Recall) -> Conversation:
    """``conversation`` with what ``recall`` knows put back."""
    return msgspec.structs.replace(
        conversation, messages=tuple(_restored(message, recall) for message in conversation.messages)
    )


def messages_with(messages: msgspec.Raw, maker: Maker, recall: Recall) -> msgspec.Raw:
    """The ``messages`` of a chat request with what ``recall`` knows put back, for a maker on that wire.

    Nothing else is touched; it is the very same object when nothing is put back.
    """
    given = _list(messages)
    mended = [_mended(each, maker, recall) if b'"tool_calls"' in bytes(each) else each for each in given]
    return messages if all(map(_same, mended, given)) else raw(mended)


def _list(messages: msgspec.Raw) -> list[msgspec.Raw]:
    """The single messages; none where no tool is called, or where only the provider can judge them."""
    if b'"tool_calls"' not in bytes(messages):
        return []
    try:
        return _decode_list(messages)
    except MALFORMED:
        return []


def _read(message: msgspec.Raw) -> Message | None:
    """An assistant's message with tool calls; None for every other one."""
    try:
        _, read = read_messages(raw([message]))
    except BadRequest:  # of a kind that only the provider knows
        return None
    return next((each for each in read if any(_calls(each))), None)


def _same(one: object, other: object) -> bool:
    return one is other


def _mended(message: msgspec.Raw, maker: Maker, recall: Recall) -> msgspec.Raw:
    """One message; what the caller's client left there stays as it came."""
    read = _read(message)
    if read is None:
        return message
    fields = _decode_fields(message)
    restored = _restored(read, recall)
    told = tuple(block for block in restored.content if isinstance(block, Thinking | ToolUse))
    (written,) = write_messages(
        (), (msgspec.structs.replace(restored, content=told),), style_of(maker, same=True)
    )
    added = {
        name: raw(value)
        for name in ("reasoning_content", "reasoning_details", "reasoning")
        if (value := getattr(written, name)) is not None
        and (name not in fields or bytes(fields[name]) in _BLANK)
    }
    calls = _decode_list(fields["tool_calls"])
    signed = [_signed(*each) for each in zip(calls, written.tool_calls or (), strict=True)]
    if not all(map(_same, signed, calls)):
        added["tool_calls"] = raw(signed)
    return raw({**fields, **added}) if added else message


def _signed(call: msgspec.Raw, written: Call) -> msgspec.Raw:
    """A call with the signature that ``written`` has, if it lacks it."""
    if not written.extra_content:
        return call
    fields = _decode_fields(call)
    extra = fields.get("extra_content")
    given: Fields = {} if extra is None or bytes(extra) == b"null" else _decode_fields(extra)
    if any(b"thought_signature" in bytes(each) for each in given.values()):
        return call
    signed: Fields = {**given, **written.extra_content}
    return raw({**fields, "extra_content": signed})


def _restored(message: Message, recall: Recall) -> Message:
    calls = [(name_of(call), call) for call in _calls(message)]
    known = next((recall[name] for name, _ in calls if name in recall), None)
    if known is None:
        return message
    signatures = {id(call): known.signatures.get(name, "") for name, call in calls}
    content = [
        msgspec.structs.replace(block, signature=block.signature or signatures[id(block)])
        if isinstance(block, ToolUse)
        else block
        for block in message.content
    ]
    if known.thinking and all(map(_bare, _thoughts(message))):
        content = [*known.thinking, *(block for block in content if not isinstance(block, Thinking))]
    return msgspec.structs.replace(message, content=tuple(content))


def _lacks(message: Message, quirks: frozenset[str]) -> bool:
    calls, thoughts = list(_calls(message)), list(_thoughts(message))
    if not calls:
        return False
    if SIGNATURES in quirks and not any(call.signature for call in calls):
        ids = {call.id for call in calls}
        if not any(block.redacted and block.id in ids for block in thoughts):
            return True
    if TEXT in quirks and not any(block.text for block in thoughts):
        return True
    return WHOLE in quirks and all(map(_bare, thoughts))


def _calls(message: Message) -> Iterator[ToolUse]:
    if message.role == "assistant":
        yield from (block for block in message.content if isinstance(block, ToolUse))


def _thoughts(message: Message) -> Iterator[Thinking]:
    return (block for block in message.content if isinstance(block, Thinking))


def _bare(block: Thinking) -> bool:
    """Nothing but text: what its maker said besides is lost."""
    return not (block.signature or block.redacted or block.id or block.format)
