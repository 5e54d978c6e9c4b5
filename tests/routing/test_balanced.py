"""The default order: shares by 1 / cost², and what comes before and after the draw."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.config.settings import RoutingSettings
from tokenworks.routing.affinity import Kept
from tokenworks.routing.balanced import rank
from tokenworks.routing.health import Health
from tokenworks.routing.need import Need
from tokenworks.routing.place import place_of
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint, Price

Make = Callable[..., Endpoint]
Ask = Callable[..., Need]
DRAWS = 20_000


def order(need: Need, several: Sequence[Endpoint], health: Health, kept: Kept | None = None) -> list[str]:
    return [each.provider for each in rank(need, several, Stats(need, several, health, kept))]


def shares(need: Need, several: Sequence[Endpoint], health: Health) -> Counter[tuple[str, ...]]:
    return Counter(tuple(order(need, several, health)) for _ in range(DRAWS))


def test_a_third_of_the_price_gets_nine_times_the_share(endpoint: Make, need: Ask, health: Health) -> None:
    found = shares(need(seed=1), [endpoint("three", 3.0), endpoint("one", 1.0)], health)
    assert found["one", "three"] / DRAWS == pytest.approx(0.9, abs=0.007)
    assert found["one", "three"] + found["three", "one"] == DRAWS


def test_fallbacks_are_drawn_from_those_that_remain(endpoint: Make, need: Ask, health: Health) -> None:
    several = [endpoint("one", 1.0), endpoint("two", 2.0), endpoint("three", 3.0)]
    weights = {"one": 1.0, "two": 1 / 4, "three": 1 / 9}
    total = sum(weights.values())
    found = shares(need(seed=2), several, health)
    for first in weights:
        for second in weights.keys() - {first}:
            (third,) = weights.keys() - {first, second}
            expected = weights[first] / total * weights[second] / (total - weights[first])
            assert found[first, second, third] / DRAWS == pytest.approx(expected, abs=0.008)


def test_only_the_proportions_of_prices_count(endpoint: Make, need: Ask, health: Health) -> None:
    for scale in (1e-4, 1.0, 1e4):
        several = [endpoint("one", scale), endpoint("two", 2 * scale)]
        found = shares(need(seed=3), several, health)
        assert found["one", "two"] / DRAWS == pytest.approx(0.8, abs=0.01)


def test_what_costs_nothing_comes_first_and_what_is_unknown_last(
    endpoint: Make, need: Ask, health: Health
) -> None:
    several = [
        endpoint("unknown", price=UNKNOWN_PRICE),
        endpoint("cheap", 1e-6),
        endpoint("local", 0.0, engine="one"),
        endpoint("gift", 0.0),
    ]
    found = shares(need(seed=4), several, health)
    assert {names[2:] for names in found} == {("cheap", "unknown")}
    assert found["local", "gift", "cheap", "unknown"] / DRAWS == pytest.approx(0.5, abs=0.015)


def test_the_session_comes_before_the_price(endpoint: Make, need: Ask, health: Health) -> None:
    warm, cheap, free = endpoint("warm", 9.0, cached=1.0), endpoint("cheap", 1.0), endpoint("free", 0.0)
    kept = Kept(place_of(warm), 500, 0.0)
    assert order(need(), [cheap, free, warm], health, kept) == ["warm", "free", "cheap"]
    elsewhere = Kept(place_of(endpoint("warm", model="a/other")), 500, 0.0)
    assert order(need(), [cheap, free, warm], health, elsewhere)[-1] == "warm"


@pytest.mark.parametrize("times", [1, 2, 5])
def test_health_comes_before_the_session_and_the_price(
    endpoint: Make, need: Ask, health: Health, times: int
) -> None:
    warm, cheap = endpoint("warm", 1.0, cached=0.1), endpoint("cheap", 1.0)
    kept = Kept(place_of(warm), 500, 0.0)
    for _ in range(times):
        health.of(warm).failed("timeout", 999.0)
    expected = ["warm", "cheap"] if times == 1 else ["cheap", "warm"]
    assert order(need(), [warm, cheap], health, kept) == expected
    if times == 5:
        drawn = Counter(
            order(need(seed=seed, now=1015.0), [warm, cheap], health, kept)[0] for seed in range(200)
        )
        assert drawn["warm"] > 20, "half open: it takes part in the draw, else it would never be tried"
        assert drawn["cheap"] > 20, "but the session does not pull it to the front"


def test_a_resting_engine_of_our_own_is_no_first_choice(endpoint: Make, need: Ask, health: Health) -> None:
    ours, dear = endpoint("local", 0.0, engine="one"), endpoint("dear", 90.0)
    assert order(need(), [ours, dear], health) == ["local", "dear"]
    health.of(ours).failed("overloaded", 999.0, 10.0)
    assert order(need(), [ours, dear], health) == ["dear", "local"]
    assert order(need(now=1009.0), [ours, dear], health) == ["local", "dear"]


PRICES = st.sampled_from([UNKNOWN_PRICE, Price("f", 0, 0), Price("c", 1e-9, 0), Price("d", 5, 1e6)])


@given(st.lists(st.tuples(PRICES, st.integers(0, 6)), max_size=8), st.integers(0, 2**32), st.integers(-1, 7))
def test_an_order_holds_each_endpoint_once_and_those_that_ail_last(
    drawn: list[tuple[Price, int]], seed: int, sticky: int
) -> None:
    health = Health(RoutingSettings())
    several = [Endpoint("a/m", f"p{n}", "m", price, 1000) for n, (price, _) in enumerate(drawn)]
    for each, (_, failures) in zip(several, drawn, strict=True):
        for _ in range(failures):
            health.of(each).failed("closed", 50.0)
    need = Need(100, 60.0, random.Random(seed).random)
    kept = Kept(("a/m", f"p{sticky}", "m", ""), 10, 0.0)
    found = rank(need, several, Stats(need, several, health, kept))
    assert sorted(map(id, found)) == sorted(map(id, several))
    ailing = [drawn[int(each.provider[1:])][1] >= 2 for each in found]
    assert ailing == sorted(ailing)
