"""Where a model is served: ``/v1/models/{name}/endpoints`` and the endpoints that keep nothing."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from tokenworks.api import endpoint_card, model_card, models
from tokenworks.api.answer import INTEGER, OBJECT, STRING, answers, holding, maybe, send
from tokenworks.api.listing import rows
from tokenworks.catalog.load import Catalog
from tokenworks.routing.health import Health
from tokenworks.schema import Endpoint, Model

router = APIRouter(tags=["models"])

_NUMBER = maybe({"type": "number"})
ENDPOINT = holding(
    name=STRING,
    model_id=STRING,
    provider_name=STRING,
    tag=STRING,
    context_length=INTEGER,
    pricing=holding(prompt=STRING, completion=STRING),
    quantization=STRING,
    status=INTEGER,
    uptime_last_5m=_NUMBER,
    uptime_last_30m=_NUMBER,
    uptime_last_1d=_NUMBER,
    latency_last_30m=maybe(OBJECT),
    throughput_last_30m=maybe(OBJECT),
)
_ENDPOINTS = {"type": "array", "items": ENDPOINT}


@router.get(
    "/models/{name:path}/endpoints",
    summary="Who serves a model, at which price and how well",
    responses=answers("Its endpoints", holding(data=holding(id=STRING, endpoints=_ENDPOINTS)), 404),
)
async def list_endpoints(name: str, request: Request) -> Response:
    """Cheapest first. Health is what this worker saw of its own requests; null without any.

    On the loop: health belongs to it.
    """
    model, found = models.find(request.app.state.catalog, name)
    card = model_card.describe(model, found)
    data = {key: card[key] for key in ("id", "name", "created", "description", "architecture")}
    data["endpoints"] = [_describe(request, model, each) for each in found]
    return send({"data": data})


@router.get(
    "/endpoints/zdr",
    summary="Endpoints that keep nothing of a request",
    responses=answers("Endpoints", holding(data=_ENDPOINTS)),
)
async def list_keeping_nothing(request: Request) -> Response:
    """Those that run here, and those of providers known to retain nothing."""
    catalog: Catalog = request.app.state.catalog
    found = [
        _describe(request, row.model, each)
        for row in rows(catalog)
        for each in row.endpoints
        if endpoint_card.keeps_nothing(each, catalog.providers)
    ]
    return send({"data": found})


def _describe(request: Request, model: Model, endpoint: Endpoint) -> dict[str, Any]:
    state = request.app.state
    health: Health | None = state.health
    view = health.view(endpoint, time.monotonic()) if health is not None else None
    return endpoint_card.describe(model, endpoint, state.catalog.providers[endpoint.provider], view)
