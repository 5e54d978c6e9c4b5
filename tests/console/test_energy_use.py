"""Tokens of own engines against those of others, by week."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from fresh_store import fresh_store

from tokenworks.config.settings import EngineSettings
from tokenworks.console.energy_use import Use, by_model, engines, is_own, label, monday, sums, weekly
from tokenworks.engines.manager import EngineState
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.rankings.books import Books

NOW_US = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp() * 1e6)
DAY_US = 86_400_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield made
    made.close()


def record(name: str, provider: str, days: int, output_tokens: int, **more: int) -> Record:
    at_us = NOW_US - days * DAY_US
    return Record(name, at_us, model=f"acme/{name}", provider=provider, output_tokens=output_tokens, **more)  # type: ignore[arg-type]


def test_weeks_are_those_of_the_calendar() -> None:
    week = (NOW_US // DAY_US + 3) // 7
    assert (monday(week), label(week)) == (date(2026, 11, 23), "2026-W48")
    assert (
        label((datetime(2027, 1, 1, tzinfo=UTC).toordinal() - date(1970, 1, 1).toordinal() + 3) // 7)
        == "2026-W53"
    )


def test_each_week_has_both_sides(store: Store) -> None:
    rows = [
        record("a", "local", 0, 30, uncached_input_tokens=5, cache_read_tokens=1, latency_us=2_000_000),
        record("b", "acme/fp8", 0, 10, cost_nano_usd=2_000_000_000),
        record("c", "local", 7, 7),
        record("d", "localhost", 7, 1),  # somebody's provider that only sounds like ours
        record("e", "local", 90, 99),  # before the first of these weeks
    ]
    store.append("w.1", 0, rows)
    weeks = weekly(sums(Books(store, now_us=lambda: NOW_US), NOW_US), NOW_US)
    assert (len(weeks), weeks[0].label, weeks[-1].label) == (12, "2026-W37", "2026-W48")
    this, before = weeks[-1], weeks[-2]
    assert (this.own.requests, this.own.input_tokens, this.own.output_tokens, this.own.busy_s) == (
        1,
        6,
        30,
        2.0,
    )
    assert (this.remote.tokens, this.remote.cost_usd, this.own.cost_usd) == (10, 2.0, 0.0)
    assert this.share == 36 / 46
    assert (before.own.tokens, before.remote.tokens) == (7, 1)
    assert weeks[0].share is None
    assert list(by_model(sums(Books(store, now_us=lambda: NOW_US), NOW_US))) == ["acme/a", "acme/c"]


@pytest.mark.parametrize(
    ("provider", "own"), [("local", True), ("local/int4", True), ("acme", False), ("", False)]
)
def test_own_is_what_runs_here(provider: str, own: bool) -> None:
    assert is_own(provider) is own


def test_engines_are_told_with_their_file_and_state(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"x" * 10)
    settings = {"b": EngineSettings("acme/b", "gone.gguf"), "a": EngineSettings("acme/a", "a.gguf")}
    use = Use(requests=3)
    first, second = engines(settings, tmp_path, [EngineState("a", "ready")], {"acme/a": use})
    assert (first.name, first.file_bytes, first.state, first.use) == ("a", 10, EngineState("a", "ready"), use)
    assert (second.name, second.file_bytes, second.use.requests) == ("b", None, 0)
    assert second.state == EngineState("b", "stopped")
    assert engines(settings, tmp_path, None, {})[0].state is None
