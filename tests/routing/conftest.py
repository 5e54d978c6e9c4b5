"""Endpoints and needs with only what a test is about."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.config.settings import RoutingSettings
from tokenworks.routing.health import Health
from tokenworks.routing.need import Need
from tokenworks.schema import Endpoint, Price


@pytest.fixture(scope="session")
def endpoint() -> Callable[..., Endpoint]:
    """``endpoint("acme", 3.0)``: model a/m at that provider, for $3/M in and out."""

    def make(provider: str = "acme", dollars: float = 1.0, **more: Any) -> Endpoint:
        price = more.pop("price", None) or Price(
            f"{provider}-{dollars}", dollars, dollars, more.pop("cached", None)
        )
        fields: dict[str, Any] = {"model": "a/m", "upstream_id": "m", "context_length": 128_000, **more}
        return Endpoint(provider=provider, price=price, **fields)

    return make


@pytest.fixture(scope="session")
def need() -> Callable[..., Need]:
    """A request of 1000 tokens at second 1000; draws are seeded, 0.5 unless ``seed`` is given."""

    def make(seed: int | None = None, **more: Any) -> Need:
        draw = (lambda: 0.5) if seed is None else random.Random(seed).random
        return Need(**{"input_tokens": 1000, "now": 1000.0, "draw": draw, **more})

    return make


@pytest.fixture
def health() -> Health:
    return Health(RoutingSettings())
