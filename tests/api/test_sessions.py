"""Sessions stopped and resumed through the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Called = Callable[..., Any]
PATH = "/v1/sessions"


async def test_stopped_listed_resumed(called: Called) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("alice")
    answer = await client.post(f"{PATH}/s1/stop", headers=admin, json={})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["key_id"] is None
    by_hash = {"key": client.store.key(key_id).hash}
    await client.post(f"{PATH}/s1/stop", headers=admin, json=by_hash)
    await client.post(f"{PATH}/a%2Fb%20c/stop", headers=admin, json={"key": key_id})
    found = (await client.get(PATH, headers=admin)).json()["data"]
    assert [(each["session"], each["key_id"]) for each in found] == [
        ("a/b c", key_id),
        ("s1", key_id),
        ("s1", None),
    ]
    assert (await client.post(f"{PATH}/a/b c/resume", headers=admin, json={})).status_code == 404
    for body in ({"key": key_id}, {}):
        assert (await client.post(f"{PATH}/s1/resume", headers=admin, json=body)).json() == {"resumed": True}
        assert (await client.post(f"{PATH}/s1/resume", headers=admin, json=body)).status_code == 404
    assert len(client.store.stops()) == 1
    assert {each.actor for each in client.store.audit(target="s1")} == {boss}


@pytest.mark.parametrize("name", ["%00", "%07", "%20%20", "x" * 201])
async def test_what_is_no_session(called: Called, name: str) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    assert (await client.post(f"{PATH}/{name}/stop", headers=admin, json={})).status_code == 400
    assert (await client.post(f"{PATH}/s1/stop", headers=admin, json={"key": "k_no"})).status_code == 404
    assert client.store.stops() == []


async def test_a_manager_stops_sessions_of_its_members(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    team, sales = client.new_team("research"), client.new_team("sales")
    own, manager = client.new_key("manager", "manager", team_id=team)
    member, _ = client.new_key("member", team_id=team)
    stranger, _ = client.new_key("stranger", team_id=sales)
    for body in ({}, {"key": member}, {"key": stranger}):
        await client.post(f"{PATH}/s0/stop", headers=admin, json=body)
    assert (await client.post(f"{PATH}/s1/stop", headers=manager, json={"key": member})).status_code == 200
    found = (await client.get(PATH, headers=manager)).json()["data"]
    assert [(each["session"], each["key_id"]) for each in found] == [("s1", member), ("s0", member)]
    for action in ("stop", "resume"):
        for body, status in (({}, 403), ({"key": stranger}, 404)):
            answer = await client.post(f"{PATH}/s0/{action}", headers=manager, json=body)
            assert answer.status_code == status, answer.text
    assert (await client.post(f"{PATH}/s0/resume", headers=manager, json={"key": member})).status_code == 200
    for action in ("stop", "resume"):
        mine = await client.post(f"{PATH}/s9/{action}", headers=manager, json={"key": own})
        assert mine.status_code == 200
    assert len(client.store.stops()) == 3
