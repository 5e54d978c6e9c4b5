"""``GET /v1/models`` and what belongs to it: what can be asked for, in one shape that all clients read."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from tokenworks.api import codex, listing, model_card
from tokenworks.api.access import Caller
from tokenworks.api.answer import INTEGER, OBJECT, STRING, answers, holding, maybe, send
from tokenworks.catalog.load import Catalog
from tokenworks.errors import NotFound
from tokenworks.ledger.store import Store

router = APIRouter(tags=["models"])
MAX_SHOWN = 200  # characters of a name that an error repeats
WEEK_S = 7 * 86_400

MODEL = holding(
    id=STRING,
    name=STRING,
    created=INTEGER,
    context_length=INTEGER,
    pricing=holding(prompt=STRING, completion=STRING),
    architecture=OBJECT,
    top_provider=OBJECT,
    supported_parameters={"type": "array", "items": STRING},
)
MODELS = holding(
    data={"type": "array", "items": MODEL},
    total_count=INTEGER,
    links=holding(next=maybe(STRING)),
    has_more={"type": "boolean"},
    first_id=maybe(STRING),
    last_id=maybe(STRING),
)
_LIST = answers("Models", MODELS, 400, 503)
Asked = Annotated[listing.Query, Query()]


@router.get("/models/", include_in_schema=False)
@router.get("/models", summary="Models that can be called now", responses=_LIST)
def list_models(request: Request, query: Asked) -> Response:
    """Every model with at least one active endpoint; prices are those of the cheapest.

    In a thread: describing hundreds of models would keep other requests waiting.
    """
    return send(_list(request, query))


@router.get(
    "/models/user",
    summary="Models that this key may call",
    responses=answers("Models", MODELS, 400, 401, 503),
)
def list_own_models(request: Request, query: Asked, key: Caller) -> Response:
    """The same as all models: keys are not limited to some in this version."""
    return send(_list(request, query))


@router.get(
    "/models/count",
    summary="How many models can be called",
    responses=answers("Their number", holding(data=holding(count=INTEGER)), 400),
)
def count_models(request: Request, query: Asked) -> Response:
    """With the same filters as the list."""
    return send({"data": {"count": len(listing.select(request.app.state.catalog, query))}})


@router.get("/embeddings/models", summary="Models that make embeddings", responses=_LIST)
def list_embeddings_models(request: Request, query: Asked) -> Response:
    """Of the models that can be called, those with vectors as their output."""
    return send(_list(request, query.model_copy(update={"output_modalities": "embeddings"})))


@router.get(
    "/model/{name:path}",
    summary="One model, in an envelope",
    responses=answers("The model", holding(data=MODEL), 404),
)
async def enveloped_model(name: str, request: Request) -> Response:
    """The same as ``/models/{name}`` inside ``data``."""
    return send({"data": model_card.describe(*find(request.app.state.catalog, name))})


@router.get("/models/{name:path}", summary="One model", responses=answers("The model", MODEL, 404))
async def one_model(name: str, request: Request) -> Response:
    """By any name that a request may use; 404 when no active endpoint serves it."""
    return send(model_card.describe(*find(request.app.state.catalog, name)))


def find(catalog: Catalog, name: str) -> listing.Row:
    """The model that ``name`` means. Raises NotFound."""
    endpoints, model = catalog.find(name), catalog.model(name)
    if not endpoints or model is None:
        raise NotFound(f"no model '{name[:MAX_SHOWN]}' can be called here; GET /v1/models lists them")
    return listing.Row(model, endpoints)


def _list(request: Request, query: listing.Query) -> dict[str, Any]:
    found = listing.select(request.app.state.catalog, query)
    used = _tokens_used(request.app.state.store) if query.sort in listing.BY_USE else {}
    page = listing.page(listing.arrange(found, query.sort, used), query)
    data = [model_card.describe(row.model, row.endpoints) for row in page.rows]
    answer = {
        "object": "list",
        "data": data,
        "total_count": page.total,
        "links": {"next": _next(request, page.next_offset)},
        "has_more": page.more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
    if query.client_version is not None:
        writing = [row for row in page.rows if "text" in row.model.output_modalities]
        answer["models"] = [codex.entry(*row, priority) for priority, row in enumerate(writing)]
    return answer


def _next(request: Request, offset: int | None) -> str | None:
    if offset is None:
        return None
    asked = {**request.query_params, "offset": offset}
    asked.pop("after_id", None)
    return f"{request.url.path}?{urlencode(asked)}"


def _tokens_used(store: Store) -> dict[str, int]:
    since_us = (int(time.time()) - WEEK_S) * 1_000_000
    return {row.group: row.input_tokens + row.output_tokens for row in store.usage("model", since_us)}
