"""Fastest first, by tokens per second of whole answers."""

from __future__ import annotations

from collections.abc import Sequence

from tokenworks.routing.measured import best_first
from tokenworks.routing.need import Need
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint


def rank(need: Need, endpoints: Sequence[Endpoint], stats: Stats) -> list[Endpoint]:
    """By the mean of recent answers, newer ones weighing more."""
    return best_first(need, endpoints, stats, lambda vitals: vitals.tokens_per_s, lambda speed: 1 / speed)
