"""Settings may be logged whole, and the documentation tells them as they are."""

import re
from pathlib import Path

import msgspec
import pytest

from tokenworks.app.handover import Birth, pack, unpack
from tokenworks.config.auto import AutoSettings, RouteSettings, RouteUse, RouteWhen
from tokenworks.config.load import load
from tokenworks.config.settings import (
    EnergySettings,
    EngineSettings,
    LedgerSettings,
    ProviderKey,
    ProviderKeySettings,
    ProviderModelSettings,
    ProviderSettings,
    RoutingSettings,
    ServerSettings,
    Settings,
    UpstreamSettings,
)

ROOT = Path(__file__).parents[2]


def test_no_secret_is_in_any_repr() -> None:
    acme = ProviderSettings(
        wire="openai_chat",
        api_key="sk-upstream",
        headers={"x-token": "hdr-secret"},
        keys=(ProviderKeySettings("team-a", api_key="sk-team"),),
        models=(ProviderModelSettings(id="acme/fast"),),
    )
    keys = {"acme": (ProviderKey("team-a", "sk-team"), ProviderKey("team-b", "sk-other"))}
    settings = Settings(
        home=Path("/h"),
        source=None,
        ledger=LedgerSettings(store="postgresql://u:hunter2@h/db"),
        providers={"acme": acme},
        secrets={"acme": "sk-upstream"},
        provider_keys=keys,
        presets={"x": {"user": "prst-secret"}},
        pepper=b"pepperpepper",
    )
    shown = f"{settings!r} {settings} {acme!r} {[acme]} {acme.keys} {keys} {settings.ledger!r}"
    for secret in ("sk-upstream", "sk-team", "sk-other", "hdr-secret", "hunter2", "prst-", "pepperpepper"):
        assert secret not in shown
    assert "acme/fast" in shown
    assert settings.store_url == "postgresql://u:hunter2@h/db"


def test_the_store_is_a_file_under_home_unless_said_otherwise() -> None:
    assert Settings(home=Path("/h"), source=None).store_url == "sqlite:////h/tokenworks.db"


def test_everything_that_can_be_set_reaches_a_worker() -> None:
    acme = ProviderSettings(
        more_wires={"openai_responses": "https://acme.example/v1"},
        quirks=("usage_final_chunk",),
        keys=(ProviderKeySettings("team-a", api_key_env="A", weight=2.0),),
        models=(ProviderModelSettings(id="acme/fast", quantization="fp8", supported_parameters=("tools",)),),
    )
    settings = Settings(
        home=Path("/h"),
        source=None,
        routing=RoutingSettings(policy="price", hedge_percentile=99.0, auto=AutoSettings(models=("acme/*",))),
        routes=(
            RouteSettings("r", RouteWhen(session=False, not_=RouteWhen(task=("code",))), RouteUse(("auto",))),
        ),
        providers={"acme": acme},
        provider_keys={"acme": (ProviderKey("team-a", "sk-a", 2.0), ProviderKey("team-b", "sk-b"))},
        presets={"x": {"model": "m", "seed": 2**64 - 1, "stop": ["a"], "provider": {"order": ["acme"]}}},
    )
    assert unpack(pack(Birth(settings, "w0", 5, 6))).settings == settings


DOCUMENTED = {
    "[server]": ServerSettings,
    "[upstream]": UpstreamSettings,
    "[routing]": RoutingSettings,
    "[routing.auto]": AutoSettings,
    "[ledger]": LedgerSettings,
    "[energy]": EnergySettings,
    "[providers.NAME]": ProviderSettings,
    "[[providers.NAME.keys]]": ProviderKeySettings,
    "[[providers.NAME.models]]": ProviderModelSettings,
    "[engines.NAME]": EngineSettings,
}


@pytest.mark.parametrize("header", DOCUMENTED)
def test_every_setting_is_documented_with_its_default(header: str) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    section = re.split(r"^#+ ", text.split(f"`{header}`\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    fields = {field.name: field for field in msgspec.structs.fields(DOCUMENTED[header])}
    names = {name for row in section.splitlines() for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    # The first has one value only, the second is a table of its own.
    assert names == fields.keys() - {"runtime", "auto"}
    if "| default |" in section:
        for name, default in re.findall(r"^\| `(\w+)` \| `(.*?)` \|", section, re.MULTILINE):
            assert msgspec.toml.decode(f"x = {default}".encode())["x"] == pytest.approx(
                list(fields[name].default) if fields[name].default == () else fields[name].default
            )


def test_the_config_of_the_readme_loads(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "tokenworks.toml").write_text(example)
    settings = load(tmp_path, env={"ACME_API_KEY": "k"})
    assert settings.providers["acme"].models[0].id == "acme/fast"


@pytest.mark.parametrize(
    ("host", "on_loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("::1", True), ("0.0.0.0", False),
     ("192.168.1.2", False), ("::", False), ("example.com", False)],
)  # fmt: skip
def test_without_a_key_only_where_nobody_else_can_ask(host: str, on_loopback: bool) -> None:
    assert ServerSettings(host=host).on_loopback is on_loopback
    assert ServerSettings(host=host).keyless is on_loopback
    assert not ServerSettings(host=host, keyless_local=False).keyless
