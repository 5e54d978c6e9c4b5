"""Queued requests: read, listed and cancelled by their own key and by admins."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from queueing import queued_row

Called = Callable[..., Any]


def put(client: Any, key_id: str, **more: Any) -> str:
    row = queued_row(key_id, **more)
    assert client.store.enqueue(row, 10_000, 10**9)
    return row.id


def answered(client: Any, key_id: str, status: int, answer: bytes) -> str:
    name = put(client, key_id, not_before_us=1)
    (row,) = client.store.claim("w", 1, 1)
    assert row.id == name and client.store.finish(name, "w", status, answer, 9_000_000)
    return name


async def test_one_that_waits(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    name = put(client, key_id, created_us=5_000_000, not_before_us=7_000_000)
    for prefix in ("", "/api"):
        answer = await client.get(f"{prefix}/v1/queued/{name}", headers=headers)
        assert answer.status_code == 200
        assert answer.json() == {
            "id": name,
            "object": "queued_request",
            "status": "queued",
            "model": "acme/fast",
            "created": 5,
            "not_before": 7,
            "url": f"/v1/queued/{name}",
            "response": None,
        }


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b'{"id":"gen-1","x":[1,2.50,"\xc3\xa4"]}', {"id": "gen-1", "x": [1, 2.5, "ä"]}),
        (b"data: {}\n\ndata: [DONE]\n\n", "data: {}\n\ndata: [DONE]\n\n"),
        (b"\xff not even text", "\ufffd not even text"),
        (b"", ""),
    ],
)
async def test_its_answer(called: Called, answer: bytes, body: Any) -> None:
    client = called()
    key_id, headers = client.new_key()
    name = answered(client, key_id, 201, answer)
    told = (await client.get(f"/v1/queued/{name}", headers=headers)).json()
    assert (told["status"], told["finished"]) == ("done", 9)
    assert told["response"] == {"status_code": 201, "body": body}


async def test_lists(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    mine = [put(client, key_id) for _ in range(103)]
    other = put(client, "k_other")
    answer = (await client.get("/v1/queued", headers=headers)).json()
    assert [each["id"] for each in answer["data"]] == mine[:2:-1] and answer["has_more"]
    answer = (await client.get("/v1/queued?offset=100", headers=headers)).json()
    assert [each["id"] for each in answer["data"]] == mine[2::-1] and not answer["has_more"]
    assert all("response" not in each and "key_id" not in each for each in answer["data"])
    _, admin = client.new_key(role="admin")
    answer = (await client.get("/v1/queued", headers=admin)).json()
    assert (answer["data"][0]["id"], answer["data"][0]["key_id"]) == (other, "k_other")
    assert answer["data"][1]["key_id"] == key_id
    assert (await client.get("/v1/queued?offset=-1", headers=headers)).status_code == 400


async def test_one_that_waits_is_cancelled(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    name = put(client, key_id)
    told = (await client.delete(f"/v1/queued/{name}", headers=headers)).json()
    assert (told["id"], told["status"], told["deleted"]) == (name, "cancelled", False)
    assert client.store.claim("w", 10**9, 9) == []
    told = (await client.get(f"/v1/queued/{name}", headers=headers)).json()
    assert (told["status"], told["response"]) == ("cancelled", None)


async def test_one_that_is_finished_is_forgotten(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    name = answered(client, key_id, 200, b"{}")
    told = (await client.delete(f"/v1/queued/{name}", headers=headers)).json()
    assert (told["id"], told["status"], told["deleted"]) == (name, "done", True)
    for method in ("GET", "DELETE"):
        assert (await client.request(method, f"/v1/queued/{name}", headers=headers)).status_code == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("role", ["member", "manager", "admin"])
async def test_only_its_own_key_or_an_admin(called: Called, method: str, role: str) -> None:
    client = called()
    key_id, _ = client.new_key()
    name = put(client, key_id)
    other_id, other = client.new_key(role=role)
    answer = await client.request(method, f"/v1/queued/{name}", headers=other)
    assert answer.status_code == (200 if role == "admin" else 404)
    assert (await client.request(method, f"/v1/queued/{name}")).status_code == 401
    entries = client.store.audit(target=name)
    if (role, method) == ("admin", "DELETE"):
        (entry,) = entries
        assert (entry.actor, entry.action) == (other_id, "queued.delete")
        assert json.loads(entry.detail) == {"key_id": key_id}
    else:
        assert entries == []


async def test_one_that_waited_in_vain_says_so(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    name = put(client, key_id, created_us=1)
    client.store.expire_queue(10**15)
    told = (await client.get(f"/v1/queued/{name}", headers=headers)).json()
    assert (told["status"], told["response"]) == ("expired", None)
    assert "no room" in told["error"]["message"]
