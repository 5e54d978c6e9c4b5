"""Was the model as sure as it usually is?"""

from __future__ import annotations

import random

import pytest

from tokenworks.routing.checks.finding import Answer, Expected
from tokenworks.routing.checks.logprob import FEWEST, Usual, check


def test_what_is_usual_is_learned() -> None:
    usual, draw = Usual(), random.Random(1)
    for _ in range(FEWEST - 1):
        usual.add(draw.gauss(-0.4, 0.1))
    assert usual.told() is None, "too few"
    for _ in range(2000):
        usual.add(draw.gauss(-0.4, 0.1))
    usual.add(float("-inf"))
    told = usual.told()
    assert told is not None
    assert told == (pytest.approx(-0.4, abs=0.03), pytest.approx(0.1, abs=0.03))


def test_unusually_unsure_is_a_doubt_and_unknown_is_nothing() -> None:
    known = Expected(usual_logprob=(-0.4, 0.1))
    sure, unsure = check(Answer("x", mean_logprob=-0.45), known), check(Answer("x", mean_logprob=-0.7), known)
    assert sure is not None and sure.ok
    assert unsure is not None and not unsure.ok and not unsure.fatal
    assert check(Answer("x"), known) is None
    assert check(Answer("x", mean_logprob=-9.0), Expected()) is None
