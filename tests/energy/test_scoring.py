"""Scores: errors as fractions, signed and unsigned, overall and by cell."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.energy.test_fitting import made

from tokenworks.energy import step_time
from tokenworks.energy.scoring import as_dict, relative, score
from tokenworks.errors import BadRequest


def test_errors_of_known_size(tmp_path: Path) -> None:
    points = made(tmp_path, step_time.shipped())
    none = np.zeros(len(points))
    tpot = np.where([p.model.startswith("openai") for p in points], -0.5, 0.1)
    found = score(points, tpot, none)
    assert (found.n, found.tpot.median_abs_error, found.tpot.p90_abs_error) == (60, 0.1, 0.5)
    assert found.ttft.median_abs_error == 0
    assert found.groups[0].name == "openai/gpt-oss-120b fp4 on b200-sxm, trtllm"
    assert (found.groups[0].n, found.groups[0].tpot.median_error, found.groups[0].tpot.p10) == (12, -0.5, 0.5)
    assert sum(part.n for part in found.cells) == sum(part.n for part in found.groups) == 60
    assert "h200-sxm vllm dense" in [part.name for part in found.cells]


def test_predicted_against_measured(tmp_path: Path) -> None:
    points = made(tmp_path, step_time.shipped(), fault=2.0)
    tpot, ttft = relative(points, step_time.shipped())
    assert tpot[1:9] == pytest.approx(np.zeros(8), abs=1e-9)
    assert (tpot[0], ttft[0]) == pytest.approx((-0.5, -0.5))


def test_json_has_the_keys_that_are_asked_for(tmp_path: Path) -> None:
    points = made(tmp_path, step_time.shipped())
    errors = np.full(len(points), 1 / 3)
    found = json.loads(json.dumps(as_dict(score(points, errors, errors))))
    assert found["n"] == 60 and set(found["tpot"]) >= {"median_abs_error", "p90_abs_error"}
    assert found["ttft"]["p90_abs_error"] == found["cells"][0]["tpot"]["p90_abs_error"] == 0.333333


def test_nothing_to_score() -> None:
    with pytest.raises(BadRequest, match="no points"):
        score([], np.zeros(0), np.zeros(0))
