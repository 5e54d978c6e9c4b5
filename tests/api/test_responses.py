"""Kept responses: read, listed and forgotten by their own key alone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.errors import NotFound
from tokenworks.gateway.conversations import Conversations, scope_of_responses
from tokenworks.gateway.states import States
from tokenworks.wire.peek import peek

Called = Callable[..., Any]
ID = "gen-1700000000-a1"
RESPONSE = {"id": ID, "object": "response", "status": "completed", "output": [{"type": "message", "é": 1}]}
GIVEN: list[Any] = [
    {"type": "message", "role": "user", "content": "one"},
    {"id": "mine", "type": "message", "role": "assistant", "content": "two"},
    {"type": "message", "role": "user", "content": "three"},
]


def keep(client: Any, key_id: str, name: str = ID, items: list[Any] | None = None, ttl_s: float = 60) -> None:
    """What the gateway writes down of a response."""
    given = GIVEN if items is None else items
    body = {"response": RESPONSE, "items": [*given, *RESPONSE["output"]], "input_count": len(given)}
    expires = time.time_ns() // 1000 + int(ttl_s * 1e6)
    client.store.keep_state(scope_of_responses(key_id), name, json.dumps(body).encode(), expires)


PATHS = (
    ("GET", f"/v1/responses/{ID}"),
    ("GET", f"/v1/responses/{ID}/input_items"),
    ("DELETE", f"/v1/responses/{ID}"),
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is about to write what is asked for, but in one test."""
    monkeypatch.setattr("tokenworks.api.responses.AGAIN_AFTER_S", 0.0)


async def test_it_is_read_as_it_was_answered(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    keep(client, key_id)
    for prefix in ("", "/api"):
        answer = await client.get(f"{prefix}/v1/responses/{ID}", headers=headers)
        assert (answer.status_code, answer.json()) == (200, RESPONSE)


@pytest.mark.parametrize(("query", "order"), [("", -1), ("?order=desc", -1), ("?order=asc", 1)])
async def test_what_it_was_asked(called: Called, query: str, order: int) -> None:
    client = called()
    key_id, headers = client.new_key()
    keep(client, key_id)
    answer = await client.get(f"/v1/responses/{ID}/input_items{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    listed = answer.json()
    expected = [{"id": f"{ID}-0", **GIVEN[0]}, GIVEN[1], {"id": f"{ID}-2", **GIVEN[2]}][::order]
    assert listed["data"] == expected, "each has an id, its own where it came with one"
    assert (listed["object"], listed["has_more"]) == ("list", False)
    assert (listed["first_id"], listed["last_id"]) == (expected[0]["id"], expected[-1]["id"])


async def test_lists_that_are_odd(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    keep(client, key_id, items=[])
    answer = await client.get(f"/v1/responses/{ID}/input_items", headers=headers)
    assert answer.json() == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
    keep(client, key_id, items=[5, GIVEN[0], None])
    answer = await client.get(f"/v1/responses/{ID}/input_items", headers=headers)
    assert [item["content"] for item in answer.json()["data"]] == ["one"]
    answer = await client.get(f"/v1/responses/{ID}/input_items?order=random", headers=headers)
    assert answer.status_code == 400


async def test_what_is_deleted_is_gone(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    keep(client, key_id)
    keep(client, key_id, "gen-1-other")
    answer = await client.delete(f"/v1/responses/{ID}", headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {"id": ID, "object": "response", "deleted": True}
    for method, path in PATHS:
        answer = await client.request(method, path, headers=headers)
        assert answer.status_code == 404, answer.text
        assert f"no response '{ID}' is kept here" in answer.json()["error"]["message"]
    assert (await client.get("/v1/responses/gen-1-other", headers=headers)).status_code == 200


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_only_its_own_key(called: Called, method: str, path: str) -> None:
    client = called()
    key_id, headers = client.new_key()
    keep(client, key_id)
    for role in ("member", "admin"):
        _, others = client.new_key(role=role)
        answer = await client.request(method, path, headers=others)
        assert answer.status_code == 404
    assert (await client.request(method, path)).status_code == 401
    assert (await client.request(method, path, headers=headers)).status_code == 200


@pytest.mark.parametrize("name", ["x", "gen-1-%00", "%ff", "é" * 20, "a" * 100])
async def test_names_that_mean_nothing(called: Called, name: str) -> None:
    client = called()
    _, headers = client.new_key()
    assert (await client.get(f"/v1/responses/{name}", headers=headers)).status_code == 404


async def test_a_name_that_is_far_too_long(called: Called) -> None:
    client = called()
    _, headers = client.new_key()
    for method in ("GET", "DELETE"):
        assert (
            await client.request(method, f"/v1/responses/{'a' * 101}", headers=headers)
        ).status_code == 400


async def test_it_is_kept_for_its_time(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    keep(client, key_id, ttl_s=-1)
    assert (await client.get(f"/v1/responses/{ID}", headers=headers)).status_code == 404


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_what_is_written_at_this_moment_is_waited_for(
    called: Called, method: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenworks.api.responses.AGAIN_AFTER_S", 0.2)
    client = called()
    key_id, headers = client.new_key()
    asking = asyncio.ensure_future(client.request(method, path, headers=headers))
    await asyncio.sleep(0.1)
    keep(client, key_id)
    assert (await asking).status_code == 200


@pytest.mark.parametrize("here", [True, False], ids=["here", "elsewhere"])
async def test_what_is_deleted_cannot_be_continued(called: Called, here: bool) -> None:
    """Though the worker that kept it has it in memory, and whichever worker is asked to forget it."""
    client = called()
    key_id, headers = client.new_key()
    states = States(client.store, asyncio.get_running_loop())
    if here:
        client.app.state.states = states
    conversations = Conversations(states)

    async def continued() -> Any:
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        fields = peek(json.dumps({"input": "four", "previous_response_id": ID}).encode())
        conversations.continued(fields, key_id, found.set_result)
        return await found

    body = {"response": RESPONSE, "items": GIVEN, "input_count": len(GIVEN)}
    states.keep(scope_of_responses(key_id), ID, json.dumps(body).encode(), 60)
    goes_on = await continued()
    assert [item.get("content") for item in json.loads(bytes(goes_on["input"]))[:3]] == [
        "one",
        "two",
        "three",
    ]
    answer = await client.delete(f"/v1/responses/{ID}", headers=headers)
    assert answer.status_code == 200
    assert isinstance(await continued(), NotFound)
    states.close()
