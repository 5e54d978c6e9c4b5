"""What is on offer, and how long a prompt is: answers that come from no model."""

from __future__ import annotations

from typing import Any

from tokenworks.providers.scripted.frame import Frame, encode
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.turn import Turn

CREATED = 1_700_000_000
CREATED_AT = "2023-11-14T22:13:20Z"


def listing(ask: Ask, models: tuple[str, ...]) -> Frame | None:
    """The models, or the one that the path names; None when there is no such model.

    Who sends ``anthropic-version`` gets Anthropic's shape, others OpenAI's.
    """
    own = "anthropic-version" in ask.headers
    make = _anthropic if own else _openai
    _, found, wanted = ask.path.partition("?")[0].partition("/models/")
    if found:
        return Frame(encode(make(wanted))) if wanted in models else None
    body: dict[str, Any] = {"data": [make(model) for model in models]}
    if own:
        ends = (models[0], models[-1]) if models else (None, None)
        body |= {"has_more": False, "first_id": ends[0], "last_id": ends[1]}
    else:
        body["object"] = "list"
    return Frame(encode(body))


def token_count(turn: Turn) -> Frame:
    """The answer to a count of a prompt's tokens. It is free: nothing is claimed."""
    return Frame(encode({"input_tokens": turn.usage.input_tokens}))


def _openai(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": CREATED, "owned_by": "scripted"}


def _anthropic(model: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model,
        "display_name": model,
        "created_at": CREATED_AT,
        "lifecycle": "active",
    }
