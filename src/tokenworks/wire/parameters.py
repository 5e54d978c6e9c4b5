"""A request's parameters between wires: reading them, and judging those that a wire can't express."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.asking import CONTROLS
from tokenworks.wire.conversation import Conversation, Maker, ToolChoice
from tokenworks.wire.peek import MALFORMED, Fields

T = TypeVar("T")

ABSENT = msgspec.Raw()  # the default of a field that is passed on as it came; it is not written

_NULL = b"null"
_integer = msgspec.json.Decoder(int | None).decode
_number = msgspec.json.Decoder(float | None).decode
_switch = msgspec.json.Decoder(bool | None).decode
_encode = msgspec.json.Encoder().encode

# The caller's word for what a conversation calls otherwise, by his wire.
_WORDS = {
    ("anthropic_messages", "stop"): "stop_sequences",
    ("anthropic_messages", "user"): "metadata",
    ("anthropic_messages", "response_format"): "output_config",
    ("anthropic_messages", "reasoning"): "thinking",
    ("openai_responses", "response_format"): "text",
}


def said(fields: Fields, key: str, decode: Callable[[msgspec.Raw], T | None]) -> T | None:
    """The value at ``key``; None when absent. Raises BadRequest, naming the place, when it is malformed."""
    value = fields.get(key)
    if value is None:
        return None
    try:
        return decode(value)
    except MALFORMED as error:
        raise malformed(key, error) from None


def schema(given: msgspec.Raw) -> msgspec.Raw | None:
    """A JSON schema; None where there is none or null."""
    return None if bytes(given) in (b"", _NULL) else given


def malformed(key: str, error: Exception) -> BadRequest:
    """``error`` of decoding the value at ``key``, with the place named as the caller knows it."""
    what, at, place = str(error).partition(" - at `$")
    if isinstance(error, RecursionError):
        what = "nested too deeply"
    return BadRequest(f"'{key}{place[:-1] if at else ''}' is malformed: {what}")


def integer(fields: Fields, key: str) -> int | None:
    """The whole number at ``key``, 0 or more; None when absent or null. Raises BadRequest for another."""
    value = said(fields, key, _integer)
    if value is not None and value < 0:
        raise BadRequest(f"'{key}' must not be negative")
    return value


def number(fields: Fields, key: str) -> float | None:
    """The number at ``key``; None when absent or null. Raises BadRequest for another type."""
    return said(fields, key, _number)


def switch(fields: Fields, key: str) -> bool | None:
    """The boolean at ``key``; None when absent or null. Raises BadRequest for another type."""
    return said(fields, key, _switch)


def rest(fields: Fields, known: frozenset[str]) -> Fields:
    """What a conversation keeps as ``extra``: neither ``known`` nor the gateway's own, and not null."""
    return {
        key: value
        for key, value in fields.items()
        if key not in known and key not in CONTROLS and bytes(value) != _NULL
    }


class Loss(msgspec.Struct, frozen=True):
    """What it means to leave out a parameter that a wire can't express.

    ``harmless``: the answer is as good without it. ``neutral`` values say nothing and may always go.
    """

    harmless: bool
    neutral: frozenset[bytes] = frozenset()


def harmless(*neutral: bytes) -> Loss:
    """The answer is as good without it, whatever its value; ``neutral`` ones even where all is wanted."""
    return Loss(True, frozenset(neutral))


def needed(*neutral: bytes) -> Loss:
    """Without it the caller would not get what he asked for, but for ``neutral`` values."""
    return Loss(False, frozenset(neutral))


def judge(extra: Fields, losses: Mapping[str, Loss], maker: Maker) -> None:
    """Raises BadRequest naming a field of ``extra`` that must not be left out. Unknown ones always may."""
    for key in extra.keys() & losses.keys():
        loss = losses[key]
        if (loss.harmless and not maker.strict) or b"".join(bytes(extra[key]).split()) in loss.neutral:
            continue
        raise lost(key)


def lost(key: str, fix: str = "leave it out or ask for another model") -> BadRequest:
    """The error for a parameter that the provider's protocol does not have."""
    return BadRequest(f"'{key}' can't be said to the provider of this model; {fix}")


def drop(key: str, conversation: Conversation, maker: Maker) -> None:
    """Leaves out a harmless parameter. Raises BadRequest, in the caller's own word, where none may be."""
    if maker.strict:
        raise lost(word(key, conversation))


def sampled(conversation: Conversation, maker: Maker) -> dict[str, float]:
    """``temperature`` and ``top_p`` for ``maker``, as far as it takes them. Raises BadRequest as ``drop``."""
    given = {"temperature": conversation.temperature, "top_p": conversation.top_p}
    said = {key: value for key, value in given.items() if value is not None}
    if "sampling_refused" not in maker.quirks:
        return said
    for key, value in said.items():
        if value != 1:
            drop(key, conversation, maker)
    return {}


def takes_top_k(conversation: Conversation, maker: Maker, knows: bool) -> bool:
    """Whether there is a ``top_k`` for ``maker``; ``knows``: it knows what that is. Raises as ``drop``."""
    if conversation.top_k is None:
        return False
    if knows and "sampling_refused" not in maker.quirks:
        return True
    drop("top_k", conversation, maker)
    return False


def chosen(conversation: Conversation, maker: Maker, can_force: bool = True) -> ToolChoice | None:
    """The tool choice for ``maker``; where a call can't be forced, the model decides. Raises as ``drop``."""
    choice = conversation.tool_choice
    if choice is None or choice.kind not in ("required", "tool"):
        return choice
    if can_force and "no_forced_tools" not in maker.quirks:
        return choice
    drop("tool_choice", conversation, maker)
    return ToolChoice("auto")


def word(key: str, conversation: Conversation) -> str:
    """What the caller calls ``key``."""
    return _WORDS.get((conversation.wire, key), key)


def body(fields: Mapping[str, object]) -> bytes:
    """The JSON object of ``fields``. Raises BadRequest where what the caller wrote can't be encoded."""
    try:
        return _encode(fields)
    except (UnicodeEncodeError, RecursionError) as error:
        raise BadRequest(f"the request can't be passed on: {error}") from None
