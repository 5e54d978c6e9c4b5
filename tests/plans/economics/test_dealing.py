"""Sessions dealt to subscribers."""

import statistics

import pytest

from tokenworks.errors import ConfigError
from tokenworks.plans.economics.dealing import START_US, Population, as_recorded, deal
from tokenworks.plans.economics.history import DAY_US, History
from tokenworks.plans.economics.trace import Request, Session

TALK = Session("", [Request(0, "", 10, 0, 0, 1), Request(60_000_000, "", 5, 10, 0, 2)])
ASK = Session("", [Request(7, "", 3, 0, 0, 1)])
SMALL = Population(subscribers=40, agents=0.1, days=10, median_per_day=2, models=(("acme/large", 1.0),))


def counts(history: History, kind: str) -> list[int]:
    return [len(each.requests) for each in history.subscribers if each.kind == kind]


def test_a_population_has_a_heavy_tail_of_agents() -> None:
    history = deal([TALK, ASK], [TALK], SMALL)
    people, agents = counts(history, "person"), counts(history, "agent")
    assert (len(people), len(agents)) == (36, 4)
    assert 8 < statistics.median(people) < 40  # 20 is what was asked for
    assert 100 < statistics.median(agents) / statistics.median(people) < 400
    assert history.synthetic
    assert history.note.startswith("Synthetic: the sizes of requests are real, but")
    assert history.days == 10


def test_requests_are_in_order_within_the_span_and_of_real_size() -> None:
    history = deal([TALK], [ASK], SMALL)
    for each in history.subscribers:
        times = list(each.requests.time_us)
        assert times == sorted(times)
        assert all(START_US <= at < START_US + 10 * DAY_US for at in times)
        sizes = set(zip(each.requests.uncached, each.requests.read, each.requests.output, strict=True))
        assert sizes <= ({(3, 0, 1)} if each.kind == "agent" else {(10, 0, 1), (5, 10, 2)})


def test_people_sleep_and_agents_do_not() -> None:
    history = deal([ASK], [ASK], Population(subscribers=60, agents=0.1, days=10, models=(("m", 1.0),)))
    for kind, low, high in (("person", 0.0, 0.1), ("agent", 0.23, 0.27)):
        hours = [
            at // 3_600_000_000 % 24
            for each in history.subscribers
            if each.kind == kind
            for at in each.requests.time_us
        ]
        assert low <= sum(hour < 6 for hour in hours) / len(hours) <= high


def test_the_same_seed_deals_the_same() -> None:
    def dealt(seed: int) -> list[tuple[str, list[int]]]:
        population = Population(subscribers=5, agents=0, days=3, seed=seed, models=(("m", 1.0),))
        return [
            (each.name, list(each.requests.time_us)) for each in deal([ASK], [ASK], population).subscribers
        ]

    assert dealt(1) == dealt(1) != dealt(2)


def test_models_have_their_shares_unless_the_trace_names_them() -> None:
    population = Population(subscribers=20, agents=0.2, days=5, models=(("a", 1.0), ("b", 3.0)))
    history = deal([ASK], [ASK], population)
    assert sorted(history.models) == ["a", "b"]
    of_b = sum(list(each.requests.model).count(history.models.index("b")) for each in history.subscribers)
    assert 0.72 < of_b / len(history) < 0.78
    named = Session("", [Request(0, "own", 1, 0, 0, 1)])
    assert deal([named], [named], population).models == ["own"]
    with pytest.raises(ConfigError, match="--model AUTHOR/SLUG"):
        deal([ASK], [ASK], Population(subscribers=2))


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    deal([ASK], [ASK], Population(subscribers=3, agents=0, models=(("m", 1.0),)), lambda *at: seen.append(at))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_trace_that_names_its_subscribers_is_left_as_it_is() -> None:
    sessions = [
        Session("ann", [Request(5 * DAY_US, "m", 1, 2, 3, 4)]),
        Session("bob", [Request(4 * DAY_US, "", 1, 0, 0, 1)]),
        Session("ann", [Request(4 * DAY_US + 1, "m", 9, 0, 0, 9)]),
    ]
    history = as_recorded(sessions, "other")
    assert [each.name for each in history.subscribers] == ["ann", "bob"]
    assert list(history.subscribers[0].requests.time_us) == [4 * DAY_US + 1, 5 * DAY_US]
    assert (history.since_us, history.until_us, history.synthetic) == (4 * DAY_US, 6 * DAY_US, False)
    assert sorted(history.models) == ["m", "other"]
    assert len(as_recorded(sessions, "other", 1.0)) == 2  # the one at its end is out
    with pytest.raises(ConfigError, match="--model"):
        as_recorded(sessions)
    with pytest.raises(ConfigError, match="some rows name their subscriber"):
        as_recorded([*sessions, ASK])
