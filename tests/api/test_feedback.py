"""Feedback: whose requests may be judged, what a verdict is, and what is learnt from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.ledger import decided
from tokenworks.ledger.decided import Decided, Outcome
from tokenworks.ledger.record import Record

Called = Callable[..., Any]
PATH = "/v1/generation/feedback"
DECISION = decided.encode(
    Decided("code", "cascade", "acme/strong", 1.0, 5, 50, outcomes=(Outcome("acme/fast", 0.5, 0.5),))
)


def seen(client: Any) -> dict[tuple[str, str], tuple[float, float]]:
    return {(row.task, row.model): (row.weight, row.right) for row in client.store.learnt(0)}


async def test_own_requests_and_for_admins_all(called: Called) -> None:
    client = called()
    mine, headers = client.new_key()
    _, stranger = client.new_key()
    admin_id, admin = client.new_key(role="admin")
    record = client.record(mine)
    verdict = {"id": record.id, "score": 0.25}
    assert (await client.post(PATH, json=verdict)).status_code == 401
    hidden = await client.post(PATH, json=verdict, headers=stranger)
    absent = await client.post(PATH, json={"id": "gen-1-none", "score": 0.25}, headers=stranger)
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json() == absent.json()  # nobody learns that it exists
    assert client.store.feedback_of(record.id) is None
    unjudged = await client.get(PATH, params={"id": record.id}, headers=headers)
    assert unjudged.status_code == 404 and "nobody has judged" in unjudged.text
    given = await client.post(PATH, json=verdict, headers=headers)
    assert given.status_code == 200
    read = await client.get(PATH, params={"id": record.id}, headers=headers)
    assert read.json() == given.json()
    assert read.json()["data"]["score"] == 0.25
    assert (await client.get(PATH, params={"id": record.id}, headers=stranger)).status_code == 404
    assert (await client.post(PATH, json={"id": record.id, "label": "bad"}, headers=admin)).status_code == 200
    row = client.store.feedback_of(record.id)
    assert (row.key_id, row.score, row.label, row.model) == (admin_id, 0.0, "bad", "acme/fast")


async def test_what_is_learnt_follows_the_last_verdict(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    record = client.record(key_id, decision=DECISION)
    assert seen(client) == {("code", "acme/fast"): (0.5, 0.25)}
    for score, right in ((1, 1.25), (0.0, 0.25), (0.5, 0.75)):
        sent = await client.post(PATH, json={"generation_id": record.id, "score": score}, headers=headers)
        assert sent.json()["data"]["task"] == "code"
        assert seen(client) == {("code", "acme/fast"): (1.5, right)}, "one verdict, the last one"


@pytest.mark.parametrize("fields", [{}, {"decision": DECISION, "outcome": "upstream_error"}])
async def test_a_request_without_a_decision_or_an_answer_keeps_its_score(
    called: Called, fields: dict[str, Any]
) -> None:
    client = called()
    key_id, headers = client.new_key()
    record = client.record(key_id, **fields)
    before = seen(client)
    sent = await client.post(PATH, json={"id": record.id, "label": "good"}, headers=headers)
    assert (sent.json()["data"]["task"], sent.json()["data"]["score"]) == (None, 1.0)
    assert seen(client) == before


async def test_a_request_that_ends_at_this_moment_is_waited_for(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    now = int(time.time())
    record = Record(id=f"gen-{now}-late", time_us=now * 1_000_000, key_id=key_id)
    asking = asyncio.ensure_future(client.post(PATH, json={"id": record.id, "score": 1}, headers=headers))
    await asyncio.sleep(0.15)
    assert not asking.done()
    client.store.append("late", 1, [record])
    assert (await asking).status_code == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "no id"),
        ({"id": ""}, "id"),
        ({"id": "x" * 1000, "score": 1}, "id"),
        ({"id": "{id}", "generation_id": "gen-1-x", "score": 1}, "differ"),
        ({"id": "{id}"}, "no score"),
        ({"id": "{id}", "label": "nice"}, "no score"),
        ({"id": "{id}", "label": "a\nb", "score": 1}, "one line"),
        ({"id": "{id}", "label": "good", "score": 0}, "contradict"),
        ({"id": "{id}", "score": 1.01}, "score"),
        ({"id": "{id}", "score": -1}, "score"),
        ({"id": "{id}", "score": True}, "score"),
        ({"id": "{id}", "score": "1"}, "score"),
        ({"id": "{id}", "score": 1, "comment": "x" * 2001}, "comment"),
        ({"id": "{id}", "score": 1, "label": "x" * 65}, "label"),
        ({"id": {"a": 1}, "score": 1}, "id"),
    ],
)
async def test_what_is_no_verdict_is_a_400_that_says_why(
    called: Called, body: dict[str, Any], says: str
) -> None:
    client = called()
    key_id, headers = client.new_key()
    record = client.record(key_id)
    sent = {name: record.id if value == "{id}" else value for name, value in body.items()}
    refused = await client.post(PATH, json=sent, headers=headers)
    assert refused.status_code == 400
    assert says in refused.json()["error"]["message"]
    assert client.store.feedback_of(record.id) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id": "ID", "score": NaN}',
        b'{"id": "ID", "score": 1e999}',
        b'{"id": "gen-1-\\ud800", "score": 1}',
        b"[",
    ],
)
async def test_hostile_bodies_are_refused(called: Called, raw: bytes) -> None:
    client = called()
    key_id, headers = client.new_key()
    record = client.record(key_id)
    body = raw.replace(b"ID", record.id.encode())
    kind = {"content-type": "application/json"}
    refused = await client.post(PATH, content=body, headers=headers | kind)
    assert refused.status_code in (400, 404)


async def test_any_text_is_kept_as_text(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    record = client.record(key_id)
    comment = "naïve \x00 \U0001f600 <script>"
    sent = {"id": record.id, "score": 0.4, "label": "so-so", "comment": comment}
    assert (await client.post(PATH, json=sent, headers=headers)).status_code == 200
    found = (await client.get(PATH, params={"id": record.id}, headers=headers)).json()["data"]
    assert found["comment"] == comment.replace("\0", "\ufffd")
    assert (found["label"], found["score"]) == ("so-so", 0.4)
