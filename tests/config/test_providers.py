"""Whom the gateway may call, with which keys, and every way that is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tokenworks.config.load import load
from tokenworks.config.settings import ProviderKey, Settings
from tokenworks.errors import ConfigError

PRESETS = {"bigco": ("BIGCO_API_KEY", "BIGCO_TOKEN"), "localrun": ()}

ACME = """\
[providers.acme]
wire = "openai_chat"
base_url = "http://127.0.0.1:9001/v1"
api_key = "sk-upstream"
allow_private = true
[[providers.acme.models]]
id = "acme/fast"
upstream_id = "fast-1"
context_length = 131072
input_mtok = 0.10
output_mtok = 1
"""
KEYS = """\
[[providers.bigco.keys]]
name = "team-a"
api_key = "sk-a"
weight = 2.5
[[providers.bigco.keys]]
name = "team-b"
api_key_env = "TEAM_B"
"""


def write(home: Path, text: str) -> None:
    (home / "tokenworks.toml").write_text(text, encoding="utf-8")


REFUSED = {
    "a model twice": (
        ACME + "[[providers.acme.models]]\nid = 'Acme/Fast'\n",
        ':13: providers.acme.models: "Acme/Fast" is listed twice; keep one of them',
    ),
    "no base_url": (
        ACME.replace('base_url = "http://127.0.0.1:9001/v1"\n', ""),
        ':1: providers.acme: base_url is missing; add base_url = "https://..."',
    ),
    "a preset misspelt": (
        '[providers.bigc]\napi_key = "x"\n',
        ':1: providers.bigc: base_url is missing; add base_url = "https://...", or did you mean "bigco"?',
    ),
    "no wire": (
        ACME.replace('wire = "openai_chat"\n', ""),
        ':1: providers.acme: wire is missing; add wire = "openai_chat"',
    ),
    "half a price": (
        ACME.replace("output_mtok = 1\n", ""),
        ":6: providers.acme.models: input_mtok and output_mtok go together; set both or neither",
    ),
    "only a cache price": (
        ACME + '[[providers.acme.models]]\nid = "b"\ncache_read_mtok = 1\n',
        ":12: providers.acme.models: a cache price needs input_mtok and output_mtok beside it",
    ),
    "a provider with our own name": (
        ACME.replace("acme", "local"),
        ':1: providers.local: "local" means the models that run here; use another name',
    ),
    "no models": (
        ACME.split("[[")[0],
        ":1: providers.acme: no models; add [[providers.acme.models]] or accepts_any_model = true",
    ),
    "no key": (
        ACME.replace('api_key = "sk-upstream"\n', ""),
        ':1: providers.acme: no key; set api_key or api_key_env, or auth = "none" if it needs none',
    ),
    "key variable not set": (
        ACME.replace('api_key = "sk-upstream"', 'api_key_env = "ACME_API_KEY"'),
        ":4: providers.acme: environment variable ACME_API_KEY is not set; export it or set api_key",
    ),
    "a preset's key variables not set": (
        "\n[providers.bigco]\n",
        ":2: providers.bigco: environment variable BIGCO_API_KEY is not set (nor BIGCO_TOKEN); "
        "export it or set api_key",
    ),
    "two keys": (
        ACME.replace("allow_private = true", 'api_key_env = "A"'),
        ":5: providers.acme: api_key and api_key_env are both set; keep one",
    ),
    "a provider's name": (
        "[providers.'A c']\n",
        ":1: providers: \"A c\": a name is made of a-z, 0-9, '.', '_' and '-', "
        "begins with a letter or digit, and has 64 at most",
    ),
    "keys beside a key": (
        KEYS + '[providers.bigco]\napi_key_env = "A"\n',
        ":9: providers.bigco: api_key_env and [[providers.bigco.keys]] are both set; "
        "make api_key_env one of the keys",
    ),
    "a key's name twice": (
        KEYS.replace("team-b", "team-a"),
        ':6: providers.bigco.keys: "team-a" is listed twice; name each key differently',
    ),
    "a key without a secret": (
        KEYS.replace('api_key = "sk-a"\n', ""),
        ":1: providers.bigco.keys: no key; set api_key or api_key_env",
    ),
    "a key with two secrets": (
        KEYS.replace("weight = 2.5", 'api_key_env = "A"'),
        ":4: providers.bigco.keys: api_key and api_key_env are both set; keep one",
    ),
    "a key without a name": (
        KEYS.replace('name = "team-b"\n', ""),
        ':5: providers.bigco.keys: name is missing; add name = "..."',
    ),
    "a key without weight": (
        KEYS.replace("2.5", "0"),
        ":4: providers.bigco.keys: weight must be from 0.001 to 1000",
    ),
    "a name that no list could show": (
        KEYS.replace("team-a", "team a"),
        ":2: providers.bigco.keys: name must be 1 to 64 letters, digits, '.', '_' and '-', "
        "and begin with a letter or digit",
    ),
    "one of several keys not set": (
        KEYS,
        ":7: providers.bigco.keys: environment variable TEAM_B is not set; export it or set api_key",
    ),
    "a wire that nobody speaks": (
        '[providers.bigco]\nmore_wires = { soap = "https://x.example" }\n',
        ":2: providers.bigco: more_wires names an unknown wire; "
        "known: openai_chat, openai_responses, anthropic_messages",
    ),
    "a wire without an address": (
        '[providers.bigco.more_wires]\nanthropic_messages = "x.example"\n',
        ":1: providers.bigco: more_wires anthropic_messages must be a URL such as "
        '"https://api.example.com/v1"',
    ),
    "a wire twice": (
        ACME.replace("api_key", 'more_wires = { openai_chat = "https://x.example" }\napi_key'),
        ":4: providers.acme: more_wires names openai_chat, which is its wire already; keep one",
    ),
    "quirks that are no words": (
        "[providers.bigco]\nquirks = ['Strange one']\n",
        ':2: providers.bigco: quirks must be words of a-z, 0-9 and "_"',
    ),
    "a quantization nobody knows": (
        ACME + "quantization = 'q4'\n",
        ':12: providers.acme.models: quantization must be one of "int4", "int8", "fp4", "fp6", "fp8", '
        '"fp16", "bf16", "fp32"',
    ),
    "a model that reads nothing": (
        ACME + "input_modalities = []\n",
        ":12: providers.acme.models: input_modalities must list some of "
        '"text", "image", "file", "audio", "video"',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_line_and_fix(refused: Callable[..., str], case: str) -> None:
    text, said = REFUSED[case]
    assert refused(text) == "tokenworks.toml" + said


def test_keys_of_presets_are_found_in_the_environment(home: Path) -> None:
    assert load(home, env={"BIGCO_TOKEN": " k2\n"}, preset_env=PRESETS).secrets == {"bigco": "k2"}
    both = {"BIGCO_TOKEN": "k2", "BIGCO_API_KEY": "k1"}
    assert load(home, env=both, preset_env=PRESETS).secrets == {"bigco": "k1"}
    assert load(home, env={"BIGCO_API_KEY": ""}, preset_env=PRESETS).secrets == {}
    with pytest.raises(ConfigError, match="environment variable BIGCO_TOKEN must be printable ASCII"):
        load(home, env={"BIGCO_TOKEN": "two words"}, preset_env=PRESETS)


def test_what_the_file_says_of_a_key_beats_the_environment(home: Path, refused: Callable[..., str]) -> None:
    env = {"BIGCO_API_KEY": "usual", "OTHER": "other"}
    write(home, '[providers.bigco]\napi_key = "own"\n')
    assert load(home, env=env, preset_env=PRESETS).secrets == {"bigco": "own"}
    write(home, '[providers.bigco]\napi_key_env = "OTHER"\n')
    assert load(home, env=env, preset_env=PRESETS).secrets == {"bigco": "other"}
    assert "OTHER is not set" in refused('[providers.bigco]\napi_key_env = "OTHER"\n', BIGCO_API_KEY="k")


def test_providers_that_need_no_key(home: Path) -> None:
    write(home, "[providers.localrun]\n[providers.bigco]\nenabled = false\n")
    assert load(home, env={"BIGCO_API_KEY": "k"}, preset_env=PRESETS).secrets == {}
    write(home, ACME.replace('api_key = "sk-upstream"', 'auth = "none"'))
    assert load(home, env={}).secrets == {}


def test_commands_that_call_no_provider_do_without_keys(home: Path) -> None:
    write(home, "[providers.bigco]\n")
    assert load(home, env={}, preset_env=PRESETS, require_secrets=False).secrets == {}


def test_a_key_stands_in_one_place_only(home: Path) -> None:
    write(home, ACME)
    settings = load(home, env={"BIGCO_TOKEN": "env-secret"}, preset_env=PRESETS)
    assert settings.secrets == {"acme": "sk-upstream", "bigco": "env-secret"}
    assert settings.providers["acme"].api_key is None


def test_extra_trust_roots_must_exist(home: Path, refused: Callable[..., str]) -> None:
    text = ACME.replace("allow_private = true", 'ca_file = "roots.pem"')
    assert refused(text) == (
        f"tokenworks.toml:5: providers.acme: ca_file: {home}/roots.pem is no file; give its path"
    )
    (home / "roots.pem").write_text("no certificate")
    assert "holds no certificates in PEM form" in refused(text)
    trustme.CA().cert_pem.write_to_path(str(home / "roots.pem"))
    assert load(home, env={}).providers["acme"].ca_file == str(home / "roots.pem")


# --- several keys and other news of a provider ------------------------------------------------


def test_several_keys_are_resolved_in_order(home: Path) -> None:
    write(home, KEYS)
    settings = load(home, env={"TEAM_B": " sk-b\n", "BIGCO_API_KEY": "unused"}, preset_env=PRESETS)
    assert settings.provider_keys == {
        "bigco": (ProviderKey("team-a", "sk-a", 2.5), ProviderKey("team-b", "sk-b", 1.0))
    }
    assert settings.secrets == {"bigco": "sk-a"}
    assert [key.api_key for key in settings.providers["bigco"].keys] == [None, None]
    assert "sk-a" not in repr(settings) + repr(settings.provider_keys)


def test_without_need_of_keys_those_that_are_there_count(home: Path) -> None:
    write(home, KEYS)
    settings = load(home, env={}, preset_env=PRESETS, require_secrets=False)
    assert [key.name for key in settings.provider_keys["bigco"]] == ["team-a"]
    write(home, KEYS.replace('api_key = "sk-a"', 'api_key_env = "TEAM_A"'))
    settings = load(home, env={}, preset_env=PRESETS, require_secrets=False)
    assert (settings.secrets, settings.provider_keys) == ({}, {})
    settings = load(home, env={"TEAM_B": "sk-b"}, preset_env=PRESETS, require_secrets=False)
    assert settings.secrets == {"bigco": "sk-b"}


def test_one_key_without_a_name_is_in_secrets_only(home: Path) -> None:
    write(home, ACME)
    settings = load(home, env={"BIGCO_API_KEY": "k"}, preset_env=PRESETS)
    assert (settings.secrets, settings.provider_keys) == ({"acme": "sk-upstream", "bigco": "k"}, {})


def test_keys_of_a_provider_that_is_off_or_needs_none_are_left_out(home: Path) -> None:
    for line in ("enabled = false", 'auth = "none"'):
        write(home, f"[providers.bigco]\n{line}\n{KEYS}")
        settings = load(home, env={}, preset_env=PRESETS)
        assert (settings.secrets, settings.provider_keys) == ({}, {})


def test_a_key_that_is_kept_elsewhere_is_not_missed(home: Path, refused: Callable[..., str]) -> None:
    text = ACME.replace('api_key = "sk-upstream"\n', "")
    assert "providers.acme: no key" in refused(text)
    write(home, text + "[providers.bigco]\n")
    settings = load(home, env={}, preset_env=PRESETS, vaulted=["acme", "bigco"])
    assert settings.secrets == {}
    with pytest.raises(ConfigError, match="BIGCO_API_KEY is not set"):
        load(home, env={}, preset_env=PRESETS, vaulted=["acme"])


def test_a_secret_in_the_wrong_form_is_not_shown(home: Path) -> None:
    write(home, KEYS)
    with pytest.raises(ConfigError, match="environment variable TEAM_B must be printable ASCII") as caught:
        load(home, env={"TEAM_B": "hunter 2"}, preset_env=PRESETS)
    assert "hunter" not in str(caught.value)


def everything(home: Path) -> Settings:
    write(
        home,
        ACME
        + """\
