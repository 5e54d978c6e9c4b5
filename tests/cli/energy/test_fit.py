"""``tokenworks energy fit``."""

import json
from pathlib import Path

from click.testing import CliRunner, Result
from measured_points import ROW, rows, write

from tokenworks.cli import main
from tokenworks.energy import step_time


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["energy", "fit", *map(str, arguments)])


def test_constants_are_written_and_used(tmp_path: Path) -> None:
    path, out = write(tmp_path / "points.csv", rows()), tmp_path / "constants.toml"
    shown = run(path, "--out", out, "--folds", "2")
    assert shown.exit_code == 0 and f"constants written to {out}" in shown.output
    assert "left out in 2 parts" in shown.output and "fitted" in shown.output
    assert {row.hardware for row in step_time.read(out).rows} == {"h200-sxm", "b200-sxm", ""}
    first = out.read_bytes()
    found = json.loads(run(path, "--out", out, "--folds", "2", "--json").output)
    assert out.read_bytes() == first  # the same points, the same constants
    scored = CliRunner().invoke(main, ["energy", "eval", str(path), "--constants", str(out), "--json"])
    again = json.loads(scored.output)
    assert abs(again["tpot"]["median_abs_error"] - found["fitted"]["tpot"]["median_abs_error"]) < 1e-9


def test_what_can_t_be_fitted(tmp_path: Path) -> None:
    shown = run(write(tmp_path / "a.csv", [ROW | {"system": "abacus"}]))
    assert shown.exit_code and "no points to fit" in shown.output
    shown = run(write(tmp_path / "b.csv", rows()), "--out", tmp_path / "no" / "folder.toml", "--folds", "2")
    assert shown.exit_code and "can't be written" in shown.output
