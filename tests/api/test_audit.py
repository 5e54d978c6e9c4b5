"""The audit log as it is told: to admins all of it, to managers what concerns their team."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenworks.ledger.limit_rows import AuditRow

Called = Callable[..., Any]
PATH = "/v1/audit"


async def test_every_change_is_told_the_latest_first(called: Called) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    made = (await client.post("/v1/keys", headers=admin, json={"name": "a", "limit": 5})).json()
    await client.patch(f"/v1/keys/{made['data']['id']}", headers=admin, json={"name": "b"})
    found = (await client.get(PATH, headers=admin)).json()["data"]
    assert [each["action"] for each in found] == ["key.update", "limit.create", "key.create", "key.create"]
    assert [each["actor"] for each in found] == [boss, boss, boss, ""]
    assert found[0]["detail"] == {"name": "b"}
    assert found[1]["detail"]["amount"] == 5_000_000_000
    assert made["key"] not in str(found)
    only = (await client.get(PATH, headers=admin, params={"target": boss})).json()["data"]
    assert [each["target"] for each in only] == [boss]
    assert len((await client.get(PATH, headers=admin, params={"limit": 2})).json()["data"]) == 2


async def test_spans(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    for hour in range(3):
        client.store.note(AuditRow(hour * 3_600_000_000, "tokenworks", f"h{hour}", "x", "" if hour else "[1"))
    span = {"since": "1970-01-01T01:00:00Z", "until": "1970-01-01T02:00:00Z"}
    found = (await client.get(PATH, headers=admin, params=span)).json()["data"]
    assert [(each["action"], each["time"]) for each in found] == [("h1", "1970-01-01T01:00:00.000Z")]
    found = (await client.get(PATH, headers=admin, params={"until": "1970-01-01T00:00:01Z"})).json()["data"]
    assert found[0]["detail"] == {"text": "[1"}
    for wrong in ({"since": "yesterday"}, {"since": "2020-01-01"}, {"limit": 0}, {"limit": 1001}):
        assert (await client.get(PATH, headers=admin, params=wrong)).status_code == 400


async def test_a_manager_sees_what_concerns_its_team(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    team, sales = client.new_team("research"), client.new_team("sales")
    _, manager = client.new_key("manager", "manager", team_id=team)
    member, _ = client.new_key("member", team_id=team)
    stranger, _ = client.new_key("stranger", team_id=sales)
    before = {each.target for each in client.store.audit()}

    async def post(path: str, **body: Any) -> str:
        answer = await client.post(path, headers=admin, json=body)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["data"].get("id", ""))

    kept = [
        await post("/v1/budgets", scope="key", subject=member, amount=5),
        await post("/v1/budgets", scope="team", subject=team, amount=5),
        await post("/v1/budgets", scope="user", subject="*", within=member, amount=5),
    ]
    gone = await post("/v1/budgets", scope="key", subject=member, amount=9)
    await client.delete(f"/v1/budgets/{gone}", headers=admin)
    hidden = [
        await post("/v1/budgets", scope="key", subject=stranger, amount=5),
        await post("/v1/budgets", scope="user", subject="*", amount=5),
    ]
    await post("/v1/sessions/s1/stop", key=member)
    await post("/v1/sessions/s2/stop", key=stranger)
    found = (await client.get(PATH, headers=manager)).json()["data"]
    targets = {each["target"] for each in found}
    assert targets >= {*kept, gone, member, team, "s1"}
    assert not targets & {*hidden, stranger, sales, "s2"}
    assert "limit.remove" in {each["action"] for each in found if each["target"] == gone}
    assert before > targets & before
    two = (await client.get(PATH, headers=manager, params={"limit": 2})).json()["data"]
    assert two == found[:2]
    assert (await client.get(PATH, headers=manager, params={"target": stranger})).json()["data"] == []
