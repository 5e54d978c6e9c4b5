"""How many went well and how many badly in the last so many seconds, in fixed memory."""

from __future__ import annotations


class Window:
    """A ring of ``buckets``, each ``width_s`` seconds wide. Times are monotonic seconds.

    A count over ``n`` buckets' time covers that time at least and at most one bucket more.
    """

    __slots__ = ("_at", "_bad", "_good", "_size", "_width")

    def __init__(self, width_s: float, buckets: int) -> None:
        self._width = width_s
        self._size = buckets + 1  # one more, for the bucket that is being filled
        self._at = 0  # number of the newest bucket since the clock began
        self._good = [0] * self._size
        self._bad = [0] * self._size

    def add(self, now: float, good: bool, count: int = 1) -> None:
        """Count one more that ended at ``now``, or so many."""
        at = int(now // self._width)
        if at > self._at:
            self._turn(at)
        counts = self._good if good else self._bad
        counts[self._at % self._size] += count

    def counts(self, now: float, seconds: float) -> tuple[int, int]:
        """(good, bad) of the last ``seconds``; no more than the ring's whole time is remembered."""
        at = int(now // self._width)
        if at > self._at:
            self._turn(at)
        size, newest = self._size, self._at
        looked = min(int(-(-seconds // self._width)) + 1, size)
        good = bad = 0
        for number in range(newest - looked + 1, newest + 1):
            place = number % size
            good += self._good[place]
            bad += self._bad[place]
        return good, bad

    def clear(self) -> None:
        """Forget everything."""
        self._good = [0] * self._size
        self._bad = [0] * self._size

    def _turn(self, at: int) -> None:
        """Begin bucket ``at``, and empty those that were passed without a count."""
        if at - self._at >= self._size:
            self.clear()
        else:
            for number in range(self._at + 1, at + 1):
                self._good[number % self._size] = self._bad[number % self._size] = 0
        self._at = at
