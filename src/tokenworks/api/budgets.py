"""``/v1/budgets``: every limit on money, requests, tokens and concurrency, and how it stands."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from tokenworks.api.access import Admin, Manager
from tokenworks.api.answer import BOOLEAN, NUMBER, answers, holding, listing, send
from tokenworks.api.given import MAX_ID, Id, find_team, printable, refusing
from tokenworks.api.limit_card import LIMIT, Limits
from tokenworks.api.reach import TeamReach, changeable_limit, find_key, only_admin, visible_key
from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.store import Store
from tokenworks.plans.granting import (
    MAX_AMOUNT_USD,
    MAX_COUNT,
    MAX_SUBJECT,
    Written,
    counted,
    new_limit,
    top_up,
)
from tokenworks.plans.keys import Key
from tokenworks.plans.standing import refund, shown

router = APIRouter(tags=["budgets"])

PAGE = 100
Scope = Literal["key", "team", "app", "user", "session"]
Unit = Literal["usd", "requests", "input_tokens", "output_tokens", "tokens", "concurrent"]
Amount = Annotated[float, Field(ge=0, le=MAX_COUNT, allow_inf_nan=False)]
LimitId = Annotated[str, Path(max_length=MAX_ID, description="id of a limit (l_...)")]
ANSWER = holding(data=LIMIT)


class NewBudget(BaseModel):
    """The body of POST."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scope": "user", "subject": "*", "amount": 1, "window": "day"}]}
    )

    scope: Scope = Field(description="whose requests are counted")
    subject: Annotated[str, Field(min_length=1, max_length=MAX_SUBJECT)] = Field(
        description="hash or id of a key, id or name of a team, else an app, user or session; "
        "`*`: each of them for itself"
    )
    within: str | None = Field(
        None, max_length=MAX_ID, description="a key or team whose requests alone are counted"
    )
    unit: Unit = "usd"
    amount: Amount = Field(description="dollars, or so many of another unit")
    window: str = Field(
        "lifetime", max_length=40, description="`month`, `week`, `day`, `hour`, `5h`, `7d`, `lifetime`, ..."
    )
    timezone: str = Field("UTC", max_length=MAX_ID, description="in which days, weeks and months begin")
    strict: bool = Field(False, description="never a cent over")


class BudgetChange(BaseModel):
    """The body of PATCH: what is left out stays as it is."""

    amount: Amount | None = Field(None, description="dollars, or so many of another unit")
    strict: bool | None = None


class Refund(BaseModel):
    """The body of POST /budgets/{limit_id}/refund."""

    amount: Amount = Field(description="dollars, or so many of another unit")
    subject: str | None = Field(
        None, max_length=2 * MAX_SUBJECT, description="whose, where the limit counts for several"
    )
    reason: str = Field("", max_length=500, description="for the audit log")


class TopUp(BaseModel):
    """The body of POST /wallets."""

    scope: Literal["key", "team"] = "key"
    subject: Id = Field(description="hash or id of a key, id or name of a team")
    amount: Annotated[float, Field(gt=0, le=MAX_AMOUNT_USD, allow_inf_nan=False)] = Field(
        description="dollars"
    )


