"""Fitting what is known at each step."""

from __future__ import annotations

import numpy as np
import pytest

from tokenworks.routing.calibration import PATTERNS, WIDTH, Signs
from tokenworks.routing.study.calibrating import Samples, fit, logistic, pattern


def test_who_agrees_with_whom() -> None:
    assert pattern(["1", "2", "1"]) == "ABA"
    assert pattern(["1", "1"]) == "AA"
    assert pattern([None, None]) == "AB", "no answer agrees with nobody"


def test_the_shares_of_patterns_are_found_again_and_few_samples_stay_with_the_rest() -> None:
    rng = np.random.default_rng(1)
    n = 4000
    x = np.zeros((n, WIDTH))
    agreed = rng.random(n) < 0.5
    x[agreed, PATTERNS.index("AA")] = 1
    x[~agreed, PATTERNS.index("AB")] = 1
    right = (rng.random(n) < np.where(agreed, 0.95, 0.4)).astype(float)
    task = np.array(["many" if i >= 60 else "few" for i in range(n)], dtype=object)
    right[:60] = 0.0  # of which all were wrong
    rows = Samples(x, right, right, np.where(agreed, np.nan, 0.0), np.full(n, np.nan), task, np.arange(n))
    table = fit(rows, "test")
    assert table.judge(Signs("AA", (0.5, 0.5), 0.5), "many").right == pytest.approx(0.95, abs=0.02)
    assert table.judge(Signs("AB", (0.5, 0.5), 0.5), "many").right == pytest.approx(0.4, abs=0.04)
    few = table.judge(Signs("AA", (0.5, 0.5), 0.5), "few").right
    assert few < 0.9, "it has some weight of its own"
    assert table.samples == {"few": 60, "many": 3940}


def test_a_penalty_draws_to_where_it_starts() -> None:
    x = np.zeros((4, WIDTH))
    x[:, -1] = 1.0
    start = np.zeros(WIDTH)
    start[-1] = 2.0
    free = logistic(x, np.array([1.0, 0.0, 1.0, 0.0]), start, 0.01)
    held = logistic(x, np.array([1.0, 0.0, 1.0, 0.0]), start, 1e6)
    assert abs(free[-1]) < 0.1
    assert held[-1] == pytest.approx(2.0, abs=0.01)
