"""One model: prices to the last digit, and the fields that each kind of client requires."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anthropic.types
import openai.types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.api.model_card import describe, honoured, parameters, pricing
from tokenworks.schema import Endpoint, Model, Price, PriceTier

EXACT = re.compile(r"0|(0|[1-9]\d*)\.\d*[1-9]|[1-9]\d*")  # no exponent, no idle zeros
MODEL = Model(
    "acme/fast", "Fast", "acme", "US", 8192, released="2026-02-03", supported_parameters=("tools", "stop")
)
CHEAP = Endpoint("acme/fast", "acme", "fast-1", Price("p", 0.1, 0.4), 4096, max_output_tokens=512)
WIDE = Endpoint(
    "acme/fast", "beta", "fast-2", Price("q", 0.2, 0.8), 131072, supported_parameters=("tools", "seed")
)


def test_the_cheapest_is_the_top_provider_and_the_widest_gives_the_context() -> None:
    card = describe(MODEL, (CHEAP, WIDE))
    assert card["pricing"] == {"prompt": "0.0000001", "completion": "0.0000004"}
    assert card["top_provider"] == {
        "context_length": 4096,
        "max_completion_tokens": 512,
        "is_moderated": False,
    }
    assert card["context_length"] == card["max_input_tokens"] == 131072
    assert card["supported_parameters"] == ["tools", "stop", "seed"]
    assert card["links"]["details"] == "/api/v1/models/acme/fast/endpoints"
    assert card["architecture"]["modality"] == "text->text"


def test_what_an_endpoint_says_stands_over_what_the_model_can() -> None:
    assert honoured(MODEL, CHEAP) == ("tools", "stop")
    assert honoured(MODEL, WIDE) == ("tools", "seed")
    unknown = Model("a/b", "B", "a", "", 10)
    assert honoured(unknown, CHEAP) is None
    assert parameters(unknown, (CHEAP,)) == []


def test_clients_of_all_three_kinds_read_the_same_object() -> None:
    card = describe(MODEL, (CHEAP,))
    one = openai.types.Model.model_validate(card, strict=True)
    assert (one.id, one.owned_by, one.created) == ("acme/fast", "acme", 1770076800)
    # Without strict: JSON has no dates.
    other = anthropic.types.ModelInfo.model_validate(card)
    assert other.created_at == datetime(2026, 2, 3, tzinfo=UTC)
    assert (other.type, other.display_name, other.max_tokens) == ("model", "Fast", 512)
    undated = describe(Model("a/b", "B", "a", "", 10), (CHEAP,))
    assert (undated["created"], undated["created_at"]) == (0, "1970-01-01T00:00:00Z")


def test_tiers_are_overrides_above_a_number_of_tokens() -> None:
    price = Price("p", 1.0, 2.0, 0.1, tiers=(PriceTier(200_000, 2.0, 3.0, 0.2), PriceTier(500_000, 4.0, 6.0)))
    shown = pricing(price)
    assert shown["overrides"] == [
        {
            "min_prompt_tokens": 200_000,
            "prompt": "0.000002",
            "completion": "0.000003",
            "input_cache_read": "0.0000002",
        },
        {"min_prompt_tokens": 500_000, "prompt": "0.000004", "completion": "0.000006"},
    ]
    assert "overrides" not in pricing(Price("p", 1.0, 2.0))


@pytest.mark.parametrize(
    ("mtok", "shown"),
    [
        (0.0, "0"),
        (1.0, "0.000001"),
        (0.07, "0.00000007"),
        (0.0375, "0.0000000375"),
        (1.1, "0.0000011"),
        (0.000001, "0.000000000001"),
        (150.0, "0.00015"),
        (1_000_000.0, "1"),
        (10_000_000.0, "10"),
    ],
)
def test_price_per_token(mtok: float, shown: str) -> None:
    assert pricing(Price("p", mtok, mtok, mtok, mtok)) == dict.fromkeys(
        ("prompt", "completion", "input_cache_read", "input_cache_write"), shown
    )


@pytest.mark.parametrize(
    ("usd", "shown"), [(0.01, "0.01"), (10.0, "10"), (0.005, "0.005"), (1e-9, "0.000000001")]
)
def test_price_per_request(usd: float, shown: str) -> None:
    assert pricing(Price("p", 0.0, 0.0, request_usd=usd))["request"] == shown


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 10**10))
def test_prices_are_exact_decimals(micro: int) -> None:
    """To $10,000 per million in steps of $0.000001: what is shown is what is charged."""
    price = Price("p", micro / 10**6, 0.0)
    shown: Any = pricing(price)["prompt"]
    assert EXACT.fullmatch(shown), shown
    assert Decimal(shown) == Decimal(micro) / 10**12
    assert price.pico_usd[0] == Decimal(shown) * 10**12
