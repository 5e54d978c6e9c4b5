"""How a measure is spread over the last half hour: its quantiles, in fixed memory.

Values are counted in buckets, each a tenth wider than the one before, so a quantile is right to 5 %
whatever the number of samples. Six slices of five minutes each are forgotten one by one.
"""

from __future__ import annotations

import itertools
import math
from array import array
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

SLICE_S = 300.0
SLICES = 6
REFRESH_S = 1.0  # for so long quantiles are answered from the last look at all slices
_BUCKETS = 146  # from 1 ms to 1,100 s, or from 0.1 to 110,000 tokens/s
_PER_E = 1 / math.log(1.1)  # buckets


class Percentiles(msgspec.Struct, frozen=True):
    """Four quantiles of one measure."""

    p50: float
    p75: float
    p90: float
    p99: float


class Spread:
    """Counts of positive values; what is not above ``low`` is counted with the lowest bucket."""

    __slots__ = ("_known", "_looked_at", "_low", "_slices", "_sums")

    def __init__(self, low: float) -> None:
        self._low = low
        self._slices: dict[int, array[int]] = {}  # by number of the slice since the clock began
        self._looked_at = -math.inf
        self._sums: list[int] = []  # samples up to and with each bucket, at the last look
        self._known: dict[float, float | None] = {}  # quantiles asked for since then

    def add(self, value: float, now: float) -> None:
        """Count ``value``, measured at ``now`` (monotonic seconds)."""
        self.add_all((value,), now)

    def add_all(self, values: Sequence[float], now: float) -> None:
        """Count ``values``, all measured in the slice of five minutes that ``now`` is in."""
        slot = int(now // SLICE_S)
        counts = self._slices.get(slot)
        if counts is None:
            self._drop(slot)
            counts = self._slices[slot] = array("I", bytes(4 * _BUCKETS))
        low, log = self._low, math.log
        for value in values:
            bucket = int(log(value / low) * _PER_E) if value > low else 0
            counts[bucket if bucket < _BUCKETS else _BUCKETS - 1] += 1

    def count(self, now: float) -> int:
        """Samples of the last half hour."""
        if now - self._looked_at >= REFRESH_S:
            self._look(now)
        return self._sums[-1] if self._sums else 0

    def quantile(self, share: float, now: float) -> float | None:
        """The value that ``share`` (0 to 1) of the samples do not exceed; None without samples."""
        if now - self._looked_at >= REFRESH_S:
            self._look(now)
        if share not in self._known:
            self._known[share] = self._find(share)
        return self._known[share]

    def percentiles(self, now: float, *, descending: bool = False) -> Percentiles | None:
        """p50 to p99; None without samples.

        ``descending`` is for measures of which more is better: p90 is what 90 % reach at least.
        """
        shares = (0.5, 0.25, 0.1, 0.01) if descending else (0.5, 0.75, 0.9, 0.99)
        found = [value for share in shares if (value := self.quantile(share, now)) is not None]
        return Percentiles(*found) if found else None

    def _find(self, share: float) -> float | None:
        if not self._sums:
            return None
        wanted = max(share * self._sums[-1], 1)
        bucket = min(bisect_left(self._sums, wanted), _BUCKETS - 1)
        return self._low * math.exp((bucket + 0.5) / _PER_E)

    def _look(self, now: float) -> None:
        """Add the slices up, once in a while."""
        self._drop(int(now // SLICE_S))
        self._looked_at = now
        self._known.clear()
        self._sums = list(itertools.accumulate(map(sum, zip(*self._slices.values(), strict=True))))

    def _drop(self, slot: int) -> None:
        """Forget what is half an hour older than slice ``slot``."""
        for old in [each for each in self._slices if each <= slot - SLICES]:
            del self._slices[old]
