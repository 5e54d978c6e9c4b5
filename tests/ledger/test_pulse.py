"""The pulse counts each record once, in its second and its day, and tells nothing where nobody serves."""

from __future__ import annotations

import datetime as dt
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store

from tokenworks.ledger import pulse as pulses
from tokenworks.ledger.pulse import RATE_S, SERIES_S, STALE_US, Beat
from tokenworks.ledger.record import Record

S = 1_000_000
NOON = int(dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC).timestamp()) * S


def record(at_s: float = -5, latency_s: float = 0.0, *, number: int = 0, **more: Any) -> Record:
    """One that began ``at_s`` from noon."""
    given: dict[str, Any] = {"outcome": "ok"} | more
    return Record(id=f"gen-1-{number}", time_us=NOON + int(at_s * S), latency_us=int(latency_s * S), **given)


def seen(*records: Record, now_us: int = NOON, zone: str = "UTC") -> pulses.Pulse:
    beat = Beat(zone)
    beat.observe(records, now_us)
    return beat.pulse(0, now_us)


def test_a_record_counts_in_the_second_it_ended_with_all_its_tokens() -> None:
    found = seen(
        record(
            -30,
            latency_s=26.5,  # ended 3.5 s ago
            uncached_input_tokens=1000,
            cache_read_tokens=200,
            cache_write_tokens=30,
            output_tokens=4,
            reasoning_tokens=3,  # part of the output
        )
    )
    assert len(found.series) == SERIES_S
    # noon less what settles: the last whole second ended at -1
    assert {at - SERIES_S: n for at, n in enumerate(found.series) if n} == {-3: 1234}
    assert found.tokens_per_s == 123.4
    assert found.requests_per_s == 0.1


def test_rates_are_of_ten_seconds_and_the_series_of_sixty() -> None:
    records = [record(-s - 0.5, output_tokens=1, number=s) for s in range(1, 100)]
    found = seen(*records)
    assert found.series == [1] * SERIES_S
    assert found.requests_per_s == found.tokens_per_s == 1.0
    assert RATE_S == 10
    late = seen(*[record(-11.5, output_tokens=50)])
    assert late.requests_per_s == 0 and sum(late.series) == 50


def test_a_second_that_is_not_over_waits_to_be_told() -> None:
    beat = Beat()
    beat.observe([record(-0.3, output_tokens=7)], NOON)
    assert sum(beat.pulse(0, NOON).series) == 0
    assert sum(beat.pulse(0, NOON + S).series) == 7
    assert beat.pulse(0, NOON + S).series[-1] == 7


def test_what_is_over_a_minute_old_is_forgotten_and_its_place_used_again() -> None:
    beat = Beat()
    beat.observe([record(-2, output_tokens=7, outcome="timeout")], NOON)
    for later in range(58, 400):
        now = NOON + later * S
        assert sum(beat.pulse(0, now).series) == (7 if later <= 59 else 0), later
    beat.observe([record(126, output_tokens=1)], NOON + 128 * S)  # the same place of the ring
    assert sum(beat.pulse(0, NOON + 128 * S).series) == 1
    assert beat.pulse(0, NOON + 128 * S).errors_last_minute == 0


def test_errors_are_those_that_the_store_counts() -> None:
    outcomes = ("ok", "client_gone", "queued", "upstream_error", "timeout", "denied", "killed")
    found = seen(*[record(outcome=outcome, number=n) for n, outcome in enumerate(outcomes)])
    assert found.errors_last_minute == 4
    assert found.requests_today == 7


def test_records_of_a_clock_that_was_set_back_count_now_and_old_ones_only_today() -> None:
    beat = Beat()
    beat.observe([record(3000, output_tokens=5), record(-3000, output_tokens=9)], NOON)
    assert beat.pulse(0, NOON + 2 * S).series[-1] == 5
    assert sum(beat.pulse(0, NOON + 2 * S).series) == 5
    assert beat.pulse(0, NOON).requests_today == 2


