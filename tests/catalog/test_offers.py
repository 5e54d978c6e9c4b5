"""What a provider sells at which price: the user's word, then our rows, then genai-prices, then nothing."""

from datetime import UTC, datetime

import msgspec
import pytest

from tokenworks.catalog import prices
from tokenworks.catalog.offers import DEFAULT_CONTEXT, Sold, sold_by
from tokenworks.catalog.parameters import VOCABULARY
from tokenworks.catalog.presets import models, presets
from tokenworks.catalog.sellers import Seller
from tokenworks.config.settings import ProviderModelSettings
from tokenworks.schema import Price, Provider

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def seller(name: str, *listed: ProviderModelSettings, base_url: str = "https://x.example/v1") -> Seller:
    preset = presets().get(name)
    provider = Provider(name=name, title=name, wire="openai_chat", base_url=base_url)
    if preset:
        provider = Provider(
            name=name,
            title=name,
            wire=preset.wire,
            base_url=preset.base_url,
            more_wires=tuple(preset.more_wires.items()),
            quirks=preset.quirks,
        )
    return Seller(provider, preset, listed)


def sold(
    name: str, *listed: ProviderModelSettings, base_url: str = "https://x.example/v1"
) -> dict[str, Sold]:
    return {each.model: each for each in sold_by(seller(name, *listed, base_url=base_url), models())}


def price(each: Sold) -> Price:
    return each.schedule.at(NOW)


def test_a_preset_sells_its_list_at_the_price_of_genai_prices() -> None:
    found = sold("openai")
    assert len(found) == len(presets()["openai"].offers)
    mini = found["openai/gpt-4o-mini"]
    assert (mini.upstream_id, mini.context_length, mini.max_output_tokens) == ("gpt-4o-mini", 128_000, 16_384)
    assert (price(mini).input_mtok, price(mini).cache_read_mtok, price(mini).output_mtok) == (
        0.15,
        0.075,
        0.6,
    )


def test_our_own_rows_serve_where_genai_prices_knows_nothing() -> None:
    row = price(sold("qwen")["qwen/qwen3.7-plus"])
    assert row.id == "tokenworks/qwen/qwen3.7-plus@2026-11-23"
    assert [(t.above_input_tokens, t.input_mtok, t.output_mtok) for t in row.tiers] == [(256_000, 1.2, 4.8)]


def test_the_context_at_a_provider_may_be_less_than_the_model_s() -> None:
    assert models()["minimax/minimax-m3"].context_length == 1_000_000
    assert sold("together")["minimax/minimax-m3"].context_length == 524_288
    assert sold("groq")["meta-llama/llama-4-scout"].context_length == 131_072


def test_a_listed_model_of_a_preset_replaces_only_what_it_says() -> None:
    given = ProviderModelSettings(id="OpenAI/GPT-4o-mini", context_length=64_000, aliases=("cheap",))
    found = sold("openai", given)
    mini = found["openai/gpt-4o-mini"]
    assert (mini.upstream_id, mini.context_length, mini.max_output_tokens) == ("gpt-4o-mini", 64_000, 16_384)
    assert mini.aliases == ("cheap",)
    assert price(mini).id.endswith("/openai/gpt-4o-mini")
    assert len(found) == len(presets()["openai"].offers)


def test_a_price_in_the_configuration_stands_over_every_other() -> None:
    given = ProviderModelSettings(
        id="openai/gpt-4o-mini", input_mtok=0.1, output_mtok=0.4, cache_read_mtok=0.01
    )
    row = price(sold("openai", given)["openai/gpt-4o-mini"])
    assert (row.input_mtok, row.cache_read_mtok, row.output_mtok) == (0.1, 0.01, 0.4)
    assert row.id == "config/openai/openai/gpt-4o-mini@in=0.1,out=0.4,read=0.01"


def test_another_upstream_model_gets_its_own_price() -> None:
    given = ProviderModelSettings(id="openai/gpt-4o-mini", upstream_id="gpt-4.1-nano")
    assert price(sold("openai", given)["openai/gpt-4o-mini"]).id.endswith("/openai/gpt-4.1-nano")


def test_a_custom_provider_known_to_genai_prices_by_its_url() -> None:
    given = ProviderModelSettings(id="deepseek/deepseek-r1-0528", upstream_id="deepseek/deepseek-r1-0528")
    each = sold("mine", given, base_url="https://api.novita.ai/v3/openai")["deepseek/deepseek-r1-0528"]
    assert price(each).id.split("/")[2:] == ["novita", "deepseek", "deepseek-r1-0528"]
    assert each.context_length == models()["deepseek/deepseek-r1-0528"].context_length


@pytest.mark.parametrize("url", ["https://x.example/v1", "https://api.novita.ai/v3/openai"])
def test_an_unknown_model_has_an_unknown_price(url: str) -> None:
    each = sold("mine", ProviderModelSettings(id="mine/tiny"), base_url=url)["mine/tiny"]
    assert price(each).id == "unknown"
    assert (each.upstream_id, each.context_length, each.max_output_tokens) == (
        "mine/tiny",
        DEFAULT_CONTEXT,
        None,
    )


