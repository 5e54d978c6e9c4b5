"""Decisions are read bit by bit, each once."""

from __future__ import annotations

from pathlib import Path

import pytest
from fresh_store import fresh_store

from tokenworks.console import drift_reading
from tokenworks.console.drift_reading import DriftReading
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Decided
from tokenworks.ledger.record import Record
from tokenworks.ledger.rollups import DAY_US
from tokenworks.routing import decision

NOW_US = 1_790_000_000_000_000


def judged(number: int, day: int, cost: int) -> Record:
    told = decision.encode(decision.Decision("code", "direct", "c/d", ""))
    made = decided.encode(Decided("code", "direct", "c/d", 1.0, cost, cost, detail=told))
    time_us = NOW_US - day * DAY_US - number * 60_000_000 - 10**9
    return Record(f"gen-{time_us // 1_000_000}-{day:02x}{number:04x}", time_us, decision=made)


def test_pages_are_read_within_a_budget_and_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_reading, "PAGE", 100)
    store = fresh_store(f"sqlite:///{tmp_path / 'x.db'}")
    old = [judged(number, day, 1000 + number % 7) for day in range(3, 15) for number in range(20)]
    new = [judged(number, 0, 9000 + number % 7) for number in range(59)]
    store.append("w", 1, old + new)
    reading = DriftReading(store)
    found = [reading.look(NOW_US, 0.0) for _ in range(3)]
    assert [(each.decisions, each.whole) for each in found] == [(100, False), (200, False), (299, True)]
    assert found[0].alarms == () and found[0].until_us < found[1].until_us < found[2].until_us == NOW_US
    (alarm,) = found[2].alarms
    assert (alarm.task, alarm.measure) == ("code", "cost") and alarm.now > 8 * alarm.before
    assert reading.look(NOW_US, 0.0).decisions == 299
    later = reading.look(NOW_US + 60 * DAY_US)
    assert later.whole and later.alarms == ()
    store.close()
