"""Plans made, given, shown and removed through the API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.plans.window import parse

Called = Callable[..., Any]
PATH = "/v1/plans"
NANO = 1_000_000_000
PRO: dict[str, Any] = {
    "price_usd": 20,
    "windows": [{"credits": 50, "window": "weekly"}],
    "classes": [{"name": "all", "models": ["*"], "input_mtok": 1, "output_mtok": 5}],
    "used_up": "pay_as_you_go",
}


async def test_a_plan_from_its_making_to_its_end(called: Called) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("alice")
    team = client.new_team("research")
    answer = await client.put(f"{PATH}/pro", headers=admin, json=PRO)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["name"], data["subscribers"], data["spec"]["windows"][0]["window"]) == ("pro", 0, "week")
    for body in ({"subject": client.store.key(key_id).hash}, {"scope": "team", "subject": "research"}):
        given = await client.post(f"{PATH}/pro/assign", headers=admin, json=body)
        assert given.status_code == 200, given.text
        assert given.json()["data"]["plan"] == "pro"
    client.spend("plan:pro:week", f"key:{key_id}", 10 * NANO, bucket=parse("week").bucket(_now())[0])
    shown = (await client.get(f"{PATH}/pro", headers=admin)).json()
    assert shown["data"]["subscribers"] == 2
    by = {each["subject"]: each["windows"][0] for each in shown["subscriptions"]}
    assert (by[key_id]["used"], by[key_id]["left"], by[team]["used"]) == (10.0, 40.0, 0.0)
    again = await client.put(f"{PATH}/pro", headers=admin, json={**PRO, "name": "pro", "price_usd": 25})
    assert again.json()["data"]["spec"]["price_usd"] == 25
    assert again.json()["data"]["created_at"] == data["created_at"]
    assert [each["name"] for each in (await client.get(PATH, headers=admin)).json()["data"]] == ["pro"]
    refused = await client.delete(f"{PATH}/pro", headers=admin)
    assert refused.status_code == 400
    assert "unassign" in refused.json()["error"]["message"]
    for body in ({"subject": key_id}, {"scope": "team", "subject": team}):
        assert (await client.post(f"{PATH}/pro/unassign", headers=admin, json=body)).status_code == 200
        assert (await client.post(f"{PATH}/pro/unassign", headers=admin, json=body)).status_code == 404
    assert (await client.delete(f"{PATH}/pro", headers=admin)).json() == {"deleted": True}
    assert (await client.get(f"{PATH}/pro", headers=admin)).status_code == 404
    assert {each.actor for each in client.store.audit() if each.action.startswith("plan.")} == {boss}


def _now() -> int:
    return time.time_ns() // 1000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "body"),
        ({"name": "other"}, "renamed"),
        ({"prize": 1}, "prize"),
        ({"windows": [{"credits": 1, "window": "fortnight"}]}, "window"),
        ({**PRO, "classes": []}, "classes"),
        ({"used_up": "cheaper_model"}, "cheaper_model"),
        ({"price_usd": "20"}, "price_usd"),
    ],
)
async def test_what_is_no_plan(called: Called, body: Any, said: str) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    answer = await client.put(f"{PATH}/pro", headers=admin, json=body)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]
    assert client.store.plans() == []


async def test_a_name_that_no_list_could_show(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    for name in ("a%0Ab", "%20", "x" * 101):
        assert (await client.put(f"{PATH}/{name}", headers=admin, json={})).status_code == 400


async def test_what_is_not_there_can_not_be_given(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("alice")
    await client.put(f"{PATH}/pro", headers=admin, json=PRO)
    for path, body in (
        ("max/assign", {"subject": key_id}),
        ("pro/assign", {"subject": "k_none"}),
        ("pro/assign", {"scope": "team", "subject": "t_none"}),
        ("pro/unassign", {"subject": key_id}),
        ("max/unassign", {"subject": key_id}),
    ):
        assert (await client.post(f"{PATH}/{path}", headers=admin, json=body)).status_code == 404, path
    for body in ({}, {"subject": ""}, {"scope": "app", "subject": "a"}):
        assert (await client.post(f"{PATH}/pro/assign", headers=admin, json=body)).status_code == 400
    assert (await client.delete(f"{PATH}/max", headers=admin)).status_code == 404
    assert client.store.subscriptions() == []
