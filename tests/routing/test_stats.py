"""What a request will likely cost at an endpoint, and whose cache holds its session."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.routing.affinity import Kept
from tokenworks.routing.health import Health
from tokenworks.routing.need import Need
from tokenworks.routing.place import place_of
from tokenworks.routing.stats import LEAST_OUTPUT, Stats
from tokenworks.schema import Endpoint, Price, PriceTier

Make = Callable[..., Endpoint]
Ask = Callable[..., Need]


def test_cost_is_input_and_expected_output(endpoint: Make, need: Ask, health: Health) -> None:
    one = endpoint(price=Price("p", 2.0, 10.0, request_usd=0.001))
    for asked, output in (
        (need(input_tokens=1000), LEAST_OUTPUT),
        (need(input_tokens=40_000), 10_000),
        (need(input_tokens=40_000, max_output_tokens=300), 300),
        (need(input_tokens=1000, max_output_tokens=5000), LEAST_OUTPUT),
    ):
        expected = (asked.input_tokens * 2.0 + output * 10.0) / 1e6 + 0.001
        assert Stats(asked, [one], health).cost(one) == pytest.approx(expected)


def test_expected_output_is_what_the_model_gave_so_far_anywhere(
    endpoint: Make, need: Ask, health: Health
) -> None:
    one, other, new = (endpoint(name, price=Price(name, 0.0, 1.0)) for name in ("one", "other", "new"))
    health.of(one).succeeded(1.0, 1000, 0.0)
    health.of(other).succeeded(1.0, 3000, 0.0)
    stats = Stats(need(), [one, other, new], health)
    assert [stats.cost(each) for each in (one, other, new)] == pytest.approx([0.002] * 3)
    assert Stats(need(max_output_tokens=100), [one, new], health).cost(new) == pytest.approx(0.0001)
    assert health.find(new) is None


def test_cached_input_counts_at_its_own_price_where_it_is_cached(
    endpoint: Make, need: Ask, health: Health
) -> None:
    here, there = endpoint("here", 1.0, cached=0.1), endpoint("there", 1.0, cached=0.1)
    asked = need(input_tokens=10_000, max_output_tokens=0)
    stats = Stats(asked, [here, there], health, Kept(place_of(here), 8000, 0.0))
    assert (stats.sticky(here), stats.sticky(there)) == (True, False)
    assert stats.cost(here) == pytest.approx(0.0028)
    assert stats.cost(there) == pytest.approx(0.01)
    shorter = Stats(asked, [here], health, Kept(place_of(here), 50_000, 0.0))
    assert shorter.cost(here) == pytest.approx(0.001), "no more is cached than is sent"


def test_tiers_count_for_long_requests(endpoint: Make, need: Ask, health: Health) -> None:
    tiers = (PriceTier(5000, 3.0, 0.0, cache_read_mtok=0.3),)
    one = endpoint(price=Price("p", 1.0, 0.0, cache_read_mtok=0.1, tiers=tiers))
    kept = Kept(place_of(one), 4000, 0.0)
    assert Stats(need(input_tokens=5000), [one], health).cost(one) == pytest.approx(0.005)
    assert Stats(need(input_tokens=6000), [one], health).cost(one) == pytest.approx(0.018)
    assert Stats(need(input_tokens=6000), [one], health, kept).cost(one) == pytest.approx(0.0072)


def test_nothing_known_and_nothing_charged_are_two_things(endpoint: Make, need: Ask, health: Health) -> None:
    unknown, free = endpoint("unknown", price=UNKNOWN_PRICE), endpoint("free", 0.0)
    stats = Stats(need(), [unknown, free], health)
    assert (stats.cost(unknown), stats.cost(free)) == (math.inf, 0.0)
    assert (stats.vitals(unknown), stats.sticky(free)) == (None, False)


def test_a_new_session_finds_in_the_cache_what_others_found_there(
    endpoint: Make, need: Ask, health: Health
) -> None:
    """The effective price of input: h x cached + (1 - h) x fresh."""
    warm, cold, new = (endpoint(name, price=Price(name, 1.0, 0.0, 0.1)) for name in ("warm", "cold", "new"))
    plain = endpoint("plain", 1.0)
    asked = need(input_tokens=10_000, max_output_tokens=0)
    several = [warm, cold, new, plain]
    for one, cached in ((warm, 8000), (cold, 0), (plain, 5000)):
        health.of(one).read(10_000, cached, 999.0)
    stats = Stats(asked, several, health)
    assert stats.cost(warm) == pytest.approx(0.01 * (0.8 * 0.1 + 0.2))
    assert stats.cost(cold) == pytest.approx(0.01)
    others = (0.8 + 0.0 + 0.5) / 3  # not measured there, so as elsewhere
    assert stats.cost(new) == pytest.approx(0.01 * (others * 0.1 + 1 - others), rel=1e-3)
    assert stats.cost(plain) == pytest.approx(0.01), "its cache saves nothing"
    kept = Stats(asked, several, health, Kept(place_of(cold), 9000, 0.0))
    assert kept.cost(cold) == pytest.approx(0.01 * (0.9 * 0.1 + 0.1))
    assert kept.cost(warm) == pytest.approx(0.01), "this session's prompt is not there"


def test_the_cheaper_list_price_may_be_the_dearer_one(endpoint: Make, need: Ask, health: Health) -> None:
    listed = endpoint("listed", price=Price("listed", 0.9, 0.0, 0.9))
    cached = endpoint("cached", price=Price("cached", 1.0, 0.0, 0.1))
    asked = need(input_tokens=1000, max_output_tokens=0)

    def cheapest() -> str:
        stats = Stats(asked, [listed, cached], health)
        return min((listed, cached), key=stats.cost).provider

    assert cheapest() == "listed"
    health.of(cached).read(1000, 500, 999.0)
    assert cheapest() == "cached"
