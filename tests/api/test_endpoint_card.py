"""One endpoint: what it costs, can do, and how it has been doing."""

from __future__ import annotations

from tokenworks.api.endpoint_card import describe, keeps_nothing
from tokenworks.routing.health import EndpointView
from tokenworks.routing.spread import Percentiles
from tokenworks.schema import Endpoint, Model, Price, Provider

MODEL = Model("acme/fast", "Fast", "acme", "US", 8192, supported_parameters=("tools", "tool_choice"))
ACME = Provider("acme", "Acme Inc", "openai_chat", "https://acme.example/v1", country="US")
ENDPOINT = Endpoint("acme/fast", "acme", "fast-1", Price("p", 0.1, 0.4), 8192, 512, quantization="fp8")


def test_all_that_is_known_is_told() -> None:
    card = describe(MODEL, ENDPOINT, ACME, None)
    assert card["name"] == "Acme Inc | acme/fast"
    assert (card["model_id"], card["model_name"]) == ("acme/fast", "Fast")
    assert (card["provider_name"], card["tag"], card["quantization"]) == ("Acme Inc", "acme/fp8", "fp8")
    assert (card["context_length"], card["max_completion_tokens"], card["max_prompt_tokens"]) == (
        8192,
        512,
        None,
    )
    assert card["pricing"]["prompt"] == "0.0000001"
    assert card["supported_parameters"] == ["tools", "tool_choice"]
    assert set(card["supports_tool_choice"].values()) == {True}


def test_without_a_look_at_its_health_nothing_is_claimed() -> None:
    card = describe(MODEL, Endpoint("acme/fast", "acme", "f", Price("p", 1, 1), 10), ACME, None)
    assert card["status"] == 0
    for name in (
        "uptime_last_5m",
        "uptime_last_30m",
        "uptime_last_1d",
        "latency_last_30m",
        "throughput_last_30m",
    ):
        assert card[name] is None
    assert (card["quantization"], card["tag"]) == ("unknown", "acme")


def test_health_is_told_as_it_was_seen() -> None:
    seen = EndpointView(-1, "resting", 50.0, 75.5, None, Percentiles(120.0, 150.0, 300.0, 900.0), None)
    card = describe(MODEL, ENDPOINT, ACME, seen)
    assert card["status"] == -1
    assert (card["uptime_last_5m"], card["uptime_last_30m"], card["uptime_last_1d"]) == (50.0, 75.5, None)
    assert card["latency_last_30m"] == {"p50": 120.0, "p75": 150.0, "p90": 300.0, "p99": 900.0}
    assert card["throughput_last_30m"] is None
    assert "state" not in card


def test_caching_without_being_asked() -> None:
    cached = Endpoint("acme/fast", "acme", "f", Price("p", 1.0, 1.0, 0.1), 10)
    marked = Provider("acme", "Acme", "anthropic_messages", "https://acme.example")
    here = Endpoint("acme/fast", "local", "f", Price("p", 0, 0), 10, engine="smol")
    assert describe(MODEL, cached, ACME, None)["supports_implicit_caching"]
    assert not describe(MODEL, ENDPOINT, ACME, None)["supports_implicit_caching"]  # no price says so
    assert not describe(MODEL, cached, marked, None)["supports_implicit_caching"]  # the caller marks it
    assert describe(MODEL, here, ACME, None)["supports_implicit_caching"]


def test_who_keeps_nothing() -> None:
    silent = Provider("silent", "Silent", "openai_chat", "https://silent.example", zero_retention=True)
    providers = {"acme": ACME, "silent": silent, "local": ACME}
    assert not keeps_nothing(ENDPOINT, providers)
    assert keeps_nothing(Endpoint("acme/fast", "silent", "f", Price("p", 1, 1), 10), providers)
    assert keeps_nothing(Endpoint("acme/fast", "local", "f", Price("p", 0, 0), 10, engine="smol"), providers)
