"""``/v1/responses/{id}``: responses that were kept, to be read again or deleted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool

from tokenworks.api.access import caller
from tokenworks.api.answer import OBJECT, answers
from tokenworks.errors import NotFound
from tokenworks.gateway.conversations import Stored, decode_stored, scope_of_responses
from tokenworks.gateway.states import AGAIN_AFTER_S
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key

router = APIRouter(tags=["responses"])

Id = Annotated[str, Path(max_length=100)]
Who = Annotated[Key, Depends(caller)]
T = TypeVar("T")


@router.get(
    "/responses/{response_id}",
    summary="A kept response",
    responses=answers("The response", OBJECT, 401, 404, 503),
)
async def read(response_id: Id, request: Request, key: Who) -> dict[str, Any]:
    """As it was answered; only with the key that asked for it, and for 30 days."""
    stored = await _stored(request, key, response_id)
    found: dict[str, Any] = json.loads(bytes(stored.response))
    return found


@router.get(
    "/responses/{response_id}/input_items",
    summary="What a kept response was asked",
    responses=answers("The items", OBJECT, 401, 404, 503),
)
async def input_items(
    response_id: Id,
    request: Request,
    key: Who,
    order: Annotated[Literal["asc", "desc"], Query(description="`asc`: the oldest first")] = "desc",
) -> dict[str, Any]:
    """All items of the conversation before the response's own."""
    stored = await _stored(request, key, response_id)
    given = [json.loads(bytes(item)) for item in stored.items[: stored.input_count]]
    data = [
        {"id": f"{response_id}-{number}", **item}
        for number, item in enumerate(given)
        if isinstance(item, dict)
    ]
    if order == "desc":
        data.reverse()
    ends = (
        {"first_id": data[0]["id"], "last_id": data[-1]["id"]}
        if data
        else {"first_id": None, "last_id": None}
    )
    return {"object": "list", "data": data, "has_more": False, **ends}


@router.delete(
    "/responses/{response_id}",
    summary="Forget a kept response",
    responses=answers("It is forgotten", OBJECT, 401, 404, 503),
)
async def delete(response_id: Id, request: Request, key: Who) -> dict[str, Any]:
    """It can't be read or continued any more."""
    store: Store = request.app.state.store
    scope = scope_of_responses(key.id)
    if not await _patiently(lambda: store.forget_state(scope, response_id)):
        raise _unknown(response_id)
    states = request.app.state.states
    if states is not None:
        states.forget(scope, response_id)
    return {"id": response_id, "object": "response", "deleted": True}


async def _stored(request: Request, key: Key, response_id: str) -> Stored:
    store: Store = request.app.state.store
    scope = scope_of_responses(key.id)
    body = await _patiently(lambda: store.state(scope, response_id, time.time_ns() // 1000))
    if body is None:
        raise _unknown(response_id)
    return decode_stored(body)


async def _patiently(call: Callable[[], T]) -> T:
    """What ``call`` gives; a second time if nothing, for the answer comes before it is written down."""
    found = await run_in_threadpool(call)
    if not found:
        await asyncio.sleep(AGAIN_AFTER_S)
        found = await run_in_threadpool(call)
    return found


def _unknown(response_id: str) -> NotFound:
    return NotFound(f"no response '{response_id}' is kept here for this key")
