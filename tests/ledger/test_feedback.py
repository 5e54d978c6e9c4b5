"""What a verdict adds to what is learnt, and on which day."""

import pytest

from tokenworks.ledger.feedback import FeedbackRow, clean, day_of, learnt


def verdict(score: float, task: str = "code", model: str = "a/x") -> FeedbackRow:
    return FeedbackRow("gen-1764000000-1", 5, "k", model, task, score)


def test_the_day_is_that_of_the_request() -> None:
    assert day_of("gen-1764000000-1") == 1764000000 // 86_400
    for name in ("", "gen-", "gen-x-1", "gen-١-1", "gen-999999999999-1", "resp_1"):
        assert day_of(name) == 0


@pytest.mark.parametrize(
    ("old", "new", "cells"),
    [
        (None, verdict(0.75), {("code", "a/x"): (1.0, 0.75)}),
        (verdict(0.75), verdict(0.25), {("code", "a/x"): (0.0, -0.5)}),
        (verdict(0.75), verdict(0.75), {}),
        (verdict(1.0), verdict(0.5, "math"), {("code", "a/x"): (-1.0, -1.0), ("math", "a/x"): (1.0, 0.5)}),
        (verdict(1.0), verdict(0.5, ""), {("code", "a/x"): (-1.0, -1.0)}),
        (None, verdict(0.5, ""), {}),
        (None, verdict(0.5, model=""), {}),
    ],
)
def test_what_it_adds(old, new, cells) -> None:
    found = learnt(old, new)
    assert {(task, model): (weight, right) for _, task, model, weight, right, *_ in found} == cells
    assert all(len(row) == 11 and not any(row[5:]) for row in found)
    assert found == sorted(found)


def test_clean_text_and_scores() -> None:
    odd = clean(FeedbackRow("a\0", -1, "\ud800", "m", "t", float("inf"), "l" * 99, "c" * 9999))
    assert odd == FeedbackRow("a\ufffd", 0, "?", "m", "t", 1.0, "l" * 64, "c" * 2000)
