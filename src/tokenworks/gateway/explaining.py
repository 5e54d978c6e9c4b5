"""What ``auto`` would do with a prompt: the decision that a worker would make, and nobody is asked."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from tokenworks.catalog.auto import AUTO
from tokenworks.gateway.auto import Auto
from tokenworks.gateway.caller import Caller
from tokenworks.gateway.settling import BYTES_PER_TOKEN
from tokenworks.gateway.way import CHAT
from tokenworks.ledger.record import Record
from tokenworks.plans.keys import Key
from tokenworks.routing.decision import story
from tokenworks.routing.knobs import PLUGIN_ID


def request_of(
    prompt: str,
    *,
    allowed: Sequence[str] = (),
    quality: float | None = None,
    max_cost_usd: float | None = None,
    strong: str = "",
) -> bytes:
    """A chat request of one message, as a client would send it. None, "" and empty: nothing is wished."""
    asked: dict[str, Any] = {"model": AUTO, "messages": [{"role": "user", "content": prompt}]}
    if allowed:
        asked["plugins"] = [{"id": PLUGIN_ID, "allowed_models": list(allowed)}]
    if quality is not None:
        asked["quality"] = quality
    if max_cost_usd is not None:
        asked["max_cost"] = max_cost_usd
    if strong:
        asked["strong"] = strong
    return msgspec.json.encode(asked)


def foretold(auto: Auto, body: bytes, app: str = "") -> dict[str, Any]:
    """How ``auto`` decides on the chat request ``body`` of a key without rules of its own.

    Nothing is asked, recorded or changed, and never another model goes first to learn of it. On the loop's
    thread where ``auto`` serves. Raises BadRequest where no model can serve it.
    """
    steady = copy.copy(auto)
    steady.draw = lambda: 0.0
    asked = CHAT.read(body)
    tokens = asked.input_bytes // BYTES_PER_TOKEN
    record = Record("", time.time_ns() // 1000, app=app, uncached_input_tokens=tokens)
    course = steady.course(CHAT, asked, Caller(Key("", "", "member"), {}), record, None, local_only=False)
    assert course is not None  # auto was asked for
    models = [each.model for each in course.route.cheap]
    if course.checked:
        models.append(course.route.strong.model)
    return {**story(course.decision), "asks": models, "input_tokens": tokens}
