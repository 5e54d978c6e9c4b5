"""Keys as a list of them shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fresh_store import fresh_store

from tokenworks.console.key_lines import COLUMNS, LIVING, KeyLines, begins, is_private, plan_of, state
from tokenworks.ledger.limit_rows import PlanRow, SubscriptionRow, TeamRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans.granting import grant, written

NOW_US = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp() * 1e6)
DAY_US = 86_400_000_000
PLAN = '{"name":"pro","windows":[{"credits":50,"window":"day"}]}'


def row(key_id: str, **more: object) -> KeyRow:
    return KeyRow(key_id, f"name of {key_id}", "member", "tw-abc…wxyz", 1, None, key_id.encode(), **more)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    made.add_team(TeamRow("t_1", "research", "", 1, 1))
    made.put_plan(PlanRow("pro", PLAN, 1, 1))
    made.add_key(row("k_1", team_id="t_1"))
    made.add_key(row("k_2", expires_us=NOW_US))
    yield made
    made.close()


def test_states() -> None:
    assert state(row("k"), NOW_US) == "active"
    assert state(row("k", expires_us=NOW_US + 1), NOW_US) == "active"
    assert state(row("k", expires_us=NOW_US), NOW_US) == "expired"
    assert state(row("k", expires_us=1, disabled=True), NOW_US) == "disabled"
    revoked = KeyRow("k", "n", "member", "", 1, 2, b"", disabled=True)
    assert state(revoked, NOW_US) == "revoked"


def test_days_and_months_are_of_utc() -> None:
    day, month = begins(NOW_US)
    assert datetime.fromtimestamp(day / 1e6, UTC) == datetime(2026, 11, 26, tzinfo=UTC)
    assert datetime.fromtimestamp(month / 1e6, UTC) == datetime(2026, 11, 1, tzinfo=UTC)


def test_a_keys_own_plan_goes_before_its_teams() -> None:
    both = {("team", "t_1"): "basic", ("key", "k_1"): "pro"}
    assert plan_of(row("k_1", team_id="t_1"), both) == ("pro", "key")
    assert plan_of(row("k_2", team_id="t_1"), both) == ("basic", "team")
    assert plan_of(row("k_2"), {("team", ""): "odd"}) == ("", "")


def test_what_was_spent_today_is_told_apart_from_the_month(store: Store) -> None:
    rows = [
        Record("gen-1", NOW_US, "k_1", cost_nano_usd=1_000_000_000),
        Record("gen-2", NOW_US - 2 * DAY_US, "k_1", cost_nano_usd=2_000_000_000),
        Record("gen-3", NOW_US - 40 * DAY_US, "k_1", cost_nano_usd=4_000_000_000),
    ]
    store.append("w.1", 0, rows)
    first, second = KeyLines(store, NOW_US).every
    assert (first.today_usd, first.month_usd, first.team) == (1.0, 3.0, "research")
    assert (second.today_usd, second.month_usd, second.state) == (0.0, 0.0, "expired")


def test_keys_are_found_by_what_is_seen_of_them(store: Store) -> None:
    lines = KeyLines(store, NOW_US)

    def found(search: str = "", states: tuple[str, ...] = LIVING) -> list[str]:
        return [line.row.id for line in lines.found(search, states)]

    assert found() == ["k_1", "k_2"]
    assert found("RESEARCH") == ["k_1"]
    assert found("k_2") == ["k_2"]
    assert found("wxyz") == ["k_1", "k_2"]
    assert found("", ("expired",)) == ["k_2"]
    assert found("research", ("expired",)) == []


def test_gauges_are_of_own_limits_and_of_the_plan_that_serves(store: Store) -> None:
    grant(store, "key", "k_1", [written("20/month")])
    store.subscribe(SubscriptionRow("team", "t_1", "pro", 1))
    lines = KeyLines(store, NOW_US)
    lines.measure(lines.every)
    first, second = lines.every
    assert [each.text for each in first.gauges] == ["$20/month", "day"]
    assert (first.plan, first.plan_scope) == ("pro", "team")
    assert second.gauges == []


def test_every_column_sorts_every_line(store: Store) -> None:
    lines = KeyLines(store, NOW_US).every
    for key in COLUMNS.values():
        assert sorted(lines, key=key)
    assert [line.row.id for line in sorted(lines, key=COLUMNS["expires"])] == ["k_2", "k_1"]  # never: last


def test_private_is_what_the_key_or_its_team_says() -> None:
    private = '{"private":true}'
    assert is_private(row("k", rules=private), None)
    assert is_private(row("k", rules='{"private":false}'), TeamRow("t", "t", private, 1, 1))
    assert not is_private(row("k"), TeamRow("t", "t", "", 1, 1))
    assert not is_private(row("k", rules='{"of_a_later_version":1}'), None)
