"""One endpoint of a model as clients read it: price, limits, and how it has been doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tokenworks.api.model_card import honoured, pricing
from tokenworks.routing.health import EndpointView
from tokenworks.schema import Endpoint, Model, Provider

_HEALTH = (
    "uptime_last_5m",
    "uptime_last_30m",
    "uptime_last_1d",
    "latency_last_30m",
    "throughput_last_30m",
)


def describe(
    model: Model, endpoint: Endpoint, provider: Provider, view: EndpointView | None
) -> dict[str, Any]:
    """``endpoint`` of ``model`` at ``provider``; without a ``view`` nothing is said of its health."""
    fields = honoured(model, endpoint) or ()
    chooses = "tool_choice" in fields
    return {
        "name": f"{provider.title} | {model.id}",
        "model_id": model.id,
        "model_name": model.name,
        "context_length": endpoint.context_length,
        "pricing": pricing(endpoint.price),
        "provider_name": provider.title,
        "tag": endpoint.tag,
        "quantization": endpoint.quantization or "unknown",
        "max_completion_tokens": endpoint.max_output_tokens,
        "max_prompt_tokens": None,
        "supported_parameters": list(fields),
        "supports_implicit_caching": _caches_unasked(endpoint, provider),
        "supports_tool_choice": {
            "auto": "tools" in fields,
            "none": chooses,
            "required": chooses,
            "function": chooses,
        },
        "supports_diarization": False,
        "native_tools": {},
        "service_tier": None,
        **_health(view),
    }


def keeps_nothing(endpoint: Endpoint, providers: Mapping[str, Provider]) -> bool:
    """Whether nothing of a request remains there: it runs here, or its provider is known to keep nothing."""
    return endpoint.engine is not None or providers[endpoint.provider].zero_retention


def _caches_unasked(endpoint: Endpoint, provider: Provider) -> bool:
    """On the messages wire the caller marks what is to be cached; elsewhere a price tells that it is."""
    if endpoint.engine is not None:
        return True  # a slot keeps what it has read
    return endpoint.price.cache_read_mtok is not None and provider.wire != "anthropic_messages"


def _health(view: EndpointView | None) -> dict[str, Any]:
    if view is None:
        return {"status": 0, **dict.fromkeys(_HEALTH)}
    known: dict[str, Any] = msgspec.to_builtins(view)
    return {name: known[name] for name in ("status", *_HEALTH)}
