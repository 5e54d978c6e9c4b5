"""What people do to a batch: pause it, let it go on, cancel it, try again what failed."""

from __future__ import annotations

import time

from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.batched import (
    CANCELLING,
    FAILED,
    IN_PROGRESS,
    OVER,
    PAUSED,
    REQUESTS,
    VALIDATING,
    BatchRow,
)
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.store import Store

ACTIONS = ("pause", "resume", "cancel", "retry")
RECIPE_US = 7 * DAY_US  # that a recipe may take: a novel may need longer than a day
BY_HAND = {"pause": "paused by hand", "cancel": "cancelled by hand"}

_FROM = {
    "pause": (VALIDATING, IN_PROGRESS),
    "resume": (PAUSED,),
    "cancel": (VALIDATING, IN_PROGRESS, PAUSED),
}
_TO = {"pause": PAUSED, "cancel": CANCELLING}
_AGAIN = {
    "pause": (PAUSED,),
    "resume": (VALIDATING, IN_PROGRESS),
    "cancel": (CANCELLING,),
}  # it is so already


def allowed(row: BatchRow) -> tuple[str, ...]:
    """What can be done to a batch as it is now."""
    if row.status in OVER:
        unread = row.total == 0 and row.kind != REQUESTS
        unwritten = row.status == FAILED and row.total > 0
        return ("retry",) if row.waiting or row.failed or unread or unwritten else ()
    return tuple(action for action, states in _FROM.items() if row.status in states)


def act(store: Store, batch_id: str, action: str, *, actor: str) -> BatchRow:
    """Do one of ``ACTIONS`` and return the batch as it is then; what is so already stays.

    Raises ``NotFound``, and ``BadRequest`` where its status does not allow that.
    """
    row = store.batch(batch_id)
    if row is None:
        raise NotFound(f"no batch has the id {batch_id[:60]}; tokenworks batch list shows them")
    if action == "retry":
        return _retry(store, row, actor)
    if row.status in _AGAIN[action]:
        return row
    if action == "resume":
        changed = store.run_again(row.id, actor=actor)
    else:
        changed = store.update_batch(
            row.id, status=_TO[action], note=BY_HAND[action], expected=_FROM[action], actor=actor
        )
    if changed is None:
        now = store.batch(row.id) or row
        fix = "; retry does what is left of it" if now.status in OVER else ""
        raise BadRequest(f"batch {row.id} is {now.status}; {action} is for {' or '.join(_FROM[action])}{fix}")
    return changed


def _retry(store: Store, row: BatchRow, actor: str) -> BatchRow:
    if row.status in OVER and row.kind == REQUESTS and row.total == 0:
        raise BadRequest("no request of it could be read; correct its file and start another batch")
    kept_us = DAY_US if row.kind == REQUESTS else RECIPE_US
    changed = store.retry_batch(row.id, expires_us=time.time_ns() // 1000 + kept_us, actor=actor)
    if changed is None:
        now = store.batch(row.id) or row
        raise BadRequest(f"batch {row.id} is {now.status}; only one that is over is tried again")
    return changed
