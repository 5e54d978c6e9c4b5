"""``/v1/queued``: requests that wait until their plan has room, and the answers of those that had it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from tokenworks.api.access import Caller
from tokenworks.api.answer import BOOLEAN, INTEGER, OBJECT, STRING, answers, holding, listing, maybe, send
from tokenworks.errors import NotFound
from tokenworks.gateway.keeping import card
from tokenworks.ledger.limit_rows import AuditRow
from tokenworks.ledger.queued import DONE, QueuedRow
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key

router = APIRouter(tags=["queued requests"])

PAGE = 100
QUEUED = holding(
    id=STRING,
    object=STRING,
    status={"type": "string", "enum": ["queued", "running", "done", "cancelled", "expired"]},
    model=STRING,
    created=INTEGER,
    not_before=INTEGER,
    url=STRING,
)
ANSWERED = {
    **QUEUED,
    "properties": {
        **QUEUED["properties"],
        "response": maybe(holding(status_code=INTEGER, body={"anyOf": [OBJECT, STRING]})),
    },
}
DELETED = {**QUEUED, "properties": {**QUEUED["properties"], "deleted": BOOLEAN}}
Id = Annotated[str, Path(max_length=100)]


@router.get(
    "/queued",
    summary="Queued requests",
    responses=answers("Requests, the latest first", listing(QUEUED), 400, 401, 503),
)
def list_queued(
    request: Request, key: Caller, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> Response:
    """A hundred of this key at most, from `offset` on; an admin key sees those of all keys."""
    store: Store = request.app.state.store
    everybody = key.role == "admin"
    rows = store.queued(None if everybody else key.id, PAGE, offset)
    found = [{**card(row), "key_id": row.key_id} if everybody else card(row) for row in rows]
    return send({"object": "list", "data": found, "has_more": len(rows) == PAGE})


@router.get(
    "/queued/{queued_id}",
    summary="A queued request and its answer",
    responses=answers("The request", ANSWERED, 401, 404, 503),
)
def read_queued(queued_id: Id, request: Request, key: Caller) -> Response:
    """`response` is null until it is done; it is kept for 7 days. A stream is one string of its events."""
    row = _find(request, key, queued_id)
    response: dict[str, Any] | None = None
    if row.status == DONE:
        response = {"status_code": row.status_code, "body": _readable(row.answer)}
    return send({**card(row), "response": response})


@router.delete(
    "/queued/{queued_id}",
    summary="Cancel a queued request, or forget its answer",
    responses=answers("What it was", DELETED, 401, 404, 503),
)
def delete_queued(queued_id: Id, request: Request, key: Caller) -> Response:
    """One that waits is not run. One that runs goes on to its end, is charged, and its answer dropped.

    One that is finished is forgotten, its answer too.
    """
    store: Store = request.app.state.store
    row = _find(request, key, queued_id)
    now_us = time.time_ns() // 1000
    deleted = False
    if not store.cancel(queued_id, now_us):
        deleted = store.forget_queued(queued_id)
    if row.key_id != key.id:
        store.note(AuditRow(now_us, key.id, "queued.delete", queued_id, f'{{"key_id":"{row.key_id}"}}'))
    found = row if deleted else store.queued_one(queued_id) or row
    return send({**card(found), "deleted": deleted})


def _find(request: Request, key: Key, queued_id: str) -> QueuedRow:
    store: Store = request.app.state.store
    row = store.queued_one(queued_id)
    if row is None or (row.key_id != key.id and key.role != "admin"):
        raise NotFound("no queued request of this key has that id; GET /v1/queued lists them")
    return row


def _readable(answer: bytes) -> msgspec.Raw | str:
    """JSON as it is, events as text."""
    try:
        msgspec.json.decode(answer)
    except (ValueError, RecursionError):
        return answer.decode("utf-8", "replace")
    return msgspec.Raw(answer)
