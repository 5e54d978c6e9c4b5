"""Usage replayed against plans: by hand to the nano-dollar, and against an oracle too simple to err."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tokenworks.plans.economics.history import DAY_US, NOT_RECORDED, History, Models, Subscriber
from tokenworks.plans.economics.replay import Outcome, Replay, Standing
from tokenworks.plans.spec import ModelClass, PlanSpec, PlanWindow
from tokenworks.plans.window import NEVER_US, parse
from tokenworks.schema import NANO_USD, Price, Usage

HOUR_US = 3_600_000_000
START_US = 1_780_272_000_000_000  # 2026-06-01 00:00 UTC
DEAR = Price("dear", input_mtok=2.0, output_mtok=10.0, cache_read_mtok=0.2)
CHEAP = Price("cheap", input_mtok=0.1, output_mtok=0.5)
# A million input tokens of acme/large are two credits.
LARGE = ModelClass("large", ("acme/large",), input_mtok=2.0, output_mtok=10.0, cache_read_mtok=0.2)
M = 1_000_000


def price_of(model: str) -> Price:
    return {"acme/large": DEAR, "acme/small": CHEAP, "acme/other": DEAR}[model]


def history(
    requests: Sequence[tuple[int, str, int, int, int, int]], *, days: int = 30, cost: int = NOT_RECORDED
) -> History:
    """One subscriber's; times in µs since START_US, then model and the four classes of tokens."""
    models = Models()
    somebody = Subscriber("somebody")
    for after_us, model, *tokens in requests:
        somebody.requests.add(START_US + after_us, models.place(model), *tokens, cost)
    return History(START_US, START_US + days * DAY_US, [somebody], models.names, "by hand")


def large(*hours: float) -> list[tuple[int, str, int, int, int, int]]:
    """Requests of two credits and two dollars each at these hours."""
    return [(round(hour * HOUR_US), "acme/large", M, 0, 0, 0) for hour in hours]


def plan(used_up: str, *windows: tuple[float, str], price_usd: float = 20.0, **more: Any) -> PlanSpec:
    return PlanSpec(
        "test",
        price_usd=price_usd,
        windows=tuple(PlanWindow(credits, text) for credits, text in windows),
        classes=more.pop("classes", (LARGE,)),
        used_up=used_up,  # type: ignore[arg-type]
        **more,
    )


def one(outcome: Outcome) -> Standing:
    (standing,) = outcome.standings
    return standing


# --- each way out, by hand ----------------------------------------------------------------------


def test_what_is_free_is_served_and_costs() -> None:
    usage = [(0, "acme/large", 1001, 2002, 3003, 404)]
    found = one(Replay(history(usage), plan("stop", (1.0, "day")), price_of).run())
    # (1001 + 3003) * $2/M + 2002 * $0.2/M + 404 * $10/M
    assert found.cost_nano_usd == 8_008_000 + 400_400 + 4_040_000
    assert found.nano_credits == found.cost_nano_usd == found.wanted_nano_usd
    assert found.revenue_nano_usd == 20 * NANO_USD
    assert found.margin_nano_usd == 20 * NANO_USD - 12_448_400
    assert (found.requests, found.included, found.refused, found.used_up) == (1, 1, 0, (0,))


def test_stop_refuses_and_costs_nothing() -> None:
    found = one(Replay(history(large(1, 2, 3, 25)), plan("stop", (4.0, "day")), price_of).run())
    assert (found.included, found.refused, found.used_up) == (3, 1, (1,))
    assert found.cost_nano_usd == 6 * NANO_USD
    assert found.wanted_nano_usd == 8 * NANO_USD
    assert found.margin_nano_usd == 14 * NANO_USD


def test_the_cheaper_model_serves_uncounted_at_its_own_price() -> None:
    spec = plan("cheaper_model", (4.0, "day"), cheaper_model="acme/small")
    found = one(Replay(history(large(1, 2, 3, 4)), spec, price_of).run())
    assert (found.included, found.cheaper, found.refused) == (2, 2, 0)
    assert found.nano_credits == 4_000_000_000
    assert found.cost_nano_usd == 4 * NANO_USD + 2 * 100_000_000
    assert found.revenue_nano_usd == 20 * NANO_USD


