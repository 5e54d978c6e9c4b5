"""Prompts that begin alike go to the same one of several equal endpoints: its cache has them.

No worker tells another: hashing of the prompt's leading bytes leads all of them, also after a restart, to the
same endpoint, as long as that has room and is well.

Hashed are the instructions, which many conversations may share. Where they are too popular for one endpoint
they get several, among which the first turns decide, and where these are too popular as well, the session.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from zlib import crc32

from tokenworks.catalog.prices import UNKNOWN_PRICE, is_free
from tokenworks.routing.affinity import pays
from tokenworks.routing.need import Need
from tokenworks.routing.rendezvous import bounded, spaced, spread
from tokenworks.routing.replicas import Replicas, weigh
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint

FILL = 0.5  # of an endpoint's share that one beginning may take before it gets another endpoint
SESSION = "session"
LEAST = 1024  # bytes: to share a shorter beginning saves less than to keep conversations apart costs


def rank(
    need: Need, endpoints: Sequence[Endpoint], stats: Stats, replicas: Replicas
) -> tuple[list[Endpoint], bool]:
    """``endpoints``, in which those that equal each other have changed places; whether there are any.

    Equal are those of the same model and price where a cache helps, as long as they are well. The places
    that a policy gave them stay theirs together. Where the session was served last comes first among them.
    """
    sets: dict[object, list[int]] = {}
    now = need.now
    for position, endpoint in enumerate(endpoints):
        vitals = stats.vitals(endpoint)
        if vitals is not None and (vitals.ailing(now) or (vitals.troubled and vitals.state(now) != "closed")):
            continue  # what is ailing or on trial stays where the policy has put it
        price = endpoint.price
        alike: object
        if price.id == UNKNOWN_PRICE.id:
            alike = endpoint.model
        elif pays(endpoint) or is_free(price):
            alike = (endpoint.model, price.pico_usd, price.tiers)
        else:
            continue
        if alike in sets:
            sets[alike].append(position)
        else:
            sets[alike] = [position]
    ranked = list(endpoints)
    several = False
    for positions in sets.values():
        if len(positions) > 1:
            several = True
            equals = [endpoints[position] for position in positions]
            for position, place in zip(positions, _order(need, equals, stats, replicas), strict=True):
                ranked[position] = equals[place]
    return ranked, several


def _order(need: Need, equals: Sequence[Endpoint], stats: Stats, replicas: Replicas) -> Sequence[int]:
    """Positions in ``equals``, the best first."""
    loads = [replicas.of(each) for each in equals]
    ranked: Sequence[int] = range(len(loads))  # with nothing to hash the policy's own order stays
    weigh(loads, need.now)
    among = len(loads)
    for part, key in _keys(need):
        ranked = spread(ranked, among, key, loads)
        if part == SESSION:  # nothing says more than that
            break
        share = replicas.beginnings(equals[0].model, part).share(key)
        among = min(among, math.ceil(share * len(loads) / FILL))
        if among == 1:
            break
    if stats.keeps:
        kept = [place for place in ranked if stats.sticky(equals[place])]
        ranked = [*kept, *(place for place in ranked if place not in kept)]
    return bounded(ranked, [load.under_way for load in loads])


def _keys(need: Need) -> Iterator[tuple[str, int]]:
    """What places the prompt, from what it shares with most others to what only its conversation has."""
    instructions, turns = need.lead.instructions, need.lead.turns
    found = crc32(instructions)
    if len(instructions) >= LEAST:
        yield "instructions", spaced(found)
    if turns and (len(instructions) + len(turns) >= LEAST or not need.session):
        yield "turns", spaced(crc32(turns, found))
    if need.session:
        yield SESSION, spaced(crc32(need.session.encode("utf-8", "surrogatepass")))
