"""``/v1/responses/{id}``: responses that were kept, to be read again or deleted."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from tokenworks.api.access import caller
from tokenworks.api.answer import OBJECT, answers
from tokenworks.errors import NotFound
from tokenworks.gateway.conversations import Stored, decode_stored, scope_of_responses
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key

router = APIRouter(tags=["responses"])

Id = Annotated[str, Path(max_length=100)]
Who = Annotated[Key, Depends(caller)]


@router.get(
    "/responses/{response_id}",
    summary="A kept response",
    responses=answers("The response", OBJECT, 401, 404, 503),
)
def read(response_id: Id, request: Request, key: Who) -> dict[str, Any]:
    """As it was answered; only with the key that asked for it, and for 30 days."""
    found: dict[str, Any] = json.loads(bytes(_stored(request, key, response_id).response))
    return found


@router.get(
    "/responses/{response_id}/input_items",
    summary="What a kept response was asked",
    responses=answers("The items", OBJECT, 401, 404, 503),
)
def input_items(response_id: Id, request: Request, key: Who) -> dict[str, Any]:
    """All items of the conversation before the response's own, the oldest first."""
    stored = _stored(request, key, response_id)
    data = [
        {"id": f"{response_id}-{number}", **json.loads(bytes(item))}
        for number, item in enumerate(stored.items[: stored.input_count])
    ]
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
def delete(response_id: Id, request: Request, key: Who) -> dict[str, Any]:
    """It can't be read or continued any more."""
    store: Store = request.app.state.store
    if not store.forget_state(scope_of_responses(key.id), response_id):
        raise _unknown(response_id)
    states = request.app.state.states
    if states is not None:
        states.forget(scope_of_responses(key.id), response_id)
    return {"id": response_id, "object": "response", "deleted": True}


def _stored(request: Request, key: Key, response_id: str) -> Stored:
    store: Store = request.app.state.store
    body = store.state(scope_of_responses(key.id), response_id, time.time_ns() // 1000)
    if body is None:
        raise _unknown(response_id)
    return decode_stored(body)


def _unknown(response_id: str) -> NotFound:
    return NotFound(f"no response '{response_id}' is kept here for this key")
