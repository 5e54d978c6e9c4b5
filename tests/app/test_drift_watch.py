"""Drift while the server runs: read once, in pieces, judged each hour, told once in the log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tokenworks.app import drift_watch as module
from tokenworks.app.drift_watch import JUDGE_EVERY_US, LAG_US, DriftWatch
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Decided
from tokenworks.ledger.record import Record
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.sqlite import SqliteStore
from tokenworks.routing import decision as decision_of
from tokenworks.routing.decision import Decision, Step
from tokenworks.routing.drift import Alarm

TODAY = 20_000
NOW_US = TODAY * DAY_US + DAY_US // 2


@pytest.fixture
def store(tmp_path: Path):
    made = SqliteStore(str(tmp_path / "ledger.db"))
    made.migrate()
    yield made
    made.close()


def fill(store: SqliteStore, day: int, count: int, agrees: float) -> None:
    """``count`` decisions of that day, of which the share ``agrees`` agreed."""
    records = []
    for number in range(count):
        step = Step("a", "1", "accepted", agrees=float(number % 100 < agrees * 100))
        told = Decision("code", "cascade", "s", "", steps=(step,))
        made = Decided("code", "cascade", "s", 1.0, 2_000_000, 9, decision_of.encode(told))
        time_us = day * DAY_US + number * 1_000_000
        records.append(Record(f"gen-{time_us // 1_000_000}-{number}", time_us, decision=decided.encode(made)))
    store.append(f"w{day}.{count}", 1, records)


def test_a_change_is_told_each_hour_and_logged_once(store, monkeypatch, caplog) -> None:
    for day in range(TODAY - 10, TODAY - 1):
        fill(store, day, 100, 0.8)
    fill(store, TODAY, 100, 0.3)
    monkeypatch.setattr(module, "PAGE", 300)
    told: list[Sequence[Alarm]] = []
    watch = DriftWatch(store, told.append)
    for _ in range(3):
        watch.look(NOW_US)
        assert told == [], "not all is read yet"
    watch.look(NOW_US)
    [[alarm]] = told
    assert (alarm.task, alarm.measure, alarm.samples) == ("code", "agreement", 100)
    assert caplog.text.count("code: agreement 80.0% -> 30.0%") == 1
    watch.look(NOW_US + JUDGE_EVERY_US - 1)
    assert len(told) == 1
    watch.look(NOW_US + JUDGE_EVERY_US)
    assert len(told) == 2 and caplog.text.count("agreement") == 1
    watch.look(NOW_US + 4 * DAY_US)
    assert told[-1] == [], "it is over"


def test_each_decision_is_counted_once_and_old_days_are_dropped(store) -> None:
    for day in (TODAY - 60, TODAY - 20, TODAY - 1):
        fill(store, day, 10, 1.0)
    watch = DriftWatch(store)
    for turn in range(3):
        watch.look(NOW_US + turn * JUDGE_EVERY_US)
    assert {key[0]: tally.counts["agreement"] for key, tally in watch._tallies.items()} == {
        TODAY - 20: 10,
        TODAY - 1: 10,
    }
    watch.look(NOW_US + 10 * DAY_US)
    assert {key[0] for key in watch._tallies} == {TODAY - 1}


def test_what_is_still_on_its_way_is_waited_for(store) -> None:
    fill(store, TODAY, 10, 1.0)
    watch = DriftWatch(store)
    watch.look(TODAY * DAY_US + LAG_US + 5_000_000)
    assert watch._tallies[TODAY, "code"].counts["agreement"] == 5
    watch.look(NOW_US)
    assert watch._tallies[TODAY, "code"].counts["agreement"] == 10
