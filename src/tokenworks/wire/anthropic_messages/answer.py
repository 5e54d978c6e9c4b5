"""Whole answers as messages."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer, Telling, new_call_id
from tokenworks.wire.anthropic_messages.block import Block, Message, arguments_of, input_of
from tokenworks.wire.anthropic_messages.relay import STOPS
from tokenworks.wire.anthropic_messages.tally import Tally
from tokenworks.wire.complaint import error_message
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.costs import MESSAGES as COSTS
from tokenworks.wire.costs import with_cost
from tokenworks.wire.data_url import url_of
from tokenworks.wire.payloads import decoded
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import MESSAGES, sealed
from tokenworks.wire.usage_written import messages_usage

_decode = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode
_REASONS = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
}
_OTHER_REASONS = frozenset(("pause_turn",))


def read(body: bytes, quirks: frozenset[str] = frozenset()) -> Answer:
    """The answer in a provider's ``body``. Raises ValueError, saying why, when it is none.

    What was said to explain a refusal is its text.
    """
    message = decoded(_decode, body)
    if len(message.error) > len(b"null"):
        raise ValueError(error_message(bytes(message.error)))
    if message.content is None:
        raise ValueError("an answer without 'content'")
    blocks = [block for given in message.content if (block := _read(given)) is not None]
    reason, details = message.stop_reason or "", message.stop_details
    return Answer(
        tuple(blocks),
        STOPS.get(reason, reason),
        Tally().add(message.usage),
        (details.explanation or "") if details is not None else "",
        message.stop_sequence or "",
    )


def _read(block: Block) -> Text | Thinking | ToolUse | None:
    if block.type == "text" and block.text:
        return Text(block.text)
    if block.type == "thinking" and (block.thinking or block.signature):
        return Thinking(block.thinking or "", block.signature or "", format=MESSAGES)
    if block.type == "redacted_thinking" and block.data:
        return Thinking(redacted=block.data, format=MESSAGES)
    if block.type == "tool_use":
        return ToolUse(block.id or new_call_id(), block.name or "", arguments_of(block.input) or "{}")
    return None  # tools that the provider runs, and their results


def write(answer: Answer, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
    """The body for a caller. Pictures and refusals, which this wire has no blocks for, become text."""
    content = [
        block_of(block)
        for block in answer.content
        if not (telling.exclude_reasoning and isinstance(block, Thinking))
    ]
    if answer.refusal:
        content.append(text_of(answer.refusal))
    body = {
        **head(telling),
        "content": content,
        **ending(answer.stop, answer.stop_sequence, bool(answer.refusal)),
        "usage": with_cost(raw(messages_usage(usage)), COSTS, usage, telling.price, cost_nano_usd),
        **telling.extra,
    }
    return _encode(body)


def head(telling: Telling) -> dict[str, Any]:
    """What every message begins with."""
    return {
        "id": telling.generation,
        "type": "message",
        "role": "assistant",
        "model": telling.model,
        "provider": telling.provider,
        "container": None,
    }


def ending(stop: str, stop_sequence: str, refused: bool) -> dict[str, Any]:
    """How the message ended. Clients know few words: what is none of them is "end_turn"."""
    reason = _REASONS.get(stop) or ("stop_sequence" if stop_sequence else "end_turn")
    if refused and stop == "stop":
        reason = "refusal"
    if stop in _OTHER_REASONS:
        reason = stop
    details = {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None
    return {"stop_reason": reason, "stop_sequence": stop_sequence or None, "stop_details": details}


def block_of(block: Text | Thinking | ToolUse | Image) -> dict[str, Any]:
    """A content block."""
    if isinstance(block, Text):
        return text_of(block.text)
    if isinstance(block, Image):
        return text_of(picture_text(block))
    if isinstance(block, Thinking):
        if block.redacted:
            return {"type": "redacted_thinking", "data": sealed(block.redacted, block.format, MESSAGES)}
        signature = sealed(block.signature, block.format, MESSAGES)
        return {"type": "thinking", "thinking": block.text, "signature": signature}
    return {**call_of(block.id, block.name), "input": input_of(block.arguments)}


def text_of(text: str) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": text, "citations": None}


def call_of(id: str, name: str) -> dict[str, Any]:
    """A tool call without its ``input``."""
    return {"type": "tool_use", "id": id, "name": name, "caller": {"type": "direct"}}


def picture_text(image: Image) -> str:
    """A picture in words that most clients show as one."""
    return f"![image]({url_of(image)})"
