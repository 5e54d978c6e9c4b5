"""Quantiles of the last half hour, right to 5 %."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.routing.spread import SLICE_S, Percentiles, Spread


def test_nothing_measured_is_nothing_told() -> None:
    spread = Spread(0.001)
    assert (spread.count(0.0), spread.quantile(0.5, 0.0), spread.percentiles(0.0)) == (0, None, None)


def test_one_sample_is_every_percentile() -> None:
    spread = Spread(0.001)
    spread.add(0.4, 10.0)
    found = spread.percentiles(10.0)
    assert found is not None
    assert found == Percentiles(found.p50, found.p50, found.p50, found.p50)
    assert found.p50 == pytest.approx(0.4, rel=0.05)


def test_percentiles_of_many() -> None:
    draw = random.Random(7)
    values = [draw.lognormvariate(0, 1) for _ in range(20_000)]
    spread = Spread(0.001)
    for value in values:
        spread.add(value, 50.0)
    values.sort()
    up, down = spread.percentiles(50.0), spread.percentiles(50.0, descending=True)
    assert up is not None and down is not None
    for share, slow, reached in (
        (0.5, up.p50, down.p50),
        (0.75, up.p75, down.p75),
        (0.9, up.p90, down.p90),
        (0.99, up.p99, down.p99),
    ):
        assert slow == pytest.approx(values[int(share * 20_000)], rel=0.06), f"{share} need no longer"
        assert reached == pytest.approx(values[int((1 - share) * 20_000)], rel=0.06), f"{share} reach that"


def test_half_an_hour_is_remembered() -> None:
    spread = Spread(0.001)
    spread.add(9.0, 0.0)
    spread.add(1.0, 6 * SLICE_S - 1)
    assert spread.count(6 * SLICE_S - 1) == 2
    assert spread.quantile(1.0, 6 * SLICE_S - 1) == pytest.approx(9.0, rel=0.05)
    assert spread.quantile(1.0, 6 * SLICE_S) == pytest.approx(1.0, rel=0.05)
    assert spread.count(60 * SLICE_S) == 0
    assert spread.percentiles(60 * SLICE_S) is None
    spread = Spread(0.001)
    for minute in range(600):
        spread.add(1.0, minute * 60.0)
    assert 25 <= spread.count(599 * 60.0) <= 30


def test_a_look_is_good_for_a_second() -> None:
    spread = Spread(0.1)
    spread.add(50.0, 10.0)
    assert spread.count(10.0) == 1
    spread.add(80.0, 10.2)
    assert spread.count(10.9) == 1
    assert spread.quantile(1.0, 10.9) == pytest.approx(50.0, rel=0.05)
    assert spread.count(11.0) == 2
    assert spread.quantile(1.0, 11.0) == pytest.approx(80.0, rel=0.05)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=50), st.floats(0, 1))
def test_any_value_finds_a_bucket(values: list[float], share: float) -> None:
    spread = Spread(0.001)
    for value in values:
        spread.add(value, 0.0)
    found = spread.quantile(share, 0.0)
    assert found is not None
    within = [min(max(value, 0.001), 1100.0) for value in values]
    assert min(within) * 0.9 <= found <= max(within) * 1.1
