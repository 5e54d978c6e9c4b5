"""Whole answers as responses."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer, Telling
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.data_url import url_of
from tokenworks.wire.openai_responses.custom_tool import input_of, names_in
from tokenworks.wire.openai_responses.output import Response, blocks_of, refusal_of
from tokenworks.wire.openai_responses.response import (
    called,
    custom_call,
    ended,
    fixed,
    function_call,
    image_call,
    item_id,
    message,
    reasoning,
    refusal_part,
    status_of,
    text_part,
    usage_told,
)
from tokenworks.wire.payloads import decoded
from tokenworks.wire.usage import from_responses

_decode = msgspec.json.Decoder(Response).decode
_encode = msgspec.json.Encoder().encode

Block = Text | Thinking | ToolUse | Image


def read(body: bytes, quirks: frozenset[str] = frozenset()) -> Answer:
    """The answer in a provider's ``body``. Raises ValueError, saying why, when it is none."""
    response = decoded(_decode, body)
    if response.complaint:
        raise ValueError(response.complaint)
    if response.output is None:
        raise ValueError("an answer without 'output'")
    content = [block for item in response.output for block in blocks_of(item)]
    return Answer(
        tuple(content),
        response.stop(any(isinstance(block, ToolUse) for block in content)),
        from_responses(response.usage) if len(response.usage) > len(b"null") else None,
        "".join([refusal_of(item) for item in response.output]),
        created=int(response.created_at or 0),
    )


def write(answer: Answer, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
    """The body for a caller: an item for each block. A picture known by its address only becomes text."""
    status = status_of(answer.stop)
    custom = names_in(telling.asked)
    items: list[dict[str, Any]] = []
    for block in answer.content:
        if not (telling.exclude_reasoning and isinstance(block, Thinking)):
            items.append(_item(block, telling, len(items), custom))
    if answer.refusal:
        id = item_id("msg", telling.generation, len(items))
        items.append(message(id, "completed", refusal_part(answer.refusal)))
    if items and status == "incomplete" and items[-1]["type"] != "image_generation_call":
        items[-1]["status"] = status
    response = ended(
        fixed(telling, telling.created_at(answer.created)),
        answer.stop,
        [_encode(item) for item in items],
        usage_told(telling, usage, cost_nano_usd),
        int(time.time()),
    )
    return b"%b,%b" % (response[:-1], _encode(telling.extra)[1:]) if telling.extra else response


def _item(block: Block, telling: Telling, index: int, custom: frozenset[str]) -> dict[str, Any]:
    generation = telling.generation
    if isinstance(block, Thinking):
        opaque = block.signature or block.redacted
        id = reasoning_id(block.id, generation, index)
        return reasoning(id, block.text, opaque, block.format, "completed")
    if isinstance(block, ToolUse):
        if block.name in custom:
            id = item_id("ctc", generation, index)
            return custom_call(
                id, block.id, called(block.name, telling), input_of(block.arguments), "completed"
            )
        id = item_id("fc", generation, index)
        return function_call(id, block.id, called(block.name, telling), block.arguments, "completed")
    if isinstance(block, Image) and block.data:
        return image_call(item_id("ig", generation, index), block.data, block.media_type, "completed")
    text = block.text if isinstance(block, Text) else picture_text(block)
    return message(item_id("msg", generation, index), "completed", text_part(text))


def reasoning_id(id: str, generation: str, index: int) -> str:
    """The id of reasoning: its own, where its maker gave one of this wire's form."""
    return id if id.startswith("rs_") else item_id("rs", generation, index)


def picture_text(image: Image) -> str:
    """A picture in words that most clients show as one."""
    return f"![image]({url_of(image)})"
