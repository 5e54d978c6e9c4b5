"""Power price and carbon per region: the shipped rows and the user's over them."""

import csv
import json
import re
from pathlib import Path

import pytest

from tokenworks.energy import grid
from tokenworks.errors import ConfigError

OWN = """
[sources]
contract = "our contract with the hall"

[US-TX]
price = { usd_per_kwh = 0.051, source = "contract", date = "2026-10" }

[HALL-1]
name = "Our hall"
within = "DE"
carbon = { g_per_kwh = 12, source = "roof", date = "2026-10-01" }
"""


def written(folder: Path, text: str) -> Path:
    (folder / "grid.toml").write_text(text)
    return folder


def test_every_shipped_number_has_a_source_and_a_date_and_is_of_a_region() -> None:
    found = grid.regions()
    assert len(found) > 40
    for each in found.values():
        for figure in (each.price, each.carbon):
            assert len(figure.source) > 10, each.id  # no short name that nothing explains
            assert re.match(r"20(1|2)\d", figure.date) and figure.of in found
        assert 0.03 < each.usd_per_kwh < 0.35 and 10 < each.g_per_kwh < 900
        assert not each.own


@pytest.mark.parametrize(
    ("name", "usd_per_kwh", "g_per_kwh"),
    [
        ("CN", 0.088, 582),
        ("CN-NM", 0.056, 648),
        ("CN-GS", 0.056, 447),
        ("US", 0.091, 369),
        ("US-VA", 0.0892, 245),
        ("FR", 0.186, 56),
        ("FI", 0.101, 79),
        ("SA", 0.048, 707),
        ("CN-YN", 0.088, 133),
        ("US-CA", 0.1864, 179),
    ],
)
def test_what_is_published(name: str, usd_per_kwh: float, g_per_kwh: float) -> None:
    found = grid.region(name)
    assert (found.usd_per_kwh, found.g_per_kwh) == (usd_per_kwh, g_per_kwh)


def test_carbon_and_prices_are_those_of_the_tables(data: Path) -> None:
    folder = data / "economics" / "grid"
    mix = json.loads((folder / "global_energy_mix.json").read_text())
    alpha3 = {"FR": "FRA", "SE": "SWE", "US": "USA", "CN": "CHN", "AE": "ARE", "IN": "IND", "PL": "POL"}
    for two, three in alpha3.items():
        assert grid.region(two).g_per_kwh == round(mix[three]["carbon_intensity"])
    provinces = json.loads((folder / "china_provincial_emissions.json").read_text())["data"]
    states = json.loads((folder / "usa_emissions.json").read_text())
    for each in grid.regions().values():
        if each.id in provinces:
            assert each.g_per_kwh == round(provinces[each.id]["emission_factor"])
        if each.within == "US":
            assert each.g_per_kwh == round(states[each.name.lower()]["emissions"] * 0.453592)
    with (folder.parent / "electricity_prices.csv").open() as table:
        prices = {float(row["usd_per_kwh"]) for row in csv.DictReader(table)}
    for name in ("CN", "CN-WEST", "CN-NM", "US", "US-TX", "US-OH", "US-WA", "EU", "DE", "IE", "WORLD"):
        assert grid.region(name).usd_per_kwh in prices


def test_a_region_without_a_price_has_that_of_the_larger_one_and_says_so() -> None:
    ningxia, sichuan = grid.region("ningxia"), grid.region("Sichuan")
    assert (ningxia.price.of, ningxia.carbon.of) == ("CN-WEST", "CN-NX")
    assert (sichuan.price.of, sichuan.usd_per_kwh) == ("CN", grid.region("CN").usd_per_kwh)
    assert grid.region("CN-WEST").carbon.of == "CN"


@pytest.mark.parametrize("name", ["tx", "TEXAS", "us-tx", " Texas "])
def test_a_region_has_many_names(name: str) -> None:
    assert grid.region(name).id == "US-TX"
    assert grid.region("inner_mongolia").id == "CN-NM"


