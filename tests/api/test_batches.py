"""Batches over HTTP: started in three ways, looked at and steered by those they belong to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from batching import batch_row, part_rows

from tokenworks.api.batch_order import read_order
from tokenworks.batches.lines import answered, refused
from tokenworks.batches.validating import validate
from tokenworks.ledger.batched import DONE, FAILED, PartRow

Called = Callable[..., Any]
CHAT = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "hi"}]}
ITEMS = [{"custom_id": "a", "body": BODY}, {"custom_id": "b", "body": BODY}]


def lines(*names: str) -> bytes:
    return b"".join(
        json.dumps({"custom_id": n, "method": "POST", "url": CHAT, "body": {"model": "m", **BODY}}).encode()
        + b"\n"
        for n in names
    )


async def uploaded(client: Any, headers: dict[str, str], data: bytes = b"", purpose: str = "batch") -> str:
    answer = await client.post(
        "/v1/files",
        headers=headers,
        data={"purpose": purpose},
        files={"file": ("in.txt", data or lines("a", "b", "c"))},
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def started(client: Any, headers: dict[str, str], **body: Any) -> Any:
    if "requests" not in body and "input_file_id" not in body:
        body["input_file_id"] = await uploaded(client, headers)
    return await client.post("/v1/batches", headers=headers, json={"endpoint": CHAT, **body})


async def test_a_file_of_requests(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    name = await uploaded(client, headers)
    answer = await started(
        client,
        headers,
        input_file_id=name,
        completion_window="24h",
        metadata={"job": "nightly"},
        output_expires_after={"anchor": "created_at", "seconds": 7200},
        max_cost=1.25,
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["object"], told["status"], told["endpoint"]) == ("batch", "validating", CHAT)
    assert (told["input_file_id"], told["metadata"], told["max_cost"]) == (name, {"job": "nightly"}, 1.25)
    assert told["expires_at"] - told["created_at"] == 86_400
    row = client.store.batch(told["id"])
    assert (row.key_id, row.kind, row.max_cost_nano_usd) == (key_id, "requests", 1_250_000_000)
    assert json.loads(row.options) == {"output_expires_s": "7200"}
    validate(client.store, row)
    told = (await client.get(f"/api/v1/batches/{row.id}", headers=headers)).json()
    assert (told["status"], told["request_counts"]["total"]) == ("in_progress", 3)


async def test_requests_in_the_body(called: Called) -> None:
    """The same batch in the end, and its results come with it."""
    client = called()
    _, headers = client.new_key()
    answer = await started(client, headers, requests=ITEMS, model="acme/fast", provider={"only": ["acme"]})
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["model"], told["results"]) == ("acme/fast", None)
    row = validate(client.store, client.store.batch(told["id"]))
    parts = client.store.parts(row.id)
    assert [part.id for part in parts] == ["a", "b"]
    assert json.loads(parts[0].request) == {**BODY, "model": "acme/fast", "provider": {"only": ["acme"]}}
    results = [(DONE, answered(200, "gen-1", b'{"x":1}')), (FAILED, refused("upstream_error", "gone"))]
    for part, (status, result) in zip(parts, results, strict=True):
        client.store.settle_part(PartRow(row.id, part.seq, part.id, status=status, result=result))
    client.store.update_batch(row.id, status="completed", finished_us=9)
    told = (await client.get(f"/v1/batches/{row.id}", headers=headers)).json()
    assert told["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert told["results"][0]["response"] == {"status_code": 200, "request_id": "gen-1", "body": {"x": 1}}
    assert told["results"][1]["error"]["message"] == "gone"


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({}, 400, "send one of input_file_id"),
        ({"input_file_id": "file-x", "requests": ITEMS}, 400, "send one of input_file_id"),
        ({"input_file_id": "file-x", "endpoint": CHAT}, 404, "no file of this key"),
        ({"requests": ITEMS, "endpoint": CHAT}, 400, "model is missing"),
        ({"requests": [], "endpoint": CHAT, "model": "m"}, 400, "requests must be 1 to 50,000"),
        ({"requests": ITEMS, "endpoint": "/v1/images", "model": "m"}, 400, "endpoint must be one of"),
        ({"requests": ITEMS, "model": "m"}, 400, "endpoint must be one of"),
        ({"requests": ITEMS * 2, "endpoint": CHAT, "model": "m"}, 400, "requests[2].custom_id is that of"),
        (
            {"requests": [{"custom_id": "", "body": BODY}], "endpoint": CHAT, "model": "m"},
            400,
            "requests[0]: custom_id must have",
        ),
        (
            {"requests": [{"custom_id": "a", "body": {"model": "n"}}], "endpoint": CHAT, "model": "m"},
            400,
            "requests[0].body.model is another",
        ),
        ({"requests": ITEMS, "callback_url": "http://x"}, 400, "callback_url is not supported"),
        ({"requests": ITEMS, "max_costs": 1}, 400, "unknown field `max_costs`"),
        ({"requests": ITEMS, "max_cost": 0}, 400, "> 0.0 - at `$.max_cost`"),
        ({"requests": ITEMS, "max_cost": "1"}, 400, "malformed body"),
        ({"requests": ITEMS, "before": -1}, 400, ">= 0 - at `$.before`"),
        ({"requests": ITEMS, "completion_window": "1h"}, 400, "malformed body"),
        ({"requests": ITEMS, "metadata": {"x" * 65: ""}}, 400, "length <= 64 - at `key` in `$.metadata`"),
        (
            {"requests": ITEMS, "estimate": True, "endpoint": CHAT, "model": "m"},
            400,
            "estimate is made of a recipe",
        ),
        ({"recipe": "bake"}, 400, "no recipe"),
        ({"recipe": "map", "endpoint": CHAT}, 400, "endpoint does not go with recipe"),
    ],
)
async def test_orders_that_are_refused(called: Called, body: dict[str, Any], status: int, told: str) -> None:
    client = called()
    _, headers = client.new_key()
    answer = await client.post("/v1/batches", headers=headers, json=body)
    assert (answer.status_code, told in answer.json()["error"]["message"]) == (status, True), answer.text
    assert client.store.batches() == [] and client.store.files() == []


async def test_bodies_that_are_no_order(called: Called) -> None:
    client = called()
    _, headers = client.new_key()
    for body in (
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"options":{"a":[1]}}',
        b'{"metadata":{"a":1}}',
    ):
        answer = await client.post("/v1/batches", headers=headers, content=body)
        assert answer.status_code == 400 and "malformed body" in answer.json()["error"]["message"]


async def test_a_file_of_another_purpose_or_key(called: Called) -> None:
    client = called()
    _, headers = client.new_key()
    _, other = client.new_key()
    name = await uploaded(client, headers, purpose="user_data")
    answer = await started(client, headers, input_file_id=name)
    assert answer.status_code == 400 and "upload it with purpose=batch" in answer.text
    assert (await started(client, other, input_file_id=name)).status_code == 404


@pytest.mark.parametrize("role", ["member", "manager", "admin", "teammate", "lead"])
async def test_whose_batches_are_seen_and_steered(called: Called, role: str) -> None:
    client = called()
    team = client.new_team()
    _, owner = client.new_key(team_id=team)
    kind, team_id = {"teammate": ("member", team), "lead": ("manager", team)}.get(role, (role, ""))
    _, other = client.new_key(role=kind, team_id=team_id)
    name = (await started(client, owner)).json()["id"]
    allowed = role in ("admin", "lead")
    listed = (await client.get("/v1/batches", headers=other)).json()["data"]
    assert [each["id"] for each in listed] == ([name] if allowed else [])
    for method, end in (
        *(("GET", end) for end in ("", "/parts")),
        *(("POST", end) for end in ("/pause", "/resume", "/cancel", "/retry")),
    ):
        found = await client.request(method, f"/v1/batches/{name}{end}", headers=other)
        expected = (400 if end == "/retry" else 200) if allowed else 404
        assert found.status_code == expected, (end, found.text)
    assert client.store.batch(name).status == ("cancelling" if allowed else "validating")


async def test_lists(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    rows = [
        batch_row(key_id=key_id, status=status, created_us=n * 10**6)
        for n, status in enumerate(["completed", "in_progress", "paused", "failed", "completed"], 1)
    ]
    for row in rows:
        client.store.add_batch(row)
    ids = [row.id for row in rows]

    async def listed(query: str = "") -> tuple[list[str], bool]:
        answer = await client.get(f"/v1/batches?{query}", headers=headers)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        return [each["id"] for each in told["data"]], told["has_more"]

    assert await listed() == (ids[::-1], False)
    assert await listed("limit=2") == ([ids[4], ids[3]], True)
    assert await listed(f"limit=2&after={ids[3]}") == ([ids[2], ids[1]], True)
    assert await listed("status=completed") == ([ids[4], ids[0]], False)
    assert await listed("status=in_progress") == ([ids[2], ids[1]], False)  # paused is shown as that
    assert await listed("status=failed&status=paused") == ([ids[3], ids[2]], False)
    assert await listed("created_after=1970-01-01T00:00:03Z") == ([ids[4], ids[3]], False)
    assert await listed("created_before=1970-01-01T00:00:02") == ([ids[0]], False)
    assert await listed("created_before=1970-01-01T00:00:05Z&limit=2") == ([ids[3], ids[2]], True)
    assert await listed("kind=translate") == ([], False)
    assert await listed("after=batch_nobody") == ([], False)
    for query in ("limit=0", "limit=101", "status=done", "created_after=x"):
        assert (await client.get(f"/v1/batches?{query}", headers=headers)).status_code == 400


async def test_parts_page_by_page(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    row = batch_row(key_id=key_id)
    client.store.add_batch(row)
    client.store.add_parts(row.id, part_rows(row.id, 5))
    bad = PartRow(row.id, 2, "p2", status=FAILED, result=refused("invalid_line", "line 3: no"))
    client.store.settle_part(bad)

    async def listed(query: str = "") -> tuple[list[int], bool, int | None]:
        told = (await client.get(f"/v1/batches/{row.id}/parts?{query}", headers=headers)).json()
        return [each["seq"] for each in told["data"]], told["has_more"], told["last_seq"]

    assert await listed() == ([0, 1, 2, 3, 4], False, 4)
    assert await listed("limit=2") == ([0, 1], True, 1)
    assert await listed("after_seq=3") == ([4], False, 4)
    assert await listed("status=failed") == ([2], False, 2)
    assert await listed("status=done") == ([], False, None)
    told = (await client.get(f"/v1/batches/{row.id}/parts?status=failed", headers=headers)).json()
    assert told["data"][0]["result"]["error"]["message"] == "line 3: no"


async def test_pause_resume_cancel_and_retry(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    name = (await started(client, headers)).json()["id"]

    async def does(action: str, status: int = 200) -> Any:
        answer = await client.post(f"/v1/batches/{name}/{action}", headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    told = await does("pause")
    assert (told["status"], told["state"], told["note"]) == ("in_progress", "paused", "paused by hand")
    assert (await does("pause"))["state"] == "paused"  # twice is once
    assert (await does("resume"))["state"] == "validating"
    validate(client.store, client.store.batch(name))
    await does("pause")
    assert ((told := await does("resume"))["state"], told["note"]) == ("in_progress", "")
    await does("retry", 400)
    assert (await does("cancel"))["status"] == "cancelling"
    assert (await does("cancel"))["status"] == "cancelling"
    await does("pause", 400)
    client.store.update_batch(name, status="cancelled", finished_us=9)
    assert "cancelled" in (await does("cancel", 400))["error"]["message"]
    assert (await does("retry"))["state"] == "in_progress"
    assert {entry.actor for entry in client.store.audit(target=name)} == {key_id}


async def test_more_money_lets_a_batch_go_on(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    row = batch_row(key_id=key_id, status="paused", max_cost_nano_usd=10**9, cost_nano_usd=10**9)
    client.store.add_batch(row)
    path = f"/v1/batches/{row.id}/resume"
    for body in ({"max_cost": 0}, {"max_cost": "x"}):
        assert (await client.post(path, headers=headers, json=body)).status_code == 400
    told = (await client.post(path, headers=headers, json={"max_cost": 2.5})).json()
    assert told["max_cost"] == 2.5 and told["state"] != "paused"


async def test_one_that_is_over_is_forgotten_with_what_is_its_own(called: Called) -> None:
    client = called()
    _, headers = client.new_key()
    _, other = client.new_key()
    inline = (await started(client, headers, requests=ITEMS, model="m")).json()
    name = await uploaded(client, headers)
    of_file = (await started(client, headers, input_file_id=name)).json()
    for told, kept in ((inline, False), (of_file, True)):
        path = f"/v1/batches/{told['id']}"
        early = await client.delete(path, headers=headers)
        assert early.status_code == 400 and "cancel it first" in early.text
        output = await uploaded(client, headers)
        client.store.update_batch(told["id"], status="cancelled", finished_us=9, output_file_id=output)
        assert (await client.delete(path, headers=other)).status_code == 404
        gone = await client.delete(path, headers=headers)
        assert (gone.status_code, gone.json()["deleted"]) == (200, True)
        assert (await client.get(path, headers=headers)).status_code == 404
        assert client.store.file(output) is None
        assert (client.store.file(told["input_file_id"]) is not None) == kept


def test_a_wrong_order_is_named_by_its_field() -> None:
    order = read_order(b'{"input_file_id":"file-1","endpoint":"x","max_cost":2}')
    assert (order.input_file_id, order.max_cost) == ("file-1", 2.0)
