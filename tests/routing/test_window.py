"""Counts of the last so many seconds: never less than was asked for, at most one bucket more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tokenworks.routing.window import Window


def test_counts_fade_with_time() -> None:
    window = Window(5.0, 12)
    window.add(100.0, True)
    window.add(101.0, False)
    window.add(110.0, False)
    assert window.counts(110.0, 30) == (1, 2)
    assert window.counts(110.0, 5) == (0, 1), "the bucket of now and the one before it"
    assert window.counts(134.9, 30) == (1, 2), "34.9 s later they may still count, 30 s later they must"
    assert window.counts(135.0, 30) == (0, 1)
    assert window.counts(135.0, 60) == (1, 2)
    assert window.counts(175.0, 60) == (0, 0)


def test_a_long_pause_leaves_nothing_behind() -> None:
    window = Window(1.0, 4)
    for second in range(10):
        window.add(float(second), True)
    assert window.counts(9.0, 4) == (5, 0)
    assert window.counts(9.0, 1e9) == (5, 0), "no more than the ring holds"
    window.add(9.0 + 5 * 1000, False)
    assert window.counts(9.0 + 5 * 1000, 4) == (0, 1)
    window.clear()
    assert window.counts(9.0 + 5 * 1000, 4) == (0, 0)


def test_a_clock_that_lags_a_little_counts_as_now() -> None:
    window = Window(5.0, 3)
    window.add(100.0, True)
    window.add(94.0, True)
    assert window.counts(100.0, 15) == (2, 0)
    assert window.counts(90.0, 15) == (2, 0)


EVENTS = st.lists(st.tuples(st.floats(0, 40), st.booleans()), max_size=60)


@given(EVENTS, st.sampled_from([5.0, 10.0, 30.0, 60.0]))
def test_between_the_exact_count_and_that_of_one_bucket_more(
    steps: list[tuple[float, bool]], seconds: float
) -> None:
    window = Window(5.0, 12)
    now = 0.0
    told: list[tuple[float, bool]] = []
    for step, good in steps:
        now += step
        window.add(now, good)
        told.append((now, good))
    for wanted, counted in zip((True, False), window.counts(now, seconds), strict=True):
        times = [at for at, good in told if good is wanted]
        assert sum(now - at < seconds for at in times) <= counted
        assert counted <= sum(now - at < seconds + 5.0 for at in times)
