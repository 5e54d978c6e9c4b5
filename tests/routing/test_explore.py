"""Who is asked first: chances that are what is logged, that follow what is known, and have their bounds."""

import random
import time
from collections import Counter

import numpy as np
import pytest

from tokenworks.routing import explore
from tokenworks.routing.explore import Arm, best, explored, propensities, shadowed
from tokenworks.routing.thompson import Belief


def arms(*given: tuple[float, float, float, float]) -> list[Arm]:
    return [Arm(Belief(a, b), cost, gain) for a, b, cost, gain in given]


THREE = arms((8, 2, 0.010, 0.010), (6, 2, 0.0095, 0.010), (2, 1, 0.010, 0.010))


def test_what_is_logged_is_how_often_it_happens() -> None:
    rng = random.Random(11)
    for given in (THREE, THREE[:2], arms((30, 5, 0.01, 0.01), (1, 1, 0.01, 0.01))):
        counts: Counter[int] = Counter()
        for _ in range(2_000):
            choice = explored(given, rng.random(), floor=0.02, most=0.4)
            counts[choice.index] += 1
        for index, chance in enumerate(choice.propensities):
            assert counts[index] / 2_000 == pytest.approx(chance, abs=0.04)
    first = explored(THREE, 0.0)
    assert (first.index, first.propensity) == (0, propensities(THREE)[0])


def test_those_ranked_far_behind_have_the_floor_alone() -> None:
    found = propensities(arms(*[(1, 1, 0.01, 0.01)] * 9), floor=0.09, most=0.8)
    assert found[explore.MOST_ARMS :] == pytest.approx([0.01] * (9 - explore.MOST_ARMS))
    assert min(found[: explore.MOST_ARMS]) > 0.1


@pytest.mark.parametrize("seed", range(4))
def test_the_chances_are_those_of_thompson_sampling(seed: int) -> None:
    """Against draws: each arm's P(right) from its belief, the one worth most is taken."""
    rng = np.random.default_rng(seed)
    given = [
        Arm(Belief(*rng.uniform(0.5, 40, 2)), rng.uniform(0, 0.005), rng.uniform(0.005, 0.02))
        for _ in range(2 + seed)
    ]
    logits = np.array([arm.belief.logit() for arm in given])
    draws = 1 / (1 + np.exp(-(logits[:, :1] + logits[:, 1:] * rng.standard_normal((len(given), 60_000)))))
    worths = np.array([[arm.gain_usd] for arm in given]) * draws - np.array([[arm.cost_usd] for arm in given])
    simulated = np.bincount(worths.argmax(axis=0), minlength=len(given)) / 60_000
    assert best(given) == pytest.approx(simulated, abs=0.012)
    assert best(given).sum() == pytest.approx(1)


def test_bounds_hold_whatever_is_believed() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        count = int(rng.integers(1, 9))
        given = [
            Arm(Belief(*(10 ** rng.uniform(-3, 3, 2))), 10 ** rng.uniform(-6, 0), 10 ** rng.uniform(-6, 0))
            for _ in range(count)
        ]
        floor, most = rng.uniform(0.001, 0.05), rng.uniform(0.05, 0.5)
        found = propensities(given, floor=floor, most=most)
        assert sum(found) == pytest.approx(1)
        assert found[0] >= 1 - most - 1e-12 and all(each >= floor / count - 1e-12 for each in found)
        index = explored(given, rng.random(), floor=floor, most=most).index
        assert 0 <= index < count


def test_without_exploring_it_is_always_the_first() -> None:
    assert propensities(THREE, most=0.0) == (1.0, 0.0, 0.0)
    assert explored(THREE, 0.999999, most=0.0).index == 0
    assert explored(THREE[:1], 0.7).propensities == (1.0,)


def test_more_is_explored_where_less_is_known() -> None:
    known = propensities(arms((900, 100, 0.01, 0.01), (800, 200, 0.01, 0.01)), floor=0.0)
    open_ = propensities(arms((9, 1, 0.01, 0.01), (4, 1, 0.01, 0.01)), floor=0.0)
    assert known[1] < 0.001 < 0.05 < open_[1]


def test_a_route_that_pays_is_taken_before_one_that_is_right() -> None:
    """The second is right more seldom, but so much cheaper that it is worth more."""
    given = arms((95, 5, 0.02, 0.01), (80, 20, 0.012, 0.01))
    assert best(given)[1] > 0.95


def test_the_strong_model_at_once_is_an_arm_that_is_worth_the_same_however_right_it_is() -> None:
    sure, vague = Belief(900, 10), Belief(2, 1)
    for strong in (sure, vague):
        assert explore.straight(strong, 0.03).worth_usd(0.2) == -0.03
        cheap = explore.ahead(Belief(90, 10), 0.001, 0.03)
        assert cheap.worth_usd(1.0) == pytest.approx(-0.001)
        assert cheap.worth_usd(0.0) == pytest.approx(-0.031)
        assert best([cheap, explore.straight(strong, 0.03)])[0] > 0.999
        poor = explore.ahead(Belief(1, 99), 0.02, 0.03)
        assert best([explore.straight(strong, 0.03), poor])[0] > 0.999


def test_shadows_have_their_share() -> None:
    rng = random.Random(2)
    assert sum(shadowed(rng.random(), 0.02) for _ in range(50_000)) / 50_000 == pytest.approx(0.02, abs=0.003)
    assert not shadowed(0.0, 0.0) and shadowed(0.999, 1.0)


def test_it_is_cheap() -> None:
    given = arms(*[(5 + i, 2, 0.01, 0.01) for i in range(8)])
    propensities(given)
    began = time.process_time()
    for _ in range(50):
        propensities(given)
    assert (time.process_time() - began) / 50 < 0.002


def test_the_normal_distribution_is_close_enough() -> None:
    from statistics import NormalDist

    xs = np.linspace(-6, 6, 200)
    assert explore._normal(xs) == pytest.approx([NormalDist().cdf(x) for x in xs], abs=3e-4)
