"""The catalogue as a whole: from settings to what can be called, and its prices over time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tokenworks.catalog.load import LOCAL, Catalog, load, preset_env, refresh_prices
from tokenworks.config.settings import EngineSettings, ProviderModelSettings, ProviderSettings, Settings
from tokenworks.errors import ConfigError
from tokenworks.routing.place import place_of
from tokenworks.schema import Usage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SMOL = "huggingfacetb/smollm2-135m-instruct"
KEYS = {name: "sk" for name, env in preset_env().items() if env}
ENGINE = EngineSettings(model=SMOL, path="/h/models/smol.gguf", context_length=2048)


def catalog(
    secrets: dict[str, str] | None = None,
    engines: dict[str, EngineSettings] | None = None,
    at: datetime = NOON,
    **providers: ProviderSettings,
) -> Catalog:
    return load(
        Settings(
            home=Path("/h"), source=None, providers=providers, engines=engines or {}, secrets=secrets or {}
        ),
        at,
    )


def acme(**model: object) -> ProviderSettings:
    return ProviderSettings(
        wire="openai_chat",
        base_url="http://127.0.0.1:9001/v1",
        allow_private=True,
        models=(ProviderModelSettings(**{"id": "acme/fast", "upstream_id": "fast-1", **model}),),  # type: ignore[arg-type]
    )


def test_with_nothing_set_up_nothing_can_be_called_but_models_are_known() -> None:
    found = catalog()
    assert found.endpoints == {}
    assert found.providers == {}
    assert found.find("gpt-4o-mini") == ()
    assert len(found.models) >= 60


def test_with_every_key_every_model_but_the_local_ones_can_be_called() -> None:
    found = catalog(KEYS)
    missing = set(found.models) - set(found.endpoints)
    assert missing <= {SMOL, "qwen/qwen2.5-coder-0.5b-instruct"}
    for name, endpoints in found.endpoints.items():
        assert endpoints
        for endpoint in endpoints:
            assert endpoint.model == name
            assert endpoint.provider in found.providers
            assert endpoint.context_length > 0
            assert endpoint.price.id != "unknown"
        costs = [3 * e.price.input_mtok + e.price.output_mtok for e in endpoints]
        assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("gpt-4o-mini", "openai/gpt-4o-mini"),
        ("Claude-Sonnet-4.5", "anthropic/claude-sonnet-4.5"),
        ("claude-sonnet-4-5", "anthropic/claude-sonnet-4.5"),
        ("deepseek/deepseek-flash", "deepseek/deepseek-v4.1-flash"),
        ("deepseek-flash", "deepseek/deepseek-v4.1-flash"),
        ("kimi-k2.5", "moonshotai/kimi-k2.5"),
        ("qwen/qwen3-coder-480b-a35b-instruct", "qwen/qwen3-coder"),
        ("MiniMax-M2.5", "minimax/minimax-m2.5"),
        ("llama-3.3-70b-versatile", "meta-llama/llama-3.3-70b-instruct"),
    ],
)
def test_familiar_spellings(name: str, model: str) -> None:
    found = catalog(KEYS)
    assert {endpoint.model for endpoint in found.find(name)} == {model}
    assert found.model(name) is found.models[model]


def test_an_engine_of_our_own() -> None:
    found = catalog(engines={"smollm2": ENGINE})
    (endpoint,) = found.find("smollm2")
    assert (endpoint.model, endpoint.provider, endpoint.engine) == (SMOL, LOCAL, "smollm2")
    assert (endpoint.price.id, endpoint.context_length) == ("local/embedded", 2048)
    assert endpoint.price.cost_nano_usd(Usage(uncached_input_tokens=10**6, output_tokens=10**6)) == 0
    assert list(found.endpoints) == [SMOL]
    assert found.providers[LOCAL].auth == "none"


def test_an_engine_with_a_model_nobody_knows() -> None:
    engine = EngineSettings(model="me/tuned", path="/h/t.gguf", aliases=("mine",), context_length=4096)
    found = catalog(engines={"tuned": engine})
    assert found.find("mine") == found.find("me/tuned") != ()
    assert (found.models["me/tuned"].author, found.models["me/tuned"].context_length) == ("me", 4096)


def test_an_engine_and_a_provider_serve_one_model() -> None:
    engine = EngineSettings(model="Qwen/Qwen3-8B", path="/h/q.gguf")
    found = catalog({"openrouter": "sk"}, {"q": engine})
    assert [e.provider for e in found.find("qwen/qwen3-8b")] == [LOCAL, "openrouter"]


def test_a_custom_provider() -> None:
    found = catalog({"acme": "sk"}, acme=acme(context_length=131_072, input_mtok=0.1, output_mtok=0.4))
    (endpoint,) = found.find("acme/fast")
    assert (endpoint.provider, endpoint.upstream_id, endpoint.context_length) == ("acme", "fast-1", 131_072)
    usage = Usage(uncached_input_tokens=1000, output_tokens=100)
    assert endpoint.price.cost_nano_usd(usage) == 100_000 + 40_000
    assert found.find("fast") == found.find("fast-1") == (endpoint,)
    assert (found.models["acme/fast"].author, found.models["acme/fast"].country) == ("acme", "")


def test_a_custom_provider_that_undercuts_comes_first() -> None:
    found = catalog(
        {"acme": "sk", "openai": "sk"}, acme=acme(id="openai/gpt-4o-mini", input_mtok=0.01, output_mtok=0.02)
    )
    assert [e.provider for e in found.find("gpt-4o-mini")] == ["acme", "openai"]
    assert found.models["openai/gpt-4o-mini"].country == "US"


def test_aliases_of_provider_and_engine_must_not_quarrel() -> None:
    engine = EngineSettings(model=SMOL, path="/x", aliases=("quick",))
    with pytest.raises(ConfigError, match=r'engines\.s: alias "quick" already means "acme/fast"'):
        catalog({"acme": "sk"}, {"s": engine}, acme=acme(aliases=("quick",)))


def test_passing_on_to_an_aggregator_and_to_one_s_own_server() -> None:
    found = catalog({"openrouter": "sk"}, ollama=ProviderSettings())
    (priced,) = found.find("openrouter/qwen/qwen-plus")
    assert priced.price.id.startswith("genai-prices/")
    assert found.find("openrouter/qwen/qwen-plus") is not None
    (unknown,) = found.find("openrouter/nobody/knows-this")
    assert (unknown.price.id, unknown.upstream_id) == ("unknown", "nobody/knows-this")
    (own,) = found.find("ollama/llama3:8b")
    assert (own.price.id, own.model, own.upstream_id) == (
        "ollama/own-server",
        "ollama/llama3:8b",
        "llama3:8b",
    )
    assert found.find("llama3:8b") == ()


def test_other_wires_can_be_left_out() -> None:
    settings = Settings(home=Path("/h"), source=None, secrets={"anthropic": "sk", "openrouter": "sk"})
    found = load(settings, NOON, wires=("openai_chat",))
    assert [e.provider for e in found.find("claude-sonnet-4.5")] == ["openrouter"]
    assert set(found.providers) == {"openrouter"}
    assert found.providers["openrouter"].more_wires == ()


def test_a_provider_is_in_with_any_of_its_wires() -> None:
    settings = Settings(home=Path("/h"), source=None, secrets={"openai": "sk", "groq": "sk"})
    found = load(settings, NOON, wires=("openai_responses",))
    assert set(found.providers) == {"openai"}
    assert found.providers["openai"].wire == "openai_responses"
    assert found.find("gpt-5.3-codex")
    chat = load(settings, NOON, wires=("openai_chat",))
    assert chat.find("gpt-5")
    assert not chat.find("gpt-5.3-codex"), "served on the other wire only"


def test_what_an_engine_of_our_own_honours() -> None:
    found = catalog(engines={"smollm2": ENGINE, "q": EngineSettings(model="qwen/qwen3-8b", path="/q.gguf")})
    smol = set(found.find("smollm2")[0].supported_parameters or ())
    assert {"structured_outputs", "response_format", "seed", "min_p", "logprobs"} <= smol
    assert not {"tools", "reasoning", "repetition_penalty", "tool_choice"} & smol
    tools = set(found.find("qwen/qwen3-8b")[0].supported_parameters or ())
    assert "tools" in tools
    assert "tool_choice" not in tools, "the library does not enforce it"
    assert found.find("smollm2")[0].input_modalities == ("text",)
    local = found.providers[LOCAL]
    assert (local.trains_on_prompts, local.zero_retention) == (False, True)
    unknown = catalog(engines={"t": EngineSettings(model="me/tuned", path="/t.gguf")}).find("me/tuned")
    assert unknown[0].supported_parameters is None


def test_a_server_of_one_s_own() -> None:
    server = EngineSettings(
        "qwen/qwen3-8b", runtime="openai_server", url="http://h", slots=0, context_length=0
    )
    kinds = {
        "v": msgspec.structs.replace(server, kind="vllm", context_length=4096),
        "l": msgspec.structs.replace(server, kind="llama_cpp", served_as="q"),
        "o": server,
        "n": msgspec.structs.replace(server, model="me/new"),
    }
    found = catalog(engines=kinds)
    by_name = {each.engine: each for name in ("qwen/qwen3-8b", "me/new") for each in found.find(name)}
    assert {each.provider for each in by_name.values()} == {LOCAL}
    assert len({place_of(each) for each in by_name.values()}) == 4, "replicas are told apart"
    assert {each.price.input_mtok for each in by_name.values()} == {0.0}
    known = found.models["qwen/qwen3-8b"]
    assert [by_name[name].context_length for name in "vlon"] == [4096, *[known.context_length] * 2, 8192]
    parameters = {name: by_name[name].supported_parameters or () for name in "vlon"}
    assert "tool_choice" in parameters["v"] and "repetition_penalty" in parameters["v"]
    assert "tool_choice" not in parameters["l"] and "min_p" in parameters["l"]
    assert by_name["o"].supported_parameters is None, "nobody knows what it is"
    assert by_name["v"].quirks == ("takes_top_k",) and not by_name["o"].quirks


def test_names_with_a_colon() -> None:
    own = ProviderSettings(models=(ProviderModelSettings(id="llama3:8b", aliases=("small:fast",)),))
    found = catalog({"openrouter": "sk"}, ollama=own)
    assert found.find("llama3:8b") == found.find("small:fast") == found.find("LLAMA3:8B") != ()
    (free,) = found.find("openrouter/meta-llama/llama-3.3-70b-instruct:free")
    assert free.upstream_id == free.model == "meta-llama/llama-3.3-70b-instruct:free"
    assert (free.price.input_mtok, free.price.output_mtok, free.price.request_usd) == (0, 0, 0)
    assert free.price.id != "unknown"
    (new,) = found.find("openrouter/deepseek/deepseek-v4-pro:free")
    assert new.price.id == "openrouter/free-variant"
    assert (
        new.supported_parameters == found.find("openrouter/deepseek/deepseek-v4-pro")[0].supported_parameters
    )
    assert found.find("meta-llama/llama-3.3-70b-instruct:free") == (), "suffixes are the gateway's"


def test_prices_move_with_time_in_place() -> None:
    found = catalog({"deepseek": "sk"}, at=datetime(2026, 11, 23, 0, 59, tzinfo=UTC))
    name = "deepseek/deepseek-v4-pro"
    assert found.find(name)[0].price.input_mtok == 0.66
    first = found.find(name)[0]
    due = found.prices_change_at
    assert due == datetime(2026, 11, 23, 1, tzinfo=UTC)
    assert not refresh_prices(found, due - timedelta(seconds=1))
    assert found.find(name)[0].price.input_mtok == 0.66
    assert refresh_prices(found, due)
    assert found.find(name)[0].price.input_mtok == found.endpoints[name][0].price.input_mtok == 1.32
    later = found.find(name)[0]
    assert (later.quirks, later.supported_parameters, later.tag) == (
        first.quirks,
        first.supported_parameters,
        first.tag,
    )
    assert found.prices_change_at == datetime(2026, 11, 23, 4, tzinfo=UTC)
    assert refresh_prices(found, datetime(2026, 11, 23, 0, 30, tzinfo=UTC)), "a clock that was set back"
    assert found.find(name)[0].price.input_mtok == 0.66


def test_refreshing_every_minute_of_a_day_misses_no_change() -> None:
    begin = datetime(2026, 11, 30, 12, tzinfo=UTC)
    keys = {"deepseek": "sk", "google": "sk", "openrouter": "sk"}
    found = catalog(keys, at=begin)
    for minutes in range(0, 24 * 60, 30):
        at = begin + timedelta(minutes=minutes)
        refresh_prices(found, at)
        fresh = catalog(keys, at=at)
        for name in ("google/gemini-4-argon", "deepseek/deepseek-v4.1-flash"):
            assert [e.price for e in found.find(name)] == [e.price for e in fresh.find(name)], (name, at)


def test_without_timed_prices_there_is_nothing_to_refresh() -> None:
    found = catalog(engines={"smollm2": ENGINE})
    assert found.prices_change_at is None
    assert not refresh_prices(found)
    assert not refresh_prices(found, datetime(2099, 1, 1))


def test_a_passed_on_price_is_forgotten_on_refresh() -> None:
    found = catalog({"openrouter": "sk"})
    before = found.find("openrouter/qwen/qwen-plus")
    assert found.find("openrouter/qwen/qwen-plus") is before
    due = found.prices_change_at
    assert due is not None
    refresh_prices(found, due)
    assert found.find("openrouter/qwen/qwen-plus") is not before


def test_the_default_moment_is_now() -> None:
    found = load(Settings(home=Path("/h"), source=None, secrets={"deepseek": "sk"}))
    assert abs(found.priced_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert found.find("deepseek-v4-pro")
