"""Cheapest first, by what this very request will likely cost."""

from __future__ import annotations

from collections.abc import Sequence

from tokenworks.routing.need import Need
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint


def rank(need: Need, endpoints: Sequence[Endpoint], stats: Stats) -> list[Endpoint]:
    """Input from a session's cache counts at its own price, so a kept endpoint may be the cheapest.

    An unknown price comes last; at the same cost the given order stays.
    """
    return sorted(endpoints, key=stats.cost)
