"""Money is exact: integers from the price row to the nano-dollar, rounded once."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.ledger.record import MAX_TOKENS
from tokenworks.schema import NANO_USD, Endpoint, Model, Price, PriceTier, Provider, Usage

# $3 / $15 per million, cached input at a tenth, cache writes at 1.25; double above 200,000 of input.
TIERED = Price(
    id="t",
    input_mtok=3.0,
    output_mtok=15.0,
    cache_read_mtok=0.3,
    cache_write_mtok=3.75,
    tiers=(
        PriceTier(200_000, 6.0, 22.5, 0.6, 7.5),
        PriceTier(1_000_000, 12.0, 45.0),
    ),
)


def usage(fresh: int = 0, read: int = 0, write: int = 0, out: int = 0, reasoning: int = 0) -> Usage:
    return Usage(fresh, read, write, out, reasoning)


GOLDEN = [
    # price, usage, nano-dollars by hand
    (Price("p", 0.10, 0.40), usage(), 0),
    (Price("p", 0.10, 0.40), usage(1_000_000), 100_000_000),
    (Price("p", 0.10, 0.40), usage(1, out=1), 500),
    (Price("p", 0.10, 0.40, cache_read_mtok=0.01), usage(60, 40, out=7), 60 * 100 + 40 * 10 + 7 * 400),
    (Price("p", 0.10, 0.40), usage(60, 40, 5), 105 * 100),  # no cache price: like other input
    (Price("p", 0.10, 0.40), usage(out=10, reasoning=9), 4000),  # reasoning is a part of output
    (Price("p", 2.5, 10.0, request_usd=0.01), usage(100, out=10), 10_000_000 + 250_000 + 100_000),
    (Price("p", 0.0, 0.0, request_usd=0.005), usage(), 5_000_000),
    (Price("p", 0.0, 0.0), usage(10**12, 10**12, 10**12, 10**12), 0),
    (TIERED, usage(200_000, out=1), 200_000 * 3000 + 15_000),  # at the bound: still the base price
    (TIERED, usage(200_001, out=1), 200_001 * 6000 + 22_500),  # beyond it: for every token
    (TIERED, usage(1, 100_000, 100_000, 2), 6000 + 100_000 * 600 + 100_000 * 7500 + 45_000),
    (TIERED, usage(10, 1_000_000, 10, 1), 1_000_020 * 12_000 + 45_000),  # a tier without cache prices
]


@pytest.mark.parametrize(("price", "used", "nano"), GOLDEN)
def test_cost_by_hand(price: Price, used: Usage, nano: int) -> None:
    assert price.cost_nano_usd(used) == nano


@pytest.mark.parametrize(
    ("mtok", "tokens", "nano"),
    [
        (0.0005, 1, 1),  # half a nano-dollar: up
        (0.000499, 1, 0),
        (0.0005, 3, 2),  # 1.5: rounded once for the sum, not three times
        (0.0015, 1, 2),  # half up, not to even
        (0.0025, 1, 3),
        (0.000001, 499, 0),
        (0.000001, 500, 1),
    ],
)
def test_rounded_half_up_and_once(mtok: float, tokens: int, nano: int) -> None:
    assert Price("p", mtok, 0.0).cost_nano_usd(usage(tokens)) == nano
    assert Price("p", 0.0, mtok).cost_nano_usd(usage(out=tokens)) == nano


@pytest.mark.parametrize("mtok", [0.1, 0.07, 0.28, 0.435, 1.74, 0.0375, 1.1, 2.19, 0.014, 0.000001])
def test_prices_without_a_binary_fraction_are_exact(mtok: float) -> None:
    """A billion tokens at a price like 0.07, which no float holds, cost what a person computes."""
    exact = Fraction(str(mtok)) * 1000 * NANO_USD
    assert Price("p", mtok, 0.0).cost_nano_usd(usage(10**9)) == exact


def test_huge_counts_stay_exact() -> None:
    price = Price("p", 75.0, 150.0, request_usd=1.0)
    most = usage(MAX_TOKENS, MAX_TOKENS, MAX_TOKENS, MAX_TOKENS, MAX_TOKENS)
    assert price.cost_nano_usd(most) == NANO_USD + MAX_TOKENS * (3 * 75_000 + 150_000)


prices = st.integers(0, 10**9).map(lambda micro: micro / 10**6)  # to $1,000/M in steps of $0.000001
counts = st.integers(0, 10**12)
usages = st.builds(Usage, counts, counts, counts, counts)
plain = st.builds(
    Price,
    id=st.just("p"),
    input_mtok=prices,
    output_mtok=prices,
    cache_read_mtok=st.none() | prices,
    cache_write_mtok=st.none() | prices,
)


@settings(deadline=None, max_examples=200)
@given(price=plain, one=usages, two=usages)
def test_cost_adds_up_within_a_nano_dollar(price: Price, one: Usage, two: Usage) -> None:
    both = Usage(
        one.uncached_input_tokens + two.uncached_input_tokens,
        one.cache_read_tokens + two.cache_read_tokens,
        one.cache_write_tokens + two.cache_write_tokens,
        one.output_tokens + two.output_tokens,
    )
    apart = price.cost_nano_usd(one), price.cost_nano_usd(two)
    together = price.cost_nano_usd(both)
    assert type(together) is int
    assert together >= max(apart) >= min(apart) >= 0
    assert abs(together - sum(apart)) <= 1


@settings(deadline=None, max_examples=200)
@given(price=plain, fixed=st.integers(0, 10**9), used=usages)
def test_cost_is_what_fractions_say(price: Price, fixed: int, used: Usage) -> None:
    price = msgspec.structs.replace(price, request_usd=fixed / NANO_USD)
    read = price.input_mtok if price.cache_read_mtok is None else price.cache_read_mtok
    write = price.input_mtok if price.cache_write_mtok is None else price.cache_write_mtok
    exact = fixed + sum(
        tokens * Fraction(str(mtok)) * 1000
        for tokens, mtok in (
            (used.uncached_input_tokens, price.input_mtok),
            (used.cache_read_tokens, read),
            (used.cache_write_tokens, write),
            (used.output_tokens, price.output_mtok),
        )
    )
    assert price.cost_nano_usd(used) == (exact + Fraction(1, 2)).__floor__()


def test_a_changed_price_is_charged_at_once() -> None:
    """What is computed at birth must not survive ``replace``, nor be believed from outside."""
    changed = msgspec.structs.replace(Price("p", 1.0, 1.0), input_mtok=2.0, tiers=())
    assert changed.cost_nano_usd(usage(1)) == 2000
    forged = msgspec.json.decode(
        b'{"id":"p","input_mtok":1.0,"output_mtok":1.0,"pico_usd":[0,0,0,0,0]}', type=Price
    )
    assert forged.cost_nano_usd(usage(1)) == 1000


def test_input_is_the_sum_of_its_classes() -> None:
    assert usage(1, 20, 300, 4000, 50_000).input_tokens == 321


@pytest.mark.parametrize(
    "wrong",
    [
        {"context_length": 0},
        {"context_length": -1},
        {"total_params_b": 0.0},
        {"active_params_b": -1.0},
        {"total_params_b": float("inf")},
        {"active_params_b": float("nan")},
    ],
)
def test_a_model_that_can_not_be_is_refused(wrong: dict[str, float]) -> None:
    good = {"id": "a/b", "name": "B", "author": "a", "country": "FR", "context_length": 1}
    assert Model(**good).aliases == ()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a/b: "):
        Model(**{**good, **wrong})  # type: ignore[arg-type]


def test_where_a_provider_speaks_what() -> None:
    provider = Provider(
        name="p",
        title="P",
        wire="openai_chat",
        base_url="https://p.example/v1",
        more_wires=(("anthropic_messages", "https://p.example/anthropic"),),
    )
    assert provider.wires == {"openai_chat", "anthropic_messages"}
    assert provider.base_url_of("openai_chat") == "https://p.example/v1"
    assert provider.base_url_of("anthropic_messages") == "https://p.example/anthropic"
    assert provider.base_url_of("openai_responses") is None


def test_the_tag_of_an_endpoint() -> None:
    endpoint = Endpoint("a/m", "p", "m", Price("x", 0.0, 0.0), 4096)
    assert endpoint.tag == "p"
    assert msgspec.structs.replace(endpoint, quantization="fp8").tag == "p/fp8"
