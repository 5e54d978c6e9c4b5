"""``tokenworks route train``."""

import json
from pathlib import Path

from click.testing import CliRunner
from outcomes import write

from tokenworks.cli.route import route
from tokenworks.errors import ConfigError


def test_weights_are_made_and_can_be_scored(tmp_path: Path) -> None:
    folder, out = write(tmp_path / "data", 60), tmp_path / "made.npz"
    done = CliRunner().invoke(route, ["train", str(folder), "--out", str(out)])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "120 prompts of 2 sources; 3 models" in done.output
    other = write(tmp_path / "other", 60, seed=2)
    scored = CliRunner().invoke(route, ["eval", str(other), "--weights", str(out), "--json"])
    assert json.loads(scored.stdout)["pooled"]["apgr"] > 0.6


def test_material_for_evaluation_only_is_refused(tmp_path: Path) -> None:
    folder, out = write(tmp_path / "RouterArena", 5), tmp_path / "w.npz"
    done = CliRunner().invoke(route, ["train", str(folder), "--out", str(out)])
    assert isinstance(done.exception, ConfigError)
    assert "evaluation only" in str(done.exception)
    assert not out.exists()
