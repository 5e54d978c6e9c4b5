"""Cheapest first."""

from __future__ import annotations

from collections.abc import Callable

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.routing.affinity import Kept
from tokenworks.routing.health import Health
from tokenworks.routing.need import Need
from tokenworks.routing.place import place_of
from tokenworks.routing.price import rank
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint, Price


def test_by_this_requests_own_cost(
    endpoint: Callable[..., Endpoint], need: Callable[..., Need], health: Health
) -> None:
    reads_cheap = endpoint("reads", price=Price("r", 1.0, 10.0))
    writes_cheap = endpoint("writes", price=Price("w", 3.0, 3.0))
    unknown, free = endpoint("unknown", price=UNKNOWN_PRICE), endpoint("free", 0.0)
    twin = endpoint("twin", 0.0)
    several = [unknown, writes_cheap, reads_cheap, free, twin]
    for input_tokens, expected in (
        (100_000, ["free", "twin", "reads", "writes", "unknown"]),
        (10, ["free", "twin", "writes", "reads", "unknown"]),
    ):
        asked = need(input_tokens=input_tokens, max_output_tokens=1000)
        found = rank(asked, several, Stats(asked, several, health))
        assert [each.provider for each in found] == expected
    assert [each.provider for each in several][:2] == ["unknown", "writes"], "the given list stays"


def test_a_warm_cache_may_make_the_dearer_one_cheaper(
    endpoint: Callable[..., Endpoint], need: Callable[..., Need], health: Health
) -> None:
    warm, cold = endpoint("warm", 2.0, cached=0.2), endpoint("cold", 1.0, cached=0.1)
    asked = need(input_tokens=10_000, max_output_tokens=100)
    for cached, first in ((9000, "warm"), (1000, "cold")):
        stats = Stats(asked, [warm, cold], health, Kept(place_of(warm), cached, 0.0))
        assert rank(asked, [warm, cold], stats)[0].provider == first
