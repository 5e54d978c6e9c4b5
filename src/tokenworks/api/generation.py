"""``GET /v1/generation``: what one request used, cost and met."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from tokenworks.api.access import Caller
from tokenworks.api.answer import INTEGER, NUMBER, STRING, answers, holding, iso, maybe, send, usd
from tokenworks.catalog.load import Catalog
from tokenworks.errors import NotFound
from tokenworks.ledger.decided import DecisionRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.routing import decision
from tokenworks.schema import Endpoint, Provider, Usage

router = APIRouter(tags=["account"])

MAX_ID = 200
RECENT_S = 3600  # an id names the second in which its request began; answers can take long
WAIT_S = 1.0  # a record reaches the store a moment after its answer's last byte
LOOK_EVERY_S = 0.05
MS = 1000  # µs

GENERATION = holding(
    id=STRING,
    model=STRING,
    created_at=STRING,
    total_cost=NUMBER,
    usage=NUMBER,
    provider_name=maybe(STRING),
    tokens_prompt=maybe(INTEGER),
    tokens_completion=maybe(INTEGER),
)


@router.get(
    "/generation",
    summary="What a request used and cost",
    responses=answers("The request", holding(data=GENERATION), 400, 401, 404, 503),
)
async def generation(
    id: Annotated[str, Query(min_length=1, max_length=MAX_ID, description="`id` of an answer")],
    request: Request,
    key: Caller,
) -> Response:
    """One's own requests; an admin key sees all. A request that has just ended is waited for."""
    state = request.app.state
    record = await _find(state.store, id)
    if record is None or (record.key_id != key.id and key.role != "admin"):
        raise NotFound("no request of this key has that id; send the `id` of an answer")
    decided = await run_in_threadpool(state.store.decision, record.id)
    return send({"data": describe(record, state.catalog, decided)})


async def _find(store: Store, name: str) -> Record | None:
    until = time.monotonic() + WAIT_S
    while True:
        record = await run_in_threadpool(store.generation, name)
        if record is not None or not _recent(name) or time.monotonic() >= until:
            return record
        await asyncio.sleep(LOOK_EVERY_S)


def _recent(name: str) -> bool:
    """Whether ``name`` is an id, ``gen-<unix s>-...``, of a request whose record may be on its way."""
    prefix, _, rest = name.partition("-")
    second, _, suffix = rest.partition("-")
    if prefix != "gen" or not suffix or not (second.isascii() and second.isdigit() and len(second) <= 11):
        return False
    return -1 <= time.time() - int(second) <= RECENT_S


def describe(record: Record, catalog: Catalog, decided: DecisionRow | None = None) -> dict[str, Any]:
    """``record`` in the words of aggregators: times in ms, tokens as the provider counted them.

    What it cost is of all models that were asked, where one was chosen here (``decided``).
    """
    cost = usd(decided.cost_nano_usd if decided is not None else record.cost_nano_usd)
    tokens_in = record.uncached_input_tokens + record.cache_read_tokens + record.cache_write_tokens
    linked = record.app.startswith(("http://", "https://"))
    return {
        "id": record.id,
        "request_id": None,
        "upstream_id": None,
        "created_at": iso(record.time_us),
        "model": record.model or record.requested_model,
        "provider_name": _title(record.provider, catalog.providers) if record.provider else None,
        "api_type": "embeddings" if record.kind == "embeddings" else "completions",
        "streamed": record.stream,
        "cancelled": record.outcome == "client_gone",
        "finish_reason": record.finish_reason or None,
        "native_finish_reason": record.finish_reason or None,
        "total_cost": cost,
        "usage": cost,
        "is_byok": False,
        "upstream_inference_cost": None,
        "cache_discount": _cache_discount(record, catalog),
        "tokens_prompt": tokens_in,
        "tokens_completion": record.output_tokens,
        "native_tokens_prompt": tokens_in,
        "native_tokens_completion": record.output_tokens,
        "native_tokens_reasoning": record.reasoning_tokens,
        "native_tokens_cached": record.cache_read_tokens,
        "latency": record.latency_us / MS,
        "generation_time": _generation_us(record) / MS,
        "provider_responses": _attempts(record, catalog.providers),
        "external_user": record.user or None,
        "session_id": record.session or None,
        "origin": record.app if linked else "",
        "http_referer": record.app if linked else None,
        "app": record.app or None,
        "kind": record.kind,
        "outcome": record.outcome,
        "estimated": record.estimated,
        "energy": _energy(record),
        "data_region": "global",
        "requested_model": record.requested_model,
        "decision": told(decided) if decided is not None else None,
        **_NOT_KEPT,
    }


