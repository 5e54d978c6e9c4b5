from itertools import pairwise
from pathlib import Path

import pytest

from subscribers import DAY_S, KINDS, Subscriber, subscriber
from tokenworks.plans.fair_use.signals import Signals, signals
from trace_samples import NoTraces, Samples, load


@pytest.fixture(scope="module")
def samples(data: Path) -> Samples:
    try:
        return load(data / "traces")
    except NoTraces as absent:
        pytest.skip(str(absent))


def whole_day(who: Subscriber) -> Signals:
    return signals(who.seen, who.clients, who.begin_us + int(2 * DAY_S * 1e6))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_the_same_again_and_differs_from_the_next(kind: str, samples: Samples) -> None:
    who = subscriber(kind, 3, samples, 1)
    assert who == subscriber(kind, 3, samples, 1)
    assert who.seen != subscriber(kind, 4, samples, 1).seen
    assert who.automated is KINDS[kind][1]
    assert all(a.time_us <= b.time_us for a, b in pairwise(who.seen))
    assert all(one.latency_us > 0 and one.input_tokens >= 0 for one in who.seen)


def test_agents_of_people_take_as_many_steps_as_those_of_programs(samples: Samples) -> None:
    """Or telling them apart would be no art."""
    for number in range(4):
        day = whole_day(subscriber("agent_coder", number, samples, 1))
        assert day.chain >= 10 and day.step_share > 0.6


def test_a_polite_program_sleeps_and_never_hurries(samples: Samples) -> None:
    for number in range(4):
        day = whole_day(subscriber("polite", number, samples, 1))
        assert day.quiet_share < 0.05 and day.short_share < 0.1 and day.strange_share == 0.0


def test_people_and_programs_overlap_in_every_single_signal(samples: Samples) -> None:
    days = {
        automated: [
            whole_day(subscriber(kind, number, samples, 1))
            for kind, (_, what) in KINDS.items()
            if what is automated and kind not in ("farm", "night_batch")  # slow to make
            for number in range(3)
        ]
        for automated in (False, True)
    }
    for name in ("requests", "hours", "slots", "gap_entropy", "step_share", "growth", "peak", "wake_regular"):
        people = [getattr(day, name) for day in days[False] if day.requests]
        programs = [getattr(day, name) for day in days[True] if day.requests]
        assert min(programs) < max(people) and min(people) < max(programs), name