@pytest.mark.parametrize(
    ("zone", "began"),
    [
        ("UTC", "2026-11-26T00:00:00+00:00"),
        ("Asia/Shanghai", "2026-11-26T00:00:00+08:00"),
        ("Pacific/Auckland", "2026-11-27T00:00:00+13:00"),
        ("Asia/Kolkata", "2026-11-26T00:00:00+05:30"),
    ],
)
def test_today_begins_at_midnight_of_the_zone(zone: str, began: str) -> None:
    start_us = int(dt.datetime.fromisoformat(began).timestamp()) * S
    inside = Record(id="a", time_us=start_us, outcome="ok", cost_nano_usd=5)
    before = Record(id="b", time_us=start_us - 1, outcome="ok", cost_nano_usd=7)
    found = seen(inside, before, zone=zone)
    assert found.day_start_us == start_us
    assert (found.requests_today, found.cost_today_nano_usd) == (1, 5)


def test_a_day_of_25_hours_is_one_day_and_after_it_sums_begin_anew() -> None:
    midnight = int(dt.datetime.fromisoformat("2026-10-25T00:00:00+02:00").timestamp()) * S
    beat = Beat("Europe/Berlin")
    one = Record(id="a", time_us=midnight + S, outcome="ok", cost_nano_usd=3)
    beat.observe([one], midnight + 2 * S)
    hours = 3600 * S
    assert beat.pulse(0, midnight + 25 * hours - 1).cost_today_nano_usd == 3
    over = beat.pulse(0, midnight + 25 * hours)
    assert (over.requests_today, over.cost_today_nano_usd) == (0, 0)
    assert over.day_start_us == midnight + 25 * hours
    beat.observe([one], midnight + 25 * hours + S)  # drained after midnight: yesterday's
    assert beat.pulse(0, midnight + 25 * hours + S).requests_today == 0


def test_after_a_restart_today_goes_on_from_the_store(tmp_path: Path) -> None:
    store = fresh_store(f"sqlite:///{tmp_path / 'a.db'}")
    try:
        yesterday = Record(id="y", time_us=NOON - 13 * 3600 * S, outcome="ok", cost_nano_usd=100)
        today = [record(-s, number=s, cost_nano_usd=10) for s in range(1, 6)]
        store.append("w.1.journal", 1, [yesterday, *today])
        beat = Beat()
        beat.begin(store, NOON)
        more = record(-0.5, number=9, cost_nano_usd=1)
        store.append("w.1.journal", 2, [more])
        beat.observe([more], NOON)
        found = beat.pulse(0, NOON)
        sums = store.totals(found.day_start_us)
        assert (found.requests_today, found.cost_today_nano_usd) == (sums.requests, sums.cost_nano_usd)
        assert (sums.requests, sums.cost_nano_usd) == (6, 51)
    finally:
        store.close()


def test_what_is_written_is_read_until_it_is_stale(tmp_path: Path) -> None:
    assert pulses.read(tmp_path) is None  # nobody ever served here
    (tmp_path / "run").mkdir()
    beat = Beat()
    beat.observe([record(output_tokens=3, cost_nano_usd=2)], NOON)
    pulses.write(tmp_path, beat.pulse(4, NOON))
    found = pulses.read(tmp_path, NOON + STALE_US)
    assert found == beat.pulse(4, NOON)
    assert found is not None and found.inflight == 4
    assert pulses.read(tmp_path, NOON + STALE_US + 1) is None
    assert pulses.read(tmp_path, NOON - STALE_US - 1) is None  # the clock was set back
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["pulse.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"inflight":"x"}', b"\xff\xfe", b"[]"])
def test_a_file_that_is_no_pulse_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    pulses.path(tmp_path).write_bytes(content)
    assert pulses.read(tmp_path) is None


def test_two_threads_lose_nothing_and_twenty_thousand_records_cost_little() -> None:
    beat = Beat()
    batch = [record(-(n % 50) - 1.5, number=n, output_tokens=1) for n in range(5_000)]
    looks: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            looks.append(sum(beat.pulse(0, NOON).series))

    looker = threading.Thread(target=look)
    looker.start()
    spent_s = time.thread_time()
    for _ in range(4):
        beat.observe(batch, NOON)
    spent_s = time.thread_time() - spent_s
    over.set()
    looker.join()
    found = beat.pulse(0, NOON)
    assert sum(found.series) == found.requests_today == 20_000
    assert all(each % 5_000 == 0 for each in looks)  # batches are seen whole
    assert spent_s < 0.2, spent_s  # of each second of a drainer at its 20,000 records
