"""``/v1/generation/feedback``: what somebody says of an answer, which the router learns from."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from tokenworks.api import generation
from tokenworks.api.access import Caller
from tokenworks.api.answer import NUMBER, STRING, answers, holding, iso, maybe, send
from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.feedback import MAX_COMMENT, MAX_LABEL, FeedbackRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key

router = APIRouter(tags=["account"])

LABELS = {"good": 1.0, "bad": 0.0}  # the score of those that say it themselves
FEEDBACK = holding(
    id=STRING, model=STRING, task=maybe(STRING), score=NUMBER, label=maybe(STRING), created_at=STRING
)


class Verdict(BaseModel):
    """The body of POST /generation/feedback."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "gen-1764000000-0123456789abcdef", "label": "good"}]}
    )

    id: str | None = Field(None, min_length=1, max_length=generation.MAX_ID, description="`id` of the answer")
    generation_id: str | None = Field(
        None, min_length=1, max_length=generation.MAX_ID, description="another name of `id`"
    )
    score: float | None = Field(
        None, ge=0, le=1, strict=True, allow_inf_nan=False, description="0: wrong or useless; 1: right"
    )
    label: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_LABEL,
        description="`good` or `bad` say the score; any other word is kept beside it",
    )
    comment: str | None = Field(None, max_length=MAX_COMMENT)


@router.post(
    "/generation/feedback",
    summary="Say how good an answer was",
    responses=answers("What is kept", holding(data=FEEDBACK), 400, 401, 404, 503),
)
async def put_feedback(body: Verdict, request: Request, key: Caller) -> Response:
    """One verdict a request: another one replaces it. Needs a `score`, or a `label` of `good` or `bad`.

    One's own requests; an admin key may judge all. A request that has just ended is waited for.
    """
    name, score = _named(body), _score(body)
    store: Store = request.app.state.store
    record = await _find(store, key, name)
    decision = await run_in_threadpool(store.decision, record.id)
    row = FeedbackRow(
        record.id,
        time.time_ns() // 1000,
        key.id,
        record.model,
        # Of a request that failed nothing is learnt: no model is to blame for the answer.
        decision.task if decision is not None and record.outcome == "ok" else "",
        score,
        body.label or "",
        body.comment or "",
    )
    await run_in_threadpool(store.put_feedback, row)
    return send({"data": _described(row)})


@router.get(
    "/generation/feedback",
    summary="What was said of an answer",
    responses=answers("The verdict", holding(data=FEEDBACK), 400, 401, 404, 503),
)
async def read_feedback(
    id: Annotated[str, Query(min_length=1, max_length=generation.MAX_ID, description="`id` of an answer")],
    request: Request,
    key: Caller,
) -> Response:
    """Of one's own requests; an admin key sees all."""
    store: Store = request.app.state.store
    record = await _find(store, key, id)
    row = await run_in_threadpool(store.feedback_of, record.id)
    if row is None:
        raise NotFound("nobody has judged this answer; POST /v1/generation/feedback does")
    return send({"data": _described(row)})


def _named(body: Verdict) -> str:
    if body.id is not None and body.generation_id is not None and body.id != body.generation_id:
        raise BadRequest("id and generation_id differ; send one of them")
    name = body.id or body.generation_id
    if name is None:
        raise BadRequest("no id; send the `id` of the answer that this is about")
    return name


def _score(body: Verdict) -> float:
    if body.label is not None and not body.label.isprintable():
        raise BadRequest("label must be something that can be printed on one line")
    said = LABELS.get(body.label) if body.label is not None else None
    if body.score is None:
        if said is None:
            raise BadRequest("no score; send a number from 0 to 1, or a label of good or bad")
        return said
    if said is not None and abs(said - body.score) > 0.5:
        raise BadRequest(
            f"label {body.label} and score {body.score:g} contradict each other; send one of them"
        )
    return body.score


async def _find(store: Store, key: Key, name: str) -> Record:
    record = await generation._find(store, name)
    if record is None or (record.key_id != key.id and key.role != "admin"):
        raise NotFound("no request of this key has that id; send the `id` of an answer")
    return record


def _described(row: FeedbackRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "model": row.model,
        "task": row.task or None,
        "score": row.score,
        "label": row.label or None,
        "comment": row.comment or None,
        "created_at": iso(row.time_us),
    }
