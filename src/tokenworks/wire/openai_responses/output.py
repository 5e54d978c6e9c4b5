"""What stands in a provider's response, whole or in the events of a stream."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.wire.answer import new_call_id
from tokenworks.wire.complaint import error_message
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.signature import RESPONSES

NULL = msgspec.Raw(b"null")
BETWEEN = "\n\n"  # parts of a summary

# Why a response is incomplete, in the words of ``answer.STOPS``; others stay as they are.
_REASONS = {"max_output_tokens": "length", "max_messages": "length"}
_encode = msgspec.json.Encoder().encode


class Part(msgspec.Struct, gc=False):
    """A part of an item's content or summary; ``type`` tells which of the fields it has."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None


class Item(msgspec.Struct, gc=False):
    """An item of any kind; ``type`` tells which of the fields it has."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    result: str | None = None
    output_format: str | None = None

    @property
    def arguments_text(self) -> str:
        """A call's arguments as JSON text; some send the very object."""
        given = self.arguments
        return _encode(given).decode() if isinstance(given, dict) else given or ""

    @property
    def thought(self) -> str:
        """What can be read of reasoning: itself, where it is shown, or a summary."""
        for parts in (self.content, self.summary):
            texts = [part.text for part in parts or () if part.text]
            if texts:
                return BETWEEN.join(texts)
        return ""

    @property
    def image(self) -> Image | None:
        """The picture that was made; None where there is none."""
        if self.type != "image_generation_call" or not self.result:
            return None
        return Image(media_type=f"image/{self.output_format or 'png'}", data=self.result)

    @property
    def thinking(self) -> Thinking | None:
        """Reasoning; what is encrypted signs the text, or stands for it where nothing can be read."""
        text, opaque, id = self.thought, self.encrypted_content or "", self.id or ""
        if self.type != "reasoning" or not (text or opaque):
            return None
        if text:
            return Thinking(text, opaque, "", id, RESPONSES)
        return Thinking("", "", opaque, id, RESPONSES)


class _Incomplete(msgspec.Struct, gc=False):
    reason: str | None = None


class Response(msgspec.Struct, gc=False):
    """A whole answer, or how it stands at one moment of a stream."""

    status: str | None = None
    output: list[Item] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    incomplete_details: _Incomplete | None = None
    created_at: float | None = None

    @property
    def complaint(self) -> str:
        """Why there is no answer here; empty where there is one."""
        if len(self.error) > len(b"null"):
            return error_message(bytes(self.error)) or "an error without a message"
        return "the response has failed" if self.status == "failed" else ""

    def stop(self, called: bool) -> str:
        """Why the model stopped, see ``answer.STOPS``. ``called``: it made tool calls."""
        if self.status == "incomplete":
            reason = (self.incomplete_details.reason if self.incomplete_details is not None else "") or ""
            return _REASONS.get(reason, reason) or "length"
        return "tool_calls" if called else "stop"


def blocks_of(item: Item) -> list[Text | Thinking | ToolUse | Image]:
    """The blocks of an item; none for kinds that other wires don't have."""
    if item.type == "message":
        return [Text(part.text) for part in item.content or () if part.text]
    if item.type == "function_call":
        call_id = item.call_id or item.id or new_call_id()
        return [ToolUse(call_id, item.name or "", item.arguments_text or "{}")]
    found = item.thinking or item.image
    return [found] if found is not None else []


def refusal_of(item: Item) -> str:
    """What the model says in an item instead of an answer."""
    return "".join([part.refusal for part in item.content or () if part.refusal])
