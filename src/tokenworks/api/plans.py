"""``/v1/plans``: what subscribers pay, what that includes, and who has which."""

from __future__ import annotations

import time
from collections import Counter
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from tokenworks.api.access import Admin
from tokenworks.api.answer import BOOLEAN, INTEGER, OBJECT, STRING, answers, holding, iso, listing, send
from tokenworks.api.given import MAX_ID, Id, PlanBody, find_plan, find_team, refusing
from tokenworks.api.reach import find_key
from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.limit_rows import PlanRow, SubscriptionRow
from tokenworks.ledger.store import Store
from tokenworks.plans import spec
from tokenworks.plans.sound import plan_from
from tokenworks.plans.standing import plan_standings

router = APIRouter(tags=["plans"])

PLAN = holding(name=STRING, spec=OBJECT, subscribers=INTEGER, created_at=STRING, updated_at=STRING)
SUBSCRIPTION = holding(
    scope=STRING,
    subject=STRING,
    plan=STRING,
    since=STRING,
    windows={"type": "array", "items": OBJECT},
)
Name = Annotated[str, Path(min_length=1, max_length=MAX_ID, description="name of a plan")]


class Subscriber(BaseModel):
    """The body of POST /plans/{plan}/assign and /unassign."""

    scope: Literal["key", "team"] = "key"
    subject: Id = Field(description="hash or id of a key, id or name of a team")


@router.get("/plans", summary="All plans", responses=answers("Plans, by name", listing(PLAN), 401, 403, 503))
def list_plans(request: Request, _: Admin) -> Response:
    """With how many have each."""
    store: Store = request.app.state.store
    count = Counter(each.plan for each in store.subscriptions())
    return send({"data": [_described(each, count[each.name]) for each in store.plans()]})


@router.get(
    "/plans/{plan}",
    summary="One plan and who has it",
    responses=answers(
        "The plan",
        holding(data=PLAN, subscriptions={"type": "array", "items": SUBSCRIPTION}),
        401,
        403,
        404,
        503,
    ),
)
def get_plan(request: Request, _: Admin, plan: Name) -> Response:
    """Each subscriber with what it has used of each window."""
    store: Store = request.app.state.store
    row = find_plan(store, plan)
    found = [_subscription(store, row, each) for each in store.subscriptions() if each.plan == row.name]
    return send({"data": _described(row, len(found)), "subscriptions": found})


@router.put(
    "/plans/{plan}",
    summary="Make or change a plan",
    responses=answers("The plan as it is now", holding(data=PLAN), 400, 401, 403, 503),
)
def put_plan(request: Request, who: Admin, plan: Name, body: PlanBody) -> Response:
    """The whole plan: what is left out is as if it had never been there. What was used of windows stays."""
    store: Store = request.app.state.store
    if body.setdefault("name", plan) != plan:
        raise BadRequest("name: leave it out, or give the one in the path; a plan can't be renamed")
    with refusing():
        text = spec.write(plan_from(body))
    now_us = time.time_ns() // 1000
    store.put_plan(PlanRow(plan, text, now_us, now_us), actor=who.id)
    count = sum(each.plan == plan for each in store.subscriptions())
    return send({"data": _described(find_plan(store, plan), count)})


@router.delete(
    "/plans/{plan}",
    summary="Remove a plan",
    responses=answers("It is gone", holding(deleted=BOOLEAN), 400, 401, 403, 404, 503),
)
def delete_plan(request: Request, who: Admin, plan: Name) -> Response:
    """Only one that nobody has."""
    store: Store = request.app.state.store
    row = find_plan(store, plan)
    if not store.remove_plan(row.name, actor=who.id):
        raise BadRequest("somebody has this plan; POST /v1/plans/{plan}/unassign, or assign another one")
    return send({"deleted": True})


@router.post(
    "/plans/{plan}/assign",
    summary="Give a key or team this plan",
    responses=answers("Who has it", holding(data=SUBSCRIPTION), 400, 401, 403, 404, 503),
)
def assign_plan(request: Request, who: Admin, plan: Name, body: Subscriber) -> Response:
    """In place of the one it had. A key's own plan goes before its team's."""
    store: Store = request.app.state.store
    row = find_plan(store, plan)
    subject = _subject(store, body)
    each = SubscriptionRow(body.scope, subject, row.name, time.time_ns() // 1000)
    store.subscribe(each, actor=who.id)
    return send({"data": _subscription(store, row, each)})


@router.post(
    "/plans/{plan}/unassign",
    summary="Take this plan away",
    responses=answers("It is taken", holding(deleted=BOOLEAN), 400, 401, 403, 404, 503),
)
def unassign_plan(request: Request, who: Admin, plan: Name, body: Subscriber) -> Response:
    """From then on the key or team pays as it goes, within its limits."""
    store: Store = request.app.state.store
    subject = _subject(store, body)
    has = (body.scope, subject, plan)
    if has not in {(each.scope, each.subject, each.plan) for each in store.subscriptions()}:
        raise NotFound(f"this {body.scope} has no plan of that name; GET /v1/plans/{{plan}} tells who has")
    store.unsubscribe(body.scope, subject, actor=who.id)
    return send({"deleted": True})


def _subject(store: Store, body: Subscriber) -> str:
    return find_key(store, body.subject).id if body.scope == "key" else find_team(store, body.subject).id


def _described(row: PlanRow, subscribers: int) -> dict[str, Any]:
    return {
        "name": row.name,
        "spec": msgspec.json.decode(row.spec),
        "subscribers": subscribers,
        "created_at": iso(row.created_us),
        "updated_at": iso(row.updated_us),
    }


def _subscription(store: Store, row: PlanRow, each: SubscriptionRow) -> dict[str, Any]:
    found = plan_standings(store, spec.read(row.spec), each.scope, each.subject, time.time_ns() // 1000)
    return {
        "scope": each.scope,
        "subject": each.subject,
        "plan": each.plan,
        "since": iso(each.since_us),
        "windows": found,
    }
