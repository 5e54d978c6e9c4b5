"""Output items of the Responses wire: reasoning, message and function calls, whole and as events.

The events of an item lack ``output_index`` and ``sequence_number``, which the stream adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tokenworks.providers.scripted.reply import ToolCall
from tokenworks.providers.scripted.turn import Turn

Event = dict[str, Any]


class Item(msgspec.Struct, frozen=True):
    """One output item: as it stands in the finished response, and the events that lead there."""

    done: Event
    events: Iterator[Event]


def output_items(turn: Turn, status: str) -> Iterator[Item]:
    """The items of ``turn`` in order; ``status`` is that of the message item."""
    if turn.reply.reasoning:
        yield _reasoning(turn)
    if turn.text or turn.reply.refusal or not turn.reply.tool_calls:
        yield _message(turn, status)
    for index, call in enumerate(turn.reply.tool_calls):
        yield _call(turn, index, call)


def _wrapped(opened: Event, done: Event, inner: Iterator[Event]) -> Iterator[Event]:
    yield {"type": "response.output_item.added", "item": opened}
    yield from inner
    yield {"type": "response.output_item.done", "item": done}


def _reasoning(turn: Turn) -> Item:
    item_id = turn.id("rs_")
    part = {"type": "summary_text", "text": turn.reply.reasoning}
    done: Event = {"id": item_id, "type": "reasoning", "summary": [part]}
    if turn.reply.signature:
        done["encrypted_content"] = turn.reply.signature
    place = {"item_id": item_id, "summary_index": 0}

    def inner() -> Iterator[Event]:
        kind = "response.reasoning_summary"
        yield {"type": f"{kind}_part.added", **place, "part": {"type": "summary_text", "text": ""}}
        for piece in turn.thoughts:
            yield {"type": f"{kind}_text.delta", **place, "delta": piece}
        yield {"type": f"{kind}_text.done", **place, "text": turn.reply.reasoning}
        yield {"type": f"{kind}_part.done", **place, "part": part}

    return Item(done, _wrapped({**done, "summary": []}, done, inner()))


def _message(turn: Turn, status: str) -> Item:
    item_id = turn.id("msg_")
    parts: list[Event] = []
    makers: list[Callable[[int], Iterator[Event]]] = []
    if turn.text or not turn.reply.refusal:
        parts.append({"type": "output_text", "annotations": [], "logprobs": [], "text": turn.text})
        makers.append(lambda index: _text_events(turn, item_id, index))
    if turn.reply.refusal:
        parts.append({"type": "refusal", "refusal": turn.reply.refusal})
        makers.append(lambda index: _refusal_events(turn, item_id, index))
    done = {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": parts}

    def inner() -> Iterator[Event]:
        for index, (part, make) in enumerate(zip(parts, makers, strict=True)):
            place = {"item_id": item_id, "content_index": index}
            empty = {key: "" if key in ("text", "refusal") else value for key, value in part.items()}
            empty["type"] = part["type"]
            yield {"type": "response.content_part.added", **place, "part": empty}
            yield from make(index)
            yield {"type": "response.content_part.done", **place, "part": part}

    return Item(done, _wrapped({**done, "status": "in_progress", "content": []}, done, inner()))


def _text_events(turn: Turn, item_id: str, index: int) -> Iterator[Event]:
    place = {"item_id": item_id, "content_index": index, "logprobs": []}
    for piece in turn.pieces:
        yield {"type": "response.output_text.delta", **place, "delta": piece}
    yield {"type": "response.output_text.done", **place, "text": turn.text}


def _refusal_events(turn: Turn, item_id: str, index: int) -> Iterator[Event]:
    place = {"item_id": item_id, "content_index": index}
    for piece in turn.reply.pieces(turn.reply.refusal):
        yield {"type": "response.refusal.delta", **place, "delta": piece}
    yield {"type": "response.refusal.done", **place, "refusal": turn.reply.refusal}


def _call(turn: Turn, index: int, call: ToolCall) -> Item:
    item_id = f"{turn.id('fc_')}{index:04d}"
    done: Event = {
        "id": item_id,
        "type": "function_call",
        "status": "completed",
        "arguments": call.json,
        "call_id": turn.call_id(index),
        "name": call.name,
    }
    opened = {**done, "status": "in_progress", "arguments": call.json if call.at_start else ""}

    def inner() -> Iterator[Event]:
        kind = "response.function_call_arguments"
        for piece in call.pieces():
            yield {"type": f"{kind}.delta", "item_id": item_id, "delta": piece}
        yield {"type": f"{kind}.done", "item_id": item_id, "name": call.name, "arguments": call.json}

    return Item(done, _wrapped(opened, done, inner()))
