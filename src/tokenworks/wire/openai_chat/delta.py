"""What stands in a chunk or a whole answer of chat completions, in every provider's dialect."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.openai_chat import thinking
from tokenworks.wire.openai_chat.messages import SIGNER
from tokenworks.wire.peek import MALFORMED
from tokenworks.wire.usage import from_openai, fuller

NULL = msgspec.Raw(b"null")


class Part(msgspec.Struct, gc=False):
    """A piece of content, where content is a list: "text", or "thinking" with parts of its own."""

    type: str = "text"
    text: str | None = None
    thinking: list[Part] | str | None = None


class Function(msgspec.Struct, gc=False):
    """Arguments are JSON text; some send the very object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class Call(msgspec.Struct, gc=False):
    """A tool call, or a piece of one. ``index`` and ``id`` are left out by some."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: msgspec.Raw = NULL


class Detail(thinking.Detail, gc=False):
    """One of ``reasoning_details``; a provider may leave out everything."""

    type: str = ""


class Address(msgspec.Struct, gc=False):
    url: str = ""


class Picture(msgspec.Struct, gc=False):
    image_url: Address | str | None = None


class Delta(msgspec.Struct, gc=False):
    """``delta`` of a chunk and ``message`` of a whole answer. Reasoning stands in three places."""

    content: str | list[Part] | None = None
    refusal: str | None = None
    reasoning_details: list[Detail] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    images: list[Picture] | None = None
    tool_calls: list[Call] | None = None


class Choice(msgspec.Struct, gc=False):
    """``native_finish_reason`` is the word of who made the answer, behind a gateway."""

    index: int | None = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


class Body(msgspec.Struct, gc=False):
    """A chunk or a whole answer."""

    choices: list[Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    created: float | None = None
    object: str | None = None
    message: msgspec.Raw = NULL  # of an error, where it stands at the top

    @property
    def complaint(self) -> bytes | None:
        """The error that stands here in place of an answer, as JSON; None where none does."""
        if bytes(self.error) != b"null":
            return bytes(self.error)
        if self.object == "error":
            return bytes(self.message)
        return None


_FINISH = {
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_length": "length",
    "end_turn": "stop",
    "eos": "stop",
}


def stop_of(choice: Choice, called: bool) -> str:
    """Why the model stopped, see ``answer.STOPS``. Some say "stop" though tools were ``called``."""
    if choice.native_finish_reason == "refusal":
        return "refusal"
    reason = choice.finish_reason or ""
    reason = _FINISH.get(reason, reason)
    return "tool_calls" if reason == "stop" and called else reason


def usage_of(body: Body) -> Usage | None:
    """Usage told by a chunk or a whole answer; some tell it, or more of it, inside of a choice."""
    usage = from_openai(body.usage) if len(body.usage) > len(b"null") else None
    for choice in body.choices or ():
        if len(choice.usage) > len(b"null"):
            inner = from_openai(choice.usage)
            if inner is not None:
                return inner if usage is None else fuller(usage, inner)
    return usage


class _Vendor(msgspec.Struct, gc=False):
    thought_signature: str = ""


_decode_extra = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_vendor = msgspec.json.Decoder(_Vendor).decode


def thought_signature(extra_content: msgspec.Raw) -> str:
    """The signature that must come back with a call, whoever's name it stands under; empty for none."""
    if b"thought_signature" not in bytes(extra_content):
        return ""
    try:
        vendors = [_decode_vendor(vendor) for vendor in _decode_extra(extra_content).values()]
    except MALFORMED:
        return ""
    return next((vendor.thought_signature for vendor in vendors if vendor.thought_signature), "")


def extra_content(signature: str) -> dict[str, Any]:
    """``extra_content`` of a tool call with a signature."""
    return {SIGNER: {"thought_signature": signature}}
