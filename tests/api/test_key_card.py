"""A key as administrators see it, one or many at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenworks.api.key_card import Cards, told_rules
from tokenworks.ledger.limit_rows import PlanRow, SubscriptionRow
from tokenworks.plans.granting import grant, written

Called = Callable[..., Any]
NANO = 1_000_000_000


async def test_one_is_told_as_many_are(called: Called) -> None:
    client = called()
    store = client.store
    ids = [client.new_key(f"k{n}")[0] for n in range(3)]
    grant(store, "key", ids[1], [written("20/month"), written("60rpm")])
    store.put_plan(PlanRow("pro", '{"name":"pro"}', 1, 1))
    store.subscribe(SubscriptionRow("key", ids[2], "pro", 1))
    store.update_key(ids[2], rules='{"models":["a"]}')
    client.record(ids[1], age_s=0, cost_nano_usd=NANO)
    rows = [store.key(key_id) for key_id in ids]
    many = Cards(store).of_many(rows)
    assert many == [Cards(store).of(row) for row in rows]
    assert [each["limits"] for each in many] == [[], ["$20/month", "60rpm"], []]
    assert [each["usage"] for each in many] == [0, 1.0, 0]
    assert [each["plan"] for each in many] == [None, None, "pro"]
    assert many[2]["rules"] == {"models": ["a"]}
    assert Cards(store).of_many([]) == []


def test_rules_of_another_version_are_told_as_they_are() -> None:
    assert told_rules("") == {}
    assert told_rules('{"loops":{"repeats":3}}') == {"loops": {"repeats": 3}}
    assert told_rules('{"from_tomorrow":1}') == {"unreadable": '{"from_tomorrow":1}'}
