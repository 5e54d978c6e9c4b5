"""The default: healthy before ailing, a session to its cache, and then a draw in favour of the cheap."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tokenworks.routing.need import Need
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint

_STICKY, _FREE, _PRICED, _UNPRICED, _TROUBLED = range(5)


def rank(need: Need, endpoints: Sequence[Endpoint], stats: Stats) -> list[Endpoint]:
    """Draw with weight 1 / cost², the next one from those that remain, and so on.

    Before the draw come the session's own endpoint, if it is healthy and not on trial, and what costs
    nothing; after it an unknown price, then endpoints that are down or had an outage a moment ago.
    """
    placed = []
    for position, endpoint in enumerate(endpoints):
        vitals = stats.vitals(endpoint)
        cost = stats.cost(endpoint)
        # The least of exponential clocks that run at the speed of the weights: the order in which they
        # ring is the order of weighted draws without putting back.
        clock = -math.log(1.0 - need.draw())
        if vitals is not None and vitals.ailing(need.now):
            tier = _TROUBLED
        elif stats.sticky(endpoint) and (vitals is None or vitals.state(need.now) == "closed"):
            tier = _STICKY
        elif cost == 0:
            tier = _FREE
        elif cost == math.inf:
            tier = _UNPRICED
        else:
            tier = _PRICED
        if 0 < cost < math.inf:
            clock *= cost * cost
        placed.append((tier, clock, position, endpoint))
    placed.sort()  # positions differ, so endpoints are never compared
    return [endpoint for _, _, _, endpoint in placed]
