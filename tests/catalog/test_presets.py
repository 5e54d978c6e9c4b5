"""Every data file: parses, is whole, is dated, says its source, and holds sane numbers."""

import math
import re
from datetime import UTC, date, datetime

import pytest

from tokenworks.catalog import prices
from tokenworks.catalog.parameters import FEATURES, GROUPS, VOCABULARY
from tokenworks.catalog.presets import (
    AuthorFile,
    Offer,
    Preset,
    authors,
    models,
    own_schedule,
    preset_env,
    presets,
    traits,
)
from tokenworks.catalog.quirks import QUIRKS
from tokenworks.catalog.sellers import WIRES
from tokenworks.config.rules import MODALITIES, QUANTIZATIONS, problem
from tokenworks.config.settings import ProviderSettings
from tokenworks.schema import Price, PriceTier

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OFFERS = [(preset, offer) for preset in presets().values() for offer in preset.offers]
FIELDS = {*VOCABULARY, *GROUPS}


def past(day: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d", day) is not None and date.fromisoformat(day) <= date(2026, 12, 31)


def test_the_presets_that_are_promised_are_there() -> None:
    assert set(presets()) == {
        *("openai", "anthropic", "google", "deepseek", "moonshot", "zai", "minimax", "qwen"),
        *("openrouter", "groq", "together", "mistral", "xai", "ollama", "vllm"),
    }


def test_the_catalogue_is_broad_and_holds_the_embedded_model() -> None:
    assert len(models()) >= 60
    embedded = models()["huggingfacetb/smollm2-135m-instruct"]
    assert (embedded.aliases, embedded.context_length, embedded.country) == (("smollm2",), 8192, "US")
    assert (embedded.total_params_b, embedded.open_weights) == (0.135, True)
    assert "Apache-2.0" in embedded.source


@pytest.mark.parametrize("author", authors().values(), ids=lambda a: a.author)
def test_author_file(author: AuthorFile) -> None:
    assert re.fullmatch("[A-Z]{2}", author.country)
    assert author.name
    assert past(author.checked)
    assert author.models
    for row in author.models:
        assert re.fullmatch(r"[a-z0-9-]+/[a-z0-9.-]+", row.id), row.id
        assert row.id.startswith(author.author + "/")
        assert row.source.strip()
        assert row.name.strip()
        assert 1024 <= row.context_length <= 20_000_000
        assert row.max_output_tokens is None or 0 < row.max_output_tokens <= row.context_length
        assert {*row.input_modalities, *row.output_modalities} <= {*MODALITIES}
        assert not row.released or past(row.released)
        if row.total_params_b is not None:
            assert row.open_weights, f"{row.id}: parameters of a closed model are rumours"
            assert 0 < (row.active_params_b or row.total_params_b) <= row.total_params_b < 10_000
        assert row.active_params_b is None or row.total_params_b is not None
        assert row.features is not None, f"{row.id}: say what it can do"
        assert set(row.features) <= set(FEATURES)
        assert set(row.without) <= FIELDS
        assert "reasoning" in row.features or "effort" not in row.features, row.id


def test_model_ids_and_aliases_mean_one_model_each() -> None:
    ids = [row.id for author in authors().values() for row in author.models]
    assert len(ids) == len(set(ids))
    claimed = [alias for model in models().values() for alias in model.aliases]
    assert len(claimed) == len(set(claimed))
    assert not set(claimed) & set(ids)


@pytest.mark.parametrize("preset", presets().values(), ids=lambda p: p.name)
def test_preset(preset: Preset) -> None:
    assert preset.title.strip()
    assert preset.wire in WIRES
    assert preset.auth in ("bearer", "x-api-key", "none")
    assert (preset.auth == "none") == (not preset.api_key_env) == preset.no_charge == (not preset.country)
    assert all(re.fullmatch("[A-Z][A-Z0-9_]+_API_KEY", name) for name in preset.api_key_env)
    assert preset.source.startswith("https://")
    assert past(preset.checked)
    assert set(preset.quirks) <= set(QUIRKS)
    given = {"base_url": preset.base_url, "headers": preset.headers, "more_wires": preset.more_wires}
    spoken = {preset.wire: preset.base_url, **preset.more_wires}
    assert len(spoken) == 1 + len(preset.more_wires), "its own wire is not a further one"
    assert set(spoken) <= set(WIRES)
    for wire, base_url in spoken.items():
        assert base_url.startswith("https://") != preset.allow_private
        assert not base_url.endswith("/")
        assert wire != "anthropic_messages" or not base_url.endswith("/v1"), "that is appended"
    assert preset.parameters
    assert set(preset.parameters) <= set(VOCABULARY)
    assert len(preset.parameters) == len(set(preset.parameters))
    assert (preset.trains_on_prompts is None) == (not preset.data_source), "a statement has a source"
    assert not preset.data_source or preset.data_source.startswith("https://")
    assert not preset.zero_retention or preset.trains_on_prompts is False
    assert all(problem(ProviderSettings, field, value) is None for field, value in given.items())
    sold = [offer.model for offer in preset.offers]
    assert len(sold) == len(set(sold))
    assert set(sold) <= set(models())
    assert sold or preset.accepts_any_model
    upstream = [offer.sold_as for offer in preset.offers]
    assert len(upstream) == len(set(upstream))


@pytest.mark.parametrize(
    ("preset", "offer"), OFFERS, ids=[f"{preset.name}:{offer.model}" for preset, offer in OFFERS]
)
def test_every_offer_speaks_known_words(preset: Preset, offer: Offer) -> None:
    assert set(offer.quirks) <= set(QUIRKS)
    assert not set(offer.quirks) & set(preset.quirks)
    assert set(offer.without) <= FIELDS
    assert set(offer.wires) <= {preset.wire, *preset.more_wires}
    assert offer.quantization in ("", *QUANTIZATIONS)


def test_sampling_that_is_refused_is_not_offered() -> None:
    """The quirk is for who writes a request, the list of fields for who chooses an endpoint."""
    for preset, offer in OFFERS:
        missing = {*offer.without, *traits()[offer.model].without}
        if "sampling_refused" in offer.quirks:
            assert "sampling" in missing, offer.model
        elif preset.name in ("anthropic", "openai", "moonshot"):
            assert "sampling" not in missing, offer.model


def test_no_two_presets_ask_for_the_same_key() -> None:
    names = [name for env in preset_env().values() for name in env]
    assert len(names) == len(set(names))
    assert preset_env()["ollama"] == ()


def price_rows(preset: Preset, offer: Offer) -> list[Price]:
    if offer.prices:
        return [row.price for row in own_schedule(preset.name, offer).rows]
    found = prices.schedule(preset.genai_prices, offer.price_ref or offer.sold_as)
    assert found is not None, f"{preset.name} sells {offer.model} at no known price"
    return [row.price for row in found.rows]


@pytest.mark.parametrize(
    ("preset", "offer"), OFFERS, ids=[f"{preset.name}:{offer.model}" for preset, offer in OFFERS]
)
def test_every_offer_has_sane_prices(preset: Preset, offer: Offer) -> None:
    for price in price_rows(preset, offer):
        assert price.source.startswith("https://")
        assert past(price.checked)
        assert price.id.startswith(("genai-prices/", f"tokenworks/{preset.name}/"))
        steps: list[Price | PriceTier] = [price, *price.tiers]
        for step in steps:
            amounts = [step.input_mtok, step.output_mtok, step.cache_read_mtok, step.cache_write_mtok]
            assert all(a is None or (math.isfinite(a) and 0 <= a < 1000) for a in amounts)
            assert step.cache_read_mtok is None or step.cache_read_mtok <= step.input_mtok
            # OpenRouter's rows price Google's cache writes by storage, below input: no lower bound
            assert step.cache_write_mtok is None or step.cache_write_mtok <= 2 * step.input_mtok
        thresholds = [tier.above_input_tokens for tier in price.tiers]
        assert thresholds == sorted(set(thresholds))
        assert all(threshold > 0 for threshold in thresholds)


def test_price_rows_of_one_provider_have_different_ids() -> None:
    for preset in presets().values():
        seen: dict[str, Price] = {}
        for offer in preset.offers:
            for price in price_rows(preset, offer):
                assert seen.setdefault(price.id, price) == price


def test_own_rows_are_dated() -> None:
    offer = Offer(
        "a/b",
        prices=(
            presets()["qwen"].models[0].prices[0],
            type(presets()["qwen"].models[0].prices[0])(1, 2, "https://x", "2026-11-01", start="2026-12-24"),
        ),
    )
    rows = own_schedule("acme", offer)
    assert rows.at(NOW).id == "tokenworks/acme/a/b@2026-11-23"
    assert rows.at(datetime(2026, 12, 24, tzinfo=UTC)).id == "tokenworks/acme/a/b@2026-12-24"


def test_what_models_can_do() -> None:
    known = models()
    assert known["huggingfacetb/smollm2-135m-instruct"].supported_parameters == (
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
    )
    for name, can, can_not in (
        ("openai/gpt-4o", {"tools", "structured_outputs", "temperature"}, {"reasoning", "reasoning_effort"}),
        ("openai/gpt-5", {"reasoning", "reasoning_effort", "verbosity"}, {"temperature", "top_p"}),
        ("openai/o3", {"tools", "reasoning"}, {"stop", "parallel_tool_calls", "temperature"}),
        ("anthropic/claude-sonnet-4.5", {"reasoning", "temperature"}, {"reasoning_effort"}),
        ("anthropic/claude-opus-4.7", {"reasoning", "reasoning_effort", "stop"}, {"temperature"}),
        ("deepseek/deepseek-v4-pro", {"tools", "reasoning", "temperature"}, {"verbosity"}),
        ("meta-llama/llama-3.3-70b-instruct", {"tools", "temperature"}, {"reasoning"}),
    ):
        found = set(known[name].supported_parameters or ())
        assert can <= found, name
        assert not can_not & found, name


def test_reasoning_is_not_claimed_for_models_that_do_not_reason() -> None:
    plain = ("gpt-4", "llama", "codestral", "qwen3-coder", "instruct", "smollm", "phi-4", "gemma-3")
    for name, model in models().items():
        if any(part in name for part in plain):
            assert "reasoning" not in (model.supported_parameters or ()), name
