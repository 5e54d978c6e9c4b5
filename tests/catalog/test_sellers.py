"""Which providers are active, what the user's settings change in a preset, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from tokenworks.catalog.presets import preset_env, presets
from tokenworks.catalog.sellers import WIRES, Seller, active
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, Settings
from tokenworks.errors import ConfigError

FAST = ProviderModelSettings(id="acme/fast")
CUSTOM: dict[str, Any] = {"wire": "openai_chat", "base_url": "https://llm.acme.example/v1", "models": (FAST,)}


def sellers(
    secrets: dict[str, str] | None = None, *, wires: tuple[str, ...] = WIRES, **providers: ProviderSettings
) -> dict[str, Seller]:
    settings = Settings(home=Path("/h"), source=None, providers=providers, secrets=secrets or {})
    return {seller.provider.name: seller for seller in active(settings, wires)}


def test_nothing_is_active_without_a_key() -> None:
    assert sellers() == {}


def test_a_key_activates_its_preset_only() -> None:
    found = sellers({"deepseek": "sk"})
    assert list(found) == ["deepseek"]
    provider = found["deepseek"].provider
    assert (provider.auth, provider.country, provider.wire) == ("bearer", "CN", "openai_chat")
    assert "echo_reasoning_content" in provider.quirks


def test_every_preset_with_a_key_can_be_active() -> None:
    keys = {name: "sk" for name, env in preset_env().items() if env}
    assert set(sellers(keys)) == set(keys) == set(presets()) - {"ollama", "vllm"}


def test_providers_on_other_wires_are_left_out() -> None:
    keys = {"openai": "sk", "anthropic": "sk"}
    assert set(sellers(keys, wires=("openai_chat",))) == {"openai"}


@pytest.mark.parametrize("name", ["ollama", "vllm"])
def test_keyless_presets_wait_for_their_table(name: str) -> None:
    assert sellers({}) == {}
    provider = sellers(**{name: ProviderSettings()})[name].provider
    assert provider.auth == "none"
    assert provider.allow_private
    assert provider.accepts_any_model


def test_a_key_for_a_keyless_preset_is_sent() -> None:
    assert sellers({"vllm": "token"}, vllm=ProviderSettings())["vllm"].provider.auth == "bearer"


def test_disabled_providers_are_off() -> None:
    assert sellers({"openai": "sk"}, openai=ProviderSettings(enabled=False)) == {}


def test_settings_stand_over_the_preset_and_leave_the_rest() -> None:
    given = ProviderSettings(
        base_url="https://eu.proxy.example/v1/",
        headers={"x-team": "a"},
        title="Proxy",
        accepts_any_model=True,
    )
    provider = sellers({"openai": "sk"}, openai=given)["openai"].provider
    assert provider.base_url == "https://eu.proxy.example/v1"
    assert provider.title == "Proxy"
    assert provider.accepts_any_model
    assert provider.headers == (("x-team", "a"),)
    assert provider.country == "US"
    assert not provider.allow_private


def test_settings_can_close_an_open_preset() -> None:
    given = ProviderSettings(accepts_any_model=False)
    assert not sellers({"openrouter": "sk"}, openrouter=given)["openrouter"].provider.accepts_any_model


def test_preset_headers_survive_and_can_be_overridden() -> None:
    def headers(**given: str) -> dict[str, str]:
        name = "anthropic"
        return dict(sellers({name: "sk"}, **{name: ProviderSettings(headers=given)})[name].provider.headers)

    assert headers() == {"anthropic-version": "2023-06-01"}
    assert headers(**{"anthropic-version": "2099-01-01"}) == {"anthropic-version": "2099-01-01"}


def test_a_custom_provider_needs_its_key_or_none() -> None:
    assert sellers(acme=ProviderSettings(**CUSTOM)) == {}
    assert sellers({"acme": "sk"}, acme=ProviderSettings(**CUSTOM))["acme"].provider.auth == "bearer"
    assert sellers(acme=ProviderSettings(**CUSTOM, auth="none"))["acme"].provider.auth == "none"


def test_the_messages_wire_implies_its_way_to_send_a_key() -> None:
    given = ProviderSettings(**{**CUSTOM, "wire": "anthropic_messages"})
    assert sellers({"acme": "sk"}, acme=given)["acme"].provider.auth == "x-api-key"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"base_url": None}, "providers.acme: base_url is missing"),
        ({"wire": None}, "providers.acme: wire is missing"),
        ({"wire": "smoke_signals"}, "providers.acme.wire: unknown wire 'smoke_signals'"),
        ({"models": ()}, "providers.acme: no models"),
        ({"base_url": "ftp://acme.example"}, "providers.acme.base_url: must be a URL"),
        ({"base_url": "acme.example/v1"}, "providers.acme.base_url: must be a URL"),
        ({"base_url": "https://u:p@acme.example"}, "providers.acme.base_url: must not carry a user name"),
        ({"base_url": "https://acme.example/v1?key=1"}, "providers.acme.base_url: must not carry a query"),
        ({"headers": {"x-a": "1\r\nhost: evil"}}, "providers.acme.headers: x-a must be printable"),
        ({"more_wires": {"smoke": "https://a.example"}}, "providers.acme.more_wires: unknown wire 'smoke'"),
        ({"more_wires": {"anthropic_messages": "a.example"}}, "providers.acme.more_wires: "),
        (
            {"quirks": ("reasoning_objekt",)},
            "providers.acme.quirks: unknown quirk 'reasoning_objekt'; did you mean 'reasoning_object'?",
        ),
        ({"country": "Germany"}, "providers.acme.country: must be two capital letters"),
    ],
)
def test_refused_providers(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        sellers({"acme": "sk"}, acme=ProviderSettings(**{**CUSTOM, **change}))
    assert str(refused.value).startswith(complaint)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ({"input_mtok": -1.0, "output_mtok": 1.0}, "models[1].input_mtok: must be from 0"),
        ({"input_mtok": 1.0, "output_mtok": float("nan")}, "models[1].output_mtok: must be from 0"),
        ({"input_mtok": 1.0, "output_mtok": float("inf")}, "models[1].output_mtok: must be from 0"),
        ({"input_mtok": 1.0}, "models[1]: input_mtok and output_mtok go together"),
        ({"cache_read_mtok": 0.1}, "models[1]: a cache price needs input_mtok"),
        ({"id": "Acme/Fast"}, 'models[1].id: "Acme/Fast" is listed twice'),
        ({"id": "acme/ slow"}, "models[1].id: must be 1 to 256 printable"),
        (
            {"supported_parameters": ("tools", "temprature")},
            "models[1].supported_parameters: unknown field 'temprature'; did you mean 'temperature'?",
        ),
        ({"quantization": "q4_k_m"}, "models[1].quantization: must be one of"),
        ({"input_modalities": ("smell",)}, "models[1].input_modalities: must list some of"),
        ({"context_length": -1}, "models[1].context_length: must be from 0"),
    ],
)
def test_refused_models(model: dict[str, Any], complaint: str) -> None:
    listed = (FAST, ProviderModelSettings(**{"id": "acme/slow", **model}))
    with pytest.raises(ConfigError) as refused:
        sellers({"acme": "sk"}, acme=ProviderSettings(**{**CUSTOM, "models": listed}))
    assert str(refused.value).startswith(f"providers.acme.{complaint}")


@pytest.mark.parametrize("name", ["local", "a/b", "", "a\nb", " a"])
def test_refused_names(name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        sellers({name: "sk"}, **{name: ProviderSettings(**CUSTOM)})


def test_a_mistake_in_a_preset_s_table_names_its_field() -> None:
    with pytest.raises(ConfigError, match=r"providers\.openai\.base_url"):
        sellers({"openai": "sk"}, openai=ProviderSettings(base_url="nonsense"))


def test_a_preset_brings_all_its_wires() -> None:
    provider = sellers({"deepseek": "sk"})["deepseek"].provider
    assert provider.base_url_of("openai_chat") == "https://api.deepseek.com"
    assert provider.base_url_of("anthropic_messages") == "https://api.deepseek.com/anthropic"
    assert provider.base_url_of("openai_responses") == "https://api.deepseek.com"
    assert provider.wires == {"openai_chat", "anthropic_messages", "openai_responses"}
    assert sellers({"groq": "sk"})["groq"].provider.more_wires == ()


def test_only_the_wires_asked_for_are_spoken() -> None:
    keys = {"deepseek": "sk", "anthropic": "sk", "groq": "sk"}
    found = sellers(keys, wires=("anthropic_messages",))
    assert set(found) == {"deepseek", "anthropic"}
    provider = found["deepseek"].provider
    assert (provider.wire, provider.base_url, provider.more_wires) == (
        "anthropic_messages",
        "https://api.deepseek.com/anthropic",
        (),
    )
    both = sellers(keys, wires=("openai_responses", "openai_chat"))["deepseek"].provider
    assert (both.wire, dict(both.more_wires)) == (
        "openai_chat",
        {"openai_responses": "https://api.deepseek.com"},
    )


def test_the_user_s_wires_are_added_and_stand_over_those_of_the_preset() -> None:
    given = ProviderSettings(
        more_wires={
            "openai_responses": "https://r.example/v1/",
            "anthropic_messages": "https://m.example",
        }
    )
    provider = sellers({"moonshot": "sk"}, moonshot=given)["moonshot"].provider
    assert provider.base_url == "https://api.moonshot.ai/v1"
    assert dict(provider.more_wires) == {
        "anthropic_messages": "https://m.example",
        "openai_responses": "https://r.example/v1",
    }


def test_an_address_of_the_user_s_is_not_passed_by() -> None:
    """Who sends chat to a proxy does not want the other protocols to go around it."""
    given = ProviderSettings(base_url="https://proxy.example/v1")
    assert sellers({"deepseek": "sk"}, deepseek=given)["deepseek"].provider.more_wires == ()
    given = ProviderSettings(
        base_url="https://proxy.example/v1", more_wires={"anthropic_messages": "https://proxy.example"}
    )
    provider = sellers({"deepseek": "sk"}, deepseek=given)["deepseek"].provider
    assert provider.more_wires == (("anthropic_messages", "https://proxy.example"),)


def test_another_wire_of_a_preset_can_be_made_its_own() -> None:
    given = ProviderSettings(wire="anthropic_messages")
    provider = sellers({"minimax": "sk"}, minimax=given)["minimax"].provider
    assert (provider.wire, provider.base_url, provider.auth) == (
        "anthropic_messages",
        "https://api.minimax.io/anthropic",
        "bearer",
    )
    assert provider.more_wires == (("openai_chat", "https://api.minimax.io/v1"),)
    moved = ProviderSettings(wire="anthropic_messages", base_url="https://m.example")
    provider = sellers({"groq": "sk"}, groq=moved)["groq"].provider
    assert (provider.wire, provider.base_url) == ("anthropic_messages", "https://m.example")


def test_a_custom_provider_may_speak_several_wires() -> None:
    given = ProviderSettings(**CUSTOM, more_wires={"openai_responses": "https://llm.acme.example/v1"})
    provider = sellers({"acme": "sk"}, acme=given)["acme"].provider
    assert provider.more_wires == (("openai_responses", "https://llm.acme.example/v1"),)
    assert set(sellers({"acme": "sk"}, wires=("openai_responses",), acme=given)) == {"acme"}
    assert sellers({"acme": "sk"}, wires=("anthropic_messages",), acme=given) == {}


def test_quirks_of_the_user_s_replace_those_of_the_preset() -> None:
    given = ProviderSettings(quirks=("pin_session",))
    assert sellers({"deepseek": "sk"}, deepseek=given)["deepseek"].provider.quirks == ("pin_session",)
    assert sellers({"deepseek": "sk"}, deepseek=ProviderSettings(quirks=()))["deepseek"].provider.quirks == ()
    custom = ProviderSettings(**CUSTOM, quirks=("reasoning_object",))
    assert sellers({"acme": "sk"}, acme=custom)["acme"].provider.quirks == ("reasoning_object",)


def test_what_is_known_of_the_use_of_data() -> None:
    keys = {name: "sk" for name, env in preset_env().items() if env}
    found = sellers(keys, ollama=ProviderSettings())
    trains = {name: seller.provider.trains_on_prompts for name, seller in found.items()}
    assert (trains["openai"], trains["deepseek"], trains["openrouter"]) == (False, True, None)
    assert [name for name, seller in found.items() if seller.provider.zero_retention] == ["ollama"]


def test_who_knows_his_contract_may_say_so() -> None:
    given = ProviderSettings(trains_on_prompts=False, zero_retention=True)
    provider = sellers({"deepseek": "sk"}, deepseek=given)["deepseek"].provider
    assert (provider.trains_on_prompts, provider.zero_retention) == (False, True)
    stricter = ProviderSettings(trains_on_prompts=True, zero_retention=False)
    provider = sellers(ollama=stricter)["ollama"].provider
    assert (provider.trains_on_prompts, provider.zero_retention) == (True, False)
    custom = sellers({"acme": "sk"}, acme=ProviderSettings(**CUSTOM))["acme"].provider
    assert (custom.trains_on_prompts, custom.zero_retention) == (None, False)


def test_a_wire_of_a_preset_needs_an_address() -> None:
    with pytest.raises(ConfigError, match=r"providers\.groq: base_url is missing; say where it speaks"):
        sellers({"groq": "sk"}, groq=ProviderSettings(wire="anthropic_messages"))
