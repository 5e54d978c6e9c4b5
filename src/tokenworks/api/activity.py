"""``GET /v1/activity``: what was used each day, by model and provider."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from tokenworks.api.access import Admin
from tokenworks.api.answer import INTEGER, NUMBER, STRING, answers, holding, listing, micros, send, usd
from tokenworks.api.keys import MAX_HASH, find
from tokenworks.catalog.load import Catalog
from tokenworks.errors import BadRequest
from tokenworks.ledger.rows import ActivityRow
from tokenworks.ledger.store import Store

router = APIRouter(tags=["account"])

DAYS = 30
ITEM = holding(
    date=STRING,
    model=STRING,
    provider_name=STRING,
    endpoint_id=STRING,
    requests=INTEGER,
    usage=NUMBER,
    prompt_tokens=INTEGER,
    completion_tokens=INTEGER,
    reasoning_tokens=INTEGER,
)


@router.get(
    "/activity",
    summary="Use by day, model and provider",
    responses=answers("Sums", listing(ITEM), 400, 401, 403, 404, 503),
)
def activity(
    request: Request,
    _: Admin,
    date: Annotated[str | None, Query(max_length=10, description="a day in UTC, YYYY-MM-DD")] = None,
    api_key_hash: Annotated[str | None, Query(max_length=MAX_HASH, description="of one key only")] = None,
    user_id: Annotated[str | None, Query(max_length=MAX_HASH, description="not known here")] = None,
    group_by: Annotated[str | None, Query(max_length=20, description="not known here")] = None,
    workspace_id: Annotated[str | None, Query(max_length=MAX_HASH, description="not known here")] = None,
) -> Response:
    """Of the last 30 days that are over, or of one day; asked for by its date, this day is told so far."""
    if user_id is not None or group_by is not None or workspace_id is not None:
        raise BadRequest(
            "there are no users and no workspaces here; leave user_id, group_by and workspace_id out"
        )
    store: Store = request.app.state.store
    key_id = None if api_key_hash is None else find(store, api_key_hash).id
    since, until = span(date, datetime.now(UTC).date())
    found = store.activity(_midnight(since), _midnight(until), key_id)
    return send({"data": [_describe(row, request.app.state.catalog) for row in found]})


def span(day: str | None, today: date) -> tuple[date, date]:
    """The first day asked for and the one behind the last. Raises BadRequest for none of the last 30."""
    first = today - timedelta(days=DAYS)
    if day is None:
        return first, today
    try:
        asked = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise BadRequest("date must be a day, as in 2030-01-31") from None
    if not first <= asked <= today:
        raise BadRequest(f"date must be one of the last {DAYS} days")
    return asked, asked + timedelta(days=1)


def _midnight(day: date) -> int:
    return micros(datetime.combine(day, time(), UTC))


def _describe(row: ActivityRow, catalog: Catalog) -> dict[str, Any]:
    name = row.provider.partition("/")[0]
    provider = catalog.providers.get(name)
    return {
        "date": row.day,
        "model": row.model,
        "model_permaslug": row.model,
        "endpoint_id": row.provider,
        "provider_name": provider.title if provider is not None else name,
        "requests": row.requests,
        "usage": usd(row.cost_nano_usd),
        "byok_usage_inference": 0.0,
        "prompt_tokens": row.input_tokens,
        "completion_tokens": row.output_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "cached_tokens": row.cache_read_tokens,
    }
