"""Teams made, shown, changed and removed through the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.plans.granting import new_limit, written

Called = Callable[..., Any]
PATH = "/v1/teams"


async def test_a_team_from_its_making_to_its_end(called: Called) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    answer = await client.post(
        PATH, headers=admin, json={"name": "research", "rules": {"models": ["acme/*"]}}
    )
    assert answer.status_code == 201, answer.text
    team = answer.json()["data"]
    assert (team["name"], team["rules"], team["keys"], team["limits"]) == (
        "research",
        {"models": ["acme/*"]},
        0,
        [],
    )
    member, _ = client.new_key("alice", team_id=team["id"])
    limit = new_limit("team", team["id"], written("500/month"))
    client.store.add_limit(limit)
    shown = (await client.get(f"{PATH}/research", headers=admin)).json()["data"]
    assert (shown["id"], shown["keys"], shown["limits"][0]["amount"]) == (team["id"], 1, 500.0)
    assert (await client.get(PATH, headers=admin)).json()["data"] == [shown]
    url = f"{PATH}/{team['id']}"
    changed = await client.patch(
        url, headers=admin, json={"name": "science", "rules": {"max_input_tokens": 9}}
    )
    assert changed.json()["data"]["name"] == "science"
    assert changed.json()["data"]["rules"] == {"models": ["acme/*"], "max_input_tokens": 9}
    assert (await client.delete(url, headers=admin)).json() == {"deleted": True}
    assert (await client.get(url, headers=admin)).status_code == 404
    assert client.store.limits() == []
    assert client.store.key(member).team_id == ""
    assert {each.actor for each in client.store.audit() if each.action.startswith("team.")} == {boss}


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "a\nb"}, {"name": "x" * 101}, {"name": "x", "rules": {"modles": []}}]
)
async def test_what_is_no_team(called: Called, body: dict[str, Any]) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    assert (await client.post(PATH, headers=admin, json=body)).status_code == 400
    team = client.new_team("research")
    before = client.store.teams()
    if body != {"name": "x"}:
        assert (await client.patch(f"{PATH}/{team}", headers=admin, json=body)).status_code == 400
    assert client.store.teams() == before


async def test_a_name_is_given_once(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    client.new_team("research")
    team = client.new_team("sales")
    for answer in (
        await client.post(PATH, headers=admin, json={"name": "research"}),
        await client.patch(f"{PATH}/{team}", headers=admin, json={"name": "research"}),
    ):
        assert answer.status_code == 400
        assert "take another" in answer.json()["error"]["message"]
    assert (await client.patch(f"{PATH}/{team}", headers=admin, json={"name": "sales"})).status_code == 200


async def test_two_admins_at_once_lose_no_rule(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    team = client.new_team("research")
    rules: list[dict[str, Any]] = [{"models": ["a"]}, {"clients": ["b"]}, {"loops": {"repeats": 3}}]
    await asyncio.gather(
        *(client.patch(f"{PATH}/{team}", headers=admin, json={"rules": each}) for each in rules)
    )
    found = (await client.get(f"{PATH}/{team}", headers=admin)).json()["data"]["rules"]
    assert found == {"models": ["a"], "clients": ["b"], "loops": {"repeats": 3}}


async def test_a_manager_sees_its_own_team_and_changes_none(called: Called) -> None:
    client = called()
    team, sales = client.new_team("research"), client.new_team("sales")
    _, manager = client.new_key("manager", "manager", team_id=team)
    found = (await client.get(PATH, headers=manager)).json()["data"]
    assert [each["id"] for each in found] == [team]
    for name in (sales, "sales", "t_none"):
        assert (await client.get(f"{PATH}/{name}", headers=manager)).status_code == 404
    for method, url, body in (
        ("PATCH", f"{PATH}/{team}", {"rules": {"models": None}}),
        ("DELETE", f"{PATH}/{team}", None),
        ("POST", PATH, {"name": "new"}),
    ):
        assert (await client.request(method, url, headers=manager, json=body)).status_code == 403
