"""One model as clients of every kind read it: one object that has the fields of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tokenworks.schema import Endpoint, Model, Price, PriceTier

MAX_DECIMALS = 12  # of a dollar per token: a millionth of a dollar per million tokens


def describe(model: Model, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """``model`` with the price of the first of its ``endpoints``, the cheapest."""
    top = endpoints[0]
    context = max(endpoint.context_length for endpoint in endpoints)
    created = _created(model.released)
    return {
        "id": model.id,
        "object": "model",
        "type": "model",
        "owned_by": model.author,
        "canonical_slug": model.id,
        "name": model.name,
        "display_name": model.name,
        "created": int(created.timestamp()),
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "description": "",
        "context_length": context,
        "max_input_tokens": context,
        "max_tokens": top.max_output_tokens,
        "architecture": architecture(model),
        "pricing": pricing(top.price),
        "top_provider": {
            "context_length": top.context_length,
            "max_completion_tokens": top.max_output_tokens,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": parameters(model, endpoints),
        "default_parameters": None,
        "supported_voices": None,
        "hugging_face_id": None,
        "knowledge_cutoff": None,
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{model.id}/endpoints"},
    }


def architecture(model: Model) -> dict[str, Any]:
    """What goes in and what comes out."""
    inputs, outputs = list(model.input_modalities), list(model.output_modalities)
    return {
        "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
        "input_modalities": inputs,
        "output_modalities": outputs,
        "tokenizer": "Other",
        "instruct_type": None,
    }


def parameters(model: Model, endpoints: Sequence[Endpoint]) -> list[str]:
    """Request fields that at least one of ``endpoints`` honours; empty where nothing is known."""
    found: dict[str, None] = {}
    for endpoint in endpoints:
        found |= dict.fromkeys(honoured(model, endpoint) or ())
    return list(found)


def honoured(model: Model, endpoint: Endpoint) -> tuple[str, ...] | None:
    """Request fields that ``endpoint`` honours; None: unknown."""
    known = endpoint.supported_parameters
    return model.supported_parameters if known is None else known


def pricing(price: Price) -> dict[str, Any]:
    """Dollars per token as strings, the way aggregators quote them; tiers as overrides."""
    out: dict[str, Any] = _amounts(price)
    if price.request_usd:
        out["request"] = f"{price.request_usd:.{MAX_DECIMALS}f}".rstrip("0").rstrip(".")
    if price.tiers:
        out["overrides"] = [
            {"min_prompt_tokens": tier.above_input_tokens, **_amounts(tier)} for tier in price.tiers
        ]
    return out


def _amounts(row: Price | PriceTier) -> dict[str, str]:
    out = {"prompt": _per_token(row.input_mtok), "completion": _per_token(row.output_mtok)}
    if row.cache_read_mtok is not None:
        out["input_cache_read"] = _per_token(row.cache_read_mtok)
    if row.cache_write_mtok is not None:
        out["input_cache_write"] = _per_token(row.cache_write_mtok)
    return out


def _per_token(mtok_usd: float) -> str:
    return f"{mtok_usd / 1e6:.{MAX_DECIMALS}f}".rstrip("0").rstrip(".") or "0"


def _created(released: str) -> datetime:
    """1970 where nobody knows, as the protocols want it."""
    return datetime.fromisoformat(released or "1970-01-01").replace(tzinfo=UTC)
