"""Whole answers as legacy completions."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer, Telling
from tokenworks.wire.conversation import Text, Thinking
from tokenworks.wire.costs import CHAT, with_cost
from tokenworks.wire.peek import raw
from tokenworks.wire.usage_written import chat_usage

_encode = msgspec.json.Encoder().encode


def write(answer: Answer, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
    """The body for a caller. This wire has one text: several become one."""
    text = "".join([block.text for block in answer.content if isinstance(block, Text)]) or answer.refusal
    choice = choice_of(text, finish_of(answer.stop))
    thought = "".join([block.text for block in answer.content if isinstance(block, Thinking)])
    if thought and not telling.exclude_reasoning:
        choice["reasoning"] = thought
    body = {
        **head(telling, telling.created_at(answer.created)),
        "system_fingerprint": None,
        "choices": [choice],
        "usage": with_cost(raw(chat_usage(usage)), CHAT, usage, telling.price, cost_nano_usd),
        **telling.extra,
    }
    return _encode(body)


def head(telling: Telling, created: int) -> dict[str, Any]:
    """What stands in every answer and chunk; ``created`` is unix seconds."""
    return {
        "id": telling.generation,
        "object": "text_completion",
        "created": created,
        "model": telling.model,
        "provider": telling.provider,
    }


def choice_of(text: str, finish: str | None) -> dict[str, Any]:
    """The one choice of an answer or a chunk."""
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}


def finish_of(stop: str) -> str:
    """``finish_reason`` for why the model stopped; this wire knows three reasons."""
    if stop in ("refusal", "content_filter"):
        return "content_filter"
    return "length" if stop == "length" else "stop"
