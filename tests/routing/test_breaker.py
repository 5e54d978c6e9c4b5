"""When an endpoint is left alone: over simulated time, by examples and by any run of events."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tokenworks.routing.breaker import FIRST_PAUSE_S, MAX_PAUSE_S, MAX_REST_S, PROBE_S, STEADY_S, Breaker

REST_S = 15.0


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(3, REST_S)
    for _ in range(3):
        breaker.failed(now, 0, 0)
    assert breaker.state(now) == "open"
    return breaker


def reopen(breaker: Breaker, now: float) -> None:
    """Fail the trial at ``now``."""
    assert breaker.admit(now)
    breaker.failed(now, 1, 1)
    assert breaker.state(now) == "open"


def rest_of(breaker: Breaker, now: float) -> int:
    """Whole seconds until the next request is let through."""
    return next(second for second in range(100_000) if not breaker.down(now + second))


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(3, REST_S)
    breaker.failed(0.0, 1, 1)
    breaker.failed(0.0, 2, 2)
    breaker.succeeded()
    breaker.failed(0.0, 4, 3)
    breaker.failed(0.0, 5, 4)
    assert breaker.calm and breaker.admit(0.0) and breaker.state(0.0) == "closed"
    breaker.failed(0.0, 6, 5)
    assert (breaker.calm, breaker.admit(0.0), breaker.state(0.0)) == (False, False, "open")


@pytest.mark.parametrize(
    ("requests", "failures", "state"), [(9, 9, "closed"), (10, 4, "closed"), (10, 5, "open")]
)
def test_it_opens_when_half_of_a_busy_minute_failed(requests: int, failures: int, state: str) -> None:
    breaker = Breaker(100, REST_S)
    breaker.failed(0.0, requests, failures)
    assert breaker.state(0.0) == state


def test_after_its_rest_one_request_may_try() -> None:
    breaker = opened()
    assert not breaker.admit(REST_S - 0.01)
    assert breaker.state(REST_S) == "half_open"
    assert not breaker.down(REST_S)
    assert breaker.admit(REST_S)
    assert not breaker.admit(REST_S)
    assert breaker.down(REST_S)
    assert breaker.answered(REST_S + 1)
    assert breaker.state(REST_S + 1) == "closed"
    assert breaker.calm
    assert all(breaker.admit(REST_S + 1) for _ in range(5))


def test_a_trial_that_is_given_up_makes_room_for_another() -> None:
    breaker = opened()
    assert breaker.admit(20.0)
    breaker.released()
    assert breaker.admit(21.0)
    assert not breaker.admit(21.0 + PROBE_S - 0.1)
    assert breaker.admit(21.0 + PROBE_S)


def test_rests_double_up_to_sixteen_times() -> None:
    breaker, now = opened(), 0.0
    for factor in (1, 2, 4, 8, 16, 16, 16):
        rest = rest_of(breaker, now)
        assert rest == factor * REST_S
        now += rest
        reopen(breaker, now)


def test_a_steady_time_makes_the_next_rest_short_again() -> None:
    for steady, factor in ((STEADY_S - 1, 4), (STEADY_S, 1)):
        breaker = opened()
        reopen(breaker, 15.0)
        assert breaker.admit(45.0)
        assert breaker.answered(45.0)
        for _ in range(3):
            breaker.failed(45.0 + steady, 3, 3)
        assert rest_of(breaker, 45.0 + steady) == factor * REST_S


def test_the_late_end_of_old_requests_changes_nothing() -> None:
    breaker = opened()
    for _ in range(50):
        breaker.failed(3.0, 50, 50)
    breaker.succeeded()
    assert not breaker.answered(4.0), "it was asked before it failed"
    assert breaker.state(14.9) == "open"
    assert rest_of(breaker, 0.0) == REST_S
    breaker.failed(20.0, 1, 1)  # nobody was let through yet: still an old one
    assert rest_of(breaker, 20.0) == REST_S, "again, but no longer"


def test_retry_after_is_kept_to_the_second() -> None:
    breaker = Breaker(3, REST_S)
    breaker.pause(100.0, 42.0)
    assert (breaker.state(100.0), breaker.rest_s(100.0)) == ("resting", 42.0)
    breaker.pause(110.0, 5.0)
    assert breaker.rest_s(110.0) == 32.0, "a shorter wish does not shorten the longer one"
    assert not breaker.admit(141.9)
    assert breaker.rest_s(142.0) is None
    assert breaker.admit(142.0)
    assert breaker.calm
    assert breaker.state(142.0) == "closed"
    breaker.pause(200.0, 1e12)
    assert breaker.rest_s(200.0) == MAX_REST_S
    assert Breaker(3, REST_S).rest_s(0.0) is None


def test_without_a_word_pauses_double_until_something_succeeds() -> None:
    breaker, now = Breaker(3, REST_S), 0.0
    for seconds in (1, 2, 4, 8, 16, 32, 64, 64):
        breaker.pause(now, None)
        breaker.pause(now, None)  # the others that were under way
        assert breaker.rest_s(now) is None, "it named no time"
        assert breaker.down(now + seconds - 0.01)
        now += seconds
        assert breaker.admit(now)
    assert MAX_PAUSE_S == 64
    breaker.succeeded()
    breaker.pause(now, None)
    assert breaker.down(now + FIRST_PAUSE_S - 0.01) and not breaker.down(now + FIRST_PAUSE_S)
    assert breaker.state(now) == "resting", "any number of them opens no breaker"


def test_too_many_requests_during_the_trial_only_delays_it() -> None:
    breaker = opened()
    assert breaker.admit(20.0)
    breaker.pause(20.0, 7.0)
    assert not breaker.admit(26.9)
    assert breaker.admit(27.0)
    assert not breaker.admit(27.0)


class Simulated(RuleBasedStateMachine):
    """Requests come and end in any order and at any time; each that was let through ends once."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(3, REST_S)
        self.now = 0.0
        self.under_way: list[tuple[float, bool]] = []  # since when, and whether as a trial
        self.failures = 0

    @rule(step=st.floats(0, 100))
    def wait(self, step: float) -> None:
        self.now += step

    @rule()
    def ask(self) -> None:
        state = self.breaker.state(self.now)
        down = self.breaker.down(self.now)
        admitted = self.breaker.admit(self.now)
        assert admitted is not down
        if state in ("open", "resting"):
            assert not admitted
        if admitted:
            self.under_way.append((self.now, state == "half_open"))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["good", "bad", "busy", "busy_for", "nothing"]))
    def end(self, data: st.DataObject, how: str) -> None:
        since, trial = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        breaker, now = self.breaker, self.now
        if how == "good":
            breaker.answered(now)
            breaker.succeeded()
            if breaker.state(now) in ("closed", "resting"):  # whoever tried before has proved it
                self.under_way = [(since, False) for since, _ in self.under_way]
        elif how == "bad":
            breaker.failed(now, 20, 20)
            self.under_way = [(since, False) for since, _ in self.under_way]
        elif how == "nothing":
            if trial and now - since < PROBE_S:
                breaker.released()
        else:
            breaker.pause(now, 30.0 if how == "busy_for" else None)
            self.under_way = [(since, False) for since, _ in self.under_way]

    @invariant()
    def at_most_one_trial(self) -> None:
        trials = [since for since, trial in self.under_way if trial and self.now - since < PROBE_S]
        assert len(trials) <= 1

    @invariant()
    def calm_means_closed(self) -> None:
        if self.breaker.calm:
            assert self.breaker.state(self.now) == "closed"
            assert not self.breaker.down(self.now)

    def teardown(self) -> None:
        """Whatever has happened: with time and good answers it serves again."""
        now = self.now + 16 * REST_S + PROBE_S + MAX_PAUSE_S
        assert self.breaker.admit(now), "time alone brings a trial"
        self.breaker.answered(now)
        self.breaker.succeeded()
        assert self.breaker.state(now) == "closed"
        assert self.breaker.calm
        assert self.breaker.admit(now)


Simulated.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyRunOfEvents = Simulated.TestCase


@given(st.integers(2, 30))
def test_of_many_that_come_at_once_one_tries(callers: int) -> None:
    breaker = opened()
    assert [breaker.admit(REST_S) for _ in range(callers)] == [True] + [False] * (callers - 1)
