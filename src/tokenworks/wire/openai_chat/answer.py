"""Whole answers as chat completions."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer, Event, Telling
from tokenworks.wire.complaint import error_message
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.costs import CHAT, with_cost
from tokenworks.wire.data_url import url_of
from tokenworks.wire.joined import joined
from tokenworks.wire.openai_chat.blocks import Blocks
from tokenworks.wire.openai_chat.delta import Body, extra_content, usage_of
from tokenworks.wire.openai_chat.stream_reader import STOPPED_BY_ERROR
from tokenworks.wire.openai_chat.thinking import as_text, write_details
from tokenworks.wire.payloads import decoded
from tokenworks.wire.peek import raw
from tokenworks.wire.usage_written import chat_usage

_decode = msgspec.json.Decoder(Body).decode
_encode = msgspec.json.Encoder().encode


def read(body: bytes, quirks: frozenset[str] = frozenset()) -> Answer:
    """The answer in a provider's ``body``, its first choice. Raises ValueError, saying why, for none."""
    found = decoded(_decode, body)
    complaint = found.complaint
    choice = next((choice for choice in found.choices or () if not choice.index), None)
    if choice is not None and len(choice.error) > len(b"null"):
        complaint = bytes(choice.error)
    if complaint is not None:
        raise ValueError(error_message(complaint))
    if choice is None:
        raise ValueError("an answer without a choice")
    message = choice.message or choice.delta
    if message is None:
        raise ValueError("an answer without 'message'")
    if choice.finish_reason == "error":
        raise ValueError(STOPPED_BY_ERROR)
    blocks, events = Blocks(quirks), list[Event]()
    blocks.take(message, events)
    if choice.finish_reason:
        blocks.stop(choice, events)
    blocks.end(events)
    answer = joined(events, created=int(found.created or 0))
    return msgspec.structs.replace(answer, usage=usage_of(found))


def write(answer: Answer, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
    """The body for a caller. This wire has one text: several become one."""
    body = {
        "id": telling.generation,
        "object": "chat.completion",
        "created": telling.created_at(answer.created),
        "model": telling.model,
        "provider": telling.provider,
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": _message(answer, telling.exclude_reasoning),
                "logprobs": None,
                "finish_reason": finish_of(answer.stop),
                "native_finish_reason": answer.stop,
            }
        ],
        "usage": with_cost(raw(chat_usage(usage)), CHAT, usage, telling.price, cost_nano_usd),
        **telling.extra,
    }
    return _encode(body)


def finish_of(stop: str) -> str:
    """``finish_reason`` for why the model stopped. Clients know few words: what is none of them is "stop"."""
    if stop == "refusal":
        return "content_filter"
    return stop if stop in ("stop", "length", "tool_calls", "content_filter") else "stop"


def _message(answer: Answer, exclude_reasoning: bool) -> dict[str, Any]:
    content = answer.content
    calls = [_call(block) for block in content if isinstance(block, ToolUse)]
    texts = [block.text for block in content if isinstance(block, Text)]
    thoughts = [block for block in content if isinstance(block, Thinking) and not exclude_reasoning]
    images = [block for block in content if isinstance(block, Image)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts or not (calls or answer.refusal) else None,
        "refusal": answer.refusal or None,
        "reasoning": as_text(thoughts) or None,
    }
    if thoughts:
        message["reasoning_details"] = write_details(thoughts)
    if images:
        message["images"] = [picture_of(image) for image in images]
    if calls:
        message["tool_calls"] = calls
    return message


def picture_of(image: Image) -> dict[str, Any]:
    """One of ``images``."""
    return {"type": "image_url", "image_url": {"url": url_of(image)}}


def _call(block: ToolUse) -> dict[str, Any]:
    function = {"name": block.name, "arguments": block.arguments}
    call: dict[str, Any] = {"id": block.id, "type": "function", "function": function}
    if block.signature:
        call["extra_content"] = extra_content(block.signature)
    return call
