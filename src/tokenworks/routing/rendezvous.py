"""Which of several replicas a key belongs to, without anybody's memory of it.

Rendezvous hashing: every replica gets a score from the key and its own seed, and the highest wins. So a
replica that comes or goes moves only its own share. Loads are bounded as by Mirrokni, Thorup and
Zadimoghaddam, "Consistent Hashing with Bounded Loads" (SODA 2018). Weights by the logarithmic method of
Schindelhauer and Schomaker, "Weighted Distributed Hash Tables" (SPAA 2005).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tokenworks.routing.replicas import Replica

BOUND = 2.5  # requests under way at one of them, as a multiple of their mean

_64_BITS = (1 << 64) - 1
_53_BITS = float(1 << 53)


def spaced(checksum: int) -> int:
    """32 bits spread over 64, the same in every process."""
    return (checksum + 1) * 0x9E3779B97F4A7C15 & _64_BITS


def order(key: int, loads: Sequence[Replica]) -> list[int]:
    """Positions in ``loads`` as ``key`` prefers them, each first in proportion to its weight."""
    scores = [
        load.weight / math.log(((key * load.seed & _64_BITS) >> 11 | 1) / _53_BITS)  # below 0
        for load in loads
    ]
    return sorted(range(len(scores)), key=scores.__getitem__)


def spread(ranked: Sequence[int], among: int, key: int, loads: Sequence[Replica]) -> list[int]:
    """``ranked``, of which the first ``among`` are ordered anew by ``key``."""
    if among == len(loads):
        return order(key, loads)
    first = sorted(ranked[:among])
    return [*(first[turn] for turn in order(key, [loads[place] for place in first])), *ranked[among:]]


def bounded(ranked: Sequence[int], under_way: Sequence[int]) -> Sequence[int]:
    """``ranked`` with those behind that have as many requests under way as they may, the least busy first.

    This request is counted, so one of them at least has room.
    """
    limit = math.ceil(BOUND * (sum(under_way) + 1) / len(under_way))
    if max(under_way) < limit:
        return ranked
    full = sorted((place for place in ranked if under_way[place] >= limit), key=under_way.__getitem__)
    return [place for place in ranked if under_way[place] < limit] + full