def test_pay_as_you_go_passes_the_cost_on() -> None:
    found = one(Replay(history(large(1, 2, 3)), plan("pay_as_you_go", (4.0, "day")), price_of).run())
    assert (found.included, found.paid, found.refused) == (2, 1, 0)
    assert found.cost_nano_usd == 6 * NANO_USD
    assert found.overflow_nano_usd == 2 * NANO_USD
    assert found.revenue_nano_usd == 22 * NANO_USD
    assert found.margin_nano_usd == 16 * NANO_USD


def test_queue_serves_later_in_order_and_no_later_than_the_end() -> None:
    # two a day; the first day's third and fourth fill the second at midnight, whose own has to wait again
    found = one(Replay(history(large(1, 2, 3, 4, 25), days=3), plan("queue", (4.0, "day")), price_of).run())
    assert (found.included, found.deferred, found.waiting) == (5, 3, 0)
    assert found.cost_nano_usd == 10 * NANO_USD
    assert found.revenue_nano_usd == 2 * NANO_USD  # three days of thirty
    assert found.used_up == (2,)
    found = one(Replay(history(large(1, 2, 3, 4, 25), days=2), plan("queue", (4.0, "day")), price_of).run())
    assert (found.included, found.deferred, found.waiting, found.refused) == (4, 2, 1, 0)
    assert found.cost_nano_usd == 8 * NANO_USD


def test_queue_refuses_what_would_wait_for_ever() -> None:
    usage = [(0, "acme/large", 3 * M, 0, 0, 0), (1, "acme/other", 1, 0, 0, 0), *large(1)]
    found = one(Replay(history(usage), plan("queue", (4.0, "day")), price_of).run())
    assert (found.included, found.refused, found.waiting, found.not_included) == (1, 2, 0, 1)


@pytest.mark.parametrize(
    ("used_up", "cost", "revenue"),
    [("stop", 2.0, 20), ("queue", 2.0, 20), ("cheaper_model", 2.0, 20), ("pay_as_you_go", 4.0, 22)],
)
def test_a_model_in_no_class_is_refused_or_paid_for(used_up: str, cost: float, revenue: int) -> None:
    usage = [*large(1), (HOUR_US * 2, "acme/other", M, 0, 0, 0)]
    spec = plan(used_up, (10.0, "day"), cheaper_model="acme/small")
    found = one(Replay(history(usage), spec, price_of).run())
    assert (found.included, found.not_included) == (1, 1)
    assert (found.paid, found.refused) == ((1, 0) if used_up == "pay_as_you_go" else (0, 1))
    assert found.cost_nano_usd == round(cost * NANO_USD)
    assert found.revenue_nano_usd == revenue * NANO_USD


def test_a_plan_with_nothing_in_it_is_pure_pay_as_you_go() -> None:
    spec = PlanSpec("metered", used_up="pay_as_you_go")
    found = one(Replay(history(large(1, 2)), spec, price_of).run())
    assert (found.paid, found.revenue_nano_usd, found.margin_nano_usd) == (2, 4 * NANO_USD, 0)


def test_classes_weigh_and_the_first_that_matches_counts() -> None:
    classes = (LARGE, ModelClass("rest", ("*",), request=1.0))
    usage = [*large(1), (HOUR_US * 2, "acme/other", M, 0, 0, 0), (HOUR_US * 3, "acme/small", M, 0, 0, 0)]
    found = one(Replay(history(usage), plan("stop", (3.5, "day"), classes=classes), price_of).run())
    assert (found.included, found.refused, found.nano_credits) == (2, 1, 3_000_000_000)


def test_recorded_costs_need_no_price() -> None:
    def nobody_knows(model: str) -> Price:
        raise AssertionError(model)

    usage = history(large(1, 2), cost=7)
    found = one(Replay(usage, plan("stop", (2.0, "day")), nobody_knows, recorded=True).run())
    assert (found.cost_nano_usd, found.wanted_nano_usd) == (7, 14)
    assert one(Replay(usage, plan("stop", (2.0, "day")), price_of).run()).cost_nano_usd == 2 * NANO_USD


# --- edges of windows ---------------------------------------------------------------------------


