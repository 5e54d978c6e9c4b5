import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ranking_records import ranking_records, recounted

from tokenworks.ledger.tallies import (
    CONTEXT_NAMES,
    RATE,
    TALLIES,
    TTFT,
    attempts_of,
    bin_of,
    context_of,
    delayed,
    mix_of,
    tallied,
    upsert,
    value_of,
    week_of,
)


def by_key(records) -> dict[str, dict[tuple, tuple]]:
    found = {}
    for tally, rows in zip(TALLIES, tallied(records), strict=True):
        width = len(tally.keys)
        assert rows == sorted(rows), "drainers that work side by side lock rows in the same order"
        assert len({row[:width] for row in rows}) == len(rows), "each key once"
        assert all(len(row) == len(tally.columns) for row in rows)
        cells = {row[:width]: row[width:] for row in rows}
        if tally.table == "week_session":
            cells = {(key[0], *key[2:]): sums for key, sums in cells.items()}
        found[tally.table] = cells
    return found


def test_tallies_are_what_a_recount_by_hand_says() -> None:
    records = ranking_records(2_000)
    found, wanted = by_key(records), recounted(records)
    assert wanted.pop("week_share"), "made of other tables' rows"
    assert set(found) == set(wanted)
    for table in wanted:
        assert found[table] == wanted[table], table


def test_nothing_gives_nothing() -> None:
    assert tallied([]) == [[] for _ in TALLIES]


def test_a_context_is_in_the_first_bucket_that_holds_it() -> None:
    edges = [
        (1, "1K"),
        (1_000, "1K"),
        (1_001, "4K"),
        (128_000, "128K"),
        (1_000_000, "1M"),
        (1_000_001, ">1M"),
    ]
    assert [context_of(tokens) for tokens, _ in edges] == [name for _, name in edges]
    assert len(set(CONTEXT_NAMES)) == 8


@given(st.sampled_from([TTFT, RATE]), st.floats(1e-9, 1e9))
def test_a_value_is_in_its_bin(kind: str, value: float) -> None:
    number = bin_of(kind, value)
    low, high = value_of(kind, number)
    assert 0 <= number <= 100
    assert high / low == pytest.approx(2**0.25)
    if 0 < number < 100:
        assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
    elif number == 0:
        assert value <= high
    else:
        assert value >= low
    assert math.isfinite(high)


def test_weeks_begin_on_monday() -> None:
    monday = 20_500  # 2026-02-16
    assert {week_of(monday + day) for day in range(7)} == {week_of(monday)}
    assert week_of(monday - 1) == week_of(monday) - 1


def test_only_what_was_really_asked_is_an_attempt_and_the_callers_fault_is_no_failure() -> None:
    reasons = "acme:429 beta:resting plan:overflow gamma/eu:400 beta:timeout"
    assert attempts_of(reasons, "beta", True) == (
        *(("acme", 1), ("gamma/eu", 0), ("beta", 1)),
        ("beta", 0),
    )
    assert attempts_of("", "", True) == ()
    assert attempts_of("nonsense", "acme", False) == ()


def test_whom_another_was_faster_than_has_not_failed() -> None:
    assert attempts_of("beta:hedge", "acme", True) == (("acme", 0),)
    assert attempts_of("acme:slow", "beta", True) == (("beta", 0),)


def test_the_time_of_a_try_that_failed_is_not_the_next_ones() -> None:
    assert delayed("acme:timeout") and delayed("plan:overflow acme:500") and delayed("acme:slow")
    assert not any(map(delayed, ("", "beta:resting", "beta:hedge", "plan:overflow", "nonsense")))


def test_a_session_is_drawn_as_a_whole() -> None:
    assert mix_of("s", "k") == mix_of("s", "k")
    assert len({mix_of(f"s{n}", "k") for n in range(1000)}) > 990
    assert 0 <= mix_of("\ud800", "") < 2**32


def test_upserts_add_and_keep_the_first_and_last() -> None:
    sessions = next(tally for tally in TALLIES if tally.table == "week_session")
    text = upsert(sessions, "VALUES (...)").format(least="min", greatest="max")
    assert "turns = turns + excluded.turns" in text
    assert "first_us = min(first_us, excluded.first_us)" in text
    assert "last_us = max(last_us, excluded.last_us)" in text
