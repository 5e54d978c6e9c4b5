"""Limits, teams and plans put into a store directly, for tests of what enforces them."""

from __future__ import annotations

import itertools
import time
from typing import Any

from tokenworks.ledger.limit_rows import LimitRow, PlanRow, SubscriptionRow
from tokenworks.ledger.store import Store
from tokenworks.plans import rules as rules_of
from tokenworks.plans import spec as spec_of
from tokenworks.plans.rules import Rules
from tokenworks.plans.spec import PlanSpec

_serial = itertools.count(1)
USD = 1_000_000_000  # nano-dollars


def limit(store: Store, key_id: str, unit: str, amount: float, window: str = "lifetime", **more: Any) -> str:
    """Limit the key (or whom ``scope`` and ``subject`` name); its id. Amounts of "usd" are dollars."""
    row = LimitRow(
        id=f"l_{next(_serial):016x}",
        scope=more.pop("scope", "key"),
        subject=more.pop("subject", key_id),
        unit=unit,
        amount=round(amount * USD) if unit == "usd" else int(amount),
        window=window,
        created_us=time.time_ns() // 1000,
        updated_us=time.time_ns() // 1000,
        **more,
    )
    store.add_limit(row)
    return row.id


def rule(store: Store, key_id: str, **rules: Any) -> None:
    """Give the key these rules."""
    store.update_key(key_id, rules=rules_of.write(Rules(**rules)))


def subscribe(store: Store, key_id: str, spec: PlanSpec) -> None:
    """Make the plan and give it to the key."""
    now_us = time.time_ns() // 1000
    store.put_plan(PlanRow(spec.name, spec_of.write(spec), now_us, now_us))
    store.subscribe(SubscriptionRow("key", key_id, spec.name, now_us))


def spent(store: Store, limit_id: str) -> int:
    """What is counted as spent of the limit, in all its accounts and buckets."""
    return sum(row.spent for row in store.standings([limit_id]))


def leased(store: Store, limit_id: str) -> int:
    """What is leased of it and not yet seen as spent."""
    return sum({row.account: row.leased for row in store.standings([limit_id])}.values())
