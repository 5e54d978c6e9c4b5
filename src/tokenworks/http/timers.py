"""Timeouts of all connections of a worker, kept by looking at each of them now and then.

Setting, moving or dropping a timeout is one attribute write (``timed.deadline = sweeper.now +
seconds``), which is what a request pays, several times. The look at everybody costs about 40 ns a
connection and tick, whether or not requests come.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

TICK_S = 0.25
NEVER = float("inf")


class Timed(Protocol):
    """What has a timeout."""

    deadline: float  # loop time; NEVER = none

    def expire(self) -> None:
        """Called once when ``deadline`` has passed."""


class Sweeper:
    """``now`` is the loop's time at the last tick: at most one tick late, and free to read."""

    __slots__ = ("_handle", "_loop", "_watched", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Timed] = set()
        self.now = loop.time()
        self._handle: asyncio.TimerHandle | None = loop.call_later(TICK_S, self._sweep)

    def watch(self, timed: Timed) -> None:
        self._watched.add(timed)

    def forget(self, timed: Timed) -> None:
        """Drop every reference to ``timed``."""
        self._watched.discard(timed)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._watched.clear()

    def _sweep(self) -> None:
        # ``now`` lags by up to a tick when a deadline is set, so one more tick keeps it from firing early.
        late = self.now
        self.now = self._loop.time()
        self._handle = self._loop.call_later(TICK_S, self._sweep)
        for timed in [t for t in self._watched if t.deadline <= late]:
            if timed.deadline <= late:
                timed.deadline = NEVER
                timed.expire()
