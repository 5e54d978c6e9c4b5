"""What a key is told of itself and of what was spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
