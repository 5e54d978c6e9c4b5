"""Which way a request goes: by rule, by what an agent's tools say, by price and promise, by chance."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from choosing_models import CHEAP, OTHER, STRONG, steady
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tokenworks.config.auto import RouteUse
from tokenworks.gateway import choosing
from tokenworks.gateway.choosing import CASCADE, DIRECT, EXPLORING, RULE, STAGE, choose
from tokenworks.gateway.weighing import Offers, Weighed
from tokenworks.routing import explore
from tokenworks.routing.cascade import Option, Route
from tokenworks.routing.decision import Decision
from tokenworks.routing.difficulty import Look
from tokenworks.routing.knobs import Knobs
from tokenworks.routing.need import Need
from tokenworks.routing.rules import Ruled
from tokenworks.routing.thompson import Belief
from tokenworks.schema import Price
from tokenworks.wire.history import History, ToolResult

MODELS = {CHEAP: (0.6, 1e-4), OTHER: (0.65, 2e-4), "beta/small": (0.64, 1.5e-4), STRONG: (0.95, 1e-2)}
GOOD = ToolResult("bash", '{"command":"pytest"}', "5 passed in 0.1s", None)
BAD = ToolResult("bash", '{"command":"pytest"}', "1 failed\nExit code 1\nAssertionError: 1 != 2", True)


def weighed(results: tuple[ToolResult, ...] = (), turns: int = 0) -> Weighed:
    said = History(user="Capital of France?", results=results, turns=turns, after_tool=bool(results))
    vector = np.zeros(64, dtype=np.float32)
    need = Need(100, 0.0, lambda: 0.5)
    return Weighed(said, Look("knowledge", 0.9, 1.0, vector), need, "", "k")


def offers(models: Any = None, strong: str = STRONG, weight: float = 20.0, **cached: int) -> Offers:
    models = models or MODELS
    options = [Option(name, name.partition("/")[0], right, cost) for name, (right, cost) in models.items()]
    beliefs = {o.model: Belief(o.right * weight + 1e-3, (1 - o.right) * weight + 1e-3) for o in options}
    prices = {o.model: Price("p", o.cost_usd * 1e4, o.cost_usd * 4e4, o.cost_usd * 1e3) for o in options}
    named = next(o for o in options if o.model == strong)
    tokens = {o.model: cached.get(o.model.partition("/")[2], 0) for o in options}
    return Offers(options, named, beliefs, prices, tokens, {o.model: o.right for o in options})


def chosen(
    what: Offers | None = None,
    seen: Weighed | None = None,
    ruled: Ruled | None = None,
    *,
    checkable: bool = True,
    explored: float = 0.0,
    uniform: float = 0.999,
    **knobs: Any,
) -> tuple[Route, Decision]:
    with steady():
        return choose(
            seen or weighed(),
            what or offers(),
            Knobs(**({"quality": 0.95} | knobs)),
            ruled,
            checkable=checkable,
            most_explored=explored,
            uniform=uniform,
        )


def test_a_cascade_where_answers_can_be_checked() -> None:
    route, told = chosen()
    assert route.checked and route.second is not None and route.first.family != route.second.family
    assert (told.path, told.strong, told.task, told.why) == (CASCADE, STRONG, "knowledge", route.why)
    assert not told.explored and told.quality == 0.95
    assert [each.propensity for each in told.candidates] == [
        float(each.model == route.first.model) for each in told.candidates
    ]


def test_the_strong_one_at_once_where_they_can_not() -> None:
    route, told = chosen(checkable=False)
    assert (route.first.model, told.path) == (STRONG, "strong")


def test_a_cheap_one_where_it_keeps_the_quality() -> None:
    route, told = chosen(checkable=False, quality=0.65)
    assert (route.first.model, route.checked, told.path) == (OTHER, False, DIRECT) or told.path == DIRECT
    assert route.first.right >= 0.65 * 0.95


def test_a_rule_for_one_model() -> None:
    ruled = Ruled("mine", RouteUse(models=(OTHER,)))
    route, told = chosen(offers({OTHER: MODELS[OTHER]}, OTHER), ruled=ruled, explored=1.0)
    assert (route.first.model, route.checked, told.path, told.rule) == (OTHER, False, RULE, "mine")


def test_a_rule_for_several_models_is_a_choice() -> None:
    ruled = Ruled("mine", RouteUse(models=(CHEAP, STRONG)))
    models = {name: MODELS[name] for name in (CHEAP, STRONG)}
    _, told = chosen(offers(models), ruled=ruled)
    assert told.path != RULE and told.rule == "mine"


# --- agents -----------------------------------------------------------------------------------------


def test_an_agent_that_gets_on_stays_cheap_and_one_that_is_stuck_does_not() -> None:
    route, told = chosen(seen=weighed((GOOD,), 3), checkable=False)
    assert (told.path, route.checked) == (STAGE, False) and route.first.model != STRONG
    assert "gets on" in told.why
    bad = tuple(replace(BAD, turn=number) for number in range(5))
    route, told = chosen(seen=weighed(bad, 9), checkable=False)
    assert (told.path, route.first.model) == (STAGE, STRONG) and "stuck" in told.why
    assert told.stage and len(told.stage) <= 200


def test_an_agent_stays_where_its_prompt_is_cached() -> None:
    # 50,000 tokens are read by the one that has them at a tenth of the price, by the others anew.
    models = {CHEAP: (0.65, 0.05), OTHER: (0.6, 0.0055), STRONG: (0.95, 0.1)}
    prices = {CHEAP: Price("p", 1.0, 4.0, 0.1), OTHER: Price("p", 1.1, 4.4, 0.11)}
    prices[STRONG] = Price("p", 10.0, 40.0)
    for cached, kept in ((50_000, OTHER), (0, CHEAP)):
        if not cached:
            models[OTHER] = (0.6, 0.055)
        what = replace(offers(models, other=cached), prices=prices)
        route, told = chosen(what, seen=weighed((GOOD,), 3), checkable=False, quality=0.65)
        assert route.first.model == kept
        assert ("cache" in told.why) == (kept == OTHER), told.why


# --- exploration --------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=24), st.floats(0.005, 0.5), st.floats(0, 0.999))
def test_chances_add_up_and_the_taken_one_had_its_own(
    rights: list[float], most: float, uniform: float
) -> None:
    models = {f"f{n}/m{n}": (right, 1e-5 * (n + 1)) for n, right in enumerate(rights)}
    models[STRONG] = (0.99, 1e-2)
    route, told = chosen(offers(models), explored=most, uniform=uniform, quality=0.9)
    chances = {each.model: each.propensity for each in told.candidates}
    assert sum(chances.values()) == pytest.approx(1.0, abs=1e-12)
    assert chances[route.first.model] > 0
    assert chances[STRONG] == float(route.first.model == STRONG)
    assert max(chances.values()) >= 1 - most - 1e-12
    assert told.explored == (route.why == EXPLORING) == (told.why == EXPLORING)
    assert sum(each > 0 for each in chances.values()) <= explore.MOST_ARMS


def test_as_often_as_it_is_told() -> None:
    dice = random.Random(7)
    taken: Counter[str] = Counter()
    with steady():
        for _ in range(800):
            route, told = chosen(explored=1 / 7, uniform=dice.random())
            taken[route.first.model] += 1
    for each in told.candidates:
        spread = (each.propensity * (1 - each.propensity) / 800) ** 0.5
        assert abs(taken[each.model] / 800 - each.propensity) <= 4 * spread + 1e-9, each
    assert sum(each.propensity > 0 for each in told.candidates) > 1
    assert sum(each.propensity for each in told.candidates) == pytest.approx(1.0, abs=1e-12)
    assert any(each.propensity != round(each.propensity, 6) for each in told.candidates)


def test_nothing_is_explored_without_leave_or_in_a_conversation() -> None:
    assert not chosen(uniform=0.9999, explored=0.0)[1].explored
    assert chosen(uniform=0.9999, explored=0.5)[1].explored
    assert not chosen(seen=weighed(turns=2), uniform=0.9999, explored=0.5)[1].explored


def test_what_nobody_checks_keeps_the_quality_and_a_cap_keeps_the_cost() -> None:
    models = {"a/a": (0.9, 1e-4), "b/b": (0.89, 1.1e-4), "c/c": (0.5, 1e-5), STRONG: (0.95, 1e-2)}
    for uniform in (0.0, 0.9, 0.99, 0.9999):
        route, _ = chosen(offers(models), checkable=False, quality=0.9, explored=0.5, uniform=uniform)
        assert route.first.right >= 0.9 * 0.95
        cap: dict[str, Any] = {"quality": 0.9, "max_cost_usd": 1.05e-4, "explored": 0.5, "uniform": uniform}
        route, told = chosen(offers(models), checkable=False, **cap)
        assert route.first.cost_usd <= 1.05e-4
        assert {each.model for each in told.candidates if each.propensity} <= {"a/a", "c/c"}


def test_later_opinions_are_of_other_families_than_the_explored_one() -> None:
    names = {CHEAP: (0.6, 1e-4), OTHER: (0.6, 1e-4), "delta/third": (0.6, 1e-4), "beta/small": (0.9, 1e-4)}
    what = offers(names | {STRONG: MODELS[STRONG]})
    first, second, third, small, strong = what.options
    base = Route(first, second, strong, True, 0.9, 1e-3, "", third)
    taken, chances = choosing._explored(base, what, Knobs(quality=0.9), 0.9, 0.99999)
    assert (taken.first, taken.second, taken.third) == (small, third, None)
    assert set(chances) == {CHEAP, "beta/small"}, "those that are asked anyway are not drawn among"
    kept, _ = choosing._explored(base, what, Knobs(quality=0.9), 0.9, 0.0)
    assert kept == base
