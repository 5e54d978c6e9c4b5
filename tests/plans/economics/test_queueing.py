"""Requests that wait for room."""

from array import array

from tokenworks.plans.economics.queueing import serve_queued
from tokenworks.plans.window import parse

HOUR_US = 3_600_000_000


def serve(
    times_h: list[float], weights: list[int], cap: int, *, until_h: float, window: str = "hour"
) -> tuple:
    times = array("q", [round(hour * HOUR_US) for hour in times_h])
    until_us = round(until_h * HOUR_US)
    found = serve_queued(times, array("q", weights), array("q", weights), [parse(window)], [cap], until_us)
    return found.count, found.deferred, found.waiting, found.weight, found.used_up


def test_what_fits_is_served_at_once() -> None:
    assert serve([0.1, 0.2, 1.1], [5, 5, 10], 10, until_h=2) == (3, 0, 0, 20, [0])


def test_the_first_in_line_is_served_first_even_if_a_smaller_one_would_fit() -> None:
    # 8 of 10 are spent; 3 waits, so the 1 behind it does, too; both fit at the full hour
    assert serve([0.1, 0.2, 0.3], [8, 3, 1], 10, until_h=1) == (1, 0, 2, 8, [1])
    assert serve([0.1, 0.2, 0.3], [8, 3, 1], 10, until_h=1.01) == (3, 2, 0, 12, [1])


def test_a_long_queue_takes_several_windows() -> None:
    found = serve([0.1, 0.2, 0.3, 0.4, 0.5], [10] * 5, 10, until_h=4)
    assert found == (4, 3, 1, 40, [1])


def test_what_can_never_fit_is_not_queued() -> None:
    assert serve([0.1, 0.2, 0.3], [11, -1, 10], 10, until_h=1) == (1, 0, 0, 10, [1])


def test_a_window_that_never_ends_keeps_them_waiting() -> None:
    assert serve([1, 2, 3], [6, 6, 1], 10, until_h=1000, window="lifetime") == (1, 0, 2, 6, [1])


def test_without_windows_nothing_waits() -> None:
    one = array("q", [1])
    found = serve_queued(array("q", [5]), one, one, [], [], 10)
    assert (found.count, found.waiting) == (1, 0)
