"""Joules of reading and writing told apart."""

from __future__ import annotations

import pytest

from tokenworks.energy.engine_metrics import Counts
from tokenworks.energy.phases import DECODE_WEIGHT, HALF_LIFE_S, Phases


def work(
    prefill: float = 0, decode: float = 0, prefill_s: float = 0, decode_s: float = 0, slots: float = 1
) -> Counts:
    return Counts(prefill, 0, decode, prefill_s, decode_s, batches=100, busy=100 * slots)


def test_joules_go_by_the_time_that_each_took() -> None:
    phases = Phases()
    phases.add(100.0, work(prefill=500, decode=50, prefill_s=1, decode_s=3))
    assert phases.per_token() == (pytest.approx(25e6 / 500), pytest.approx(75e6 / 50))
    assert (phases.prefill_joules, phases.decode_joules, phases.joules) == (25.0, 75.0, 100.0)


def test_requests_decoded_together_share_the_time() -> None:
    phases = Phases()
    phases.add(100.0, work(prefill=500, decode=200, prefill_s=1, decode_s=12, slots=4))
    assert phases.per_token() == (pytest.approx(25e6 / 500), pytest.approx(75e6 / 200))


def test_what_is_not_counted_yet_waits_and_nothing_is_lost() -> None:
    """A long answer is counted at its end, the joules before."""
    phases = Phases()
    for _ in range(9):
        phases.add(10.0, work())
        assert phases.per_token() is None
    assert phases.joules == 90.0
    phases.add(10.0, work(prefill=100, decode=400, prefill_s=1, decode_s=9))
    token = phases.per_token()
    assert token is not None
    charged = 100 * token.prefill_uj + 400 * token.decode_uj
    assert charged == pytest.approx(100e6)


def test_newer_work_counts_more() -> None:
    phases = Phases()
    phases.add(100.0, work(decode=100, decode_s=100))
    for _ in range(20):
        phases.add(200.0, work(decode=100, decode_s=HALF_LIFE_S))
    token = phases.per_token()
    assert token is not None and token.decode_uj == pytest.approx(2e6, rel=0.01)


def test_a_kind_that_was_never_seen_is_taken_from_the_other() -> None:
    phases = Phases()
    phases.add(10.0, work(prefill=1000, prefill_s=1))
    assert phases.per_token() == (pytest.approx(10_000), pytest.approx(10_000 * DECODE_WEIGHT))
    other = Phases()
    other.add(10.0, work(decode=1000, decode_s=1))
    assert other.per_token() == (pytest.approx(10_000 / DECODE_WEIGHT), pytest.approx(10_000))


def test_a_server_that_tells_no_times_is_split_by_weight() -> None:
    phases = Phases()
    phases.add(100.0, Counts(1000, 0, 1000))
    token = phases.per_token()
    assert token is not None
    assert token.decode_uj / token.prefill_uj == pytest.approx(DECODE_WEIGHT)
    assert 1000 * (token.decode_uj + token.prefill_uj) == pytest.approx(100e6)


def test_too_little_says_nothing() -> None:
    phases = Phases()
    phases.add(1.0, work(prefill=1, decode=1, prefill_s=0.01, decode_s=0.01))
    assert phases.per_token() is None
