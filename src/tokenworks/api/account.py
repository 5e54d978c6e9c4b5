"""What a key may know of itself: ``/v1/key`` and ``/v1/credits``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from tokenworks.api.access import Caller
from tokenworks.api.answer import BOOLEAN, NUMBER, OBJECT, STRING, answers, holding, iso, maybe, send, usd
from tokenworks.api.spending import spending
from tokenworks.errors import NotFound
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key

router = APIRouter(tags=["account"])

NO_LIMIT = -1
_KEY = answers(
    "The key",
    holding(
        data=holding(
            label=STRING,
            name=STRING,
            usage=NUMBER,
            usage_daily=NUMBER,
            usage_weekly=NUMBER,
            usage_monthly=NUMBER,
            limit=maybe(NUMBER),
            is_management_key=BOOLEAN,
            rate_limit=OBJECT,
        )
    ),
    401,
    503,
)
_CREDITS = answers("Credits", holding(data=holding(total_credits=NUMBER, total_usage=NUMBER)), 401, 503)


@router.get("/auth/key", include_in_schema=False)
@router.get("/key", summary="The key that asks", responses=_KEY)
def current_key(request: Request, key: Caller) -> Response:
    """What it is called, may do and has spent. No limits of money or rate exist in this version."""
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
    return {
        "label": row.hint,
        "name": row.name,
        "hash": row.hash,
        **spending(lambda since_us: store.key_usage(row.id, since_us).cost_nano_usd),
        "limit": None,
        "limit_remaining": None,
        "limit_reset": None,
        "include_byok_in_limit": False,
        "is_free_tier": False,
        "is_management_key": manages,
        "is_provisioning_key": manages,
        "rate_limit": {"requests": NO_LIMIT, "interval": "10s", "note": "there is no rate limit"},
        "free_model_daily_requests": {"limit": NO_LIMIT, "remaining": NO_LIMIT, "used": 0},
        "budgets": [],
        "effective_budget": None,
        "allowed_data_regions": ["global"],
        "creator_user_id": None,
        "organization_id": None,
        "workspace_id": None,
        "expires_at": iso(row.expires_us),
    }
