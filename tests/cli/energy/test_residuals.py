"""Errors as tables."""

import pytest

from tokenworks.cli.energy.residuals import show, show_skipped
from tokenworks.energy.scoring import Errors, Part, Score
from tokenworks.energy.serving_points import Skipped

FAST = Errors(0.25, 0.5, -0.25, 0.5, 0.9)
SLOW = Errors(0.05, 0.1, 0.05, 1.0, 1.1)


def score(errors: Errors) -> Score:
    part = Part("h200-sxm vllm dense", 7, errors, SLOW)
    return Score(7, errors, SLOW, (part,), (Part("a\x1bmodel", 7, errors, SLOW),))


def test_out_of_sample_beside_in_sample(capsys: pytest.CaptureFixture[str]) -> None:
    show(score(FAST), "left out", score(SLOW))
    shown = capsys.readouterr().out
    assert "median error 25.0%, p90 50.0%; fitted: median error 5.0%, p90 10.0%" in shown
    assert "0.50 to 0.90" in shown and "25% too fast" in shown
    assert "\x1b" not in shown


def test_without_a_fit_there_is_no_such_column(capsys: pytest.CaptureFixture[str]) -> None:
    show(score(SLOW), "shipped constants")
    shown = capsys.readouterr().out
    assert "fitted" not in shown and "5% too slow" in shown


def test_reasons_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    show_skipped([])
    assert capsys.readouterr().out == ""
    show_skipped([Skipped(3, "odd"), Skipped(5, "odd"), Skipped(9, "strange")])
    shown = capsys.readouterr().out
    assert "3 rows skipped" in shown and "2 x odd (first in line 3)" in shown and "1 x strange" in shown
