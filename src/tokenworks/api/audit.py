"""``GET /v1/audit``: who changed what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from tokenworks.api.access import Manager
from tokenworks.api.answer import OBJECT, STRING, answers, holding, iso, listing, maybe, micros, send
from tokenworks.api.given import MAX_ID
from tokenworks.api.reach import TeamReach
from tokenworks.ledger.limit_rows import AuditRow
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key

router = APIRouter(tags=["audit"])

MOST = 1000
LOOKED_AT = 20_000  # entries, for a manager, who sees only some of them
OWNERS = ("subject", "within", "team_id", "key_id", "limit_id")  # in the detail of an entry: whose it is
ENTRY = holding(time=STRING, actor=STRING, action=STRING, target=STRING, detail=maybe(OBJECT))


@router.get(
    "/audit",
    summary="Who changed what",
    responses=answers("Changes, the latest first", listing(ENTRY), 400, 401, 403, 503),
)
def read_audit(
    request: Request,
    who: Manager,
    since: Annotated[AwareDatetime | None, Query(description="from this moment on")] = None,
    until: Annotated[AwareDatetime | None, Query(description="before this moment")] = None,
    target: Annotated[str, Query(max_length=2 * MAX_ID, description="of this id or name only")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> Response:
    """Keys, teams, limits, plans, stops and actions. A manager sees what concerns its team.

    `actor` is the id of a key, `cli:USER`, or `tokenworks` for what it did by itself. No secret is in it.
    """
    store: Store = request.app.state.store
    since_us = None if since is None else micros(since)
    until_us = None if until is None else micros(until)
    if who.role == "admin":
        rows = store.audit(since_us, until_us, target, limit)
    else:
        looked = store.audit(since_us, until_us, target, LOOKED_AT)
        rows = list(_of_team(store, who, looked))[:limit]
    return send({"data": [described(row) for row in rows]})


def described(row: AuditRow) -> dict[str, Any]:
    """One entry as JSON."""
    return {
        "time": iso(row.time_us),
        "actor": row.actor,
        "action": row.action,
        "target": row.target,
        "detail": _detail(row),
    }


def _of_team(store: Store, who: Key, rows: list[AuditRow]) -> Iterator[AuditRow]:
    """Those of the team, its keys, and limits on them, those that are gone too."""
    reach = TeamReach(store, who)
    names = reach.names()
    names |= {each.id for each in store.limits() if reach.sees(each.scope, each.subject, each.within)}
    for row in rows:
        if row.action == "limit.create" and _concerns(row, names):
            names.add(row.target)
    for row in rows:
        if row.target in names or row.actor in names or _concerns(row, names):
            yield row


def _concerns(row: AuditRow, names: set[str]) -> bool:
    detail = _detail(row) or {}
    return any(detail.get(owner) in names for owner in OWNERS if isinstance(detail.get(owner), str))


def _detail(row: AuditRow) -> dict[str, Any] | None:
    if not row.detail:
        return None
    try:
        found = msgspec.json.decode(row.detail)
    except msgspec.DecodeError:
        return {"text": row.detail}
    return found if isinstance(found, dict) else {"value": found}