def test_an_unknown_region_is_one_line_that_helps() -> None:
    with pytest.raises(ConfigError, match=r"did you mean .*US-VA") as refused:
        grid.region("Virgina")
    assert "\n" not in refused.value.message
    with pytest.raises(ConfigError, match="list them with: tokenworks energy grid"):
        grid.region("qqqq")


def test_own_rows_change_and_add(tmp_path: Path) -> None:
    home = written(tmp_path, OWN)
    texas, hall = grid.region("texas", home), grid.region("our hall", home)
    assert (texas.usd_per_kwh, texas.price.source, texas.own) == (0.051, "our contract with the hall", True)
    assert (texas.g_per_kwh, texas.carbon.date) == (350, "2023")
    assert (hall.id, hall.usd_per_kwh, hall.price.of, hall.g_per_kwh) == ("HALL-1", 0.254, "DE", 12)
    assert not grid.region("DE", home).own
    assert grid.region("TX").usd_per_kwh == 0.0725  # nothing of it is kept


def test_a_note_on_a_price_goes_with_that_price(tmp_path: Path) -> None:
    home = written(tmp_path, '[CN-NM]\nprice = { usd_per_kwh = 0.06, source = "x", date = "2026" }\n')
    assert "subsidy" in grid.region("CN-NM").note
    assert grid.region("CN-NM", home).note == ""


def test_states_within_an_own_country_are_own_too(tmp_path: Path) -> None:
    home = written(tmp_path, '[US]\nprice = { usd_per_kwh = 0.1, source = "x", date = "2026" }\n')
    assert grid.region("US-AZ", home).own and not grid.region("US-TX", home).own


def price(number: str) -> str:
    return f'[US]\nprice = {{ usd_per_kwh = {number}, source = "x", date = "2026" }}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (price("-0.1"), r"\[US\]: usd_per_kwh is -0.1; give dollars per kWh, from 0 to 5"),
        (price("9.1"), "usd_per_kwh is 9.1; give dollars"),
        (price("nan"), "usd_per_kwh is nan"),
        (price('"9"'), r"Expected `float`, got `str`"),
        ('[US]\nprice = { usd_per_kwh = 0.1, date = "2026" }\n', "missing required field `source`"),
        ('[US]\nprice = { usd_per_kwh = 0.1, source = "", date = "2026" }\n', "source is empty"),
        ('[US]\nprice = { usd_per_kwh = 0.1, source = "x", date = "May" }\n', "date must be such as"),
        (
            '[US]\ncarbon = { g_per_kwh = 9e9, source = "x", date = "2026" }\n',
            "g_per_kwh is 9e[+]09; give grams",
        ),
        ("[US]\nusd_per_kwh = 0.1\n", "unknown field `usd_per_kwh`"),
        ("[us]\n", r"\[us\]: an id is of capitals"),
        ("[HALL]\n", r"\[HALL\]: add price = { usd_per_kwh"),
        ('[HALL]\nwithin = "MARS"\n', r'within = "MARS" is no region'),
        ('[US]\nwithin = "US-TX"\n', "lies within itself, by way of US"),
        ("[US\n", "Expected"),
        ("sources = 1\n", r"\[sources\] must hold"),
        ("US = 1\n", "Expected `object`, got `int`"),
    ],
)
def test_a_file_that_can_not_be_used_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    home = written(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as refused:
        grid.regions(home)
    assert str(home / "grid.toml") in refused.value.message and "\n" not in refused.value.message


def test_what_json_shows() -> None:
    shown = grid.as_dict(grid.region("CN-NX"))
    assert shown["price_of"] == "CN-WEST" and shown["carbon_of"] == "CN-NX" and shown["within"] == "CN-WEST"
    assert json.loads(json.dumps(shown)) == shown
    assert grid.as_dict(grid.region("WORLD"))["within"] is None
