"""Counts that fade, beliefs that join them with the predictor's word, and draws with the right spread."""

import random
from statistics import NormalDist, mean, pvariance

import pytest

from tokenworks.ledger.decided import LearntRow
from tokenworks.routing import thompson
from tokenworks.routing.thompson import Belief, Counts, believed, collapsed, counted, digamma, trigamma

TODAY = 20_000


def row(day: int = TODAY, weight: float = 10, right: float = 8, task: str = "code", **more) -> LearntRow:
    values = {"model": "a/x", "calls": 4, "input_tokens": 400, "cache_read_tokens": 100}
    values |= {"output_tokens": 80, "reasoning_tokens": 8, "cost_nano_usd": 1000, **more}
    return LearntRow(day=day, task=task, weight=weight, right=right, **values)


def test_old_counts_fade_by_their_half_life() -> None:
    rows = [row(), row(TODAY - 14), row(TODAY - 28, right=0), row(task="math", weight=2, right=1)]
    found = counted(rows, TODAY)
    assert found["code", "a/x"] == Counts(8 + 4, 2 + 1 + 2.5)
    assert found["math", "a/x"] == Counts(1, 1)
    assert counted([row(TODAY + 1)], TODAY)["code", "a/x"] == Counts(8, 2), "clocks differ"
    assert counted([row(weight=-1e-17, right=0)], TODAY) == {}
    assert counted([row(weight=1, right=1 + 1e-9)], TODAY)["code", "a/x"].wrong == 0


def test_collapsed_rows_say_the_same() -> None:
    rng = random.Random(3)
    rows = [
        row(TODAY - rng.randrange(60), rng.random() * 5 + 5, rng.random() * 5, rng.choice(["code", "math"]))
        for _ in range(50)
    ]
    short = collapsed(rows, TODAY)
    assert len(short) == 2 and {each.day for each in short} == {TODAY}
    whole, again = counted(rows, TODAY), counted(short, TODAY)
    for key in whole:
        assert again[key].right == pytest.approx(whole[key].right)
        assert again[key].wrong == pytest.approx(whole[key].wrong)


def test_the_predictors_word_counts_like_samples_but_not_without_end() -> None:
    assert believed(0.8, 10).mean == pytest.approx(0.8)
    assert believed(0.8, 10, Counts(0, 10)).mean == pytest.approx(0.4)
    assert believed(0.8, 1e9).weight == pytest.approx(thompson.MOST_PRIOR)
    assert believed(0.8, 0).weight == pytest.approx(thompson.LEAST_PRIOR)
    sure = believed(1.0, 30)
    assert sure.b > 0 and 0.99 < sure.mean < 1
    assert believed(7.0, 10).mean == pytest.approx(believed(1.0, 10).mean)


def test_what_is_seen_here_wins_in_the_end() -> None:
    means = [believed(0.9, 1000, Counts(0.3 * n, 0.7 * n)).mean for n in (0, 10, 100, 1000)]
    assert means == sorted(means, reverse=True)
    assert means[-1] == pytest.approx(0.3, abs=0.03)


def test_a_belief_about_one_prompt_has_a_bounded_weight() -> None:
    assert thompson.around(0.25, 8) == Belief(2, 6)
    assert thompson.around(0.5, 1e9).weight == pytest.approx(thompson.MOST_BELIEVED)
    assert thompson.around(1.0, 5).b > 0


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (2, 1), (8, 2), (30, 70), (300, 10)])
def test_draws_have_the_spread_of_the_beta_distribution(a: float, b: float) -> None:
    rng = random.Random(1)
    belief = Belief(a, b)
    normal = NormalDist()
    drawn = [belief.draw(normal.inv_cdf((i + 0.5) / 4000)) for i in range(4000)]
    true = [rng.betavariate(a, b) for _ in range(20_000)]
    assert mean(drawn) == pytest.approx(mean(true), abs=0.02)
    assert pvariance(drawn) ** 0.5 == pytest.approx(pvariance(true) ** 0.5, abs=0.03)
    assert all(0 <= each <= 1 for each in drawn)


def test_logit_moments_are_those_of_the_beta_distribution() -> None:
    """psi and psi' against values from tables (A&S 6.1-6.4) and their recurrences."""
    euler = 0.5772156649015329
    assert digamma(1) == pytest.approx(-euler, abs=1e-9)
    assert digamma(0.5) == pytest.approx(-euler - 1.3862943611198906, abs=1e-9)
    assert trigamma(1) == pytest.approx(1.6449340668482264, rel=1e-8)
    assert trigamma(0.5) == pytest.approx(4.934802200544679, rel=1e-8)
    for x in (0.001, 0.3, 2.7, 5.99, 6.0, 8.0, 41.5, 1e6):
        assert digamma(x + 1) - digamma(x) == pytest.approx(1 / x, rel=1e-6)
        assert trigamma(x) - trigamma(x + 1) == pytest.approx(1 / x**2, rel=1e-4)


def test_any_logit_is_a_probability() -> None:
    assert thompson.expit(1000) == 1.0
    assert thompson.expit(-1000) == 0.0
    assert Belief(0.001, 0.001).draw(8) <= 1
