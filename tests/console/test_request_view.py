"""What follows from a record: attempts, prices, speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tokenworks.catalog.load import Catalog, load
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, Settings
from tokenworks.console.request_view import title, view
from tokenworks.ledger.record import Record

MODEL = ProviderModelSettings(
    id="acme/fast", context_length=1000, input_mtok=1.0, output_mtok=4.0, cache_read_mtok=0.5
)
ACME = ProviderSettings(
    wire="openai_chat", base_url="http://127.0.0.1:9/v1", title="Acme", allow_private=True, models=(MODEL,)
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load(Settings(home=Path(), source=None, providers={"acme": ACME}, secrets={"acme": "sk"}))


def record(catalog: Catalog, **more: Any) -> Record:
    (endpoint,) = catalog.endpoints["acme/fast"]
    given: dict[str, Any] = {"model": "acme/fast", "provider": "acme", "outcome": "ok", "attempts": 1}
    given |= {"uncached_input_tokens": 100, "cache_read_tokens": 10, "output_tokens": 50}
    given |= {"price_id": endpoint.price.id, "cost_nano_usd": 305_000}
    return Record("gen-1-a", 1, **(given | more))


def test_the_price_explains_the_cost(catalog: Catalog) -> None:
    seen = view(record(catalog), catalog, {})
    assert [(each.name, each.tokens, each.price_mtok) for each in seen.charges] == [
        ("uncached", 100, 1.0),
        ("cache_read", 10, 0.5),
        ("cache_write", 0, 1.0),
        ("output", 50, 4.0),
    ]
    assert sum(each.cost_usd or 0 for each in seen.charges) == pytest.approx(seen.cost_usd) == 0.000305
    for other in ({"price_id": "older"}, {"cost_nano_usd": 1}, {"model": "gone"}):
        charges = view(record(catalog, **other), catalog, {}).charges
        assert {each.price_mtok for each in charges} == {each.cost_usd for each in charges} == {None}


def test_attempts_end_with_the_one_that_answered(catalog: Catalog) -> None:
    seen = view(record(catalog, reasons="beta/fp8:429 acme:timeout", attempts=3), catalog, {})
    assert [(each.title, each.met, each.ok) for each in seen.attempts] == [
        ("beta", "429", False),
        ("Acme", "timeout", False),
        ("Acme", "ok", True),
    ]
    failed = view(record(catalog, reasons="acme:500", outcome="upstream_error"), catalog, {})
    assert [each.met for each in failed.attempts] == ["500"]
    assert view(Record("gen-1-b", 1, outcome="denied"), catalog, {}).attempts == ()


def test_speed_is_of_streams_that_say_when_they_began(catalog: Catalog) -> None:
    quick = {"stream": True, "ttft_us": 500_000, "latency_us": 1_500_000}
    assert view(record(catalog, **quick), catalog, {}).tokens_per_s == 50
    for other in ({"stream": False}, {"ttft_us": 0}, {"latency_us": 500_000}, {"output_tokens": 1}):
        assert view(record(catalog, **(quick | other)), catalog, {}).tokens_per_s is None


def test_names(catalog: Catalog) -> None:
    seen = view(record(catalog, key_id="k", requested_model="fast"), catalog, {"k": "ops"})
    assert (seen.key_name, seen.provider_title, seen.moved) == ("ops", "Acme", True)
    assert not view(msgspec.structs.replace(seen.record, requested_model="acme/fast"), catalog, {}).moved
    assert title("gone/int4", catalog) == "gone"