@router.get(
    "/budgets",
    summary="Limits and how they stand",
    responses=answers("Limits, the oldest first", listing(LIMIT), 400, 401, 403, 503),
)
def list_budgets(
    request: Request,
    who: Manager,
    scope: Scope | None = None,
    subject: Annotated[str | None, Query(max_length=MAX_SUBJECT, description="an id, not a hash")] = None,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """A hundred at most, from `offset` on; a manager sees those of its team."""
    store: Store = request.app.state.store
    reach = TeamReach(store, who)
    rows = [
        each
        for each in store.limits()
        if scope in (None, each.scope)
        and subject in (None, each.subject)
        and reach.sees(each.scope, each.subject, each.within)
    ][offset : offset + PAGE]
    limits = Limits(store)
    limits.look(rows)
    return send({"data": [limits.tell(each) for each in rows]})


@router.post(
    "/budgets",
    status_code=201,
    summary="Limit somebody",
    responses=answers("The limit", ANSWER, 400, 401, 403, 404, 503, status=201),
)
def create_budget(request: Request, who: Manager, body: NewBudget) -> Response:
    """In force within half a second. Several limits side by side must all have room.

    Of apps, users and sessions a manager limits those within its team, also where `within` is left out.
    """
    store: Store = request.app.state.store
    subject = _subject(store, who, body.scope, body.subject)
    within = _within(store, body.within)
    if not within and body.scope not in ("key", "team") and who.role != "admin":
        within = who.team_id
    if not TeamReach(store, who).changes(body.scope, subject, within):
        only_admin(who, "limit a team, or what is not within it; send within")
    with refusing():
        wanted = Written(body.unit, counted(body.unit, body.amount), body.window)
        row = new_limit(
            body.scope, subject, wanted, within=within, timezone=body.timezone, strict=body.strict
        )
    store.add_limit(row, actor=who.id)
    return send({"data": Limits(store).tell(row)}, 201)


@router.get(
    "/budgets/{limit_id}",
    summary="One limit",
    responses=answers("The limit", ANSWER, 401, 403, 404, 503),
)
def get_budget(request: Request, who: Manager, limit_id: LimitId) -> Response:
    """With what is spent of it and left; one that counts for several tells of each."""
    store: Store = request.app.state.store
    reach = TeamReach(store, who)
    for each in store.limits():
        if each.id == limit_id and reach.sees(each.scope, each.subject, each.within):
            return send({"data": Limits(store).tell(each)})
    raise _unknown()


@router.patch(
    "/budgets/{limit_id}",
    summary="Change the amount of a limit",
    responses=answers("The limit as it is now", ANSWER, 400, 401, 403, 404, 503),
)
def change_budget(request: Request, who: Manager, limit_id: LimitId, body: BudgetChange) -> Response:
    """What was spent stays. For another window make another limit."""
    store: Store = request.app.state.store
    row = changeable_limit(store, who, limit_id)
    if body.amount is None and body.strict is None:
        raise BadRequest("nothing to change; send amount or strict")
    with refusing():
        amount = None if body.amount is None else counted(row.unit, body.amount)
    found = store.update_limit(row.id, amount=amount, strict=body.strict, actor=who.id)
    if found is None:
        raise _unknown()
    return send({"data": Limits(store).tell(found)})


@router.delete(
    "/budgets/{limit_id}",
    summary="Remove a limit",
    responses=answers("It is gone", holding(deleted=BOOLEAN), 401, 403, 404, 503),
)
def delete_budget(request: Request, who: Manager, limit_id: LimitId) -> Response:
    """With all that was counted against it."""
    store: Store = request.app.state.store
    if not store.remove_limit(changeable_limit(store, who, limit_id).id, actor=who.id):
        raise _unknown()
    return send({"deleted": True})


@router.post(
    "/budgets/{limit_id}/refund",
    summary="Count less as spent",
    responses=answers(
        "The limit, and how much was refunded", holding(data=LIMIT, refunded=NUMBER), 400, 401, 403, 404, 503
    ),
)
def refund_budget(request: Request, who: Manager, limit_id: LimitId, body: Refund) -> Response:
    """Of what counts now, the latest first; never more than was spent. What was used stays recorded."""
    store: Store = request.app.state.store
    row = changeable_limit(store, who, limit_id)
    if body.reason:
        printable(body.reason, "reason")
    with refusing():
        amount = counted(row.unit, body.amount)
        given = refund(
            store, row, body.subject, amount, time.time_ns() // 1000, actor=who.id, reason=body.reason
        )
    return send({"data": Limits(store).tell(row), "refunded": shown(row, given)})


@router.post(
    "/wallets",
    summary="Put money into a wallet",
    responses=answers("The wallet", ANSWER, 400, 401, 403, 404, 503),
)
def fill_wallet(request: Request, who: Admin, body: TopUp) -> Response:
    """It pays where the plan of a key or team is used up. What was put in before stays."""
    state = request.app.state
    store: Store = state.store
    subject = _subject(store, who, body.scope, body.subject)
    with state.store.turn(), refusing():
        wallet = top_up(store, body.scope, subject, body.amount, actor=who.id)
    return send({"data": Limits(store).tell(wallet)})


def _subject(store: Store, who: Key, scope: str, name: str) -> str:
    """The id of a key or team, anything else as it is. Raises NotFound."""
    if scope == "key":
        return visible_key(store, who, name).id
    return find_team(store, name).id if scope == "team" else name


def _within(store: Store, name: str | None) -> str:
    """The id of the key or team of this id, hash or name. Raises NotFound."""
    if not name:
        return ""
    for team in store.teams():
        if name in (team.id, team.name):
            return team.id
    return find_key(store, name).id


def _unknown() -> NotFound:
    return NotFound("no limit has that id; GET /v1/budgets lists them")
