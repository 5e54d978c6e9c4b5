"""Watches whether requests for ``auto`` fare otherwise than they used to, while the server runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from tokenworks.ledger.decided import DecisionRow
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.store import Store
from tokenworks.routing import drift
from tokenworks.routing.drift import BASELINE_DAYS, RECENT_DAYS, Alarm, Tallies

log = logging.getLogger(__name__)

LAG_US = 900_000_000  # a decision has the time at which its request began
PAGE = 1000  # decisions that one look reads, some 30 ms; what is left is for the next look
JUDGE_EVERY_US = 3_600_000_000
KEPT_DAYS = RECENT_DAYS + BASELINE_DAYS

Told = Callable[[Sequence[Alarm]], None]


class DriftWatch:
    """Use from one thread. What it counted is made anew from the store after a restart."""

    def __init__(self, store: Store, told: Told | None = None) -> None:
        """``told`` is called with all alarms that stand, each time they were looked at."""
        self._store = store
        self._told = told
        self._tallies: Tallies = {}
        self._last: DecisionRow | None = None
        self._judged_us = 0
        self._standing: frozenset[tuple[str, str]] = frozenset()

    def look(self, now_us: int) -> None:
        """Read what is new, and judge it each hour once everything is read. Raises ``StoreError``."""
        today = now_us // DAY_US
        since_us = (today - KEPT_DAYS) * DAY_US
        if self._last is not None:
            since_us = max(since_us, self._last.time_us)
        page = self._store.decisions(since_us, now_us - LAG_US, self._last, PAGE)
        if page:
            drift.tallied(page, self._tallies)
            self._last = page[-1]
        if len(page) < PAGE and now_us - self._judged_us >= JUDGE_EVERY_US:
            self._judged_us = now_us
            self._judge(today)

    def _judge(self, today: int) -> None:
        for key in [key for key in self._tallies if key[0] <= today - KEPT_DAYS]:
            del self._tallies[key]
        alarms = drift.alarms(self._tallies.values(), today)
        for alarm in alarms:
            if (alarm.task, alarm.measure) not in self._standing:
                log.warning("auto: %s (tokenworks route drift)", alarm.line)
        self._standing = frozenset((alarm.task, alarm.measure) for alarm in alarms)
        if self._told is not None:
            self._told(alarms)
