"""What breaks even: every answer is replayed again, apart from the search."""

import random

import msgspec
import pytest

from tokenworks.plans.economics import breakeven
from tokenworks.plans.economics.breakeven import BreakEven, Search, meets, scaled_class, scaled_windows
from tokenworks.plans.economics.history import DAY_US, History, Models, Subscriber
from tokenworks.plans.economics.replay import Replay
from tokenworks.plans.spec import ModelClass, PlanSpec, PlanWindow
from tokenworks.schema import Price

START_US = 1_780_272_000_000_000
DEAR, CHEAP = Price("dear", 2.0, 10.0), Price("cheap", 0.5, 2.0)
CLASSES = (
    ModelClass("large", ("acme/large",), input_mtok=2.0, output_mtok=10.0),
    ModelClass("small", ("acme/small",), input_mtok=0.5, output_mtok=2.0, cache_read_mtok=0.5),
)
PLAN = PlanSpec("test", 20.0, (PlanWindow(6.0, "5h"), PlanWindow(40.0, "week")), CLASSES)


def price_of(model: str) -> Price:
    return DEAR if model == "acme/large" else CHEAP


def population(*, heavy: int = 4, light: int = 16, days: int = 30) -> History:
    """``light`` subscribers who use little, ``heavy`` ones who use far more than $20 a month."""
    dice, models = random.Random(7), Models()
    found = []
    for place in range(heavy + light):
        each = Subscriber(f"s{place}")
        count = 1500 if place < heavy else 5 + place
        for at_us in sorted(dice.randrange(days * DAY_US) for _ in range(count)):
            model = models.place(dice.choice(["acme/large", "acme/small"]))
            each.requests.add(START_US + at_us, model, dice.randrange(200_000), 0, 0, dice.randrange(9_000))
        found.append(each)
    return History(START_US, START_US + days * DAY_US, found, models.names, "made for a test")


HISTORY = population()


def answers(plan: PlanSpec, history: History = HISTORY) -> dict[tuple[str, str, str], BreakEven]:
    found = Search(Replay(history, plan, price_of)).everything()
    return {(each.knob, each.class_name, each.target): each for each in found}


def holds(plan: PlanSpec, target: str, history: History = HISTORY) -> bool:
    return meets(Replay(history, plan, price_of).run(), target)


@pytest.mark.parametrize("used_up", ["stop", "queue", "cheaper_model"])
def test_what_is_found_really_breaks_even_and_a_little_more_does_not(used_up: str) -> None:
    plan = msgspec.structs.replace(PLAN, used_up=used_up, cheaper_model="acme/small", price_usd=30.0)
    assert not holds(plan, "margin") or used_up == "stop"
    found = answers(plan)
    assert len(found) == 8
    replayed = 0
    for (knob, name, target), each in found.items():
        if each.status != "found":
            continue
        assert each.plan is not None
        assert holds(each.plan, target), each
        if knob == "price":
            worse = msgspec.structs.replace(plan, price_usd=each.plan.price_usd - 0.01)
        else:
            assert each.scale is not None
            scale = each.scale * 1.002 if knob == "windows" else each.scale / 1.002
            worse = scaled_class(plan, name, scale) if name else scaled_windows(plan, scale)
        assert not holds(worse, target), each
        replayed += 1
    assert replayed >= 4


def test_a_plan_that_cannot_lose_has_nothing_to_change() -> None:
    history = population(heavy=0)
    found = answers(msgspec.structs.replace(PLAN, price_usd=50.0), history)
    assert {each.status for (knob, _, _), each in found.items() if knob != "price"} == {"always"}
    assert found["windows", "", "margin"].detail == (
        "it holds with windows of any size, even if they are never used up"
    )
    price = found["price", "", "margin"].price_usd
    assert price is not None and 0 < price < 50


def test_why_windows_can_not_help() -> None:
    plan = msgspec.structs.replace(PLAN, used_up="cheaper_model", cheaper_model="acme/small", price_usd=1.0)
    found = answers(plan)
    for name, case in (
        ("", "even with nothing included the margin is -$"),
        ("large", "even with large priced"),
    ):
        each = found["weights" if name else "windows", name, "margin"]
        assert (each.status, each.plan) == ("never", None)
        assert each.detail.startswith(case)
    assert found["windows", "", "losers"].detail.endswith("of 20 lose money")


def test_without_windows_only_the_price_is_left() -> None:
    found = answers(msgspec.structs.replace(PLAN, windows=()))
    assert found["windows", "", "margin"].status == "never"
    assert "no windows" in found["windows", "", "margin"].detail
    assert found["weights", "large", "margin"].status == "never"
    price = found["price", "", "margin"]
    assert price.status == "found" and price.plan is not None
    assert holds(price.plan, "margin")


def test_pay_as_you_go_costs_nothing_so_it_needs_no_price() -> None:
    found = answers(PlanSpec("metered", used_up="pay_as_you_go"))
    assert [(each.knob, each.status, each.price_usd) for each in found.values()] == [
        ("windows", "always", None),
        ("price", "always", 0.0),
    ] * 2


def test_a_price_of_a_short_span_is_still_a_months() -> None:
    history = population(days=10)
    for target in breakeven.TARGETS:
        each = answers(PLAN, history)["price", "", target]
        assert each.plan is not None and each.price_usd is not None
        assert holds(each.plan, target, history)
        less = msgspec.structs.replace(PLAN, price_usd=round(each.price_usd - 0.01, 2))
        assert not holds(less, target, history)


def test_five_percent_is_one_of_twenty() -> None:
    for losing, subscribers, wanted in (
        (1, 20, True),
        (2, 39, False),
        (2, 40, True),
        (1, 19, False),
        (0, 1, True),
    ):
        assert breakeven._meets(-1, losing, subscribers, "losers") == wanted


def test_the_curve_is_the_plan_at_other_sizes() -> None:
    points = Search(Replay(HISTORY, PLAN, price_of)).curve()
    assert [each.scale for each in points] == sorted(each.scale for each in points)
    for point in points[::4]:
        outcome = Replay(HISTORY, scaled_windows(PLAN, point.scale), price_of).run()
        assert (outcome.margin_nano_usd, outcome.losing) == (point.margin_nano_usd, point.losing)
    assert 1.0 in [each.scale for each in points]
    assert Search(Replay(HISTORY, msgspec.structs.replace(PLAN, windows=()), price_of)).curve() == []


def test_scaling_a_class_scales_all_that_it_weighs() -> None:
    each = ModelClass("a", ("*",), 1.0, 2.0, 3.0, 4.0, 5.0)
    spec = PlanSpec("p", classes=(each, *CLASSES))
    assert scaled_class(spec, "a", 2.0).classes == (
        ModelClass("a", ("*",), 2.0, 4.0, 6.0, 8.0, 10.0),
        *CLASSES,
    )
    assert scaled_class(spec, "large", 2.0).classes[1].cache_read_mtok is None
