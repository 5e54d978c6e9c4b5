"""The quality-cost curve, against curves worked out by hand."""

import math

import numpy as np
import pytest

from tokenworks.routing.study.curve import apgr, at_spend, cpt, curve, saved_at

STRONG = np.array([1.0, 1.0, 1.0, 1.0])
CHEAP = np.array([0.0, 0.0, 1.0, 1.0])
BEST, WORST, BLIND = np.array([4.0, 3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4)


def test_a_perfect_order_recovers_all_with_the_calls_that_matter() -> None:
    found = curve(BEST, STRONG, CHEAP)
    assert found.calls.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.quality.tolist() == [0.5, 0.75, 1, 1, 1]
    assert apgr(found) == pytest.approx(0.75)
    assert cpt(found, 0.5) == pytest.approx(25) and cpt(found, 0.8) == pytest.approx(40)


def test_the_worst_order_is_its_mirror() -> None:
    found = curve(WORST, STRONG, CHEAP)
    assert apgr(found) == pytest.approx(0.25)
    assert cpt(found, 0.8) == pytest.approx(90)


def test_telling_nothing_apart_is_a_random_mix_exactly() -> None:
    found = curve(BLIND, STRONG, CHEAP)
    assert apgr(found) == 0.5
    assert cpt(found, 0.8) == pytest.approx(80)
    assert at_spend(found, 0.3) == pytest.approx(0.65)


def test_equal_scores_are_one_step_in_any_order_of_the_prompts() -> None:
    score, order = np.array([2.0, 2.0, 1.0, 1.0]), [2, 0, 3, 1]
    strong, cheap = np.array([1.0, 1, 1, 1]), np.array([0.0, 1, 0, 1])
    one = curve(score, strong, cheap)
    two = curve(score[order], strong[order], cheap[order])
    assert one.quality.tolist() == two.quality.tolist() == [0.5, 0.75, 1.0]


def test_money_saved_where_quality_is_as_good() -> None:
    costs = np.full(4, 10.0), np.full(4, 1.0)
    found = curve(BEST, STRONG, CHEAP, costs)
    assert found.cost_usd.tolist() == [1.0, 3.25, 5.5, 7.75, 10.0]
    assert saved_at(found, 1.0) == pytest.approx(0.45)
    assert saved_at(curve(WORST, STRONG, CHEAP, costs), 1.0) == 0
    assert saved_at(curve(BEST, STRONG, CHEAP), 1.0) == pytest.approx(0.5)  # without costs: calls


def test_a_better_cheap_model_leaves_no_gap_to_recover() -> None:
    found = curve(BEST, CHEAP, STRONG)
    assert math.isnan(apgr(found)) and math.isnan(cpt(found, 0.5))
    assert saved_at(found, 0.5) == 1


def test_a_mean_over_orders_of_random_scores_is_half() -> None:
    chance = np.random.default_rng(0)
    areas = [apgr(curve(chance.random(4), STRONG, CHEAP)) for _ in range(2000)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.01)
