"""What is told of limits and plans is what the store counts, in the window that is now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fresh_store import fresh_store

from tokenworks.ledger.limit_rows import LimitRow, Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.plans.account import account_id
from tokenworks.plans.granting import new_limit, top_up, written
from tokenworks.plans.sound import plan_from
from tokenworks.plans.standing import described, moment, plan_standings, refund, standings
from tokenworks.plans.window import parse

NOW_S = int(datetime(2026, 3, 15, 12, 0, tzinfo=UTC).timestamp())
NOW_US = NOW_S * 1_000_000
NANO = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


class Spender:
    """A worker that leases and spends."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.serial = 0

    def __call__(self, limit_id: str, subject: str, spent: int, bucket: int, held: int = 0) -> None:
        account = account_id(limit_id, subject)
        want = Want(account, limit_id, subject, 2**60, 0, spent + held, 0)
        self.store.lease("w1", [want], {}, [], NOW_US)
        self.serial += 1
        record = Record(id=f"gen-{NOW_S}-{self.serial}", time_us=NOW_US, charges=(account, bucket, spent))
        self.store.append("w1.0001", self.serial, [record])


@pytest.fixture
def spend(store: Store) -> Spender:
    return Spender(store)


def add(store: Store, scope: str, subject: str, text: str, **more: str) -> LimitRow:
    row = new_limit(scope, subject, written(text), **more)  # type: ignore[arg-type]
    store.add_limit(row)
    return row


def test_a_limit_that_nobody_touched(store: Store) -> None:
    row = add(store, "key", "k_1", "20/month")
    (one,) = standings(store, [row], NOW_US)[row.id]
    assert (one.subject, one.amount, one.spent, one.held, one.left) == ("k_1", 20 * NANO, 0, 0, 20 * NANO)
    told = described(row, [one])
    assert (told["amount"], told["left"], told["resets_at"]) == (20.0, 20.0, "2026-04-01T00:00:00Z")
    assert told["subjects"] == []
    assert standings(store, [], NOW_US) == {}


def test_only_the_window_that_is_now_counts(store: Store, spend: Spender) -> None:
    row = add(store, "key", "k_1", "20/month", timezone="America/New_York")
    span = parse("month", "America/New_York")
    now, _ = span.bucket(NOW_US)
    before, _ = span.bucket((now - 1) * 1_000_000)
    spend(row.id, "k_1", 7 * NANO, before)
    spend(row.id, "k_1", 3 * NANO, now, held=NANO)
    spend("l_other", "k_1", 5 * NANO, now)
    (one,) = standings(store, [row], NOW_US)[row.id]
    assert (one.spent, one.held, one.left) == (3 * NANO, NANO, 17 * NANO)
    assert moment(one.resets_us) == "2026-04-01T04:00:00Z"


