"""How many requests may be under way, by key and model: more after each that went well, half as many after a
"too many"."""

from __future__ import annotations

import asyncio
from collections import deque

FIRST = 4.0  # at a time, of a model that nothing is known of
BUSY = frozenset((429, 503, 529))
MOST_REST_S = 300.0
_REST_S = 1.0  # after a "too many" that names no time; doubles with each further one in a row


class _Model:
    __slots__ = ("cut_at", "gentle", "in_a_row", "limit", "rest_until", "under_way", "waiting")

    def __init__(self) -> None:
        self.limit = FIRST
        self.gentle = False  # it was cut once: one more a round from then on, before that one more an answer
        self.cut_at = -1.0
        self.rest_until = 0.0
        self.in_a_row = 0
        self.under_way = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Pace:
    """Of one worker. Use from the loop's thread."""

    def __init__(self, most: int) -> None:
        """``most`` requests are under way at a time, of all models together."""
        self._most = most
        self._under_way = 0
        self._models: dict[str, _Model] = {}

    def limit(self, model: str) -> float:
        """How many of this model may be under way now."""
        found = self._models.get(model)
        return min(found.limit if found else FIRST, self._most)

    async def enter(self, model: str) -> float:
        """Wait for a turn; returns when it came, on the loop's clock. ``leave`` must follow."""
        loop = asyncio.get_running_loop()
        of = self._models.setdefault(model, _Model())
        if of.waiting or not self._room(of, loop.time()):
            turn: asyncio.Future[None] = loop.create_future()
            of.waiting.append(turn)
            self._wake_later(of, loop)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # it had come
                    self._give_back(of, loop)
                elif turn in of.waiting:  # else it was passed over already
                    of.waiting.remove(turn)
                raise
        else:
            self._take(of)
        return loop.time()

    def leave(self, model: str, entered: float, status: int, retry_after_s: float | None = None) -> None:
        """A request of ``model`` that entered then was answered with ``status``; 0: it was not."""
        loop = asyncio.get_running_loop()
        of, now = self._models[model], loop.time()
        if status in BUSY:
            if entered >= of.cut_at:  # those that were under way then say nothing new
                of.limit, of.cut_at, of.gentle = max(of.limit / 2, 1.0), now, True
                of.in_a_row += 1
            rest_s = retry_after_s if retry_after_s is not None else _REST_S * 2 ** min(of.in_a_row - 1, 5)
            of.rest_until = max(of.rest_until, now + min(rest_s, MOST_REST_S))
        elif 200 <= status < 300:
            of.in_a_row = 0
            if of.limit < self._most:
                of.limit = min(of.limit + (1 / of.limit if of.gentle else 1.0), self._most)
        self._give_back(of, loop)

    def _room(self, of: _Model, now: float) -> bool:
        return self._under_way < self._most and of.under_way < int(of.limit) and now >= of.rest_until

    def _take(self, of: _Model) -> None:
        of.under_way += 1
        self._under_way += 1

    def _give_back(self, of: _Model, loop: asyncio.AbstractEventLoop) -> None:
        of.under_way -= 1
        self._under_way -= 1
        self._wake(of, loop)
        if self._under_way < self._most:
            for other in self._models.values():
                if other.waiting and other is not of:
                    self._wake(other, loop)

    def _wake(self, of: _Model, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while of.waiting and self._room(of, now):
            turn = of.waiting.popleft()
            if not turn.done():
                self._take(of)
                turn.set_result(None)
        self._wake_later(of, loop)

    def _wake_later(self, of: _Model, loop: asyncio.AbstractEventLoop) -> None:
        """Where only its rest keeps it."""
        now = loop.time()
        if of.waiting and now < of.rest_until:
            loop.call_later(of.rest_until - now + 0.001, self._wake, of, loop)
