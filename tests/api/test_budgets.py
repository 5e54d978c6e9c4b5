"""Limits made, shown, changed, refunded and removed through the API, by admins and by managers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

Called = Callable[..., Any]
PATH = "/v1/budgets"
NANO = 1_000_000_000


async def made(client: Any, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    answer = await client.post(PATH, headers=headers, json=body)
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def test_a_budget_from_its_making_to_its_end(called: Called) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("alice")
    one = await made(
        client,
        admin,
        scope="key",
        subject=client.store.key(key_id).hash,
        amount=20,
        window="monthly",
        timezone="Europe/Berlin",
        strict=True,
    )
    assert (one["subject"], one["unit"], one["amount"], one["window"]) == (key_id, "usd", 20.0, "month")
    assert (one["timezone"], one["strict"], one["spent"], one["left"]) == ("Europe/Berlin", True, 0.0, 20.0)
    url = f"{PATH}/{one['id']}"
    assert (await client.get(url, headers=admin)).json()["data"] == one
    assert (await client.get(PATH, headers=admin)).json()["data"] == [one]
    changed = await client.patch(url, headers=admin, json={"amount": 30})
    assert (changed.json()["data"]["amount"], changed.json()["data"]["strict"]) == (30.0, True)
    changed = await client.patch(url, headers=admin, json={"strict": False})
    assert (changed.json()["data"]["amount"], changed.json()["data"]["strict"]) == (30.0, False)
    assert (await client.delete(url, headers=admin)).json() == {"deleted": True}
    for method, body in (("GET", None), ("PATCH", {"amount": 1}), ("DELETE", None)):
        assert (await client.request(method, url, headers=admin, json=body)).status_code == 404
    entries = client.store.audit(target=one["id"])
    assert [each.action for each in entries] == [
        "limit.remove",
        "limit.update",
        "limit.update",
        "limit.create",
    ]
    assert {each.actor for each in entries} == {boss}


@pytest.mark.parametrize(
    ("body", "unit", "amount"),
    [
        ({"scope": "team", "subject": "research", "unit": "tokens", "window": "1min"}, "tokens", 5),
        ({"scope": "app", "subject": "*", "window": "day"}, "usd", 5.0),
        ({"scope": "user", "subject": "*", "within": "research"}, "usd", 5.0),
        ({"scope": "session", "subject": "s 1", "unit": "requests"}, "requests", 5),
        ({"scope": "team", "subject": "research", "unit": "concurrent"}, "concurrent", 5),
    ],
)
async def test_every_kind_of_limit(called: Called, body: dict[str, Any], unit: str, amount: float) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    team = client.new_team("research")
    one = await made(client, admin, amount=5, **body)
    assert (one["unit"], one["amount"]) == (unit, amount)
    assert one["within"] == (team if "within" in body else None)
    assert one["subject"] == (team if body["scope"] == "team" else body["subject"])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "scope"),
        ({"scope": "planet"}, 400, "scope"),
        ({"scope": "app", "subject": "a"}, 400, "amount"),
        ({"scope": "app", "subject": "a", "amount": -1}, 400, "amount"),
        ({"scope": "app", "subject": "a", "amount": 1e12}, 400, "dollars from 0"),
        ({"scope": "app", "subject": "a", "amount": 1.5, "unit": "requests"}, 400, "whole number"),
        ({"scope": "app", "subject": "", "amount": 1}, 400, "subject"),
        ({"scope": "app", "subject": "a\nb", "amount": 1}, 400, "subject"),
        ({"scope": "app", "subject": "a", "amount": 1, "window": "fortnight"}, 400, "window"),
        ({"scope": "app", "subject": "a", "amount": 1, "timezone": "Mars"}, 400, "time zone"),
        ({"scope": "app", "subject": "a", "amount": 1, "unit": "concurrent", "window": "day"}, 400, "none"),
        ({"scope": "key", "subject": "k_none", "amount": 1}, 404, "key"),
        ({"scope": "team", "subject": "t_none", "amount": 1}, 404, "team"),
        ({"scope": "team", "subject": "research", "within": "research", "amount": 1}, 400, "one team"),
        ({"scope": "app", "subject": "a", "within": "k_none", "amount": 1}, 404, "key"),
    ],
)
async def test_what_is_no_limit(called: Called, body: dict[str, Any], status: int, said: str) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    client.new_team("research")
    answer = await client.post(PATH, headers=admin, json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]
    assert client.store.limits() == []


async def test_a_change_of_nothing_or_to_nonsense(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    one = await made(client, admin, scope="app", subject="a", unit="requests", amount=5)
    before = client.store.limits()
    for body in ({}, {"amount": 1.5}, {"amount": -1}, {"strict": "perhaps"}):
        assert (await client.patch(f"{PATH}/{one['id']}", headers=admin, json=body)).status_code == 400
    assert client.store.limits() == before


async def test_how_limits_stand(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("alice")
    mine = await made(client, admin, scope="key", subject=key_id, amount=2)
    every = await made(client, admin, scope="user", subject="*", amount=1)
    client.spend(mine["id"], key_id, NANO // 2, leased=NANO // 4)
    client.spend(every["id"], "zoë", NANO // 5)
    first, second = (await client.get(PATH, headers=admin)).json()["data"]
    assert (first["spent"], first["held"], first["left"], first["resets_at"]) == (0.5, 0.25, 1.5, None)
    assert second["left"] is None
    assert [(each["subject"], each["spent"]) for each in second["subjects"]] == [("zoë", 0.2)]
    only = (await client.get(PATH, headers=admin, params={"scope": "user"})).json()["data"]
    assert [each["id"] for each in only] == [every["id"]]
    only = (await client.get(PATH, headers=admin, params={"subject": key_id})).json()["data"]
    assert [each["id"] for each in only] == [mine["id"]]
    assert (await client.get(PATH, headers=admin, params={"offset": 2})).json()["data"] == []
    assert (await client.get(PATH, headers=admin, params={"scope": "planet"})).status_code == 400


async def test_refunds(called: Called) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("alice")
    mine = await made(client, admin, scope="key", subject=key_id, amount=2)
    every = await made(client, admin, scope="user", subject="*", amount=1)
    client.spend(mine["id"], key_id, NANO)
    client.spend(every["id"], "zoë", NANO)

    async def refunded(limit: dict[str, Any], **body: Any) -> Any:
        return await client.post(f"{PATH}/{limit['id']}/refund", headers=admin, json=body)

    answer = (await refunded(mine, amount=0.25, reason="outage")).json()
    assert (answer["refunded"], answer["data"]["spent"]) == (0.25, 0.75)
    answer = (await refunded(mine, amount=5)).json()
    assert (answer["refunded"], answer["data"]["spent"]) == (0.75, 0.0)
    answer = (await refunded(every, amount=0.5, subject="zoë")).json()
    assert answer["data"]["subjects"][0]["spent"] == 0.5
    for body in ({"amount": 1}, {"amount": 1, "subject": "bob"}, {}, {"amount": 1, "reason": "a\nb"}):
        assert (await refunded(every, **body)).status_code == 400
    assert (await refunded({"id": "l_none"}, amount=1)).status_code == 404
    notes = [each for each in client.store.audit() if each.action == "account.refund"]
    assert [each.actor for each in notes] == [boss] * 3
    assert "outage" in notes[-1].detail


async def test_wallets_grow_and_no_payment_is_lost(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("alice")
    team = client.new_team("research")
    body = {"subject": key_id, "amount": 1.5}
    answers = await asyncio.gather(*(client.post("/v1/wallets", headers=admin, json=body) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    (wallet,) = client.store.limits()
    assert (wallet.amount, wallet.purpose, wallet.strict) == (12 * NANO, "wallet", True)
    assert {answer.json()["data"]["id"] for answer in answers} == {wallet.id}
    other = await client.post(
        "/v1/wallets", headers=admin, json={"scope": "team", "subject": "research", "amount": 5}
    )
    assert other.json()["data"]["subject"] == team
    for wrong in ({**body, "amount": 0}, {**body, "amount": -5}, {"amount": 5}, {**body, "amount": 1e10}):
        assert (await client.post("/v1/wallets", headers=admin, json=wrong)).status_code == 400
    too_much = await client.post("/v1/wallets", headers=admin, json={**body, "amount": 1e9})
    assert too_much.status_code == 400
    assert (
        await client.post("/v1/wallets", headers=admin, json={**body, "subject": "k_0"})
    ).status_code == 404


async def test_a_manager_limits_its_members_and_not_its_team(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    team, sales = client.new_team("research"), client.new_team("sales")
    own_id, manager = client.new_key("manager", "manager", team_id=team)
    member, _ = client.new_key("member", team_id=team)
    second, _ = client.new_key("second", "manager", team_id=team)
    stranger, _ = client.new_key("stranger", team_id=sales)
    of_team = await made(client, admin, scope="team", subject=team, amount=100)
    of_second = await made(client, admin, scope="key", subject=second, amount=9)
    of_sales = await made(client, admin, scope="team", subject=sales, amount=100)
    of_stranger = await made(client, admin, scope="key", subject=stranger, amount=9)
    everybody = await made(client, admin, scope="user", subject="*", amount=9)
    mine = await made(client, manager, scope="key", subject=member, amount=5)
    own = await made(client, admin, scope="key", subject=own_id, amount=5)
    users = await made(client, manager, scope="user", subject="*", amount=1)
    assert users["within"] == team, "a manager limits users within its team only"
    inside = await made(client, manager, scope="app", subject="ide", within=member, amount=1)

    seen = {each["id"] for each in (await client.get(PATH, headers=manager)).json()["data"]}
    changeable = [mine, users, inside]
    assert seen == {each["id"] for each in [of_team, of_second, own, *changeable]}
    for each in changeable:
        url = f"{PATH}/{each['id']}"
        assert (await client.patch(url, headers=manager, json={"amount": 2})).status_code == 200
        assert (await client.post(f"{url}/refund", headers=manager, json={"amount": 0})).status_code in (
            200,
            400,
        )
    refused = [
        (of_team, 403),
        (own, 403),
        (of_second, 403),
        (of_sales, 404),
        (of_stranger, 404),
        (everybody, 404),
    ]
    before = client.store.limits()
    for each, status in refused:
        url = f"{PATH}/{each['id']}"
        got = await client.get(url, headers=manager)
        assert got.status_code == (200 if status == 403 else 404)
        for method, path, body in (
            ("PATCH", url, {"amount": 1000}),
            ("DELETE", url, None),
            ("POST", f"{url}/refund", {"amount": 1, "subject": "x"}),
        ):
            answer = await client.request(method, path, headers=manager, json=body)
            assert answer.status_code == status, (method, each["scope"], answer.text)
    for body, status in (
        ({"scope": "team", "subject": team}, 403),
        ({"scope": "team", "subject": sales}, 403),
        ({"scope": "key", "subject": second}, 403),
        ({"scope": "key", "subject": own_id}, 403),
        ({"scope": "key", "subject": stranger}, 404),
        ({"scope": "user", "subject": "*", "within": stranger}, 403),
        ({"scope": "user", "subject": "*", "within": sales}, 403),
    ):
        answer = await client.post(PATH, headers=manager, json={**body, "amount": 1})
        assert answer.status_code == status, (body, answer.text)
    wallet = await client.post("/v1/wallets", headers=admin, json={"subject": member, "amount": 5})
    assert wallet.status_code == 200
    url = f"{PATH}/{wallet.json()['data']['id']}"
    assert (await client.patch(url, headers=manager, json={"amount": 1000})).status_code == 403
    assert (await client.delete(url, headers=manager)).status_code == 403
    assert [each for each in client.store.limits() if each.purpose == ""] == before
    assert (await client.delete(f"{PATH}/{mine['id']}", headers=manager)).status_code == 200
