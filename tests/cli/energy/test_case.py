"""The options of a case: what is left out stays as the planner has it."""

from pathlib import Path

import click
import pytest

from tokenworks.cli.energy import case as cases
from tokenworks.cli.home import Place
from tokenworks.config.settings import EnergySettings, Settings
from tokenworks.energy.case import Case
from tokenworks.energy.grid import region
from tokenworks.errors import ConfigError


def test_every_option_is_a_field_of_the_case() -> None:
    fields = set(Case.__struct_fields__)
    assert {field for _, _, field, _ in cases._OPTIONS} <= fields


def test_what_is_left_out_is_as_the_planner_has_it() -> None:
    made = cases.case("a", "b", region("TX"), {"tp": None, "power_price": None, "own": False, "kv": "fp8"})
    assert made == Case(model="a", hardware="b", usd_per_kwh=0.0725, g_per_kwh=350, kv="fp8")


def test_a_given_price_beats_the_region_s_even_if_it_is_nothing() -> None:
    assert cases.case("a", "b", region("TX"), {"power_price": 0.0}).usd_per_kwh == 0.0


def settings(home: Path, where: str | None = None) -> Settings:
    energy = EnergySettings() if where is None else EnergySettings(region=where)
    return Settings(home=home, source=None, energy=energy)


def test_the_region_is_the_given_one_else_the_configured_one_else_the_united_states(tmp_path: Path) -> None:
    assert cases.region_of(settings(tmp_path, "FI"), "texas").id == "US-TX"
    assert cases.region_of(settings(tmp_path, "FI"), None).id == "FI"
    assert cases.region_of(settings(tmp_path), None).id == "US"
    with pytest.raises(ConfigError, match="no region is called"):
        cases.region_of(settings(tmp_path, "atlantis"), None)


def test_a_configured_price_is_that_of_the_configured_region_only(tmp_path: Path) -> None:
    energy = EnergySettings(region="CN-NM", usd_per_kwh=0.03, g_per_kwh=9)
    configured = Settings(home=tmp_path, source=None, energy=energy)
    here, there = cases.region_of(configured, None), cases.region_of(configured, "TX")
    assert (here.id, here.usd_per_kwh, here.g_per_kwh, here.note) == ("CN-NM", 0.03, 9, "")
    assert "[energy]" in here.price.source and "[energy]" in here.carbon.source
    assert (there.usd_per_kwh, there.g_per_kwh) == (0.0725, 350)


def test_config_takes_a_model_s_file_as_well(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("{}")
    own = tmp_path / "tokenworks.toml"
    assert cases.model_of(Place(tmp_path, file), None) == (Place(tmp_path), str(file))
    assert cases.model_of(Place(tmp_path, tmp_path), None) == (Place(tmp_path), str(tmp_path))
    assert cases.model_of(Place(tmp_path, own), "kimi-k2.5") == (Place(tmp_path, own), "kimi-k2.5")


def test_a_model_is_given_once(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    with pytest.raises(click.UsageError, match="no such file; give a model"):
        cases.model_of(Place(None, file), None)
    file.write_text("{}")
    with pytest.raises(click.UsageError, match="not both"):
        cases.model_of(Place(None, file), "kimi-k2.5")
    with pytest.raises(click.UsageError, match="give a MODEL"):
        cases.model_of(Place(), None)


def test_files_have_short_titles() -> None:
    assert cases.title_of("models/my-model/config.json") == "my-model"
    assert cases.title_of("models/my-model.Q4_K_M.gguf") == "my-model.Q4_K_M"
    assert cases.title_of("moonshotai/kimi-k2.5") == "moonshotai/kimi-k2.5"
