"""How full limits and windows of plans are drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_store import fresh_store

from tokenworks.console.gauges import Gauge, of_limits, of_plans, owned, readable, windows_of
from tokenworks.ledger.limit_rows import Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.plans.account import account_id
from tokenworks.plans.granting import grant, top_up, written
from tokenworks.plans.spec import NANO_CREDIT, PlanSpec, PlanWindow, write
from tokenworks.schema import NANO_USD

NOW_US = time.time_ns() // 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield made
    made.close()


def spend(
    store: Store, limit_id: str, subject: str, amount: int, *, bucket: int = 0, leased: int = 0
) -> None:
    account = account_id(limit_id, subject)
    store.lease("w1", [Want(account, limit_id, subject, 2**60, 0, amount + leased, 0)], {}, [], 1)
    store.append("w1.1", 0, [Record(f"gen-{limit_id}-{subject}", NOW_US, charges=(account, bucket, amount))])


def test_limits_of_keys_stand_by_owner_and_those_of_many_are_left_out(store: Store) -> None:
    grant(store, "key", "k_1", [written("$8"), written("60rpm")])
    grant(store, "team", "t_1", [written("2 concurrent")])
    dollars = next(each for each in store.limits() if each.unit == "usd")
    spend(store, dollars.id, "k_1", 6 * NANO_USD)
    found = of_limits(store, store.limits(), NOW_US)
    assert set(found) == {("key", "k_1"), ("team", "t_1")}
    money, rate = found["key", "k_1"]
    assert (money.text, money.used, money.amount, money.part, money.level) == ("$8", 6.0, 8.0, 0.75, "ok")
    assert (rate.text, rate.used, rate.amount, rate.unit) == ("60rpm", 0, 60, "requests")
    assert found["team", "t_1"][0].unit == "concurrent"


def test_a_wallet_says_that_it_is_one(store: Store) -> None:
    top_up(store, "key", "k_1", 20.0)
    (wallet,) = of_limits(store, store.limits(), NOW_US)["key", "k_1"]
    assert (wallet.text, wallet.purpose, wallet.amount, wallet.strict) == ("wallet", "wallet", 20.0, True)


def test_owned_keeps_those_on_the_owners(store: Store) -> None:
    grant(store, "key", "k_1", [written("$8")])
    grant(store, "key", "k_2", [written("$9")])
    assert [each.subject for each in owned(store.limits(), [("key", "k_2"), ("team", "k_1")])] == ["k_2"]


@pytest.mark.parametrize(
    ("used", "amount", "level"),
    [(0, 10, "ok"), (7.9, 10, "ok"), (8, 10, "near"), (10, 10, "full"), (12, 10, "full"), (0, 0, "full")],
)
def test_levels(used: float, amount: float, level: str) -> None:
    assert Gauge("l_1", "", "usd", amount, used, None).level == level


def test_windows_of_plans_are_counted_under_their_subscribers(store: Store) -> None:
    plan = PlanSpec("pro", windows=(PlanWindow(10.0, "lifetime"), PlanWindow(100.0, "week")))
    idle = PlanSpec("idle", windows=(PlanWindow(1.0, "day"),))
    spend(store, "plan:pro:lifetime", "key:k_1", 9 * NANO_CREDIT)
    used = of_plans(store, [plan, idle], NOW_US)
    assert used["idle"] == {}
    first, second = windows_of(plan, used["pro"], "key:k_1")
    assert (first.text, first.used, first.amount, first.level) == ("lifetime", 9.0, 10.0, "near")
    assert (second.text, second.used, second.amount, second.level) == ("week", 0.0, 100.0, "ok")
    assert [each.used for each in windows_of(plan, used["pro"], "key:k_2")] == [0.0, 0.0]


def test_a_plan_that_cannot_be_read_is_none() -> None:
    assert readable(write(PlanSpec("pro"))) == PlanSpec("pro")
    assert readable('{"name":"pro","of_a_later_version":1}') is None