def test_a_day_begins_at_midnight_to_the_microsecond() -> None:
    spec = plan("stop", (2.0, "day"))
    for at_us, served in ((DAY_US - 1, 1), (DAY_US, 2)):
        usage = [*large(23), (at_us, "acme/large", M, 0, 0, 0)]
        assert one(Replay(history(usage), spec, price_of).run()).included == served


def test_the_plans_time_zone_says_when_midnight_is() -> None:
    usage = large(21.5, 22.5)  # 23:30 and 00:30 in Berlin, in summer
    for timezone, served in (("UTC", 1), ("Europe/Berlin", 2)):
        spec = plan("stop", (2.0, "day"), timezone=timezone)
        assert one(Replay(history(usage), spec, price_of).run()).included == served


def test_a_rolling_window_frees_when_its_bucket_leaves() -> None:
    frees_us = parse("5h").frees_us(parse("5h").bucket(START_US + HOUR_US)[0], 0) - START_US
    for at_us, served in ((frees_us - 1, 1), (frees_us, 2)):
        usage = [*large(1), (at_us, "acme/large", M, 0, 0, 0)]
        assert one(Replay(history(usage), plan("stop", (2.0, "5h")), price_of).run()).included == served
    # one that waits is served at that very moment, which the end of the history tells
    usage = large(1, 2)
    for end_us, served in ((frees_us, 1), (frees_us + 1, 2)):
        short = history(usage)
        short.until_us = START_US + end_us
        assert one(Replay(short, plan("queue", (2.0, "5h")), price_of).run()).included == served


def test_every_window_has_to_have_room() -> None:
    spec = plan("stop", (2.0, "hour"), (6.0, "day"))
    found = one(Replay(history(large(1.1, 1.2, 2.1, 3.1, 4.1, 25)), spec, price_of).run())
    assert (found.included, found.refused, found.used_up) == (4, 2, (1, 1))


def test_a_window_of_nothing_serves_nothing() -> None:
    assert one(Replay(history(large(1, 2)), plan("stop", (0.0, "day")), price_of).run()).refused == 2


# --- against an oracle --------------------------------------------------------------------------


def oracle(usage: History, spec: PlanSpec) -> dict[str, int]:
    """Sums everything anew for each request."""
    windows = [parse(each.window, spec.timezone) for each in spec.windows]
    caps = [round(each.credits * 1e9) for each in spec.windows]
    served: list[tuple[int, int]] = []  # when, weight
    queue: list[tuple[int, int]] = []  # weight, cost
    found = dict.fromkeys(("included", "deferred", "cost", "overflow", "other", "waiting"), 0)

    def spent(window: Any, at_us: int) -> int:
        return sum(w for then, w in served if window.bucket(then)[0] >= window.since(at_us))

    def fits(weight: int, at_us: int) -> bool:
        return all(spent(window, at_us) + weight <= cap for window, cap in zip(windows, caps, strict=True))

    def serve(at_us: int, weight: int, cost: int) -> None:
        served.append((at_us, weight))
        found["included"] += 1
        found["cost"] += cost

    def drain(from_us: int, until_us: int) -> int:
        while queue:
            moments = {from_us} | {
                window.frees_us(window.bucket(then)[0], then) for window in windows for then, _ in served
            }
            at_us = next(
                (m for m in sorted(moments) if from_us <= m < until_us and fits(queue[0][0], m)), NEVER_US
            )
            if at_us >= until_us:
                return from_us
            serve(at_us, *queue.pop(0))
            found["deferred"] += 1
            from_us = at_us
        return from_us

    requests = usage.subscribers[0].requests
    clock_us = START_US
    for place, at_us in enumerate(requests.time_us):
        model = usage.models[requests.model[place]]
        tokens = Usage(*(getattr(requests, n)[place] for n in ("uncached", "read", "write", "output")))
        cost = price_of(model).cost_nano_usd(tokens)
        clock_us = drain(clock_us, at_us + 1)
        weight = DEAR.cost_nano_usd(tokens) if model == "acme/large" else -1
        if spec.used_up == "queue" and weight >= 0 and weight <= min(caps, default=weight):
            if queue or not fits(weight, at_us):
                queue.append((weight, cost))
            else:
                serve(at_us, weight, cost)
            clock_us = at_us
            continue
        if weight >= 0 and fits(weight, at_us):
            serve(at_us, weight, cost)
            continue
        found["other"] += 1
        if spec.used_up == "cheaper_model" and weight >= 0:
            found["cost"] += CHEAP.cost_nano_usd(tokens)
        elif spec.used_up == "pay_as_you_go":
            found["cost"] += cost
            found["overflow"] += cost
    drain(clock_us, usage.until_us)
    found["waiting"] = len(queue)
    return found


