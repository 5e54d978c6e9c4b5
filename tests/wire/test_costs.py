"""Costs beside usage: ours, once, and adding up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.schema import Price, PriceTier, Usage
from tokenworks.wire.costs import CHAT, EMBEDDINGS, MESSAGES, RESPONSES, Form, charged, with_cost

PRICE = Price("p", input_mtok=1.0, output_mtok=2.0, cache_read_mtok=0.5)
USAGE = Usage(uncached_input_tokens=10, cache_read_tokens=3, cache_write_tokens=2, output_tokens=5)


def told(given: Any, form: Form = CHAT, usage: Usage = USAGE, price: Price = PRICE, cost: int = -1) -> Any:
    data = given if isinstance(given, bytes) else json.dumps(given, separators=(",", ":")).encode()
    cost = price.cost_nano_usd(usage) if cost < 0 else cost
    pairs: list[list[str]] = []

    def once(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs.append([key for key, _ in found])
        return dict(found)

    value = json.loads(bytes(with_cost(data, form, usage, price, cost)), object_pairs_hook=once)
    assert all(len(keys) == len(set(keys)) for keys in pairs)
    return value


OURS = {
    "cost": 2.35e-5,
    "is_byok": False,
    "cost_details": {
        "upstream_inference_cost": 2.35e-5,
        "upstream_inference_prompt_cost": 1.35e-5,
        "upstream_inference_completions_cost": 1e-5,
    },
}


@pytest.mark.parametrize(
    "own",
    [
        {"prompt_tokens": 10},
        {"prompt_tokens": 10, "x": {"cost": 1, "is_byok": True}},
        {"cost": 99.5, "prompt_tokens": 10},
        {"prompt_tokens": 10, "cost": None},
        {"is_byok": True, "prompt_tokens": 10},
        {"prompt_tokens": 10, "cost_details": {"a": 1}},
        {"prompt_tokens": 10, "latency": 1},
    ],
)
def test_the_cost_is_ours_and_the_rest_the_providers(own: dict[str, Any]) -> None:
    assert told(own) == {**own, **OURS}
    assert told(json.dumps(own, indent=2).encode()) == {**own, **OURS}


@pytest.mark.parametrize("own", [b"", b"null", b"{}", b"[]", b'"none"', b"{ }"])
def test_usage_is_made_where_there_is_none(own: bytes) -> None:
    assert (
        told(own).items() >= {"prompt_tokens": 15, "completion_tokens": 5, "total_tokens": 20, **OURS}.items()
    )


def test_usage_of_every_form() -> None:
    assert told(b"", EMBEDDINGS).items() >= {"prompt_tokens": 15, "total_tokens": 15}.items()
    made = told(b"", MESSAGES)
    read, written = made["cache_read_input_tokens"], made["cache_creation_input_tokens"]
    assert (made["input_tokens"], read, written, made["output_tokens"]) == (10, 3, 2, 5)
    assert made["cost_details"] == OURS["cost_details"]
    made = told(b"", RESPONSES)
    assert (made["input_tokens"], made["input_tokens_details"]["cached_tokens"]) == (15, 3)
    assert made["cost_details"] == {
        "upstream_inference_cost": 2.35e-5,
        "upstream_inference_input_cost": 1.35e-5,
        "upstream_inference_output_cost": 1e-5,
    }


TIERED = Price("t", 1.0, 2.0, request_usd=0.001, tiers=(PriceTier(14, input_mtok=10.0, output_mtok=20.0),))


def test_the_price_of_the_tier_counts() -> None:
    details = told({"prompt_tokens": 15}, price=TIERED)["cost_details"]
    assert details["upstream_inference_completions_cost"] == 1e-4
    assert details["upstream_inference_prompt_cost"] == pytest.approx(0.001 + 1.5e-4)


@given(st.builds(Usage, *[st.integers(0, 10**6)] * 4), st.sampled_from([PRICE, TIERED, Price("0", 0, 0)]))
@settings(max_examples=100, deadline=None)
def test_the_parts_add_up(usage: Usage, price: Price) -> None:
    made = told({"prompt_tokens": 1}, usage=usage, price=price)
    cost, details = made["cost"], made["cost_details"]
    parts = details["upstream_inference_prompt_cost"], details["upstream_inference_completions_cost"]
    assert cost == details["upstream_inference_cost"] == price.cost_nano_usd(usage) / 1e9
    assert min(parts) >= 0
    assert sum(parts) == pytest.approx(cost, abs=1e-9)


def test_what_is_not_charged_has_no_parts() -> None:
    assert set(told({"prompt_tokens": 1}, cost=0)["cost_details"].values()) == {0}


@pytest.mark.parametrize(
    ("output", "finish", "charges"),
    [(0, "", False), (0, "error", False), (0, "stop", True), (3, "", True), (3, "error", True)],
)
def test_an_answer_that_came_to_nothing_is_not_charged(output: int, finish: str, charges: bool) -> None:
    price = Price("p", input_mtok=1.0, output_mtok=2.0)
    usage = Usage(uncached_input_tokens=7, output_tokens=output)
    assert charged(price, usage, finish) == (price.cost_nano_usd(usage) if charges else 0)