def _energy(record: Record) -> dict[str, Any] | None:
    """What it took, where that is known; ``basis`` says how."""
    if not record.energy_basis:
        return None
    return {
        "joules": record.energy_mj / 1000,
        "gco2e": record.carbon_ug / 1e6,
        "basis": record.energy_basis,
    }


def told(decided: DecisionRow) -> dict[str, Any]:
    """How a model was chosen, as callers and people are told."""
    try:
        story = decision.story(decision.read(decided.detail))
    except ValueError:  # of a version that told it in another way
        story = {"task": decided.task, "path": decided.path, "strong": decided.strong}
    return {
        **story,
        "model": decided.model,
        "cost_usd": usd(decided.cost_nano_usd),
        "always_strong_usd": usd(decided.baseline_nano_usd),
        "saved_usd": usd(decided.baseline_nano_usd - decided.cost_nano_usd),
    }


_NOT_KEPT = dict.fromkeys(
    (
        "app_id",
        "moderation_latency",
        "native_tokens_completion_images",
        "num_fetches",
        "num_input_audio_prompt",
        "num_media_completion",
        "num_media_prompt",
        "num_search_results",
        "preset_id",
        "response_cache_source_id",
        "router",
        "service_tier",
        "user_agent",
        "web_search_engine",
        "workspace_id",
    )
)


def _generation_us(record: Record) -> int:
    """From the first token of a stream to its end; of other answers nobody sees the first."""
    return max(0, record.latency_us - record.ttft_us) if record.stream else record.latency_us


def _attempts(record: Record, providers: Mapping[str, Provider]) -> list[dict[str, Any]]:
    """What each attempt met, in order: ``record.reasons`` and the one that answered."""
    found = []
    for reason in record.reasons.split():
        tag, _, met = reason.rpartition(":")
        status = int(met) if met.isascii() and met.isdigit() and len(met) == 3 else None
        found.append(_attempt(tag, status, record.model, providers))
    if record.outcome == "ok" and len(found) < record.attempts:
        last = _attempt(record.provider, record.status, record.model, providers)
        found.append({**last, "latency": record.latency_us / MS})
    return found


def _attempt(tag: str, status: int | None, model: str, providers: Mapping[str, Provider]) -> dict[str, Any]:
    return {
        "provider_name": _title(tag, providers),
        "endpoint_id": tag,
        "model_permaslug": model,
        "status": status,
        "is_byok": False,
    }


def _title(tag: str, providers: Mapping[str, Provider]) -> str:
    """How the provider of an endpoint is called; one that is gone keeps the name it had here."""
    name = tag.partition("/")[0]
    provider = providers.get(name)
    return provider.title if provider is not None else name


def _cache_discount(record: Record, catalog: Catalog) -> float | None:
    """Dollars that caching saved; None where the price that was charged is no longer known."""
    for endpoint in catalog.endpoints.get(record.model, ()):
        if endpoint.price.id == record.price_id:
            return _saved(record, endpoint)
    return None


def _saved(record: Record, endpoint: Endpoint) -> float:
    paid = Usage(
        record.uncached_input_tokens,
        record.cache_read_tokens,
        record.cache_write_tokens,
        record.output_tokens,
    )
    plain = Usage(paid.input_tokens, 0, 0, paid.output_tokens)
    return usd(endpoint.price.cost_nano_usd(plain) - endpoint.price.cost_nano_usd(paid))
