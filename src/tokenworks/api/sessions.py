"""``/v1/sessions``: sessions that somebody stopped."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from tokenworks.api.access import Manager
from tokenworks.api.answer import BOOLEAN, STRING, answers, holding, iso, listing, maybe, send
from tokenworks.api.given import MAX_ID, printable
from tokenworks.api.reach import TeamReach, changeable_key, only_admin
from tokenworks.errors import NotFound
from tokenworks.ledger.limit_rows import StopRow
from tokenworks.ledger.store import Store
from tokenworks.plans.granting import MAX_SUBJECT
from tokenworks.plans.keys import Key

router = APIRouter(tags=["sessions"])

PAGE = 100
STOP = holding(session=STRING, key_id=maybe(STRING), stopped_at=STRING)
Session = Annotated[
    str, Path(min_length=1, max_length=MAX_SUBJECT, description="as its requests name it (x-session-id)")
]


class Whose(BaseModel):
    """The body of POST /sessions/{session}/stop and /resume."""

    key: str | None = Field(
        None, max_length=MAX_ID, description="hash or id of the key whose session it is; null: whoever's"
    )


@router.get(
    "/sessions",
    summary="Stopped sessions",
    responses=answers("Stops, the latest first", listing(STOP), 400, 401, 403, 503),
)
def list_stops(
    request: Request, who: Manager, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> Response:
    """A hundred at most, from `offset` on; a manager sees those of its team's keys."""
    store: Store = request.app.state.store
    reach = TeamReach(store, who)
    found = [each for each in reversed(store.stops()) if reach.sees("key", each.key_id)]
    return send({"data": [_described(each) for each in found[offset : offset + PAGE]]})


@router.post(
    "/sessions/{session:path}/stop",
    summary="Stop a session",
    responses=answers("The stop", holding(data=STOP), 400, 401, 403, 404, 503),
)
def stop_session(request: Request, who: Manager, session: Session, body: Whose) -> Response:
    """What comes for it is refused within half a second, with a 400 that no client sends again."""
    store: Store = request.app.state.store
    key_id = _key_id(store, who, body)
    stop = StopRow(printable(session, "session"), key_id, time.time_ns() // 1000)
    store.stop_session(stop, actor=who.id)
    return send({"data": _described(stop)})


@router.post(
    "/sessions/{session:path}/resume",
    summary="Let a stopped session go on",
    responses=answers("It may go on", holding(resumed=BOOLEAN), 400, 401, 403, 404, 503),
)
def resume_session(request: Request, who: Manager, session: Session, body: Whose) -> Response:
    """With the same `key` as it was stopped with."""
    store: Store = request.app.state.store
    if not store.resume_session(session, _key_id(store, who, body), actor=who.id):
        raise NotFound("no such session of this key is stopped; GET /v1/sessions lists those that are")
    return send({"resumed": True})


def _key_id(store: Store, who: Key, body: Whose) -> str:
    if not body.key:
        only_admin(who, "stop a session whoever's it is; name its key")
        return ""
    return changeable_key(store, who, body.key, own=True).id


def _described(stop: StopRow) -> dict[str, Any]:
    return {
        "session": stop.session,
        "key_id": stop.key_id or None,
        "stopped_at": iso(stop.time_us),
    }