def test_a_rolling_window_frees_when_its_oldest_part_leaves(store: Store, spend: Spender) -> None:
    row = add(store, "key", "k_1", "2/5h")
    span = parse("5h")
    old, _ = span.bucket(NOW_US - 4 * 3600 * 1_000_000)
    gone, _ = span.bucket(NOW_US - 6 * 3600 * 1_000_000)
    spend(row.id, "k_1", NANO, old)
    spend(row.id, "k_1", NANO // 2, span.bucket(NOW_US)[0])
    spend(row.id, "k_1", 9 * NANO, gone)
    (one,) = standings(store, [row], NOW_US)[row.id]
    assert (one.spent, one.left) == (NANO + NANO // 2, NANO // 2)
    assert one.resets_us == span.frees_us(old, NOW_US)
    (later,) = standings(store, [row], one.resets_us or 0)[row.id]
    assert later.spent == NANO // 2


def test_what_never_resets_and_what_is_overspent(store: Store, spend: Spender) -> None:
    row = add(store, "key", "k_1", "2")
    spend(row.id, "k_1", 3 * NANO, 0)
    (one,) = standings(store, [row], NOW_US)[row.id]
    assert (one.spent, one.left, one.resets_us) == (3 * NANO, 0, None)


def test_of_what_runs_at_the_same_time_all_that_is_held_counts(store: Store, spend: Spender) -> None:
    row = add(store, "key", "k_1", "10 concurrent")
    spend(row.id, "k_1", 0, 0, held=4)
    (one,) = standings(store, [row], NOW_US)[row.id]
    assert (one.held, one.left) == (4, 6)
    with pytest.raises(ValueError, match="same time"):
        refund(store, row, None, 1, NOW_US)


def test_each_for_itself_is_told_one_by_one(store: Store, spend: Spender) -> None:
    row = add(store, "user", "*", "1/day")
    bucket, _ = parse("day").bucket(NOW_US)
    assert described(row, standings(store, [row], NOW_US)[row.id])["subjects"] == []
    for name, spent in (("bob", 1), ("alice", 3), ("carol", 2)):
        spend(row.id, name, spent * NANO // 10, bucket)
    told = described(row, standings(store, [row], NOW_US)[row.id])
    assert [(one["subject"], one["spent"]) for one in told["subjects"]] == [
        ("alice", 0.3),
        ("carol", 0.2),
        ("bob", 0.1),
    ]
    assert told["left"] is told["spent"] is None


def test_a_session_of_one_name_may_be_several(store: Store, spend: Spender) -> None:
    row = add(store, "session", "s1", "1")
    spend(row.id, "k_1/s1", NANO, 0)
    spend(row.id, "k_2/s1", NANO // 2, 0)
    told = described(row, standings(store, [row], NOW_US)[row.id])
    assert (told["subject"], [one["subject"] for one in told["subjects"]]) == ("s1", ["k_1/s1", "k_2/s1"])


def test_a_refund_takes_the_latest_first_and_no_more_than_there_is(store: Store, spend: Spender) -> None:
    row = add(store, "key", "k_1", "2/5h")
    span = parse("5h")
    old, new = span.bucket(NOW_US - 3600 * 1_000_000)[0], span.bucket(NOW_US)[0]
    spend(row.id, "k_1", NANO, old)
    spend(row.id, "k_1", NANO // 2, new)
    assert refund(store, row, None, NANO, NOW_US, actor="boss", reason="outage") == NANO
    (one,) = standings(store, [row], NOW_US)[row.id]
    assert one.buckets == ((old, NANO // 2),)
    assert refund(store, row, "k_1", 5 * NANO, NOW_US) == NANO // 2
    assert standings(store, [row], NOW_US)[row.id][0].spent == 0
    assert refund(store, row, None, 5 * NANO, NOW_US) == 0
    assert "outage" in store.audit()[-1].detail or any("outage" in each.detail for each in store.audit())


def test_a_refund_of_a_limit_on_many_needs_a_name(store: Store, spend: Spender) -> None:
    row = add(store, "user", "*", "1")
    spend(row.id, "alice", NANO, 0)
    for subject in (None, "bob"):
        with pytest.raises(ValueError, match="subject: name one"):
            refund(store, row, subject, 1, NOW_US)
    assert refund(store, row, "alice", NANO // 4, NOW_US) == NANO // 4


def test_a_wallet_is_what_was_paid_in_less_what_was_spent(store: Store, spend: Spender) -> None:
    row = top_up(store, "key", "k_1", 20)
    spend(row.id, "k_1", 5 * NANO, 0)
    row = top_up(store, "key", "k_1", 10)
    (one,) = standings(store, [row], NOW_US)[row.id]
    assert described(row, [one])["left"] == 25.0


def test_a_plan_tells_of_its_windows(store: Store, spend: Spender) -> None:
    plan = plan_from(
        {
            "name": "pro",
            "windows": [{"credits": 50, "window": "5h"}, {"credits": 500, "window": "week"}],
            "classes": [{"name": "all", "models": ["*"], "request": 1}],
        }
    )
    week, _ = parse("week").bucket(NOW_US)
    spend("plan:pro:week", "key:k_1", 100 * NANO, week)
    spend("plan:pro:week", "team:k_1", 7 * NANO, week)
    spend("plan:pro:5h", "key:k_2", 7 * NANO, parse("5h").bucket(NOW_US)[0])
    assert plan_standings(store, plan, "key", "k_1", NOW_US) == [
        {"window": "5h", "credits": 50.0, "used": 0.0, "left": 50.0, "resets_at": None},
        {
            "window": "week",
            "credits": 500.0,
            "used": 100.0,
            "left": 400.0,
            "resets_at": "2026-03-16T00:00:00Z",
        },
    ]
