"""Best first by something that was measured, with a look now and then at those that were not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tokenworks.routing.health import Mean, Vitals
from tokenworks.routing.need import Need
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint

STALE_S = 1800.0  # what was measured longer ago says little
EXPLORE = 0.05  # share of requests that go to an endpoint without a fresh measure first
STICKY_BONUS = 0.8  # a session stays where its cache is, if that is a fifth slower at most


def best_first(
    need: Need,
    endpoints: Sequence[Endpoint],
    stats: Stats,
    mean_of: Callable[[Vitals], Mean],
    badness: Callable[[float], float],
) -> list[Endpoint]:
    """Endpoints by ``badness`` of their measure, the unmeasured behind them by cost.

    One request in twenty tries an endpoint without a measure of the last half hour first: else whoever
    was measured first would stay first.
    """
    keyed = []
    stale = []
    for position, endpoint in enumerate(endpoints):
        vitals = stats.vitals(endpoint)
        mean = mean_of(vitals) if vitals is not None else None
        if mean is None or mean.value is None:
            keyed.append((True, stats.cost(endpoint), position))
            stale.append(position)
            continue
        bad = badness(mean.value)
        if stats.sticky(endpoint):
            bad *= STICKY_BONUS
        keyed.append((False, bad, position))
        if need.now - mean.at > STALE_S:
            stale.append(position)
    ranked = [position for _, _, position in sorted(keyed)]
    if stale and len(stale) < len(ranked) and need.draw() < EXPLORE:
        chosen = stale[int(need.draw() * len(stale))]
        ranked.remove(chosen)
        ranked.insert(0, chosen)
    return [endpoints[position] for position in ranked]
