"""P(right) from what is known."""

from __future__ import annotations

import math

import pytest

from tokenworks.routing.calibration import (
    NUMBERS,
    PATTERNS,
    WIDTH,
    Calibration,
    Head,
    Limit,
    Signs,
    follow,
    leader,
    logit,
    shipped,
    sigmoid,
)


def table(limits: dict[str, list[Limit]]) -> Calibration:
    flat = Head([0.0] * WIDTH, {})
    return Calibration("test", {"": [0.0] * len(NUMBERS)}, flat, flat, flat, 0.25, limits, {})


def test_the_leading_answer_has_most_company_then_the_best_prior_and_was_asked_first() -> None:
    assert leader("A", (0.1,)) == 0
    assert leader("AB", (0.6, 0.7)) == 1
    assert leader("AB", (0.7, 0.6)) == 0
    assert leader("ABB", (0.9, 0.5, 0.6)) == 1, "two of them, and the first of the two"
    assert leader("ABC", (0.5, 0.6, 0.7)) == 2


@pytest.mark.parametrize(("pattern", "lead"), [("A", 0), ("AA", 0), ("AB", 0), ("AB", 1)])
def test_what_may_follow_is_certain_to_follow(pattern: str, lead: int) -> None:
    later = follow(pattern, lead, 0.7, 0.4)
    assert sum(chance for _, chance in later) == pytest.approx(1)
    assert all(name in PATTERNS and name.startswith(pattern) for name, _ in later)
    assert max(later, key=lambda each: each[1])[0] == {"A": "AA", "AA": "AAA"}.get(
        pattern, "ABA" if lead == 0 else "ABB"
    )


def test_sigmoid_undoes_logit_and_neither_is_ever_infinite() -> None:
    assert sigmoid(logit(0.3)) == pytest.approx(0.3)
    assert math.isfinite(logit(0.0)) and math.isfinite(logit(1.0))
    assert sigmoid(-1e9) == 0.0 and sigmoid(1e9) == 1.0


def test_thresholds_are_those_that_were_measured_to_lose_no_more() -> None:
    measured = table({"math": [Limit(0.004, 0.01), Limit(0.02, 0.1)], "": [Limit(0.03, 0.05)]})
    assert measured.thresholds("math", 0.02) == [0.1, 0.01, 0.0]
    assert measured.thresholds("math", 0.019) == [0.01, 0.0]
    assert measured.thresholds("math", 0.001) == [0.0], "all that was measured loses more"
    assert measured.thresholds("poetry", 0.03) == [0.05, 0.0], "as all tasks"
    assert table({}).thresholds("math", 0.02) == [0.02], "nothing was measured"


def test_the_shipped_table_says_what_it_should_of_agreement() -> None:
    found = shipped()
    assert set(found.samples) >= {"math", "code", "knowledge"}
    for task in ("math", "code", "knowledge", "never heard of"):
        alone = found.judge(Signs("A", (0.7,), 0.85), task).right
        agreed = found.judge(Signs("AA", (0.7, 0.7), 0.85), task).right
        differ = found.judge(Signs("AB", (0.7, 0.7), 0.85), task).right
        three = found.judge(Signs("AAA", (0.7, 0.7, 0.7), 0.85), task).right
        assert differ < alone < agreed < three, task
    for task, limits in found.limits.items():
        assert [x.loss for x in limits] == sorted(x.loss for x in limits), task


def test_more_thought_than_usual_and_doubts_lower_it() -> None:
    found = shipped()
    usual = found.judge(Signs("AA", (0.7, 0.7), 0.85, (0.0, 0.0)), "math").right
    long = found.judge(Signs("AA", (0.7, 0.7), 0.85, (1.0, 1.0)), "math").right
    doubted = found.judge(Signs("AA", (0.7, 0.7), 0.85, (0.0, 0.0), doubts=1), "math").right
    assert long < usual
    assert doubted < usual
