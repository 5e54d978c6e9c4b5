"""``tokenworks energy eval``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from measured_points import ROW, rows, write

from tokenworks.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["energy", "eval", *map(str, arguments)])


def test_json_for_programs(tmp_path: Path) -> None:
    path = write(tmp_path / "points.csv", [*rows(), ROW | {"system": "abacus"}])
    found = json.loads(run(path, "--json").output)
    assert (found["n"], found["skipped"]) == (60, 1)
    assert found["skipped_rows"][0]["line"] == 62 and "abacus" in found["skipped_rows"][0]["reason"]
    for name in ("tpot", "ttft"):
        assert 0 < found[name]["median_abs_error"] <= found[name]["p90_abs_error"]


def test_the_measured_points(data: Path) -> None:
    found = json.loads(run(data / "economics" / "measured_serving.csv", "--json").output)
    assert found["n"] == 1429 and found["skipped"] == 0
    assert found["tpot"]["median_abs_error"] < 0.06 and found["tpot"]["p90_abs_error"] < 0.22


def test_tables_for_people(tmp_path: Path) -> None:
    shown = run(write(tmp_path / "points.csv", [*rows(), ROW | {"model_path": "nobody/knows"}])).output
    assert "60 points, shipped constants" in shown and "predicted worst" in shown
    assert "b200-sxm trtllm experts" in shown and "1 rows skipped" in shown and "first in line 62" in shown


def test_cross_validation_fits_to_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "points.csv", rows())
    found = json.loads(run(path, "--cross-validate", "--folds", "3", "--json").output)
    assert found["folds"] == 3 and found["fitted"]["tpot"]["median_abs_error"] > 0
    assert found["tpot"] != found["fitted"]["tpot"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plot", "x.pdf"], "a plot is .png or .svg"),
        (["--cross-validate", "--folds", "9"], "use 2 to 5 folds"),
        (["--cross-validate", "--constants", "x.toml"], "leave --constants out"),
        (["--constants", "x.toml"], "x.toml"),
    ],
)
def test_bad_options_are_told_in_a_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    shown = run(write(tmp_path / "points.csv", rows()), *arguments)
    assert shown.exit_code and message in shown.output and "Traceback" not in shown.output


def test_files_that_can_t_be_scored(tmp_path: Path) -> None:
    shown = run(tmp_path / "none.csv")
    assert shown.exit_code and "can't be read" in shown.output
    shown = run(write(tmp_path / "points.csv", [ROW | {"system": "abacus"}]))
    assert shown.exit_code and "no row can be compared" in shown.output and "abacus" in shown.output