def test_nobody_bills_a_server_of_one_s_own() -> None:
    row = price(sold("ollama", ProviderModelSettings(id="llama3:8b"))["llama3:8b"])
    assert (row.id, row.input_mtok, row.output_mtok) == ("ollama/own-server", 0, 0)


def test_abilities_are_those_that_model_and_provider_share() -> None:
    flash = sold("deepseek")["deepseek/deepseek-v4.1-flash"]
    assert {"tools", "reasoning", "response_format", "temperature"} <= set(flash.supported_parameters or ())
    assert "structured_outputs" not in (flash.supported_parameters or ()), "only json_object there"
    assert "seed" not in (flash.supported_parameters or ())
    assert flash.input_modalities == ("text", "image")
    elsewhere = sold("openrouter")["deepseek/deepseek-v4.1-flash"]
    assert {"structured_outputs", "seed", "top_k"} <= set(elsewhere.supported_parameters or ())


def test_exceptions_of_one_offer() -> None:
    kimi = sold("moonshot")["moonshotai/kimi-k2.6"]
    assert "temperature" not in (kimi.supported_parameters or ())
    assert kimi.quirks[-1] == "sampling_refused"
    assert kimi.quirks[: len(presets()["moonshot"].quirks)] == presets()["moonshot"].quirks
    assert "temperature" in (sold("openrouter")["moonshotai/kimi-k2.6"].supported_parameters or ())
    claude = sold("anthropic")
    assert "adaptive_thinking_only" in claude["anthropic/claude-opus-4.7"].quirks
    assert "adaptive_thinking_only" not in claude["anthropic/claude-opus-4.6"].quirks


def test_a_model_is_sold_on_the_wires_that_serve_it_only() -> None:
    codex = "openai/gpt-5.3-codex"
    assert sold("openai")[codex].wires == ("openai_responses",)
    assert sold("openai")["openai/gpt-5"].wires == ()
    chat_only = seller("openai", ProviderModelSettings(id=codex, aliases=("codex",)))
    chat_only = Seller(msgspec.structs.replace(chat_only.provider, more_wires=()), chat_only.preset)
    assert codex not in {each.model for each in sold_by(chat_only, models())}


def test_what_the_user_says_of_a_model_stands_over_the_catalogue() -> None:
    given = ProviderModelSettings(
        id="openai/gpt-4o-mini",
        quantization="fp8",
        supported_parameters=("tools",),
        input_modalities=("text",),
    )
    mini = sold("openai", given)["openai/gpt-4o-mini"]
    assert (mini.quantization, mini.supported_parameters, mini.input_modalities) == (
        "fp8",
        ("tools",),
        ("text",),
    )
    plain = sold("openai", ProviderModelSettings(id="openai/gpt-4o-mini"))["openai/gpt-4o-mini"]
    assert (plain.quantization, plain.input_modalities) == ("", ("text", "image", "file"))
    assert {"tools", "seed"} <= set(plain.supported_parameters or ())


def test_of_a_custom_provider_only_what_the_user_says_is_known() -> None:
    known = ProviderModelSettings(id="deepseek/deepseek-v4.1-flash")
    told = ProviderModelSettings(id="mine/tiny", supported_parameters=(), input_modalities=("text", "image"))
    found = sold("mine", known, told)
    assert found["deepseek/deepseek-v4.1-flash"].supported_parameters is None
    assert found["deepseek/deepseek-v4.1-flash"].input_modalities == ("text", "image")
    assert found["mine/tiny"].supported_parameters == ()
    assert found["mine/tiny"].input_modalities == ("text", "image")


def test_of_an_unknown_model_nothing_is_known() -> None:
    each = sold("openai", ProviderModelSettings(id="openai/next"))["openai/next"]
    assert (each.supported_parameters, each.input_modalities) == (None, ("text",))


def test_a_server_that_constrains_its_output_keeps_any_known_model_to_a_schema() -> None:
    smol = ProviderModelSettings(id="huggingfacetb/smollm2-135m-instruct")
    found = sold("vllm", smol)["huggingfacetb/smollm2-135m-instruct"].supported_parameters
    assert found is not None
    assert {"structured_outputs", "top_k"} <= set(found)
    assert "tools" not in found


def test_every_field_is_a_known_word() -> None:
    for name in presets():
        for each in sold(name).values():
            assert each.supported_parameters is not None
            assert set(each.supported_parameters) <= set(VOCABULARY)
            assert "max_tokens" in each.supported_parameters


def test_free_variants_of_an_aggregator() -> None:
    free = price(sold("openrouter", ProviderModelSettings(id="nobody/new:free"))["nobody/new:free"])
    assert (free.id, prices.is_free(free)) == ("openrouter/free-variant", True)
    dear = price(sold("openrouter", ProviderModelSettings(id="nobody/new"))["nobody/new"])
    assert (dear.id, prices.is_free(dear)) == ("unknown", False)
