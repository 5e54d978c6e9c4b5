"""Speed, end and cost of a batch, computed by hand."""

from __future__ import annotations

import pytest
from batching import batch_row

from tokenworks.batches.forecast import Forecast, Watched, forecast

S = 1_000_000


def row(done: int, failed: int = 0, **more: object):  # type: ignore[no-untyped-def]
    fields = {
        "started_us": 100 * S,
        "total": 100,
        "input_tokens": 30 * done,
        "output_tokens": 10 * done,
        "cost_nano_usd": 1_000_000_000 * (done + failed),
    }
    return batch_row(done=done, failed=failed, **(fields | more))


def test_from_its_beginning() -> None:
    found = forecast(row(20, 5), 110 * S)
    assert found == Forecast(tokens_per_s=80, parts_per_s=2.5, left_s=30, cost_usd=100)


def test_nothing_is_told_of_what_has_not_begun() -> None:
    assert forecast(row(0, started_us=None, status="validating"), 110 * S) == Forecast()
    assert forecast(row(0), 110 * S) == Forecast(0, 0, None, None)
    assert forecast(row(5), 100 * S) == Forecast(cost_usd=100)


def test_paused_and_over() -> None:
    assert forecast(row(50, status="paused"), 110 * S) == Forecast(cost_usd=100)
    assert forecast(row(50, status="cancelled"), 110 * S) == Forecast(left_s=0, cost_usd=50)


def test_watched_it_has_the_speed_of_the_last_minute() -> None:
    watched = Watched()
    assert watched.look(row(0), 101 * S).left_s is None
    for second in range(1, 61):
        watched.look(row(0), (101 + second) * S)
    for second in range(1, 31):  # now it goes: one a second
        found = watched.look(row(second), (161 + second) * S)
    assert found.parts_per_s == pytest.approx(0.5, rel=0.05)
    for second in range(31, 62):
        found = watched.look(row(second), (161 + second) * S)
    assert found.parts_per_s == pytest.approx(1, rel=0.05)
    assert found.tokens_per_s == pytest.approx(40, rel=0.05)


def test_it_is_measured_anew_after_a_pause() -> None:
    watched = Watched()
    watched.look(row(10), 110 * S)
    watched.look(row(10, status="paused"), 120 * S)
    watched.look(row(10, run=2), 500 * S)
    found = watched.look(row(20, run=2), 510 * S)
    assert found.parts_per_s == 1