WINDOWS = ("day", "hour", "5h", "90min", "1000s", "week", "30s", "lifetime")


@pytest.mark.parametrize("used_up", ["stop", "cheaper_model", "pay_as_you_go", "queue"])
def test_a_replay_is_what_the_oracle_says(used_up: str) -> None:
    dice = random.Random(used_up)
    hit = late = 0
    for _ in range(80):
        moments = sorted(dice.choice([60, 3_600, 90_000]) * dice.random() * dice.random() for _ in range(60))
        usage = history(
            [
                (
                    round(at_s * 1e6) // dice.choice([1, 60_000_000]),
                    dice.choice(["acme/large"] * 6 + ["acme/other"]),
                    dice.choice([0, 1, 1000, 300_000]),
                    dice.randrange(2000),
                    dice.randrange(2000),
                    dice.choice([0, 7, 20_000]),
                )
                for at_s in moments
            ],
            days=1,
        )
        usage.subscribers[0].requests.time_us = type(usage.subscribers[0].requests.time_us)(
            "q", sorted(usage.subscribers[0].requests.time_us)
        )
        chosen = dice.sample(WINDOWS, dice.randint(1, 3))
        spec = plan(used_up, *((dice.choice([0.3, 1.0, 3.0]), text) for text in chosen))
        spec = msgspec.structs.replace(spec, cheaper_model="acme/small")
        found, wanted = one(Replay(usage, spec, price_of).run()), oracle(usage, spec)
        assert found.included == wanted["included"], spec
        assert found.deferred == wanted["deferred"], spec
        assert found.waiting == wanted["waiting"], spec
        assert found.cost_nano_usd == wanted["cost"], spec
        assert found.overflow_nano_usd == wanted["overflow"], spec
        assert found.refused + found.cheaper + found.paid == wanted["other"], spec
        hit += bool(sum(found.used_up))
        late += found.deferred
    assert hit > 20, "the histories must use windows up"
    assert (late > 0) == (used_up == "queue")


# --- variants -----------------------------------------------------------------------------------


def test_a_variant_is_the_same_as_a_replay_of_its_own() -> None:
    usage = history(large(1, 2, 3, 4, 30, 31, 32))
    spec = plan("stop", (4.0, "day"))
    replay = Replay(usage, spec, price_of)
    heavier = msgspec.structs.replace(LARGE, input_mtok=4.0)
    for variant in (
        plan("stop", (8.0, "day")),
        plan("stop", (4.0, "day"), price_usd=5),
        plan("stop", (4.0, "day"), classes=(heavier,)),
        spec,
    ):
        assert replay.run(variant) == Replay(usage, variant, price_of).run()
    for other in (plan("queue", (4.0, "day")), plan("stop", (4.0, "week")), plan("stop")):
        with pytest.raises(ValueError, match="amounts, price and weights only"):
            replay.run(other)


def test_how_large_windows_would_have_to_be() -> None:
    replay = Replay(history(large(1, 2, 3)), plan("stop", (4.0, "day"), (3.0, "hour")), price_of)
    assert replay.unlimited_scale() == pytest.approx(1.5)
    replay.run(
        plan("stop", (4.0, "day"), (3.0, "hour"), classes=(msgspec.structs.replace(LARGE, request=9.0),))
    )
    assert replay.unlimited_scale() == pytest.approx(1.5)
    assert Replay(history(large(1)), plan("stop", (0.0, "day")), price_of).unlimited_scale() == float("inf")
    assert Replay(history(large(1)), plan("stop"), price_of).unlimited_scale() == 0


def test_which_classes_are_used() -> None:
    spec = plan("stop", (4.0, "day"), classes=(LARGE, ModelClass("rest", ("*",), request=1.0)))
    replay = Replay(history(large(1)), spec, price_of)
    assert replay.uses("large")
    assert not replay.uses("rest")
