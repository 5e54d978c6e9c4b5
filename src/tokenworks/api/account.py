"""What a key may know of itself: ``/v1/key`` and ``/v1/credits``."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from tokenworks.api.access import Caller
from tokenworks.api.answer import BOOLEAN, NUMBER, OBJECT, STRING, answers, holding, iso, maybe, send, usd
from tokenworks.api.key_card import told_rules
from tokenworks.api.limit_card import LIMIT, Limits
from tokenworks.api.spending import spending
from tokenworks.errors import NotFound
from tokenworks.ledger.limit_rows import LimitRow
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans import spec
from tokenworks.plans.granting import WALLET
from tokenworks.plans.keys import Key
from tokenworks.plans.standing import plan_standings

router = APIRouter(tags=["account"])

NO_LIMIT = -1
_PLAN = holding(
    name=STRING,
    price_usd=NUMBER,
    used_up=STRING,
    windows={
        "type": "array",
        "items": holding(window=STRING, credits=NUMBER, used=NUMBER, left=NUMBER, resets_at=maybe(STRING)),
    },
)
_LIMITS = {"type": "array", "items": LIMIT}
_KEY = answers(
    "The key",
    holding(
        data=holding(
            label=STRING,
            name=STRING,
            role=STRING,
            usage=NUMBER,
            usage_daily=NUMBER,
            usage_weekly=NUMBER,
            usage_monthly=NUMBER,
            limit=maybe(NUMBER),
            limit_remaining=maybe(NUMBER),
            limit_reset=maybe(STRING),
            is_management_key=BOOLEAN,
            rate_limit=OBJECT,
            rules=OBJECT,
            limits=_LIMITS,
            plan=maybe(_PLAN),
            wallet=maybe(LIMIT),
            team=maybe(OBJECT),
        )
    ),
    401,
    503,
)
_CREDITS = answers("Credits", holding(data=holding(total_credits=NUMBER, total_usage=NUMBER)), 401, 503)


@router.get("/auth/key", include_in_schema=False)
@router.get("/key", summary="The key that asks", responses=_KEY)
def current_key(request: Request, key: Caller) -> Response:
    """What it is called, may do and has spent; its limits and its plan, with what is left of them."""
    store: Store = request.app.state.store
    row = store.key(key.id)
    if row is None:
        raise NotFound("this key was deleted while it asked")
    return send({"data": _describe(store, row, key)})


@router.get("/credits", summary="What was spent", responses=_CREDITS)
def credits(request: Request, key: Caller) -> Response:
    """By this key, or by everybody for an admin key.

    Nothing is paid in advance here, so the credits are always what was spent, and what is left is 0.
    """
    store: Store = request.app.state.store
    sums = store.totals() if key.role == "admin" else store.key_usage(key.id)
    spent = usd(sums.cost_nano_usd)
    return send({"data": {"total_credits": spent, "total_usage": spent}})


def _describe(store: Store, row: KeyRow, key: Key) -> dict[str, Any]:
    manages = key.role == "admin"
    limits = Limits(store)
    own = [*limits.of("key", row.id), *(limits.of("team", row.team_id) if row.team_id else ())]
    limits.look(own)
    return {
        "label": row.hint,
        "name": row.name,
        "hash": row.hash,
        "role": row.role,
        **spending(lambda since_us: store.key_usage(row.id, since_us).cost_nano_usd),
        **limits.money(row.id),
        "include_byok_in_limit": False,
        "is_free_tier": False,
        "is_management_key": manages,
        "is_provisioning_key": manages,
        "rate_limit": _rate(own),
        "free_model_daily_requests": {"limit": NO_LIMIT, "remaining": NO_LIMIT, "used": 0},
        "rules": told_rules(row.rules),
        "limits": [limits.tell(each) for each in own if each.purpose != WALLET],
        **limits.layers(own),
        "plan": _plan(store, row),
        "wallet": next((limits.tell(each) for each in own if each.purpose == WALLET), None),
        "team": _team(store, row.team_id),
        "allowed_data_regions": ["global"],
        "creator_user_id": None,
        "organization_id": None,
        "workspace_id": None,
        "expires_at": iso(row.expires_us),
    }


def _rate(limits: list[LimitRow]) -> dict[str, Any]:
    """The tightest limit on requests in a minute or so, in the fields that clients know."""
    found = [each for each in limits if each.unit == "requests"]
    if not found:
        return {"requests": NO_LIMIT, "interval": "10s", "note": "there is no rate limit"}
    least = min(found, key=lambda each: each.amount)
    return {
        "requests": least.amount,
        "interval": least.window,
        "note": "limits tells of all of them, and how they stand",
    }


def _plan(store: Store, row: KeyRow) -> dict[str, Any] | None:
    """The key's own plan, else its team's."""
    subscribed = {(each.scope, each.subject): each.plan for each in store.subscriptions()}
    plans = {each.name: each for each in store.plans()}
    for scope, subject in (("key", row.id), ("team", row.team_id)):
        plan = plans.get(subscribed.get((scope, subject), ""))
        if plan is not None:
            found = spec.read(plan.spec)
            return {
                "name": found.name,
                "price_usd": found.price_usd,
                "used_up": found.used_up,
                "windows": plan_standings(store, found, scope, subject, time.time_ns() // 1000),
            }
    return None


def _team(store: Store, team_id: str) -> dict[str, Any] | None:
    for team in store.teams() if team_id else ():
        if team.id == team_id:
            return {"id": team.id, "name": team.name, "rules": told_rules(team.rules)}
    return None
