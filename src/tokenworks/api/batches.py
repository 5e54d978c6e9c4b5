"""``/v1/batches``: many requests, or a recipe over files, as one job that is worked off in the background."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from tokenworks.api.access import Caller
from tokenworks.api.answer import BOOLEAN, INTEGER, OBJECT, STRING, answers, holding, micros, send
from tokenworks.api.batch_card import (
    BATCH,
    FOUND,
    LISTED,
    PART,
    card,
    is_inline,
    part_card,
    unknown,
    with_results,
)
from tokenworks.api.batch_estimate import ESTIMATE, told
from tokenworks.api.batch_order import BODY, place, read_order
from tokenworks.api.owned import page, reaches
from tokenworks.batches.control import act
from tokenworks.batches.outputs import outputs
from tokenworks.errors import BadRequest
from tokenworks.ledger.batched import IN_PROGRESS, PAUSED, BatchRow
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key
from tokenworks.schema import NANO_USD

router = APIRouter(tags=["batches"])

MAX_LIMIT = 100
MAX_SEQ = 2**31 - 1
Id = Annotated[str, Path(max_length=100, description="id of a batch (batch_...)")]
Status = Literal[
    "validating",
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
    "paused",
]
DELETED = holding(id=STRING, object=STRING, deleted=BOOLEAN, deletion=OBJECT)
FORMS = {"anyOf": [BATCH, ESTIMATE]}
PARTS = holding(
    data={"type": "array", "items": PART}, has_more=BOOLEAN, last_seq={"anyOf": [INTEGER, {"type": "null"}]}
)


class Resumed(BaseModel):
    """The body of POST /batches/{batch_id}/resume; it may be left out."""

    max_cost: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = Field(
        None, description="dollars, of the whole batch, what it has spent included"
    )


@router.post(
    "/batches",
    summary="Start a batch",
    responses={
        **answers("The batch, or the estimate", FORMS, 400, 401, 404, 413, 503),
        **answers("The batch, whose requests came in the body", BATCH, status=202),
    },
    openapi_extra={"requestBody": BODY},
)
async def create_batch(request: Request, key: Caller) -> Response:
    """Of a file of requests (`input_file_id`), of `requests` in the body, or a `recipe` over `input_files`.

    It is paused, not failed, when `max_cost` dollars are spent or the key's plan is used up. It is not begun
    before `not_before`. What is left at the time `before` expires. With `off_peak` it asks only in the hours
    in which its model is cheapest, but for what would not be done in time else. With `estimate`
    a recipe is not started: what it would come to is told.
    """
    body = await request.body()
    state = request.app.state
    order = await run_in_threadpool(read_order, body)
    if order.estimate:
        return send(await run_in_threadpool(told, state.settings, state.catalog, state.store, key, order))
    row = await run_in_threadpool(place, state.store, key, order, state.catalog)
    return send(card(row), 202 if order.requests is not None else 200)


@router.get("/batches", summary="Batches", responses=answers("Batches", LISTED, 400, 401, 503))
def list_batches(
    request: Request,
    key: Caller,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
    after: Annotated[str, Query(max_length=100, description="the last id of the page before")] = "",
    status: Annotated[list[Status] | None, Query()] = None,
    kind: Annotated[str, Query(max_length=40, description="`requests`, or a recipe")] = "",
    created_after: Annotated[datetime | None, Query()] = None,
    created_before: Annotated[datetime | None, Query()] = None,
) -> Response:
    """The latest first. A manager sees its team's, an admin those of all keys."""
    store: Store = request.app.state.store
    statuses: set[str] = set(status or ())
    if IN_PROGRESS in statuses:
        statuses.add(PAUSED)  # which is shown as that
    since, until = _micros(created_after, 0), _micros(created_before, 2**62)

    def read(key_id: str | None, at: str, size: int) -> list[BatchRow]:
        found: list[BatchRow] = []
        while len(found) < size:
            rows = store.batches(key_id, at, size, statuses=sorted(statuses), kind=kind)
            found += [row for row in rows if since < row.created_us < until]
            if len(rows) < size or rows[-1].created_us <= since:
                break
            at = rows[-1].id
        return found[:size]

    rows, more = page(store, key, read, after, limit)
    edges = {"first_id": rows[0].id, "last_id": rows[-1].id} if rows else {"first_id": None, "last_id": None}
    return send({"object": "list", "data": [card(row) for row in rows], "has_more": more, **edges})


