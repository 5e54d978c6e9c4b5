"""For tool calls: endpoints known to support tools first, and of them those that fail least."""

from __future__ import annotations

from collections.abc import Sequence

from tokenworks.routing.need import Need
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint


def rank(need: Need, endpoints: Sequence[Endpoint], stats: Stats) -> list[Endpoint]:
    """By support of tools (yes, not known, no), by the day's share of errors in steps of 1 %, by cost.

    Without such steps one failure in thousands would outweigh any price. A session stays where its
    cache is among endpoints of the same step.
    """

    def key(endpoint: Endpoint) -> tuple[int, int, bool, float]:
        supported = endpoint.supported_parameters
        doubt = 1 if supported is None else 0 if "tools" in supported else 2
        vitals = stats.vitals(endpoint)
        errors = vitals.error_share(need.now) if vitals is not None else 0.0
        return doubt, round(100 * errors), not stats.sticky(endpoint), stats.cost(endpoint)

    return sorted(endpoints, key=key)
