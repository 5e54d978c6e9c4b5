"""``tokenworks route eval``."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from outcomes import CHEAP, MIDDLING, STRONG, write

from tokenworks.cli.route import route
from tokenworks.errors import ConfigError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(route, ["eval", *map(str, arguments)])


def told(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("eval"), 60)


def test_the_shipped_weights_are_scored_on_a_folder_they_never_saw(folder: Path) -> None:
    found = told(folder)
    assert {"source", "n", "strong", "cheap", "apgr", "cpt50", "cpt80", "saved_at_parity"} <= set(
        found["sources"][0]
    )
    assert [(each["strong"], each["cheap"]) for each in found["sources"]] == [(STRONG, CHEAP)] * 2
    assert found["fitted"] == "nothing fitted on it"
    assert all(each["n"] == 60 and 0.3 < each["apgr"] < 0.7 for each in found["sources"])


def test_only_needed_columns_and_a_pair_of_ones_own(tmp_path: Path) -> None:
    folder = write(tmp_path, 30, plain=True)
    found = told(folder, "--pair", STRONG, CHEAP, "--source", "sailing")
    assert [each["source"] for each in found["sources"]] == ["sailing"]
    assert found["pooled"]["saved_is"] == "calls" and found["pooled"]["strong_cost_usd"] is None
    usual = told(folder)["sources"][0]
    assert (usual["strong"], usual["cheap"]) == (STRONG, MIDDLING)  # without costs: the median model


def test_people_get_tables(folder: Path) -> None:
    done = run(folder)
    assert done.exit_code == 0, done.output
    for word in ("APGR", "pooled", "random mix", "oracle", "always the cheap model"):
        assert word in done.output


def test_what_is_wrong_is_one_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object) -> str:
        done = run(*arguments)
        assert isinstance(done.exception, ConfigError), done.output
        return str(done.exception)

    assert "no such file" in fails(tmp_path)
    assert "there are cooking, sailing" in fails(folder, "--source", "flying")
    assert "no source has outcomes" in fails(folder, "--pair", "x", "y")
    assert ".png or .svg" in fails(folder, "--plot", tmp_path / "curve.gif")
    assert "route train" in fails(folder, "--weights", tmp_path / "none.npz")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert "pip install 'tokenworks[route]'" in fails(folder)
