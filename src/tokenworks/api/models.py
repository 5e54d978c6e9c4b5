"""``GET /v1/models``: what can be asked for, in a shape that the common clients read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from tokenworks.catalog.load import Catalog
from tokenworks.errors import NotFound
from tokenworks.schema import Endpoint, Model, Price

router = APIRouter(tags=["models"])
MAX_SHOWN = 200  # characters of a name that an error repeats


@router.get("/models/", include_in_schema=False)
@router.get("/models", summary="Models that can be called now")
async def list_models(request: Request) -> dict[str, Any]:
    """Every model with at least one active endpoint; prices are those of the cheapest."""
    catalog: Catalog = request.app.state.catalog
    data = [
        describe(catalog.models[name], endpoints[0])
        for name, endpoints in sorted(catalog.endpoints.items())
        if endpoints
    ]
    return {"object": "list", "data": data, "total_count": len(data), "links": {"next": None}}


@router.get("/models/{name:path}", summary="One model")
async def one_model(name: str, request: Request) -> dict[str, Any]:
    """By any name that a request may use; 404 when no active endpoint serves it."""
    catalog: Catalog = request.app.state.catalog
    endpoints, model = catalog.find(name), catalog.model(name)
    if not endpoints or model is None:
        raise NotFound(f"no model '{name[:MAX_SHOWN]}' can be called here; GET /v1/models lists them")
    return describe(model, endpoints[0])


def describe(model: Model, endpoint: Endpoint) -> dict[str, Any]:
    """One model with the price of ``endpoint``: the fields that the two clients' SDKs require."""
    inputs, outputs = list(model.input_modalities), list(model.output_modalities)
    return {
        "id": model.id,
        "object": "model",
        "owned_by": model.author,
        "canonical_slug": model.id,
        "name": model.name,
        "created": _created(model.released),
        "description": "",
        "context_length": endpoint.context_length,
        "architecture": {
            "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
            "input_modalities": inputs,
            "output_modalities": outputs,
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": pricing(endpoint.price),
        "top_provider": {
            "context_length": endpoint.context_length,
            "max_completion_tokens": endpoint.max_output_tokens,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": [],
        "default_parameters": None,
        "supported_voices": None,
        "links": {"details": f"/api/v1/models/{model.id}/endpoints"},
    }


def pricing(price: Price) -> dict[str, str]:
    """Dollars per token as strings, the way aggregators quote them."""
    out = {"prompt": _per_token(price.input_mtok), "completion": _per_token(price.output_mtok)}
    if price.cache_read_mtok is not None:
        out["input_cache_read"] = _per_token(price.cache_read_mtok)
    if price.cache_write_mtok is not None:
        out["input_cache_write"] = _per_token(price.cache_write_mtok)
    if price.request_usd:
        out["request"] = f"{price.request_usd:.12f}".rstrip("0").rstrip(".")
    return out


def _per_token(mtok_usd: float) -> str:
    return f"{mtok_usd / 1e6:.12f}".rstrip("0").rstrip(".") or "0"


def _created(released: str) -> int:
    if not released:
        return 0
    return int(datetime.fromisoformat(released).replace(tzinfo=UTC).timestamp())
