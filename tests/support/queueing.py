"""Queued requests put into a store directly, and what must hold of any store that keeps them."""

from __future__ import annotations

import itertools
from typing import Any

from tokenworks.ledger.queued import QueuedRow
from tokenworks.plans.spec import ModelClass, PlanSpec, PlanWindow

_serial = itertools.count(1)


def queued_row(key_id: str = "k_1", **more: Any) -> QueuedRow:
    """A request with an id of its own that is due at 100 µs."""
    given = {
        "id": f"q_{next(_serial):032x}",
        "path": "/v1/chat/completions",
        "model": "acme/fast",
        "caller": "{}",
        "created_us": 1,
        "not_before_us": 100,
        "body": b'{"model":"acme/fast"}',
    }
    return QueuedRow(key_id=key_id, **(given | more))


def one_credit(used_up: str = "queue", credits: float = 1.0, window: str = "hour", **more: Any) -> PlanSpec:
    """A plan of which every request takes one credit."""
    classes = (ModelClass("all", ("*",), request=1.0),)
    return PlanSpec("small", windows=(PlanWindow(credits, window),), classes=classes, used_up=used_up, **more)
