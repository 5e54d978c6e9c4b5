"""Replays as JSON."""

import json

import pytest

from tokenworks.plans.economics.breakeven import BreakEven, Point, scaled_class, scaled_windows
from tokenworks.plans.economics.history import DAY_US, History, Subscriber
from tokenworks.plans.economics.replay import Outcome, Standing
from tokenworks.plans.economics.report import percentile, report
from tokenworks.plans.spec import ModelClass, PlanSpec, PlanWindow

PLAN = PlanSpec("p", 10.0, (PlanWindow(4.0, "day"),), (ModelClass("all", ("*",), 1.0, 2.0),))
STANDINGS = [
    Standing("ann", "person", 5, included=5, revenue_nano_usd=10**10, cost_nano_usd=10**9, used_up=(0,)),
    Standing(
        "bot",
        "agent",
        9,
        included=4,
        refused=5,
        revenue_nano_usd=10**10,
        cost_nano_usd=3 * 10**10,
        used_up=(2,),
    ),
    Standing("bob", "person", 1, included=1, revenue_nano_usd=10**10, used_up=(1,)),
]


def made() -> dict[str, object]:
    history = History(0, 30 * DAY_US, [Subscriber(each.name) for each in STANDINGS], [], "by hand", True)
    answers = [
        BreakEven("windows", "margin", "found", "x", scale=0.5, plan=scaled_windows(PLAN, 0.5)),
        BreakEven("weights", "margin", "found", "x", "all", scale=2.0, plan=scaled_class(PLAN, "all", 2.0)),
        BreakEven("price", "losers", "always", "x", price_usd=0.0),
    ]
    return report(history, Outcome(PLAN, STANDINGS), answers, [Point(1.0, -(10**9), 1)])


def test_totals_and_kinds_add_up() -> None:
    found = made()
    assert found["totals"] == {
        "subscribers": 3, "losing": 1, "losing_share": pytest.approx(1 / 3), "requests": 15, "included": 10,
        "deferred": 0, "cheaper": 0, "paid": 0, "refused": 5, "waiting": 0, "not_included": 0,
        "times_used_up": 3, "credits": 0.0, "revenue_usd": 30.0, "overflow_usd": 0.0, "cost_usd": 31.0,
        "margin_usd": -1.0, "wanted_usd": 0.0,
    }  # fmt: skip
    kinds = {each["kind"]: each["subscribers"] for each in found["kinds"]}  # type: ignore[attr-defined]
    assert kinds == {"person": 2, "agent": 1}
    assert found["windows"] == [{"window": "day", "credits": 4.0, "times_used_up": 3, "subscribers": 2}]


def test_those_who_lose_most_come_first() -> None:
    rows = made()["subscribers"]
    assert [(row["subscriber"], row["margin_usd"]) for row in rows] == [
        ("bot", -20.0),
        ("ann", 9.0),
        ("bob", 10.0),
    ]  # type: ignore[attr-defined]


def test_answers_say_what_to_write_into_the_plan() -> None:
    windows, weights, price = json.loads(json.dumps(made()["break_even"]))
    assert windows["windows"] == [{"credits": 2.0, "window": "day"}]
    assert weights["classes"] == [
        {"name": "all", "models": ["*"], "input_mtok": 2.0, "output_mtok": 4.0, "request": 0.0}
    ]
    assert (price["price_usd"], price["scale"], price["class"]) == (0.0, None, None)


def test_it_is_json() -> None:
    found = json.loads(json.dumps(made(), allow_nan=False))
    assert found["source"] == {
        "note": "by hand", "synthetic": True, "days": 30.0, "requests": 0,
        "left_out": "concurrency, allowed clients and fair use are not replayed",
    }  # fmt: skip
    assert found["curve"] == [{"scale": 1.0, "margin_usd": -1.0, "losing_share": pytest.approx(1 / 3)}]


def test_percentiles_are_values_that_are_there() -> None:
    values = list(range(1, 11))
    assert [percentile(values, p) for p in (0, 5, 10, 11, 50, 95, 100)] == [1, 1, 1, 2, 5, 10, 10]
    assert percentile([], 50) == 0
