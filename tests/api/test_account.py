"""What a key is told of itself and of what was spent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.ledger.limit_rows import PlanRow, SubscriptionRow
from tokenworks.plans.granting import grant, top_up, written
from tokenworks.plans.window import parse

Called = Callable[..., Any]


async def test_a_key_sees_itself(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key("mine")
    other, _ = client.new_key("other")
    client.record(key_id, age_s=0, cost_nano_usd=1_500_000_000)
    client.record(key_id, age_s=40 * 86_400, cost_nano_usd=1_000_000_000)
    client.record(other, age_s=0, cost_nano_usd=7_000_000_000)
    found = (await client.get("/v1/key", headers=headers)).json()["data"]
    assert found["name"] == "mine"
    row = client.store.key(key_id)
    assert (found["label"], found["hash"]) == (row.hint, row.hash)
    assert headers["authorization"].endswith(found["label"][-4:])  # a hint, not the secret
    assert len(found["label"]) < 16
    assert (found["usage"], found["usage_daily"]) == (2.5, 1.5)
    assert found["usage_daily"] <= found["usage_weekly"] <= found["usage"]
    assert found["byok_usage"] == found["byok_usage_monthly"] == 0
    assert found["limit"] is found["limit_remaining"] is found["limit_reset"] is found["expires_at"] is None
    assert (found["is_management_key"], found["is_provisioning_key"], found["is_free_tier"]) == (False,) * 3
    assert found["rate_limit"]["requests"] == -1
    assert (await client.get("/api/v1/auth/key", headers=headers)).json() == {"data": found}


async def test_an_admins_key_says_so_and_when_it_ends(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key(role="admin")
    client.store.update_key(key_id, expires_us=4_000_000_000_000_000)
    found = (await client.get("/v1/key", headers=headers)).json()["data"]
    assert found["is_management_key"] is found["is_provisioning_key"] is True
    assert found["expires_at"] == "2096-10-02T07:06:40.000Z"


async def test_credits_are_what_was_spent(called: Called) -> None:
    client = called()
    mine, member = client.new_key()
    other, admin = client.new_key(role="admin")
    nothing = (await client.get("/v1/credits", headers=member)).json()["data"]
    assert nothing == {"total_credits": 0, "total_usage": 0}
    client.record(mine, cost_nano_usd=250_000_000)
    client.record(other, cost_nano_usd=1_000_000_000)
    own = (await client.get("/v1/credits", headers=member)).json()["data"]
    assert own["total_usage"] == own["total_credits"] == pytest.approx(0.25)
    every = (await client.get("/api/v1/credits", headers=admin)).json()["data"]
    assert every["total_usage"] == every["total_credits"] == pytest.approx(1.25)


NANO = 1_000_000_000


async def test_a_key_sees_its_limits_and_what_is_left(called: Called) -> None:
    client = called()
    team = client.new_team("research")
    key_id, headers = client.new_key("mine", team_id=team)
    grant(client.store, "key", key_id, [written("20/month"), written("60rpm"), written("1000rpd")])
    grant(client.store, "team", team, [written("500")])
    top_up(client.store, "key", key_id, 5)
    limit = client.store.limits()[0]
    client.spend(limit.id, key_id, 5 * NANO, bucket=parse("month").bucket(time.time_ns() // 1000)[0])
    found = (await client.get("/v1/key", headers=headers)).json()["data"]
    assert (found["limit"], found["limit_remaining"], found["limit_reset"]) == (20.0, 15.0, "monthly")
    assert [(each["scope"], each["unit"], each["amount"]) for each in found["limits"]] == [
        ("key", "usd", 20.0),
        ("key", "requests", 60),
        ("key", "requests", 1000),
        ("team", "usd", 500.0),
    ]
    assert found["limits"][0]["left"] == 15.0
    assert (found["rate_limit"]["requests"], found["rate_limit"]["interval"]) == (60, "1min")
    assert found["wallet"]["left"] == 5.0
    assert found["team"] == {"id": team, "name": "research", "rules": {}}
    assert [each["scope"] for each in found["budgets"]] == ["key_limit", "workspace"]
    assert found["effective_budget"]["remaining_usd"] == 15.0
    assert found["plan"] is None


async def test_a_key_sees_its_plan_or_its_teams(called: Called) -> None:
    client = called()
    team = client.new_team("research")
    key_id, headers = client.new_key("mine", team_id=team)
    for name, window in (("pro", "week"), ("max", "day")):
        spec = {"name": name, "price_usd": 20, "windows": [{"credits": 50, "window": window}]}
        client.store.put_plan(PlanRow(name, json.dumps(spec), 1, 1))
    client.store.subscribe(SubscriptionRow("team", team, "max", 1))
    now_us = time.time_ns() // 1000
    client.spend("plan:max:day", f"team:{team}", 5 * NANO, bucket=parse("day").bucket(now_us)[0])
    found = (await client.get("/v1/key", headers=headers)).json()["data"]["plan"]
    assert (found["name"], found["price_usd"], found["used_up"]) == ("max", 20.0, "stop")
    (window,) = found["windows"]
    assert (window["credits"], window["used"], window["left"]) == (50.0, 5.0, 45.0)
    assert window["resets_at"].endswith("T00:00:00Z")
    client.store.subscribe(SubscriptionRow("key", key_id, "pro", 1))
    found = (await client.get("/v1/key", headers=headers)).json()["data"]["plan"]
    assert (found["name"], found["windows"][0]["used"]) == ("pro", 0.0)