@router.get(
    "/batches/{batch_id}",
    summary="One batch",
    responses=answers("The batch", FOUND, 401, 404, 503),
    response_class=Response,
)
def get_batch(batch_id: Id, request: Request, key: Caller) -> Response:
    """How far it is. `results` are there when it is over and its requests came in the body that made it."""
    store: Store = request.app.state.store
    row = _find(store, key, batch_id)
    return StreamingResponse(with_results(store, row), media_type="application/json")


@router.get(
    "/batches/{batch_id}/parts",
    summary="Parts of a batch",
    responses=answers("Parts in order", PARTS, 400, 401, 404, 503),
)
def list_parts(
    batch_id: Id,
    request: Request,
    key: Caller,
    status: Literal["waiting", "done", "failed"] | None = None,
    after_seq: Annotated[int, Query(ge=-1, le=MAX_SEQ, description="`last_seq` of the page before")] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Each with its result: what was answered, or what went wrong."""
    store: Store = request.app.state.store
    row = _find(store, key, batch_id)
    parts = store.parts(row.id, after_seq=after_seq, limit=limit + 1, status=status or "")
    shown = parts[:limit]
    last = shown[-1].seq if shown else None
    data = [part_card(part) for part in shown]
    return send({"object": "list", "data": data, "has_more": len(parts) > limit, "last_seq": last})


@router.post(
    "/batches/{batch_id}/cancel",
    summary="Cancel a batch",
    responses=answers("The batch as it is now", BATCH, 400, 401, 404, 503),
)
def cancel_batch(batch_id: Id, request: Request, key: Caller) -> Response:
    """What is being asked is finished, the rest is not begun; its files tell of both."""
    return _act(request, key, batch_id, "cancel")


@router.post(
    "/batches/{batch_id}/pause",
    summary="Pause a batch",
    responses=answers("The batch as it is now", BATCH, 400, 401, 404, 503),
)
def pause_batch(batch_id: Id, request: Request, key: Caller) -> Response:
    """Nothing new is begun until it is resumed; what was answered is kept."""
    return _act(request, key, batch_id, "pause")


@router.post(
    "/batches/{batch_id}/resume",
    summary="Let a paused batch go on",
    responses=answers("The batch as it is now", BATCH, 400, 401, 404, 503),
)
def resume_batch(batch_id: Id, request: Request, key: Caller, body: Resumed | None = None) -> Response:
    """One that has spent its `max_cost` is paused again, unless a higher one comes along."""
    store: Store = request.app.state.store
    row = _find(store, key, batch_id)
    if body is not None and body.max_cost is not None:
        most = round(body.max_cost * NANO_USD)
        store.update_batch(row.id, max_cost_nano_usd=most, expected=(PAUSED,), actor=key.id)
    return _act(request, key, batch_id, "resume")


@router.post(
    "/batches/{batch_id}/retry",
    summary="Try again what failed",
    responses=answers("The batch as it is now", BATCH, 400, 401, 404, 503),
)
def retry_batch(batch_id: Id, request: Request, key: Caller) -> Response:
    """Of a batch that is over: what failed or was not begun is asked for once more, what is done stays."""
    return _act(request, key, batch_id, "retry")


@router.delete(
    "/batches/{batch_id}",
    summary="Forget a batch that is over",
    responses=answers("It is gone", DELETED, 400, 401, 404, 503),
)
def delete_batch(batch_id: Id, request: Request, key: Caller) -> Response:
    """With its parts, what came in its body, and the files that it has written."""
    store: Store = request.app.state.store
    row = _find(store, key, batch_id)
    files = {row.output_file_id, row.error_file_id, *(each.id for each in outputs(store, row))}
    if is_inline(row):
        files.update(row.input_files)
    if store.remove_batch(row.id, actor=key.id) is None:
        raise BadRequest(f"the batch is {row.status}; cancel it first: POST /v1/batches/{row.id}/cancel")
    for name in files - {""}:
        store.remove_file(name, key.id)
    return send({"id": row.id, "object": "batch", "deleted": True, "deletion": {"openrouter": "deleted"}})


def _find(store: Store, who: Key, batch_id: str) -> BatchRow:
    row = store.batch(batch_id)
    if row is None or not reaches(store, who, row.key_id):
        raise unknown()
    return row


def _act(request: Request, who: Key, batch_id: str, action: str) -> Response:
    store: Store = request.app.state.store
    row = _find(store, who, batch_id)
    return send(card(act(store, row.id, action, actor=who.id)))


def _micros(moment: datetime | None, default: int) -> int:
    if moment is None:
        return default
    return micros(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
