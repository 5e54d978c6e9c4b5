"""Alarms: silent while nothing changes, loud when something does, and about what changed alone."""

import math

import numpy as np
import pytest

from tokenworks.ledger.decided import DecisionRow
from tokenworks.ledger.rollups import DAY_US
from tokenworks.routing import decision as decision_of
from tokenworks.routing.decision import Decision, Step
from tokenworks.routing.drift import MEASURES, Alarm, Tally, _two_sided, alarms, tallied

TODAY = 20_000
TASKS = ("chat", "code", "math", "summary")


def day(
    rng: np.random.Generator, number: int, task: str, count: int, *, wobble: float = 0.0, **changed: float
) -> Tally:
    """One day of ``count`` requests; ``wobble`` is how much its own chances differ from other days'."""
    means = {"agreement": 0.7, "refusals": 0.05, "failed_checks": 0.1, "escalation": 0.3} | changed
    tally = Tally(number, task)
    for measure in MEASURES[:-1]:
        share = min(max(means[measure] + rng.normal(0, wobble), 0.0), 1.0)
        hits = int(rng.binomial(count, share))
        tally.counts[measure], tally.sums[measure], tally.squares[measure] = count, hits, hits
    logs = np.log(means.get("cost", 0.002)) + rng.normal(0, 4 * wobble) + rng.normal(0, 0.8, count)
    tally.counts["cost"], tally.sums["cost"], tally.squares["cost"] = count, logs.sum(), (logs**2).sum()
    return tally


def history(rng: np.random.Generator, count: int = 300, wobble: float = 0.0, **changed: float) -> list[Tally]:
    """Weeks of all tasks; what ``changed`` did so yesterday, for code alone."""
    return [
        day(
            rng,
            number,
            task,
            count,
            wobble=wobble,
            **(changed if task == "code" and number > TODAY - 2 else {}),
        )
        for number in range(TODAY - 25, TODAY + 1)
        for task in TASKS
    ]


@pytest.mark.parametrize("wobble", [0.0, 0.04])
def test_without_a_change_there_is_no_alarm(wobble: float) -> None:
    """A hundred looks at 20 comparisons each, on days that differ by dice alone and on wilder ones."""
    rng = np.random.default_rng(1)
    looks = 100
    loud = sum(bool(alarms(history(rng, wobble=wobble), TODAY)) for _ in range(looks))
    assert loud <= 3, loud


@pytest.mark.parametrize(
    ("measure", "value"),
    [("agreement", 0.5), ("refusals", 0.2), ("failed_checks", 0.25), ("escalation", 0.5), ("cost", 0.004)],
)
def test_a_change_is_told_and_nothing_else(measure: str, value: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        found = alarms(history(rng, wobble=0.01, **{measure: value}), TODAY)
        assert [(alarm.task, alarm.measure) for alarm in found] == [("code", measure)]
        assert found[0].now == pytest.approx(value, rel=0.25)
        assert found[0].samples == 600 and found[0].p < 0.01
        assert found[0].line.startswith(f"code: {measure.replace('_', ' ')} ")


def test_a_change_that_is_sure_but_small_is_no_alarm() -> None:
    rng = np.random.default_rng(3)
    assert alarms(history(rng, count=20_000, agreement=0.73, cost=0.0022), TODAY) == []


def test_of_little_nothing_is_said() -> None:
    rng = np.random.default_rng(4)
    few = [day(rng, TODAY, "code", 49, agreement=0.0)]
    weeks = [day(rng, number, "code", 300) for number in range(TODAY - 22, TODAY - 2)]
    assert alarms(weeks + few, TODAY) == []
    assert alarms([day(rng, TODAY, "code", 300, agreement=0.0)], TODAY) == [], "nothing to compare with"
    young = [day(rng, TODAY - 3, "code", 199), day(rng, TODAY, "code", 300, agreement=0.0)]
    assert alarms(young, TODAY) == []
    assert alarms([], TODAY) == []


def test_only_the_days_that_are_asked_for_count() -> None:
    rng = np.random.default_rng(5)
    weeks = [day(rng, number, "code", 300) for number in range(TODAY - 30, TODAY + 1)]
    bad = [day(rng, number, "code", 300, agreement=0.1) for number in (TODAY - 40, TODAY + 1)]
    assert alarms(weeks + bad, TODAY) == []


def test_days_that_scatter_anyway_make_it_patient() -> None:
    """The same fall of agreement: plain after steady weeks, nothing new after wild ones."""
    fall = {"agreement": 0.6}
    steady = alarms(history(np.random.default_rng(6), **fall), TODAY)
    wild = alarms(history(np.random.default_rng(6), wobble=0.15, **fall), TODAY)
    assert len(steady) == 1 and wild == []


def row(told: Decision, day_: int = TODAY, cost_nano_usd: int = 2_000_000) -> DecisionRow:
    body = decision_of.encode(told)
    return DecisionRow(
        "gen-1-a", day_ * DAY_US + 5, "k", "", "code", "cascade", "s", "s", 1.0, cost_nano_usd, 9, body
    )


def test_decisions_are_counted_for_what_they_tell() -> None:
    first = Step("a", "1", "doubted", failed_checks=("refusal", "language"))
    second = Step("b", "2", "doubted", agrees=0.25)
    told = Decision("code", "cascade", "s", "", steps=(first, second, Step("s", "3", "served")))
    alone = Decision("code", "cascade", "s", "", steps=(Step("a", "1", "accepted", agrees=1.0),))
    direct = Decision("code", "direct", "s", "", steps=(Step("a", "1", "served"),))
    shadow = Decision("code", "shadow", "s", "", steps=(Step("a", "1", "accepted", agrees=0.0),))
    rows = [row(told), row(shadow), row(alone), row(direct, cost_nano_usd=0), row(told, TODAY - 1)]
    garbage = DecisionRow("gen-1-b", 1, "k", "", "code", "", "", "", 1.0, 1, 1, b"\xff")
    found = tallied([*rows, garbage])
    yesterday, today = (found[key] for key in sorted(found))
    assert (yesterday.day, today.day, today.task) == (TODAY - 1, TODAY, "code")
    assert today.counts == {"failed_checks": 3, "refusals": 3, "agreement": 2, "escalation": 2, "cost": 2}
    assert (today.sums["failed_checks"], today.sums["refusals"], today.sums["escalation"]) == (1, 1, 1)
    assert today.sums["agreement"] == 1.25 and today.squares["agreement"] == 1.0625
    assert math.exp(today.sums["cost"] / 2) == pytest.approx(0.002)
    assert tallied([row(alone)], found) is found
    assert found[TODAY, "code"].counts["cost"] == 3


def test_students_distribution_is_close_enough() -> None:
    """Against tables."""
    for t, degrees, p in (
        (2.086, 20, 0.05),
        (2.845, 20, 0.01),
        (2.776, 4, 0.05),
        (4.604, 4, 0.01),
        (1.96, 10**6, 0.05),
    ):
        assert _two_sided(t, degrees) == pytest.approx(p, rel=0.07)


def test_an_alarm_reads_well() -> None:
    assert Alarm("code", "failed_checks", 0.1, 0.25, 600, 1e-9).line == "code: failed checks 10.0% -> 25.0%"
    assert (
        Alarm("code", "cost", 0.002, 0.004, 600, 1e-9).line == "code: cost $0.002000 -> $0.004000 a request"
    )
