"""Who is alive, by the database's clock, and who does what the dead had under way."""

from __future__ import annotations

import logging
import time

from tokenworks.batches.engine import Engine
from tokenworks.batches.timing import Timing
from tokenworks.ledger.store import Store

log = logging.getLogger(__name__)


class Pulse:
    """One worker's heartbeat. A worker that was stopped for too long must not go on: others do its work."""

    def __init__(self, store: Store, worker: str, timing: Timing) -> None:
        self._store, self._worker, self._timing = store, worker, timing
        self._beaten_at = 0.0

    @property
    def steady(self) -> bool:
        """Whether nobody can have given this worker up yet."""
        return time.monotonic() - self._beaten_at < self._timing.dead_s * 0.8

    def beat(self, *, first: bool = False) -> bool:
        """Say that it is alive; False where it was given up. Raises ``StoreError``."""
        before = time.monotonic()
        alive = self._store.beat(self._worker, first=first)
        if alive:
            self._beaten_at = before
        return alive

    def end(self) -> None:
        """It ends by itself: others need not wait."""
        self._store.forget_worker(self._worker)


def take_over(store: Store, engine: Engine, timing: Timing) -> int:
    """Give up workers that are silent, and let others do what they had under way; how much that was.

    What belongs to workers that nobody knows is taken over too, so that one who dies in the middle of this
    leaves nothing behind. One worker does this at a time. Raises ``StoreError``.
    """
    silent = store.dead_workers(timing.dead_s)
    if not silent and engine.owners() <= set(store.batch_workers()):
        return 0
    with store.turn():
        for worker in silent:
            if store.give_up_worker(worker, timing.dead_s):
                log.warning("batches: worker %s is silent; others take over", worker)
        orphans = engine.owners() - set(store.batch_workers())
        return engine.take_over(orphans) if orphans else 0
