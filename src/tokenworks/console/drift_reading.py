"""Alarms of drift for a page: decisions are read bit by bit, so that no page waits for all of them."""

from __future__ import annotations

import threading
import time

import msgspec

from tokenworks.ledger.decided import DecisionRow
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.store import Store
from tokenworks.routing import drift
from tokenworks.routing.drift import BASELINE_DAYS, RECENT_DAYS, Alarm, Tallies

PAGE = 1000  # decisions that are read at once, some 30 ms
BUDGET_S = 0.05  # for which one page reads
LAG_US = 900_000_000  # a decision has the time at which its request began, and comes when that has ended
KEPT_DAYS = RECENT_DAYS + BASELINE_DAYS


class Reading(msgspec.Struct, frozen=True):
    """What is known so far."""

    alarms: tuple[Alarm, ...]
    decisions: int  # that were read
    whole: bool  # False: more are left for the next page
    until_us: int  # up to when they were read


class DriftReading:
    """Keeps what it counted from page to page. Any thread may look; one at a time reads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._tallies: Tallies = {}
        self._last: DecisionRow | None = None
        self._decisions = 0

    def look(self, now_us: int, budget_s: float = BUDGET_S) -> Reading:
        """Read on for ``budget_s``, one page at least, and say what stands. Raises ``StoreError``."""
        today = now_us // DAY_US
        with self._lock:
            whole = self._read(today, now_us - LAG_US, time.monotonic() + budget_s)
            for key in [key for key in self._tallies if key[0] <= today - KEPT_DAYS]:
                del self._tallies[key]
            alarms = drift.alarms(self._tallies.values(), today)
            until_us = now_us if whole or self._last is None else self._last.time_us
            return Reading(tuple(alarms), self._decisions, whole, until_us)

    def _read(self, today: int, until_us: int, deadline: float) -> bool:
        """Whether everything is read."""
        since_us = (today - KEPT_DAYS + 1) * DAY_US
        while True:
            if self._last is not None:
                since_us = max(since_us, self._last.time_us)
            rows = self._store.decisions(since_us, until_us, self._last, PAGE)
            if rows:
                drift.tallied(rows, self._tallies)
                self._last, self._decisions = rows[-1], self._decisions + len(rows)
            if len(rows) < PAGE:
                return True
            if time.monotonic() >= deadline:
                return False