quantization = "fp8"
supported_parameters = ["tools", "top_p"]
input_modalities = ["text", "image"]
[providers.bigco]
quirks = ["usage_final_chunk"]
trains_on_prompts = false
zero_retention = true
[providers.bigco.more_wires]
anthropic_messages = "https://big.example/anthropic"
openai_responses = "https://big.example/v1"
""",
    )
    return load(home, env={"BIGCO_API_KEY": "k"}, preset_env=PRESETS)


def test_what_a_provider_and_its_models_can_do(home: Path) -> None:
    settings = everything(home)
    bigco, (fast,) = settings.providers["bigco"], settings.providers["acme"].models
    assert bigco.more_wires == {
        "anthropic_messages": "https://big.example/anthropic",
        "openai_responses": "https://big.example/v1",
    }
    assert (bigco.quirks, bigco.trains_on_prompts, bigco.zero_retention) == (
        ("usage_final_chunk",),
        False,
        True,
    )
    assert (fast.quantization, fast.supported_parameters, fast.input_modalities) == (
        "fp8",
        ("tools", "top_p"),
        ("text", "image"),
    )


@pytest.mark.parametrize("wire", ["openai_chat", "openai_responses", "anthropic_messages"])
def test_a_provider_may_speak_any_wire(home: Path, wire: str) -> None:
    write(home, ACME.replace("openai_chat", wire))
    assert load(home, env={}).providers["acme"].wire == wire
