"""``/v1/fair-use``: what is done about keys whose use of a flat plan looks automated."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from tokenworks.api.access import Admin
from tokenworks.api.answer import BOOLEAN, STRING, answers, holding, iso, listing, maybe, send
from tokenworks.api.keys import Hash
from tokenworks.api.reach import find_key
from tokenworks.errors import NotFound
from tokenworks.ledger.limit_rows import ActionRow
from tokenworks.ledger.store import Store

router = APIRouter(tags=["fair use"])

ACTION = holding(
    key_id=STRING,
    action=STRING,
    reasons={"type": "array", "items": STRING},
    since=STRING,
    until=maybe(STRING),
    active=BOOLEAN,
)


@router.get(
    "/fair-use",
    summary="What is done about which keys",
    responses=answers("Actions, the oldest first", listing(ACTION), 401, 403, 503),
)
def list_actions(request: Request, _: Admin) -> Response:
    """With the reasons, which anybody can check; those whose time is over are not `active`."""
    store: Store = request.app.state.store
    now_us = time.time_ns() // 1000
    return send({"data": [_described(each, now_us) for each in store.actions()]})


@router.delete(
    "/fair-use/{hash}",
    summary="Take back what is done about a key",
    responses=answers("It is taken back", holding(deleted=BOOLEAN), 401, 403, 404, 503),
)
def lift_action(request: Request, who: Admin, hash: Hash) -> Response:
    """In force within half a second."""
    store: Store = request.app.state.store
    if not store.lift_action(find_key(store, hash).id, actor=who.id):
        raise NotFound("nothing is done about that key; GET /v1/fair-use lists what is")
    return send({"deleted": True})


def _described(each: ActionRow, now_us: int) -> dict[str, Any]:
    return {
        "key_id": each.key_id,
        "action": each.action,
        "reasons": reasons(each.reasons),
        "since": iso(each.since_us),
        "until": iso(each.until_us),
        "active": each.until_us is None or now_us < each.until_us,
    }


def reasons(text: str) -> list[str]:
    """The sentences of ``ActionRow.reasons``."""
    try:
        found = msgspec.json.decode(text or "[]")
    except msgspec.DecodeError:
        return [text]
    return [str(each) for each in found] if isinstance(found, list) else [str(found)]
