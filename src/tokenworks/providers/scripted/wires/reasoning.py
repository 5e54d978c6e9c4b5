"""Reasoning in openai_chat, which has no field of its own for it: four habits of providers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tokenworks.providers.scripted.turn import Turn

OPEN, CLOSE = "<think>\n", "\n</think>\n\n"


def prelude(turn: Turn) -> str:
    """What stands before the text where reasoning is written into it."""
    if turn.reply.reasoning and turn.reply.reasoning_style == "inline":
        return f"{OPEN}{turn.reply.reasoning}{CLOSE}"
    return ""


def message_of_thought(turn: Turn) -> dict[str, Any]:
    """Fields of a whole message."""
    reply = turn.reply
    if not reply.reasoning or reply.reasoning_style == "inline":
        return {}
    if reply.reasoning_style == "reasoning_details":
        detail = _detail(reply.reasoning)
        if reply.signature:
            detail["signature"] = reply.signature
        return {"reasoning": reply.reasoning, "reasoning_details": [detail]}
    return {reply.reasoning_style: reply.reasoning}


def delta_of_thought(turn: Turn) -> Iterator[dict[str, Any]]:
    """Deltas of a stream, before those of the text."""
    reply = turn.reply
    if not reply.reasoning:
        return
    if reply.reasoning_style == "inline":
        for piece in (OPEN, *turn.thoughts, CLOSE):
            yield {"content": piece}
        return
    for piece in turn.thoughts:
        if reply.reasoning_style == "reasoning_details":
            yield {"reasoning": piece, "reasoning_details": [_detail(piece)]}
        else:
            yield {"content": None, reply.reasoning_style: piece}
    if reply.reasoning_style == "reasoning_details" and reply.signature:
        yield {"reasoning_details": [{**_detail(""), "signature": reply.signature}]}


def _detail(text: str) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
