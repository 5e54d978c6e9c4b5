"""Keys made, looked at, changed and deleted by an administrator."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tokenworks.api import keys as api_keys

Called = Callable[..., Any]
PATH = "/v1/keys"


async def make(client: Any, admin: dict[str, str], **body: Any) -> dict[str, Any]:
    answer: httpx.Response = await client.post(PATH, headers=admin, json={"name": "new", **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["data"]]


async def test_a_new_key_works_at_once_and_is_no_admin(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    made = await make(client, admin, name="Team Ä", limit=None, limit_reset=None)
    headers = {"authorization": f"Bearer {made['key']}"}
    assert (await client.get("/v1/key", headers=headers)).json()["data"]["name"] == "Team Ä"
    assert (await client.get(PATH, headers=headers)).status_code == 403
    data = made["data"]
    assert data["label"].endswith(made["key"][-4:])
    assert (data["name"], data["disabled"], data["usage"], data["limit"]) == ("Team Ä", False, 0, None)
    shown = (await client.get(f"{PATH}/{data['hash']}", headers=admin)).json()
    assert shown == {"data": data}
    everything = (await client.get(PATH, headers=admin)).text + json.dumps(shown)
    assert made["key"] not in everything


async def test_a_key_is_found_by_hash_or_id(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("other")
    found = (await client.get(f"{PATH}/{key_id}", headers=admin)).json()["data"]
    assert (found["id"], found["name"], found["role"]) == (key_id, "other", "member")
    assert (await client.get(f"{PATH}/{found['hash']}", headers=admin)).json()["data"] == found


async def test_expiry(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    soon = datetime.now(UTC) + timedelta(days=1)
    made = await make(client, admin, expires_at=soon.isoformat())
    assert datetime.fromisoformat(made["data"]["expires_at"]) == soon.replace(
        microsecond=soon.microsecond // 1000 * 1000
    )
    row = client.store.key(made["data"]["id"])
    assert row.expires_us == soon.timestamp() * 1e6
    assert not row.expired(int(time.time() * 1e6))


async def test_an_expired_key_is_refused_but_still_listed(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, member = client.new_key("other")
    assert (await client.get("/v1/key", headers=member)).status_code == 200
    client.store.update_key(key_id, expires_us=int(time.time() * 1e6) - 1)
    client.app.state.keys.reload_if_changed()
    assert (await client.get("/v1/key", headers=member)).status_code == 401
    assert names(await client.get(PATH, headers=admin)) == ["boss", "other"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"limit": 10}, "not enforced"),
        ({"limit": 0}, "not enforced"),
        ({"limit_reset": "daily"}, "not enforced"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "passed"),
        ({"expires_at": "2099-01-01T00:00:00+02:00"}, "UTC"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": 10**30}, "expires_at"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\x1b[31mb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": None}, "name"),
        ({"workspace_id": "0df9e665-d932-5740-b2c7-b52af166bc11"}, "workspace"),
        ({"creator_user_id": "u_1"}, "users"),
        ({"external": {"user": "u_1"}}, "users"),
    ],
)
async def test_what_can_not_be_kept_is_refused(called: Called, body: dict[str, Any], said: str) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    answer = await client.post(PATH, headers=admin, json={"name": "new", **body})
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]
    assert len(client.store.keys()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"name":"\\ud800"}',
        b'{"name":' + b"[" * 10_000,
        b'{"name":"a","\\ud800":1}',
    ],
)
async def test_broken_bodies_are_400(called: Called, body: bytes) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    answer = await client.post(PATH, headers={**admin, "content-type": "application/json"}, content=body)
    assert answer.status_code in (400, 201), answer.text
    assert (answer.status_code == 201) == body.endswith(b":1}")  # unknown fields are left unread


async def test_a_disabled_key_is_refused_until_it_is_enabled(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, member = client.new_key("other")
    assert (await client.get("/v1/key", headers=member)).status_code == 200
    changed = await client.patch(f"{PATH}/{key_id}", headers=admin, json={"disabled": True, "name": "idle"})
    assert (changed.json()["data"]["disabled"], changed.json()["data"]["name"]) == (True, "idle")
    assert (await client.get("/v1/key", headers=member)).status_code == 401  # at once
    assert names(await client.get(PATH, headers=admin)) == ["boss"]
    assert names(await client.get(PATH, headers=admin, params={"include_disabled": "true"})) == [
        "boss",
        "idle",
    ]
    changed = await client.patch(f"{PATH}/{key_id}", headers=admin, json={"disabled": False})
    assert changed.json()["data"]["updated_at"] is not None
    assert (await client.get("/v1/key", headers=member)).json()["data"]["name"] == "idle"


async def test_the_end_of_a_key_is_set_and_taken_away(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("other")
    url = f"{PATH}/{key_id}"
    dated = await client.patch(url, headers=admin, json={"expires_at": "2099-01-01T00:00:00Z"})
    assert dated.json()["data"]["expires_at"] == "2099-01-01T00:00:00.000Z"
    renamed = await client.patch(url, headers=admin, json={"name": "third"})
    assert renamed.json()["data"]["expires_at"] == "2099-01-01T00:00:00.000Z"
    endless = await client.patch(url, headers=admin, json={"expires_at": None})
    assert (endless.json()["data"]["expires_at"], endless.json()["data"]["name"]) == (None, "third")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"unheard_of": 1},
        {"limit": 5},
        {"limit_reset": "weekly"},
        {"name": "\x07"},
        {"name": ""},
        {"disabled": "perhaps"},
        {"workspace_id": "w", "name": "x"},
        {"expires_at": "2020-01-01T00:00:00Z"},
    ],
)
async def test_a_change_of_nothing_or_to_nonsense_changes_nothing(
    called: Called, body: dict[str, Any]
) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("other")
    before = client.store.key(key_id)
    assert (await client.patch(f"{PATH}/{key_id}", headers=admin, json=body)).status_code == 400
    assert client.store.key(key_id) == before


async def test_a_deleted_key_is_gone(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, member = client.new_key("other")
    client.record(key_id, cost_nano_usd=1_000_000_000)
    assert (await client.get("/v1/key", headers=member)).status_code == 200
    answer = await client.delete(f"{PATH}/{client.store.key(key_id).hash}", headers=admin)
    assert (answer.status_code, answer.json()) == (200, {"deleted": True})
    assert (await client.get("/v1/key", headers=member)).status_code == 401  # at once
    for method in ("GET", "DELETE"):
        assert (await client.request(method, f"{PATH}/{key_id}", headers=admin)).status_code == 404
    assert (await client.patch(f"{PATH}/{key_id}", headers=admin, json={"name": "x"})).status_code == 404
    assert names(await client.get(PATH, headers=admin, params={"include_disabled": "true"})) == ["boss"]
    spent = (await client.get("/v1/credits", headers=admin)).json()["data"]["total_usage"]
    assert spent == 1.0  # what it used stays recorded


async def test_the_list_tells_what_each_has_spent(called: Called) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("other")
    client.record(key_id, age_s=0, cost_nano_usd=2_000_000_000)
    client.record(key_id, age_s=40 * 86_400, cost_nano_usd=1_000_000_000)
    client.record(boss, age_s=0, cost_nano_usd=5_000_000_000)
    found = (await client.get(PATH, headers=admin)).json()["data"]
    assert [(each["name"], each["usage"], each["usage_daily"]) for each in found] == [
        ("boss", 5.0, 5.0),
        ("other", 3.0, 2.0),
    ]
    (one,) = [each for each in found if each["name"] == "other"]
    assert (await client.get(f"{PATH}/{key_id}", headers=admin)).json()["data"] == one


async def test_long_lists_come_in_pages(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "PAGE", 2)
    client = called()
    _, admin = client.new_key("k0", "admin")
    for number in range(1, 5):
        client.new_key(f"k{number}")
    seen: list[str] = []
    while page := names(await client.get(PATH, headers=admin, params={"offset": len(seen)})):
        assert len(page) <= 2
        seen += page
    assert sorted(seen) == [f"k{number}" for number in range(5)]


@pytest.mark.parametrize(
    "query",
    ["offset=-1", "offset=99999999999999999999", "offset=x", "include_disabled=maybe", "workspace_id=w"],
)
async def test_a_query_that_can_not_be_met_is_a_400(called: Called, query: str) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    assert (await client.get(f"{PATH}?{query}", headers=admin)).status_code == 400


@pytest.mark.parametrize("name", ["k_none", "0" * 64, "%00", "%ff", "%20", "'%20OR%201=1"])
async def test_no_such_key(called: Called, name: str) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    assert (await client.get(f"{PATH}/{name}", headers=admin)).status_code == 404
    assert (await client.get(f"{PATH}/{'x' * 200}", headers=admin)).status_code == 400
