"""Vitals: what the gateway tells of attempts becomes what policies and the API ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.config.settings import RoutingSettings
from tokenworks.routing.health import REFUSED_REST_S, Health, Kind, Mean, Vitals
from tokenworks.schema import Endpoint, Price

SETTINGS = RoutingSettings(breaker_failures=3, breaker_rest_s=10.0)
BREAKING = ("connect", "tls", "timeout", "closed", "garbage", "overloaded", "server_error", "refused_address")
REFUSALS = ("auth", "payment", "missing")
PAUSES = (0.0, 0.0, 0.0, 0.4, 4.9, 5.0, 61.0, 350.0)  # within and over the widths of windows and slices


@pytest.fixture
def vitals() -> Vitals:
    return Vitals(SETTINGS)


def fail(vitals: Vitals, kind: Kind, now: float, times: int) -> None:
    for _ in range(times):
        vitals.failed(kind, now)


def test_every_kind_is_tried_here() -> None:
    assert {*BREAKING, *REFUSALS, "rate_limited", "tool_call"} == set(get_args(Kind))


@pytest.mark.parametrize("kind", BREAKING)
def test_failures_open_the_breaker_and_a_trial_closes_it(vitals: Vitals, kind: Kind) -> None:
    assert not vitals.troubled
    fail(vitals, kind, 100.0, 2)
    assert (vitals.state(100.0), vitals.troubled) == ("closed", False)
    vitals.failed(kind, 100.0)
    assert (vitals.state(100.0), vitals.troubled, vitals.down(100.0)) == ("open", True, True)
    assert vitals.rest_s(100.0) is None, "it did not ask for this rest"
    assert not vitals.admit(109.9)
    assert [vitals.admit(110.0), vitals.admit(110.0)] == [True, False]
    vitals.first_token(0.5, 111.0)
    assert (vitals.state(111.0), vitals.troubled) == ("closed", False)
    vitals.failed(kind, 112.0)
    assert vitals.state(112.0) == "closed", "what opened it before is forgotten"


def test_what_opened_it_does_not_open_it_again(vitals: Vitals) -> None:
    fail(vitals, "timeout", 100.0, 20)
    assert vitals.admit(110.0)
    vitals.succeeded(1.0, 5, 111.0)
    vitals.failed("timeout", 112.0)
    assert vitals.state(112.0) == "closed", "the minute that was so bad has been forgotten"
    assert vitals.uptime(112.0, 300.0) == pytest.approx(100 / 22), "but not for whoever looks"


def test_a_good_answer_ends_a_row_of_failures(vitals: Vitals) -> None:
    for second in range(4):
        fail(vitals, "timeout", 100.0 + 70 * second, 2)
        vitals.succeeded(1.0, 5, 100.0 + 70 * second)
    assert vitals.state(310.0) == "closed"


def test_a_trial_whose_key_is_refused_is_over(vitals: Vitals) -> None:
    fail(vitals, "timeout", 0.0, 3)
    assert vitals.admit(10.0)
    vitals.failed("auth", 11.0)
    assert not vitals.admit(11.0 + REFUSED_REST_S - 0.1)
    assert [vitals.admit(11.0 + REFUSED_REST_S), vitals.admit(11.0 + REFUSED_REST_S)] == [True, False]


def test_a_whole_answer_closes_it_too(vitals: Vitals) -> None:
    fail(vitals, "timeout", 0.0, 3)
    assert vitals.admit(10.0)
    vitals.succeeded(1.0, 5, 11.0)
    assert vitals.state(11.0) == "closed"


def test_half_of_a_busy_minute_opens_it(vitals: Vitals) -> None:
    for second in range(5):
        vitals.succeeded(1.0, 5, 100.0 + second)
        vitals.failed("timeout", 100.0 + second)
    assert vitals.state(104.0) == "open"
    slow = Vitals(SETTINGS)
    for second in range(0, 100, 20):
        slow.succeeded(1.0, 5, 100.0 + second)
        slow.failed("timeout", 100.0 + second)
    assert slow.state(180.0) == "closed", "no ten in any minute"


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_time_alone_does_not_heal_rests_a_minute(vitals: Vitals, kind: Kind) -> None:
    fail(vitals, kind, 100.0, 20)
    assert (vitals.state(100.0), vitals.view(100.0).status) == ("resting", -2)
    assert vitals.rest_s(100.0) is None, (
        "nobody asked for it: the last endpoint left may be asked all the same"
    )
    assert not vitals.admit(100.0 + REFUSED_REST_S - 1)
    assert vitals.admit(100.0 + REFUSED_REST_S)
    assert not vitals.troubled


def test_retry_after_is_respected(vitals: Vitals) -> None:
    fail(vitals, "rate_limited", 100.0, 20)
    assert (vitals.state(100.0), vitals.rest_s(100.0)) == ("resting", None)
    vitals.failed("rate_limited", 100.0, 30.0)
    assert (vitals.state(100.0), vitals.rest_s(100.0)) == ("resting", 30.0)
    assert vitals.view(100.0).status == -1
    assert not vitals.admit(129.9)
    assert vitals.admit(130.0)
    assert vitals.view(130.0).status == 0
    assert vitals.uptime(130.0, 300.0) is None, "too many requests of ours is no failure of theirs"
    vitals.failed("overloaded", 200.0, 5.0)
    assert (vitals.state(200.0), vitals.rest_s(200.0)) == ("resting", 5.0)
    vitals.failed("auth", 200.0)
    assert vitals.rest_s(200.0) is None
    vitals.succeeded(1.0, 1, 201.0)
    assert vitals.rest_s(201.0) == 4.0


def test_released_attempts_tell_nothing(vitals: Vitals) -> None:
    before = vitals.view(100.0)
    vitals.released()
    assert vitals.view(100.0) == before
    fail(vitals, "timeout", 100.0, 3)
    assert vitals.admit(110.0)
    vitals.released()
    assert vitals.admit(110.0), "the trial told nothing: another one"


def test_an_outage_is_recent_for_half_a_minute(vitals: Vitals) -> None:
    vitals.failed("timeout", 100.0)
    assert not vitals.recent_outage(100.0), "one is none"
    vitals.failed("timeout", 100.0)
    assert vitals.recent_outage(100.0)
    assert vitals.ailing(129.9)
    assert not vitals.recent_outage(135.0)
    for _ in range(2):
        vitals.succeeded(1.0, 1, 140.0)
        vitals.failed("timeout", 140.0)
    assert vitals.recent_outage(140.0), "half of them"
    vitals.succeeded(1.0, 1, 140.0)
    assert not vitals.recent_outage(140.0), "less than half of them"


def test_an_endpoint_due_for_its_trial_does_not_ail(vitals: Vitals) -> None:
    fail(vitals, "timeout", 100.0, 3)
    assert vitals.ailing(109.9)
    assert not vitals.ailing(110.0), "else nothing would be sent there and it would stay half open"
    assert vitals.admit(110.0)
    assert vitals.ailing(110.0), "the trial is under way"


def test_uptime_by_window(vitals: Vitals) -> None:
    assert vitals.uptime(0.0, 300.0) is None
    start = 100_000.0
    vitals.failed("timeout", start)
    for minute in range(1, 4):
        vitals.succeeded(1.0, 1, start + 60 * minute)
    view = vitals.view(start + 200)
    assert (view.uptime_last_5m, view.uptime_last_30m, view.uptime_last_1d) == (75.0, 75.0, 75.0)
    view = vitals.view(start + 420)
    assert (view.uptime_last_5m, view.uptime_last_30m, view.uptime_last_1d) == (100.0, 75.0, 75.0)
    view = vitals.view(start + 3600)
    assert (view.uptime_last_5m, view.uptime_last_30m, view.uptime_last_1d) == (None, None, 75.0)
    view = vitals.view(start + 90_000 + 3600)
    assert (view.uptime_last_5m, view.uptime_last_30m, view.uptime_last_1d) == (None, None, None)


def test_speeds(vitals: Vitals) -> None:
    assert (vitals.ttft_s.value, vitals.tokens_per_s.value, vitals.output_tokens.value) == (None, None, None)
    for _ in range(20):
        vitals.first_token(0.5, 10.0)
        vitals.succeeded(4.0, 400, 10.0)
    vitals.succeeded(0.0, 100, 10.0)
    vitals.succeeded(2.0, 15, 10.0)  # too few tokens to tell a speed
    assert vitals.ttft_s.value == pytest.approx(0.5)
    assert vitals.tokens_per_s.value == pytest.approx(100.0)
    assert vitals.output_tokens.value == pytest.approx(400 * 0.81 + 100 * 0.09 + 15 * 0.1)
    view = vitals.view(10.0)
    assert view.latency_last_30m is not None and view.throughput_last_30m is not None
    assert view.latency_last_30m.p99 == pytest.approx(500.0, rel=0.05)
    assert view.throughput_last_30m.p50 == pytest.approx(100.0, rel=0.05)


@given(
    st.lists(
        st.tuples(st.sampled_from(PAUSES), st.floats(1e-9, 60) | st.just(0.0), st.integers(0, 2000)),
        min_size=1,
        max_size=600,
    )
)
def test_what_is_counted_late_counts_like_what_is_counted_at_once(
    answers: list[tuple[float, float, int]],
) -> None:
    late, prompt, now = Vitals(SETTINGS), Vitals(SETTINGS), 1000.0
    for pause, seconds, tokens in answers:
        now += pause
        late.succeeded(seconds, tokens, now)
        prompt.succeeded(seconds, tokens, now)
        assert prompt.heard_at == now  # who asks has it counted
    assert late.view(now) == prompt.view(now)
    assert late.heard_at == now
    for one, other in (
        (late.output_tokens, prompt.output_tokens),
        (late.tokens_per_s, prompt.tokens_per_s),
    ):
        assert (one.value, one.samples, one.at) == (other.value, other.samples, other.at)
    assert [late.uptime(now, each) for each in (60, 1800, 86_400)] == [100.0] * 3
    late.failed("connect", now)
    prompt.failed("connect", now)
    for window in (60, 300, 1800, 86_400):
        assert late.uptime(now, window) == prompt.uptime(now, window)


def test_p90_of_throughput_is_what_nine_of_ten_reach(vitals: Vitals) -> None:
    for tokens in range(100, 1100, 10):
        vitals.succeeded(1.0, tokens, 10.0)
    found = vitals.view(10.0).throughput_last_30m
    assert found is not None
    assert found.p50 == pytest.approx(595, rel=0.06)
    assert found.p90 == pytest.approx(195, rel=0.06)
    assert found.p50 > found.p75 > found.p90 > found.p99


def test_a_mean_first_weighs_all_alike_and_then_fades() -> None:
    mean = Mean()
    for sample in (1.0, 2.0, 3.0, 6.0):
        mean.add(sample, sample)
    assert (mean.value, mean.samples, mean.at) == (3.0, 4, 6.0)
    for _ in range(100):
        mean.add(9.0, 7.0)
    assert mean.value == pytest.approx(9.0, abs=0.01)
    mean.add(19.0, 8.0)
    assert mean.value == pytest.approx(10.0, abs=0.01)


def test_errors_of_the_day(vitals: Vitals) -> None:
    assert vitals.error_share(0.0) == 0
    for _ in range(96):
        vitals.succeeded(1.0, 1, 0.0)
    vitals.failed("garbage", 0.0)
    vitals.failed("tool_call", 0.0)
    assert vitals.error_share(10.0) == 2 / 100
    assert vitals.error_share(100_000.0) == 0
    assert vitals.uptime(0.0, 300.0) == pytest.approx(100 * 96 / 97), "an unusable tool call is an answer"
    assert vitals.state(0.0) == "closed"


def test_states_and_their_numbers(vitals: Vitals) -> None:
    assert (vitals.view(100.0).state, vitals.view(100.0).status) == ("closed", 0)
    fail(vitals, "timeout", 100.0, 2)
    assert (vitals.view(100.0).state, vitals.view(100.0).status) == ("closed", -1)
    vitals.failed("timeout", 100.0)
    assert (vitals.view(100.0).state, vitals.view(100.0).status) == ("open", -2)
    assert (vitals.view(110.0).state, vitals.view(110.0).status) == ("half_open", -1)


# --- all endpoints ------------------------------------------------------------------------------


def test_a_new_price_keeps_the_vitals(endpoint: Callable[..., Endpoint]) -> None:
    health = Health(SETTINGS)
    assert health.find(endpoint("acme")) is None
    made = health.of(endpoint("acme"))
    assert health.of(endpoint("acme", price=Price("other", 9.0, 9.0))) is made
    assert health.find(endpoint("acme")) is made
    for other in (
        endpoint("other"),
        endpoint("acme", quantization="fp8"),
        endpoint("acme", model="a/n"),
        endpoint("acme", upstream_id="second", engine="second"),
    ):
        assert health.of(other) is not made


def test_a_view_of_what_was_never_used(endpoint: Callable[..., Endpoint]) -> None:
    health = Health(SETTINGS)
    view = health.view(endpoint("acme"), 5.0)
    assert msgspec.to_builtins(view) == {
        "status": 0,
        "state": "closed",
        "uptime_last_5m": None,
        "uptime_last_30m": None,
        "uptime_last_1d": None,
        "latency_last_30m": None,
        "throughput_last_30m": None,
    }
    assert health.find(endpoint("acme")) is None, "to look is not to use"
    fail(health.of(endpoint("acme")), "timeout", 5.0, 3)
    assert health.view(endpoint("acme"), 5.0).state == "open"


def test_the_silent_are_forgotten_when_there_are_too_many(endpoint: Callable[..., Endpoint]) -> None:
    health = Health(SETTINGS, limit=8)
    busy = endpoint("busy")
    health.of(busy).succeeded(1.0, 1, 0.0)
    for number in range(100):
        other = endpoint("any", model=f"a/{number}")
        health.of(other).failed("missing", float(number))
        health.of(busy).succeeded(1.0, 1, float(number))
    kept = [number for number in range(100) if health.find(endpoint("any", model=f"a/{number}"))]
    assert len(kept) < 8
    assert kept[-4:] == [96, 97, 98, 99]
    assert health.of(busy).uptime(99.0, 300.0) == 100.0


def test_the_share_of_input_that_came_from_the_cache_counts_tokens(vitals: Vitals) -> None:
    assert vitals.hit_share is None
    vitals.read(1000, 0, 1.0)
    assert vitals.hit_share == 0.0
    vitals.read(9000, 9000, 2.0)
    assert vitals.hit_share == pytest.approx(0.9), "long prompts count for more"
    for second in range(60):
        vitals.read(1000, 0, 3.0 + second)
    assert vitals.hit_share < 0.02, "older ones fade"
