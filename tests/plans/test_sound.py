"""Rules and plans that can't be kept are refused with one line that names the field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.plans.rules import NO_RULES, LoopRules, Rules
from tokenworks.plans.sound import plan_from, rules_from, sound_plan, sound_rules
from tokenworks.plans.spec import PlanSpec

PLAN: dict[str, Any] = {
    "name": "pro",
    "price_usd": 20,
    "windows": [{"credits": 50, "window": "5h"}],
    "classes": [{"name": "all", "models": ["*"], "input_mtok": 1, "output_mtok": 5}],
}


def test_rules_are_merged_and_null_takes_away() -> None:
    first = rules_from({"models": ["a/*"], "loops": {"iterations": 5, "repeats": 3}}, NO_RULES)
    assert first == Rules(models=("a/*",), loops=LoopRules(iterations=5, repeats=3))
    second = rules_from({"loops": {"repeats": None, "stale_turns": 4}, "hours": ["Mon-Fri 9-17"]}, first)
    assert second.loops == LoopRules(iterations=5, stale_turns=4)
    assert second.models == ("a/*",)
    assert rules_from({"models": None, "loops": None, "hours": None}, second) == NO_RULES
    assert rules_from({"loops": {"iterations": None, "stale_turns": None}}, second).loops is None
    assert rules_from({}, second) == second


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"modles": []}, "modles"),
        ({"models": "acme"}, "models"),
        ({"models": [""]}, "models: a pattern"),
        ({"clients": ["a\nb"]}, "clients: a pattern"),
        ({"providers": ["x"] * 201}, "providers: 200 at most"),
        ({"hours": ["always"]}, "hours"),
        ({"hours": ["Mon"] * 201}, "200 spans"),
        ({"timezone": "Mars/Base"}, "timezone: time zone"),
        ({"max_input_tokens": 0}, "max_input_tokens: a whole number from 1 on"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"max_input_mtok": -1}, "max_input_mtok: a number from 0"),
        ({"max_output_mtok": float("nan")}, "max_output_mtok"),
        ({"loops": 5}, "loops"),
        ({"loops": {"iteratoins": 5}}, "iteratoins"),
        ({"loops": {"iterations": 0}}, "loops: iterations"),
        ({"loops": {"repeats": 1}}, "repeats: 2 at least"),
        ({"loops": {"spend_usd": float("inf")}}, "spend_usd"),
        ({"loops": {"wall_clock_s": -1}}, "wall_clock_s"),
    ],
)
def test_rules_that_can_not_be_kept(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        rules_from(given, NO_RULES)
    assert "\n" not in str(caught.value)


def test_rules_that_can_be_kept_stay_as_they_are() -> None:
    rules = Rules(
        models=("acme/*", "!acme/large"),
        hours=("Mon-Fri 09:00-18:00", "22:00-06:00"),
        timezone="Europe/Berlin",
        max_input_mtok=0.0,
        loops=LoopRules(spend_usd=0.5, wall_clock_s=60),
    )
    assert sound_rules(rules) is rules


def test_a_plan_gets_its_windows_in_their_shortest_form() -> None:
    plan = plan_from(
        {**PLAN, "windows": [{"credits": 1, "window": "5 h"}, {"credits": 2, "window": "weekly"}]}
    )
    assert [each.window for each in plan.windows] == ["5h", "week"]
    assert sound_plan(plan) == plan
    assert plan_from(msgspec.to_builtins(plan)) == plan
    assert plan_from({"name": "flat"}) == PlanSpec(name="flat")


def classes(**more: Any) -> dict[str, Any]:
    return {"classes": [{**PLAN["classes"][0], **more}]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "plan: Expected object"),
        ({"name": ""}, "name: a name has"),
        ({"prize": 1}, "prize"),
        ({"price_usd": -1}, "price_usd"),
        ({"price_usd": "20"}, "price_usd"),
        ({"timezone": "Mars"}, "timezone"),
        ({"concurrency": 0}, "concurrency"),
        ({"clients": [""]}, "clients"),
        ({"windows": [{"credits": 1, "window": "fortnight"}]}, "window"),
        ({"windows": [{"credits": -1, "window": "5h"}]}, "windows: credits"),
        ({"windows": [{"credits": 1e12, "window": "5h"}]}, "windows: credits"),
        ({"windows": [{"credits": 1, "window": "day"}, {"credits": 2, "window": "daily"}]}, "twice"),
        ({"windows": [{"credits": 1, "window": f"{n}h"} for n in range(1, 202)]}, "windows: 200"),
        ({"classes": []}, "at least one"),
        (classes(name=""), "classes: name"),
        (classes(models=[]), "all has no models"),
        (classes(models=[""]), "models: a pattern"),
        (classes(input_mtok=-1), "input_mtok"),
        (classes(input_mtok=0, output_mtok=0), "weighs nothing"),
        (classes(input_mtok=0, output_mtok=0, request=float("nan")), "request"),
        ({"classes": PLAN["classes"] * 2}, "stands there twice"),
        ({"used_up": "explode"}, "used_up|explode"),
        ({"used_up": "cheaper_model"}, "cheaper_model: name the model"),
        ({"fair_use": {"action": "cheaper_model"}}, "fair_use.action cheaper_model"),
        ({"fair_use": {"threshold": 2}}, "fair_use: threshold"),
        ({"fair_use": {"slow_s": -1}}, "fair_use: slow_s"),
        ({"fair_use": {"hours": float("inf")}}, "fair_use: hours"),
    ],
)
def test_plans_that_can_not_be_kept(given: Any, said: str) -> None:
    values = {**PLAN, **given} if isinstance(given, dict) else given
    with pytest.raises(ValueError, match=said) as caught:
        plan_from(values)
    assert "\n" not in str(caught.value)
