"""Best first by a measure, with a look at what has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.routing.affinity import Kept
from tokenworks.routing.health import Health
from tokenworks.routing.measured import EXPLORE, STALE_S, best_first
from tokenworks.routing.need import Need
from tokenworks.routing.place import place_of
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint

Make = Callable[..., Endpoint]
Ask = Callable[..., Need]


def order(need: Need, several: Sequence[Endpoint], health: Health, kept: Kept | None = None) -> list[str]:
    stats = Stats(need, several, health, kept)
    found = best_first(need, several, stats, lambda vitals: vitals.ttft_s, lambda seconds: seconds)
    return [each.provider for each in found]


@pytest.fixture
def several(endpoint: Make, health: Health) -> list[Endpoint]:
    """Slow, quick and middling ones, and two without a measure."""
    made = [endpoint("new", 2.0), endpoint("newer", 1.0)]
    for name, seconds in (("slow", 2.0), ("quick", 0.2), ("middling", 1.0)):
        made.append(endpoint(name, 5.0))
        health.of(made[-1]).first_token(seconds, 999.0)
    return made


def test_the_unmeasured_follow_by_cost(several: list[Endpoint], need: Ask, health: Health) -> None:
    assert order(need(), several, health) == ["quick", "middling", "slow", "newer", "new"]


def test_one_in_twenty_looks_at_one_without_a_measure(
    several: list[Endpoint], need: Ask, health: Health
) -> None:
    asked = need(seed=1)
    found = Counter(order(asked, several, health)[0] for _ in range(10_000))
    assert found.keys() == {"quick", "new", "newer"}
    assert found["new"] / 10_000 == pytest.approx(EXPLORE / 2, abs=0.005)
    assert found["newer"] / 10_000 == pytest.approx(EXPLORE / 2, abs=0.005)


def test_an_old_measure_still_ranks_but_is_looked_at_again(
    several: list[Endpoint], need: Ask, health: Health
) -> None:
    measured = several[2:]
    asked = need(seed=2, now=999.0 + STALE_S)
    assert {tuple(order(asked, measured, health)) for _ in range(500)} == {("quick", "middling", "slow")}
    later = 1000.0 + STALE_S
    health.of(measured[1]).first_token(0.2, later)
    asked = need(seed=2, now=later)
    found = Counter(tuple(order(asked, measured, health)) for _ in range(2000))
    assert found.keys() == {
        ("quick", "middling", "slow"),
        ("slow", "quick", "middling"),
        ("middling", "quick", "slow"),
    }
    assert found["quick", "middling", "slow"] > 1800


def test_where_nothing_is_measured_cost_decides(endpoint: Make, need: Ask, health: Health) -> None:
    new = [endpoint("two", 2.0), endpoint("unknown", price=UNKNOWN_PRICE), endpoint("one", 1.0)]
    asked = need(seed=3)
    assert {tuple(order(asked, new, health)) for _ in range(200)} == {("one", "two", "unknown")}


def test_a_session_stays_unless_another_is_clearly_better(endpoint: Make, need: Ask, health: Health) -> None:
    here, there = endpoint("here"), endpoint("there")
    kept = Kept(place_of(here), 0, 0.0)
    health.of(there).first_token(1.0, 999.0)
    for seconds, first in ((1.2, "here"), (1.3, "there")):
        health.of(here).ttft_s.value = seconds
        health.of(here).ttft_s.at = 999.0
        assert order(need(), [there, here], health, kept)[0] == first
        assert order(need(), [there, here], health)[0] == "there"
