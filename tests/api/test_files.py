"""Files over HTTP: kept, listed, read and deleted by their own key, its team's manager and admins only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from batching import file_row

Called = Callable[..., Any]
LINES = b'{"custom_id":"a"}\n' * 3


async def sent(
    client: Any, headers: dict[str, str], data: bytes = LINES, name: str = "in.jsonl", **more: str
) -> Any:
    fields = {"purpose": "batch", **more}
    return await client.post("/v1/files", headers=headers, data=fields, files={"file": (name, data)})


async def test_a_file_comes_and_goes(called: Called) -> None:
    client = called()
    _, headers = client.new_key()
    answer = await sent(client, headers)
    assert answer.status_code == 200
    card = answer.json()
    assert (card["object"], card["bytes"], card["filename"]) == ("file", len(LINES), "in.jsonl")
    assert (card["purpose"], card["status"]) == ("batch", "processed")
    path = f"/v1/files/{card['id']}"
    for prefix in ("", "/api"):
        assert (await client.get(prefix + path, headers=headers)).json() == card
    content = await client.get(path + "/content", headers=headers)
    assert (content.status_code, content.content) == (200, LINES)
    assert content.headers["content-type"] == "application/octet-stream"
    assert (await client.delete(path, headers=headers)).json() == {
        "id": card["id"],
        "object": "file",
        "deleted": True,
    }
    for method, end in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        gone = await client.request(method, path + end, headers=headers)
        assert (gone.status_code, gone.json()["error"]["type"]) == (404, "not_found")


async def test_a_name_that_is_html_stays_a_name(called: Called) -> None:
    client = called()
    _, headers = client.new_key()
    name = "<script>alert(1)</script>.html"
    card = (await sent(client, headers, b"<script>alert(1)</script>", f"../{name}")).json()
    assert card["filename"] == "script>.html"  # behind the last slash
    content = await client.get(f"/v1/files/{card['id']}/content", headers=headers)
    assert content.headers["content-disposition"].startswith("attachment;")
    assert content.headers["x-content-type-options"] == "nosniff"
    assert "<" not in content.headers["content-disposition"]


@pytest.mark.parametrize("role", ["member", "manager", "admin", "teammate", "lead"])
async def test_whose_files_are_seen(called: Called, role: str) -> None:
    """Of a team its manager ("lead") only, not its members; an admin all; of nobody else a trace."""
    client = called()
    team = client.new_team()
    _, owner = client.new_key(team_id=team)
    roles = {"teammate": ("member", team), "lead": ("manager", team)}
    kind, team_id = roles.get(role, (role, ""))
    _, other = client.new_key(role=kind, team_id=team_id)
    name = (await sent(client, owner)).json()["id"]
    allowed = role in ("admin", "lead")
    listed = (await client.get("/v1/files", headers=other)).json()["data"]
    assert [each["id"] for each in listed] == ([name] if allowed else [])
    for end in ("", "/content"):
        found = await client.get(f"/v1/files/{name}{end}", headers=other)
        assert found.status_code == (200 if allowed else 404)
    gone = await client.delete(f"/v1/files/{name}", headers=other)
    assert gone.status_code == (200 if allowed else 404)
    assert (await client.get(f"/v1/files/{name}", headers=owner)).status_code == (404 if allowed else 200)


async def test_lists(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    mine = []
    for n in range(5):
        row = file_row(key_id=key_id, purpose="user_data" if n == 2 else "batch")
        client.store.add_file(row)
        client.store.finish_file(row.id, 0)
        mine.append(row.id)
    client.store.add_file(file_row(key_id=key_id))  # not whole yet

    async def listed(query: str = "") -> tuple[list[str], bool]:
        told = (await client.get(f"/v1/files?{query}", headers=headers)).json()
        ids = [each["id"] for each in told["data"]]
        assert (told["first_id"], told["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
        return ids, told["has_more"]

    assert await listed() == (mine[::-1], False)
    assert await listed("limit=2") == ([mine[4], mine[3]], True)
    assert await listed(f"limit=2&after={mine[3]}") == ([mine[2], mine[1]], True)
    assert await listed(f"limit=2&after={mine[1]}") == ([mine[0]], False)
    assert await listed("order=asc&limit=2") == (mine[:2], True)
    assert await listed(f"order=asc&after={mine[3]}") == (mine[4:], False)
    assert await listed("purpose=user_data") == ([mine[2]], False)
    assert await listed("after=file-nobody") == ([], False)
    assert await listed("order=asc&after=file-nobody") == ([], False)
    for query in ("limit=0", "limit=10001", "order=up"):
        assert (await client.get(f"/v1/files?{query}", headers=headers)).status_code == 400


async def test_one_whose_time_has_come_is_gone(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    row = file_row(key_id=key_id, expires_us=time.time_ns() // 1000 - 1)
    client.store.add_file(row)
    client.store.finish_file(row.id, 0)
    assert (await client.get(f"/v1/files/{row.id}", headers=headers)).status_code == 404
    assert (await client.get("/v1/files", headers=headers)).json()["data"] == []


async def test_expiry_as_the_official_client_sends_it(called: Called) -> None:
    client = called()
    _, headers = client.new_key()
    more = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "7200"}
    card = (await sent(client, headers, **more)).json()
    assert card["expires_at"] - card["created_at"] == 7200


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"json": {"purpose": "batch"}}, "multipart/form-data"),
        ({"content": b""}, "multipart/form-data"),
        ({"data": {"purpose": "fine-tune"}, "files": {"file": b"x"}}, "send one of batch, user_data"),
        ({"data": {"purpose": "batch"}, "files": {"document": b"x"}}, "no file; send it in the field file"),
        (
            {"content": b"--b\r\n", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            "ends before its last boundary",
        ),
    ],
)
async def test_what_is_refused(called: Called, more: dict[str, Any], told: str) -> None:
    client = called()
    _, headers = client.new_key()
    answer = await client.post("/v1/files", **{**more, "headers": headers | more.get("headers", {})})
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]
    assert client.store.files() == []


async def test_a_file_that_is_cut_short_is_no_whole_answer(called: Called) -> None:
    """Removed while it is read: half of it must not look like all."""
    client = called()
    _, headers = client.new_key()
    name = (await sent(client, headers)).json()["id"]
    client.store.finish_file(name, len(LINES) + 1)
    with pytest.raises(RuntimeError, match="response already started"):  # the bridge cuts the connection
        await client.get(f"/v1/files/{name}/content", headers=headers)
