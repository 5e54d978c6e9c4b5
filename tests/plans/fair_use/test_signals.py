import math
from itertools import pairwise
from random import Random
from statistics import median, pstdev

import pytest

from tokenworks.plans.fair_use.signals import DAY_US, SLOTS, Seen, signals, slot_counts

S = 1_000_000
NOW = 20_000 * DAY_US + 12 * 3600 * S + 7  # noon of some day


def seen(ago_s: float, session: str = "", app: str = "desk/1", tokens: int = 1000, latency_s: float = 1.0,
         finish: str = "stop") -> Seen:  # fmt: skip
    return Seen(NOW - int(ago_s * S), session, app, tokens, 50, int(latency_s * S), finish)


def day(*ones: Seen) -> list[Seen]:
    return sorted(ones, key=lambda one: one.time_us)


def test_nothing_at_all() -> None:
    none = signals([], (), NOW)
    assert (none.requests, none.hours, none.threads, none.peak, none.growth, none.step_share) == (0,) * 6
    assert none.strange_app == ""


def test_only_the_last_day_counts() -> None:
    found = signals(day(seen(86_401), seen(86_399 - 600), seen(10), seen(-5)), (), NOW)
    assert found.requests == 2


def test_duty_and_the_quiet_hours() -> None:
    every = signals(day(*(seen(60 + 300 * n) for n in range(287))), (), NOW)
    assert (every.hours, every.slots) == (24, 287)
    assert every.stretch_slots >= 280
    assert every.quiet_share == pytest.approx(0.25, abs=0.01)
    by_day = signals(day(*(seen(60 + 300 * n) for n in range(12 * 12))), (), NOW)
    assert by_day.hours in (12, 13) and by_day.quiet_share == 0.0


def test_sleep_that_the_window_cuts_in_two_is_still_six_quiet_hours() -> None:
    awake = [seen(3600 * 4 + 300 * n) for n in range(12 * 16)]  # 4 hours of sleep after it and 4 before
    assert signals(day(*awake), (), NOW).quiet_share == 0.0


def test_a_job_every_ten_minutes_is_regular_and_keeps_to_the_clock() -> None:
    start = NOW // (600 * S) * 600 * S
    job = [Seen(start - 600 * S * n - 297 * S, "", "", 1000, 50, S, "stop") for n in range(100)]
    found = signals(job[::-1], (), NOW)
    assert (found.wakes, found.wake_regular, found.wake_gap_s) == (100, 1.0, 600.0)
    assert found.clock == pytest.approx(1 - 1.5 / math.sqrt(100))
    rng = Random(1)
    chance = signals(day(*(seen(rng.uniform(0, 86_000)) for _ in range(300))), (), NOW)
    assert chance.wake_regular < 0.2 and chance.clock < 0.05


def test_gaps_are_those_of_the_list() -> None:
    rng = Random(2)
    ones = day(*(seen(rng.expovariate(1 / 600) + rng.choice((0, 30_000))) for _ in range(200)))
    gaps = [(b.time_us - a.time_us) / S for a, b in pairwise(ones)]
    found = signals(ones, (), NOW)
    assert found.gap_cv == pytest.approx(pstdev(gaps) / (sum(gaps) / len(gaps)))
    assert found.short_share == pytest.approx(sum(gap < 2 for gap in gaps) / len(gaps))
    assert 0 < found.gap_entropy < 1
    alike = signals(day(*(seen(100 * n) for n in range(200))), (), NOW)
    assert alike.gap_entropy == 0.0 and alike.gap_cv == pytest.approx(0.0)


def test_an_agents_burst_is_a_chain_and_the_next_prompt_ends_it() -> None:
    ones, at, tokens = [], 0.0, 5000
    for _ in range(3):  # prompts of one request and ten steps, two minutes apart
        for step in range(11):
            ones.append(seen(4000 - at, "a", tokens=tokens, finish="tool_calls" if step < 10 else "stop"))
            at += 1.0 + 7.0  # the answer, then the tool: slower than any hasty reader
            tokens += 300
        at += 120
    found = signals(ones, (), NOW)
    assert (found.chain, found.threads, found.led_share) == (10, 1, 1.0)
    assert found.step_share == pytest.approx(30 / 33)
    assert found.chain_mean == pytest.approx(10)
    assert found.growth == 1.0
    assert found.wait_s == pytest.approx(median([7.0] * 30 + [127.0] * 2))


def test_conversations_in_which_nobody_thinks_are_not_led() -> None:
    ones = [seen(5000 - 100 * n - 3 * k, f"s{n}", finish="tool_calls") for n in range(10) for k in range(5)]
    found = signals(day(*ones), (), NOW)
    assert (found.led_share, found.threads, found.single_share) == (0.0, 10, 0.0)


def test_parallel_sessions() -> None:
    ones = [seen(3000 - 10 * n, f"s{n % 4}", latency_s=35) for n in range(100)]
    found = signals(ones, (), NOW)
    assert found.peak == 4
    assert found.overlap == pytest.approx(0.99)
    assert found.at_once == pytest.approx(4.0, abs=0.4)


def test_clients_are_matched_by_globs_and_one_without_a_name_is_not_strange() -> None:
    ones = [seen(n, app=app) for n, app in enumerate(["desk/1"] * 5 + ["bot"] * 3 + ["x"] + [""])][::-1]
    found = signals(ones, ("desk/*", "agent/*"), NOW)
    assert (found.strange_share, found.strange_app, found.apps) == (0.4, "bot", 4)
    assert signals(ones, (), NOW).strange_share == 0.0


def test_counts_of_more_than_is_kept_tell_the_hours() -> None:
    ones = day(*(seen(20 * n + 1) for n in range(4000)))
    counts = slot_counts(ones, NOW)
    assert len(counts) == SLOTS and sum(counts) == 4000
    whole, cut = signals(ones, (), NOW), signals(ones[-500:], (), NOW, counts)
    assert (cut.requests, cut.hours, cut.slots) == (whole.requests, whole.hours, whole.slots)


def test_a_template_has_one_size() -> None:
    batch = [seen(10 * n, f"s{n}", tokens=2000 + n % 7) for n in range(50)]
    assert signals(batch[::-1], (), NOW).input_cv < 0.01
