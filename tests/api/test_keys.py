"""Keys made, looked at, changed and deleted by an administrator."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tokenworks.api import keys as api_keys
from tokenworks.ledger.limit_rows import PlanRow

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
        ({"limit": -1}, "limit"),
        ({"limit": 1e10}, "limit"),
        ({"limit_reset": "daily"}, "send a limit too"),
        ({"limit": 1, "limit_reset": "hourly"}, "limit_reset"),
        ({"limits": ["sixty"]}, "sixty"),
        ({"limits": ["20/month", "30/month"]}, "two limits"),
        ({"limit": 1, "limit_reset": "monthly", "limits": ["30/month"]}, "two limits"),
        ({"limits": ["20/month"], "timezone": "Mars/Base"}, "time zone"),
        ({"rules": {"modles": ["x"]}}, "modles"),
        ({"rules": {"models": "x"}}, "models"),
        ({"rules": {"hours": ["always"]}}, "hours"),
        ({"rules": {"max_input_tokens": 0}}, "max_input_tokens"),
        ({"rules": {"loops": {"spend_usd": -1}}}, "spend_usd"),
        ({"role": "root"}, "role"),
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
        {"limit": -5},
        {"limit_reset": "weekly"},
        {"limit": None, "limit_reset": "weekly"},
        {"limit": 5, "limits": ["20/month"]},
        {"limits": ["sixty"], "name": "x"},
        {"rules": {"models": 1}, "name": "x"},
        {"plan": None, "timezone": "x" * 200},
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


# --- limits, rules, teams, plans ------------------------------------------------------------------


def limits_of(client: Any, key_id: str) -> list[tuple[str, int, str, bool]]:
    return [
        (each.unit, each.amount, each.window, each.strict)
        for each in client.store.limits()
        if (each.scope, each.subject) == ("key", key_id)
    ]


NANO = 1_000_000_000


@pytest.mark.parametrize(
    ("reset", "window"), [("daily", "day"), ("weekly", "week"), ("monthly", "month"), (None, "lifetime")]
)
async def test_a_limit_limits(called: Called, reset: str | None, window: str) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    made = (await make(client, admin, limit=2.5, limit_reset=reset, strict=True))["data"]
    assert (made["limit"], made["limit_remaining"], made["limit_reset"]) == (2.5, 2.5, reset)
    (row,) = client.store.limits()
    assert (row.scope, row.subject, row.unit, row.amount) == ("key", made["id"], "usd", 2_500_000_000)
    assert (row.window, row.timezone, row.strict, row.purpose) == (window, "UTC", True, "")
    assert client.store.audit(target=row.id)[0].actor == boss


async def test_what_remains_is_what_was_not_spent(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    made = (await make(client, admin, limit=2, strict=True))["data"]
    (row,) = client.store.limits()
    client.spend(row.id, made["id"], 500_000_000, leased=300_000_000)
    for path in (f"{PATH}/{made['hash']}", PATH):
        found = (await client.get(path, headers=admin)).json()["data"]
        one = found if isinstance(found, dict) else found[1]
        assert (one["limit"], one["limit_remaining"]) == (2.0, 1.5), "what is held may still come back"
    client.spend(row.id, made["id"], 2_000_000_000)
    found = (await client.get(f"{PATH}/{made['hash']}", headers=admin)).json()["data"]
    assert found["limit_remaining"] == 0


async def test_a_limit_is_changed_moved_and_taken_away(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    made = (await make(client, admin, limit=2, limit_reset="monthly", strict=True))["data"]
    url = f"{PATH}/{made['id']}"
    (before,) = client.store.limits()

    async def changed(**body: Any) -> Any:
        answer = await client.patch(url, headers=admin, json=body)
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        return data["limit"], data["limit_reset"]

    assert await changed(limit=3) == (3.0, "monthly")
    assert client.store.limits()[0].id == before.id, "what was spent stays"
    assert await changed(limit_reset="daily") == (3.0, "daily")
    assert limits_of(client, made["id"]) == [("usd", 3 * NANO, "day", True)]
    assert await changed(strict=False) == (3.0, "daily")
    assert limits_of(client, made["id"]) == [("usd", 3 * NANO, "day", False)]
    assert await changed(limit=4, limit_reset=None) == (4.0, None)
    assert limits_of(client, made["id"]) == [("usd", 4 * NANO, "lifetime", False)]
    assert await changed(limit=None) == (None, None)
    assert client.store.limits() == []
    assert await changed(limit=None, name="x") == (None, None)
    assert await changed(limit=0) == (0.0, None)


async def test_limits_as_commands_write_them(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    made = (await make(client, admin, limits=["20/month", "60rpm"], limit=2, limit_reset="daily"))["data"]
    assert {each[:2] for each in limits_of(client, made["id"])} == {
        ("usd", 20 * NANO),
        ("requests", 60),
        ("usd", 2 * NANO),
    }
    assert len(made["limits"]) == 3
    ids = {each.window: each.id for each in client.store.limits()}
    url = f"{PATH}/{made['id']}"
    found = await client.patch(url, headers=admin, json={"limits": ["25/month"], "timezone": "UTC"})
    assert found.json()["data"]["limit"] == 25.0
    (row,) = client.store.limits()
    assert (row.id, row.amount) == (ids["month"], 25 * NANO), "the same window keeps what was spent"
    again = await client.patch(url, headers=admin, json={"limits": found.json()["data"]["limits"]})
    assert again.json()["data"]["limits"] == found.json()["data"]["limits"]
    assert client.store.limits() == [row]
    await client.patch(url, headers=admin, json={"limits": ["25/month"], "timezone": "Europe/Berlin"})
    (moved,) = client.store.limits()
    assert moved.timezone == "Europe/Berlin"
    assert moved.id != row.id
    assert (await client.patch(url, headers=admin, json={"limits": []})).json()["data"]["limits"] == []
    assert client.store.limits() == []


async def test_rules_are_merged(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    rules = {"models": ["acme/*"], "loops": {"iterations": 5, "repeats": 3}}
    made = (await make(client, admin, rules=rules))["data"]
    assert made["rules"] == rules
    url = f"{PATH}/{made['id']}"
    for change, expected in (
        ({"max_input_tokens": 9}, {**rules, "max_input_tokens": 9}),
        ({"models": None, "max_input_tokens": None}, {"loops": rules["loops"]}),
        ({"loops": {"iterations": None}}, {"loops": {"repeats": 3}}),
        ({"loops": None, "private": True}, {"private": True}),
        ({"private": False}, {"private": False}),
        ({"private": None}, {}),
    ):
        answer = await client.patch(url, headers=admin, json={"rules": change})
        assert answer.json()["data"]["rules"] == expected, change
    assert client.store.key(made["id"]).rules == ""


async def test_a_key_is_put_into_a_team_and_given_a_plan(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    team = client.new_team("research")
    client.store.put_plan(PlanRow("pro", '{"name":"pro"}', 1, 1))
    made = (await make(client, admin, team_id="research", plan="pro", role="manager"))["data"]
    assert (made["team_id"], made["plan"], made["role"]) == (team, "pro", "manager")
    url = f"{PATH}/{made['id']}"
    found = await client.get(f"{PATH}?team_id={team}", headers=admin)
    assert names(found) == ["new"]
    for body, missing in (({"team_id": "t_none"}, "team"), ({"plan": "max"}, "plan")):
        for answer in (
            await client.patch(url, headers=admin, json=body),
            await client.post(PATH, headers=admin, json={"name": "x", **body}),
        ):
            assert answer.status_code == 404
            assert missing in answer.json()["error"]["message"]
    out = (await client.patch(url, headers=admin, json={"team_id": None, "plan": None})).json()["data"]
    assert (out["team_id"], out["plan"]) == (None, None)
    assert len(client.store.keys()) == 2


async def test_a_key_is_rotated(called: Called) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    key_id, old = client.new_key("other")
    assert (await client.get("/v1/key", headers=old)).status_code == 200
    answer = await client.post(f"{PATH}/{key_id}/rotate", headers=admin, json={})
    assert answer.status_code == 200, answer.text
    new = {"authorization": f"Bearer {answer.json()['key']}"}
    data = answer.json()["data"]
    assert (data["id"], data["label"][-4:]) == (key_id, answer.json()["key"][-4:])
    assert datetime.fromisoformat(data["old_secret_until"]) > datetime.now(UTC) + timedelta(hours=23)
    for headers in (old, new):
        assert (await client.get("/v1/key", headers=headers)).json()["data"]["name"] == "other"
    answer = await client.post(f"{PATH}/{data['hash']}/rotate", headers=admin, json={"overlap_s": 0})
    assert (await client.get("/v1/key", headers=old)).status_code == 401
    assert (await client.get("/v1/key", headers=new)).status_code == 401, "at once"
    for overlap in (-1, 1e9, "long"):
        body = {"overlap_s": overlap}
        wrong = await client.post(f"{PATH}/{key_id}/rotate", headers=admin, json=body)
        assert wrong.status_code == 400
    entries = client.store.audit(target=key_id)
    assert [each.actor for each in entries if each.action == "key.rotate"] == [boss, boss]
    assert answer.json()["key"] not in str(entries)


async def test_two_admins_at_once_lose_no_change(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    key_id, _ = client.new_key("other")
    bodies: list[dict[str, Any]] = [
        {"rules": {"models": ["a"]}},
        {"rules": {"max_input_tokens": 5}},
        {"rules": {"loops": {"iterations": 5}}},
        {"rules": {"loops": {"repeats": 3}}},
        {"limit": 2, "limit_reset": "monthly"},
        {"limit": 2, "limit_reset": "monthly"},
        {"name": "third"},
    ]
    answers = await asyncio.gather(
        *(client.patch(f"{PATH}/{key_id}", headers=admin, json=body) for body in bodies)
    )
    assert [answer.status_code for answer in answers] == [200] * len(bodies)
    found = (await client.get(f"{PATH}/{key_id}", headers=admin)).json()["data"]
    assert found["rules"] == {
        "models": ["a"],
        "max_input_tokens": 5,
        "loops": {"iterations": 5, "repeats": 3},
    }
    assert (found["name"], found["limit"]) == ("third", 2.0)
    assert len(client.store.limits()) == 1


# --- managers -------------------------------------------------------------------------------------


async def test_a_manager_makes_and_changes_members_of_its_team(called: Called) -> None:
    client = called()
    team, other = client.new_team("research"), client.new_team("sales")
    boss_id, boss = client.new_key("boss", "manager", team_id=team)
    stranger, _ = client.new_key("stranger", team_id=other)
    loner, _ = client.new_key("loner")
    made = (await make(client, boss, name="mine", limit=2))["data"]
    assert (made["team_id"], made["role"]) == (team, "member")
    assert names(await client.get(PATH, headers=boss)) == ["boss", "mine"]
    found = await client.patch(f"{PATH}/{made['id']}", headers=boss, json={"limit": 5, "name": "ours"})
    assert found.json()["data"]["limit"] == 5
    assert (await client.post(f"{PATH}/{made['id']}/rotate", headers=boss, json={})).status_code == 200
    for key_id in (stranger, loner, client.store.key(stranger).hash):
        for method, url, body in (
            ("GET", f"{PATH}/{key_id}", None),
            ("PATCH", f"{PATH}/{key_id}", {"name": "x"}),
            ("DELETE", f"{PATH}/{key_id}", None),
            ("POST", f"{PATH}/{key_id}/rotate", {}),
        ):
            answer = await client.request(method, url, headers=boss, json=body)
            assert answer.status_code == 404, (method, answer.text)
    assert (await client.delete(f"{PATH}/{made['id']}", headers=boss)).status_code == 200
    assert (await client.patch(f"{PATH}/{boss_id}", headers=boss, json={"limit": 9})).status_code == 403
    assert (await client.delete(f"{PATH}/{boss_id}", headers=boss)).status_code == 403
    assert (await client.post(f"{PATH}/{boss_id}/rotate", headers=boss, json={})).status_code == 200


async def test_a_manager_makes_nobody_its_equal_and_takes_over_nobody(called: Called) -> None:
    client = called()
    team, other = client.new_team("research"), client.new_team("sales")
    _, boss = client.new_key("boss", "manager", team_id=team)
    admin, _ = client.new_key("admin", "admin", team_id=team)
    second, _ = client.new_key("second", "manager", team_id=team)
    member, _ = client.new_key("member", team_id=team)
    client.store.put_plan(PlanRow("pro", '{"name":"pro"}', 1, 1))
    before = client.store.keys()
    forbidden: list[dict[str, Any]] = [
        {"role": "admin"},
        {"role": "manager"},
        {"team_id": other},
        {"plan": "pro"},
    ]
    for body in forbidden:
        answer = await client.post(PATH, headers=boss, json={"name": "new", **body})
        assert answer.status_code == 403, (body, answer.text)
    for body in [*forbidden, {"team_id": None}, {"plan": None}]:
        answer = await client.patch(f"{PATH}/{member}", headers=boss, json=body)
        assert answer.status_code == 403, (body, answer.text)
    for key_id in (admin, second):
        assert (await client.get(f"{PATH}/{key_id}", headers=boss)).status_code == 200
        for method, url, change in (
            ("PATCH", f"{PATH}/{key_id}", {"name": "x"}),
            ("DELETE", f"{PATH}/{key_id}", None),
            ("POST", f"{PATH}/{key_id}/rotate", {}),
        ):
            answer = await client.request(method, url, headers=boss, json=change)
            assert answer.status_code == 403, (method, answer.text)
    assert client.store.keys() == before
