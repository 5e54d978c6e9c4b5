"""When an endpoint is left alone, and when it may be tried again. Times are monotonic seconds.

Two things keep an endpoint at rest: the breaker, opened by its failures, and a rest that it asked for
itself (too many requests) or that nothing but time can end (a key or an account that is refused).
"""

from __future__ import annotations

import math
from typing import Literal

MAX_DOUBLINGS = 4  # 16 times the first rest
BUSY_MINUTE = 10  # requests of a minute from which on half of them failing opens the breaker
STEADY_S = 60.0  # closed for so long: the next rest is a short one again
PROBE_S = 60.0  # a trial without an end by then: another may be made
FIRST_PAUSE_S = 1.0  # after "too many requests" without a word about when to come back
MAX_PAUSE_S = 64.0
MAX_REST_S = 86_400.0

State = Literal["closed", "open", "half_open", "resting"]


class Breaker:
    """State of one endpoint. ``calm`` is true while nothing at all is amiss: no other question is needed."""

    __slots__ = (
        "_closed_at",
        "_doublings",
        "_failures",
        "_limit",
        "_open_until",
        "_opened",
        "_pause_s",
        "_probe_until",
        "_rest_s",
        "_rest_until",
        "_wished_until",
        "calm",
    )

    def __init__(self, failures: int, rest_s: float) -> None:
        """``failures`` in a row open it; ``rest_s`` is its first rest."""
        self.calm = True
        self._limit = failures
        self._rest_s = rest_s
        self._failures = 0  # in a row
        self._opened = False
        self._open_until = self._probe_until = self._rest_until = self._wished_until = 0.0
        self._closed_at = -math.inf
        self._doublings = 0
        self._pause_s = FIRST_PAUSE_S

    def admit(self, now: float) -> bool:
        """May a request go there now? True for exactly one request while it is half open."""
        if self.calm:
            return True
        if self.down(now):
            return False
        if self._opened:
            self._probe_until = now + PROBE_S
        else:
            self.calm = True
        return True

    def down(self, now: float) -> bool:
        """Would ``admit`` say no? Changes nothing."""
        if self.calm:
            return False
        return now < self._rest_until or (
            self._opened and (now < self._open_until or now < self._probe_until)
        )

    def state(self, now: float) -> State:
        """The word for where it stands."""
        if self._opened:
            return "open" if now < self._open_until else "half_open"
        return "resting" if now < self._rest_until else "closed"

    def rest_s(self, now: float) -> float | None:
        """How long it is still to be left alone by its own word; None when it said nothing of that."""
        return self._wished_until - now if now < self._wished_until else None

    def answered(self, now: float) -> bool:
        """The endpoint has begun to answer well; whether that closed the breaker."""
        if not self._opened or now < self._open_until:
            return False  # an answer to what was asked before it opened says nothing about now
        self._opened = False
        self._probe_until = 0.0
        self._failures = 0
        self._closed_at = now
        self.calm = now >= self._rest_until
        return True

    def succeeded(self) -> None:
        """A whole answer was good."""
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S

    def released(self) -> None:
        """A request ended without telling anything about the endpoint: another may be the trial."""
        self._probe_until = 0.0

    def failed(self, now: float, requests: int, failures: int) -> None:
        """One more failure, among so many requests and failures of the last minute."""
        self._failures += 1
        if self._opened:
            if now >= self._open_until:  # not the late end of what was sent before it opened
                self._open(now, self._doublings + (now < self._probe_until))
        elif self._failures >= self._limit or (requests >= BUSY_MINUTE and 2 * failures >= requests):
            self._open(now, self._doublings + 1 if now - self._closed_at < STEADY_S else 0)

    def pause(self, now: float, retry_after_s: float | None) -> None:
        """It asks for fewer requests: rest for as long as it says, else 1 s, 2 s, 4 s and so on."""
        self._probe_until = 0.0  # it does answer
        if retry_after_s is not None:
            self.rest(now, retry_after_s)
        elif now >= self._rest_until:
            self.rest(now, self._pause_s, wished=False)
            self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)

    def rest(self, now: float, seconds: float, *, wished: bool = True) -> None:
        """Leave it alone for so long; a longer rest that was asked for before stays.

        ``wished``: it said so itself.
        """
        if wished:
            self._wished_until = max(self._wished_until, now + min(seconds, MAX_REST_S))
        self._rest_until = max(self._rest_until, now + min(seconds, MAX_REST_S))
        self.calm = False

    def _open(self, now: float, doublings: int) -> None:
        self._doublings = min(doublings, MAX_DOUBLINGS)
        self._open_until = now + self._rest_s * 2**self._doublings
        self._opened = True
        self._probe_until = 0.0
        self.calm = False
