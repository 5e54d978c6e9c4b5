"""What a running server does now and then beside serving: fair use is looked after, what is old dropped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from tokenworks.errors import StoreError
from tokenworks.ledger.store import Store

if TYPE_CHECKING:
    from tokenworks.app.drift_watch import Told

log = logging.getLogger(__name__)

EVERY_S = 15.0
PRUNE_EVERY_S = 3600.0
DECISIONS_US = 400 * 86_400_000_000  # how long it is kept how a request was decided

BATCHES_DAYS = 30  # for which one that is over is kept


class Caretaker:
    """One thread of the supervisor."""

    def __init__(
        self, store: Store, drifted: Told | None = None, *, keep_batches_days: int = BATCHES_DAYS
    ) -> None:
        """``drifted`` is told each hour in what ``auto`` fares otherwise than it used to."""
        self._batches_us = keep_batches_days * 86_400_000_000
        self._store = store
        self._drifted = drifted
        self._prune_at = time.monotonic() + PRUNE_EVERY_S

    @cached_property
    def _looks(self) -> tuple[Callable[[int], object], ...]:
        """At fair use, at what can be learned of, at drift. Imported for the first round, not for the start:
        it takes as long as all else that a supervisor imports."""
        from tokenworks.app.drift_watch import DriftWatch  # noqa: PLC0415 - see above
        from tokenworks.app.fair_use import FairUseWatch  # noqa: PLC0415
        from tokenworks.app.tutor import Tutor  # noqa: PLC0415

        drift = DriftWatch(self._store, self._drifted)
        return FairUseWatch(self._store).look, Tutor(self._store).look, drift.look

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set. A store that is down is asked again the next time."""
        while not stop.wait(EVERY_S):
            try:
                self.work(time.time_ns() // 1000)
            except StoreError as error:
                log.warning("caretaker: %s; trying again in %.0f s", error, EVERY_S)
            except Exception:
                log.exception("caretaker: unexpected; going on")

    def work(self, now_us: int) -> None:
        """One round. Raises ``StoreError``."""
        look_at_fair_use, learn, look_at_drift = self._looks
        look_at_fair_use(now_us)
        self._store.expire_queue(now_us)
        self._store.expire_captures(now_us)
        learn(now_us)
        look_at_drift(now_us)
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_EVERY_S
            dropped = self._store.prune_accounts(now_us)
            if dropped:
                log.info("limits: %d old counts dropped", dropped)
            self._store.prune_decisions(now_us - DECISIONS_US)
        self._store.expire_files(now_us)
        self._store.expire_batches(now_us - self._batches_us)
