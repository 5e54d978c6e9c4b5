"""Where a model is served, and how well it has gone there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tokenworks.config.settings import EngineSettings, ProviderModelSettings, RoutingSettings
from tokenworks.routing.health import Health

Called = Callable[..., Any]
Acme = Callable[..., dict[str, Any]]

FAST = ProviderModelSettings(id="acme/fast", context_length=8192, input_mtok=0.2, output_mtok=0.4)
CHEAP = ProviderModelSettings(
    id="acme/fast", context_length=4096, input_mtok=0.1, output_mtok=0.4, quantization="fp8"
)
ENGINES = {"smol": EngineSettings(model="huggingfacetb/smollm2-135m-instruct", path="/m/smol.gguf")}


def two(acme: Acme) -> dict[str, Any]:
    """One model at two providers, the second of which keeps nothing."""
    first, second = acme(FAST), acme(CHEAP, name="beta", title="Beta", zero_retention=True)
    return {key: first[key] | second[key] for key in first}


async def test_all_of_a_model_cheapest_first(called: Called, acme: Acme) -> None:
    client = called(**two(acme))
    data = (await client.get("/v1/models/acme/fast/endpoints")).json()["data"]
    assert (data["id"], data["name"], data["architecture"]["modality"]) == (
        "acme/fast",
        "acme/fast",
        "text->text",
    )
    assert [(each["tag"], each["context_length"]) for each in data["endpoints"]] == [
        ("beta/fp8", 4096),
        ("acme", 8192),
    ]
    assert data["endpoints"][0]["provider_name"] == "Beta"
    assert (await client.get("/api/v1/models/ACME/fast/endpoints")).json()["data"] == data


async def test_health_is_that_of_each_endpoint(called: Called, acme: Acme) -> None:
    health = Health(RoutingSettings())
    client = called(health=health, **two(acme))
    cheap, dear = client.app.state.catalog.find("acme/fast")
    now = time.monotonic()
    for ok in (True, True, True, False):
        if ok:
            health.of(cheap).first_token(0.2, now)
            health.of(cheap).succeeded(2.0, 100, now)
        else:
            health.of(cheap).failed("server_error", now)
    seen, unused = (await client.get("/v1/models/acme/fast/endpoints")).json()["data"]["endpoints"]
    assert seen["uptime_last_5m"] == seen["uptime_last_1d"] == 75.0
    assert 150 < seen["latency_last_30m"]["p50"] < 250  # ms
    assert 45 < seen["throughput_last_30m"]["p50"] < 55  # tokens a second
    assert (unused["tag"], unused["uptime_last_5m"], unused["latency_last_30m"]) == (dear.tag, None, None)
    assert health.find(dear) is None  # looking at it did not make it known


async def test_those_that_keep_nothing(called: Called, acme: Acme) -> None:
    found = (await called(**two(acme), engines=ENGINES).get("/v1/endpoints/zdr")).json()["data"]
    assert [(each["model_id"], each["tag"]) for each in found] == [
        ("acme/fast", "beta/fp8"),
        ("huggingfacetb/smollm2-135m-instruct", "local"),
    ]


async def test_an_aggregators_model_has_an_endpoint_too(called: Called, acme: Acme) -> None:
    client = called(**acme(FAST, accepts_any_model=True))
    data = (await client.get("/v1/models/acme/org/unheard/endpoints")).json()["data"]
    assert [each["tag"] for each in data["endpoints"]] == ["acme"]
