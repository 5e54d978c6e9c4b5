"""Prices converted from genai-prices cost exactly what that package calculates."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import pytest

from tokenworks.catalog import prices
from tokenworks.catalog.presets import presets
from tokenworks.schema import NANO_USD, Price, PriceTier, Usage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOMENTS = (
    datetime(2026, 2, 1, 2, tzinfo=UTC),
    datetime(2026, 8, 18, 7, 30, tzinfo=UTC),
    datetime(2026, 11, 23, 1, tzinfo=UTC),
    datetime(2026, 11, 23, 4, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
)
USAGES = (
    Usage(uncached_input_tokens=1, output_tokens=1),
    Usage(uncached_input_tokens=1_234, cache_read_tokens=98_765, output_tokens=777, reasoning_tokens=700),
    Usage(uncached_input_tokens=199_999, cache_write_tokens=1, output_tokens=3),
    Usage(uncached_input_tokens=200_000, cache_read_tokens=1, output_tokens=3),
    Usage(uncached_input_tokens=7, cache_read_tokens=250_001, cache_write_tokens=33_333, output_tokens=9_999),
    Usage(uncached_input_tokens=612_345, cache_read_tokens=100_001, output_tokens=128_000),
)
ROWS = sorted(
    {
        (preset.genai_prices, offer.price_ref or offer.sold_as)
        for preset in presets().values()
        for offer in preset.offers
        if preset.genai_prices and not offer.prices
    }
)


def theirs(provider: str, model: str, usage: Usage, at: datetime) -> tuple[int, bool]:
    """Cost in nano-dollars by the package itself, and whether its prices are whole pico-dollars a token."""
    from genai_prices import Usage as TheirUsage
    from genai_prices.data_snapshot import get_snapshot

    counts = TheirUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    found = next(p for p in get_snapshot().providers if p.id == provider)
    info = next(m for m in found.models if m.id.lower() == model.lower())
    result = info.calc_price(counts, found, genai_request_timestamp=at)
    amounts = [getattr(value, "base", value) for value in vars(result.model_price).values()]
    whole = all(amount is None or amount * 1_000_000 % 1 == 0 for amount in amounts)
    return int((result.total_price * NANO_USD).quantize(Decimal(1), ROUND_HALF_UP)), whole


@pytest.mark.parametrize(("provider", "model"), ROWS, ids=lambda value: str(value))
def test_cost_is_that_of_genai_prices(provider: str, model: str) -> None:
    for at in MOMENTS:
        price = prices.price_for(provider, model, at)
        assert price is not None
        for usage in USAGES:
            expected, whole = theirs(provider, model, usage, at)
            # a few rows are thirds ($0.0833…/M); our prices are whole pico-dollars a token
            slack = 0 if whole else usage.cache_write_tokens // 1000 + 1
            assert abs(price.cost_nano_usd(usage) - expected) <= slack, (at, usage, price)


def test_there_are_enough_rows_to_mean_something() -> None:
    assert len(ROWS) > 200


def test_a_tier_replaces_every_price_once_input_passes_it() -> None:
    """Worked by hand: above 200k tokens of input $6 in, $0.60 cached, $22.50 out."""
    price = prices.price_for("anthropic", "claude-sonnet-4-5", NOON)
    assert price is not None
    below = Usage(uncached_input_tokens=150_000, cache_read_tokens=50_000, output_tokens=1_000)
    above = Usage(uncached_input_tokens=150_000, cache_read_tokens=60_000, output_tokens=1_000)
    assert price.cost_nano_usd(below) == 450_000_000 + 15_000_000 + 15_000_000
    assert price.cost_nano_usd(above) == 900_000_000 + 36_000_000 + 22_500_000


def test_time_of_day_prices_and_their_changes() -> None:
    usage = Usage(uncached_input_tokens=1_000_000, output_tokens=1_000_000)

    def cost(hour: int) -> int:
        price = prices.price_for("deepseek", "deepseek-flash", datetime(2026, 11, 23, hour, tzinfo=UTC))
        assert price is not None
        return price.cost_nano_usd(usage)

    assert [cost(hour) for hour in (0, 1, 3, 4, 6, 9, 10)] == [
        750_000_000,
        1_500_000_000,
        1_500_000_000,
        750_000_000,
        1_500_000_000,
        1_500_000_000,
        750_000_000,
    ]
    assert prices.next_change("deepseek", "deepseek-flash", NOON) == datetime(2026, 11, 24, 1, tzinfo=UTC)


def test_announced_prices_take_effect_on_their_day() -> None:
    eve = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    day = datetime(2026, 12, 1, tzinfo=UTC)
    before, after = (prices.price_for("google", "gemini-4-argon", at) for at in (eve, day))
    assert before is not None
    assert after is not None
    assert (before.input_mtok, after.input_mtok) == (2, 4)
    assert before.id != after.id
    assert after.id.endswith("/google/gemini-4-argon@2026-12-01")
    assert prices.next_change("google", "gemini-4-argon", eve) == day


def test_a_row_says_where_it_is_from() -> None:
    price = prices.price_for("openai", "GPT-4o-Mini", NOON)
    assert price is not None
    assert price.id.startswith("genai-prices/")
    assert price.id.endswith("/openai/gpt-4o-mini")
    assert price.source.startswith("https://")
    assert datetime.fromisoformat(price.checked), "read the new release's rows, then add it to CHECKED"


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("nobody", "gpt-4o"),
        ("openai", "whisper-1"),
        ("x-ai", "grok-voice-latest"),
    ],
)
def test_what_has_no_text_price_has_none(provider: str, model: str) -> None:
    assert prices.price_for(provider, model, NOON) is None
    assert prices.next_change(provider, model, NOON) is None


def test_rows_with_inexpressible_prices_are_left_out() -> None:
    assert prices.price_for("perplexity", "sonar-deep-research", NOON) is None


def test_a_price_per_request_is_kept() -> None:
    price = prices.price_for("perplexity", "sonar", NOON)
    assert price is not None
    assert price.request_usd > 0
    assert price.cost_nano_usd(Usage()) == round(price.request_usd * NANO_USD)


def test_a_provider_of_no_file_is_known_by_its_url() -> None:
    assert prices.table_at("https://api.novita.ai/v3/openai") == "novita"
    assert prices.table_at("https://llm.example.com/v1") is None
    assert prices.table_at("https://example.com/?to=https://api.novita.ai") is None


def test_importing_the_module_does_not_import_the_package() -> None:
    code = "import sys, tokenworks.catalog.load; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("price", "free"),
    [
        (Price("p", 0.0, 0.0), True),
        (Price("p", 0.0, 0.0, cache_read_mtok=0.0), True),
        (prices.UNKNOWN_PRICE, False),
        (Price("p", 0.0, 0.000001), False),
        (Price("p", 0.000001, 0.0), False),
        (Price("p", 0.0, 0.0, cache_write_mtok=0.1), False),
        (Price("p", 0.0, 0.0, request_usd=0.01), False),
        (Price("p", 0.0, 0.0, tiers=(PriceTier(1000, 1.0, 1.0),)), False),
    ],
)
def test_free_is_what_nobody_charges_for(price: Price, free: bool) -> None:
    assert prices.is_free(price) is free
