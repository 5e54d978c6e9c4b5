import random

import pytest

from tokenworks.ledger import spans
from tokenworks.ledger.rollups import DAY_US, HOUR_US, MEASURES, NOT_ERRORS

START_US = 1_764_000_000_000_000 // DAY_US * DAY_US
GROUP = {
    None: lambda r: "",
    "model": lambda r: r.model,
    "provider": lambda r: r.provider,
    "app": lambda r: r.app,
    "key": lambda r: r.key_id,
    "day": lambda r: ["2025-11-24", "2025-11-25", "2025-11-26"][(r.time_us - START_US) // DAY_US],
}


def expected(records, by, since, until) -> dict[str, list[int]]:
    sums: dict[str, list[int]] = {}
    for r in records:
        if (since is None or r.time_us >= since) and (until is None or r.time_us < until):
            row = sums.setdefault(GROUP[by](r), [0] * len(MEASURES))
            for i, name in enumerate(MEASURES):
                row[i] += {
                    "requests": lambda r: 1,
                    "errors": lambda r: r.outcome not in NOT_ERRORS,
                    "ttft_requests": lambda r: r.ttft_us > 0,
                }.get(name, lambda r, name=name: getattr(r, name))(r)
    return sums


@pytest.fixture
def filled(store, make):
    rng = random.Random(7)
    records = [
        make(
            time_us=START_US + rng.choice([rng.randrange(3 * DAY_US), rng.randrange(72) * HOUR_US]),
            key_id=rng.choice(["k_1", "k_2"]),
            app=rng.choice(["", "a", "b"]),
            model=rng.choice(["acme/fast", "acme/slow"]),
            provider=rng.choice(["acme", "beta"]),
            outcome=rng.choice(["ok", "client_gone", "timeout"]),
            ttft_us=rng.choice([0, 5]),
            cost_nano_usd=rng.randrange(10**9),
        )
        for _ in range(800)
    ]
    store.append("w", 1, records)
    return store, records


@pytest.mark.parametrize("by", [None, "model", "provider", "app", "key", "day"])
def test_a_span_is_exact_to_the_microsecond_at_both_ends(filled, by) -> None:
    store, records = filled
    rng = random.Random(3)
    some = [r.time_us + d for r in rng.sample(records, 6) for d in (0, 1)]
    bounds = [None, 0, START_US, START_US + DAY_US, START_US + 5 * HOUR_US, START_US + 9 * DAY_US, *some]
    for since in bounds:
        for until in bounds:
            rows = store.usage(by, since, until)
            found = {row.group: [getattr(row, name) for name in MEASURES] for row in rows}
            assert found == expected(records, by, since, until), (since, until)


def test_the_dearest_comes_first_and_days_in_order(filled) -> None:
    store, _ = filled
    costs = [row.cost_nano_usd for row in store.usage("provider")]
    assert costs == sorted(costs, reverse=True)
    assert [row.group for row in store.usage("day")] == ["2025-11-24", "2025-11-25", "2025-11-26"]


def test_open_spans_are_answered_by_roll_ups_alone() -> None:
    for by in (None, "model", "provider", "app", "key", "day"):
        assert "requests WHERE" not in spans.query(by, None, None)[0]
        assert "requests WHERE" not in spans.query(by, START_US, START_US + DAY_US)[0]
        assert "requests WHERE" in spans.query(by, START_US + 1, None)[0]


def test_an_unknown_dimension_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="model, provider, day, app, key"):
        spans.query("country", None, None)


def test_one_keys_span_is_exact_too(filled) -> None:
    store, records = filled
    of_one = [r for r in records if r.key_id == "k_2"]
    rng = random.Random(5)
    some = [r.time_us + d for r in rng.sample(of_one, 4) for d in (0, 1)]
    bounds = [None, START_US, START_US + DAY_US, START_US + 2 * DAY_US, START_US + 5 * HOUR_US, *some]
    for since in bounds:
        for until in bounds:
            row = store.key_usage("k_2", since, until)
            wanted = expected(of_one, None, since, until).get("", [0] * len(MEASURES))
            assert [getattr(row, name) for name in MEASURES] == wanted, (since, until)
    assert "requests WHERE" not in spans.query("key", START_US, None, "k_2")[0]


@pytest.mark.parametrize("key_id", [None, "k_1"])
def test_activity_is_exact_at_both_ends(filled, key_id) -> None:
    store, records = filled
    wanted_of = [r for r in records if key_id in (None, r.key_id)]
    rng = random.Random(9)
    some = [r.time_us + d for r in rng.sample(wanted_of, 3) for d in (0, 1)]
    bounds = [None, 0, START_US, START_US + DAY_US, START_US + 5 * HOUR_US, *some]
    measures = spans.ACTIVITY_MEASURES
    for since in bounds:
        for until in bounds:
            wanted: dict[tuple[str, str, str], list[int]] = {}
            for r in wanted_of:
                if r.time_us >= (since or 0) and (until is None or r.time_us < until):
                    row = wanted.setdefault((GROUP["day"](r), r.model, r.provider), [0] * len(measures))
                    for i, name in enumerate(measures):
                        row[i] += 1 if name == "requests" else getattr(r, name)
            rows = store.activity(since, until, key_id)
            found = {(a.day, a.model, a.provider): [getattr(a, name) for name in measures] for a in rows}
            assert found == wanted, (since, until)
            assert len(found) == len(rows)
            assert [a.day for a in rows] == sorted(a.day for a in rows)


def test_whole_hours_of_activity_are_answered_by_roll_ups_alone() -> None:
    assert "requests WHERE" not in spans.activity(START_US, START_US + DAY_US)[0]
    assert "requests WHERE" in spans.activity(START_US + 1, None)[0]
