"""The bench of the predictor, on made-up outcomes."""

from pathlib import Path

import numpy as np
import pytest
from outcomes import write

import routing
from tokenworks.routing.study import score
from tokenworks.routing.study.data import load
from tokenworks.routing.study.matrix import features


def test_a_left_out_source_is_a_coin_toss_at_worst(tmp_path: Path) -> None:
    data = load(write(tmp_path, 80))
    told = routing.left_out(data, features(data.texts, lambda *_: None), lambda *_: None)
    assert [each["source"] for each in told["sources"]] == ["cooking", "sailing"]
    assert all(each["apgr"] > 0.4 for each in told["sources"])


def test_the_error_of_what_comes_true_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(0)
    said = chance.random(20_000)
    true = (chance.random(20_000) < said).astype(float)
    duel = score.Duel("s", "a", "b", np.arange(20_000), (true, true), None, said, (said, said))
    assert routing.calibration_error([duel]) < 0.01
    duel.told = (said / 2, said / 2)
    assert routing.calibration_error([duel]) > 0.2


def test_noise_is_counted_by_kind(tmp_path: Path) -> None:
    rows = routing.unchanged(load(write(tmp_path, 15)), 15)
    by_kind = {row["noise"]: row for row in rows}
    assert by_kind["casing"]["50% strong"] == by_kind["whitespace"]["50% strong"] == 1.0
    assert all(row["n"] == 30 for row in rows)
