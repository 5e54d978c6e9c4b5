"""``tokenworks energy grid``."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from tokenworks.cli import main


def grid(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["energy", "grid", "--home", str(home), *arguments])


def test_all_regions_by_area(tmp_path: Path) -> None:
    shown = grid(tmp_path).output
    for text in ("US-TX", "Inner Mongolia", "¢/kWh", "2026-03-19, CN-WEST", f"{tmp_path}/grid.toml"):
        assert text in shown, text
    assert shown.index("CN-NM") < shown.index("US-TX") < shown.index("DE ")


def test_some_regions_with_their_sources(tmp_path: Path) -> None:
    lines = grid(tmp_path, "texas", "CN-NX", "--sources").output.splitlines()
    assert lines[1].split()[:3] == ["US-TX", "Texas", "7.25"]
    assert lines[2].split()[:3] == ["CN-NX", "Ningxia", "7.0"]
    assert "eGRID" in lines[5] and "MEE" in lines[6]


def test_json_sorted_by_price_and_by_carbon(tmp_path: Path) -> None:
    by_price, by_carbon = (
        json.loads(grid(tmp_path, "--json", "--sort", by).output)["regions"] for by in ("price", "carbon")
    )
    cheap, clean = [each["usd_per_kwh"] for each in by_price], [each["g_per_kwh"] for each in by_carbon]
    assert cheap == sorted(cheap) and clean == sorted(clean) and len(cheap) == len(clean) > 40


def test_own_rows_are_marked(tmp_path: Path) -> None:
    row = '[US-TX]\nprice = { usd_per_kwh = 0.05, source = "contract", date = "2026-10" }\n'
    (tmp_path / "grid.toml").write_text(row)
    shown = grid(tmp_path, "TX").output
    assert "Texas (yours)" in shown and "5.0" in shown and "Your own prices" not in shown


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    unknown = grid(tmp_path, "Texs")
    assert (unknown.exit_code, unknown.output.count("\n")) == (2, 1)
    assert 'tokenworks: no region is called "Texs"; did you mean US-TX' in unknown.output
    (tmp_path / "grid.toml").write_text('[US]\nprice = { usd_per_kwh = -1, source = "x", date = "2026" }\n')
    negative = grid(tmp_path)
    assert (negative.exit_code, negative.output.count("\n")) == (2, 1)
    assert "usd_per_kwh is -1; give dollars per kWh" in negative.output
