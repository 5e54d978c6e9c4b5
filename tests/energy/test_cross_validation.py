"""Cross-validation: no group is fitted and tested, and the measured points meet what is claimed of them."""

from pathlib import Path

import numpy as np
import pytest
from measured_points import rows, write

from tokenworks.energy import cross_validation, step_time
from tokenworks.energy.cross_validation import by_device, folds, held_out, predict
from tokenworks.energy.fitting import Many, many
from tokenworks.energy.serving_points import read
from tokenworks.energy.step_time import Table
from tokenworks.errors import BadRequest


@pytest.fixture
def points(tmp_path: Path) -> Many:
    return many(read(write(tmp_path / "points.csv", rows())).points)


def test_a_group_is_in_one_fold_only(points: Many) -> None:
    fold = folds(points.points, 3)
    of = {
        point.group: {f for f, p in zip(fold, points.points, strict=True) if p.group == point.group}
        for point in points.points
    }
    assert len(of) == 5 and all(len(each) == 1 for each in of.values())
    assert set(fold) == {0, 1, 2}


@pytest.mark.parametrize("k", [0, 1, 6])
def test_folds_that_can_t_be(points: Many, k: int) -> None:
    with pytest.raises(BadRequest, match="use 2 to 5 folds"):
        folds(points.points, k)


def test_what_is_held_out_has_no_part_in_its_constants(points: Many, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = folds(points.points, 5)
    left_out: list[set[str]] = []

    def seen(data: Many, chosen: np.ndarray) -> Table:
        inside = {p.group for p, take in zip(data.points, chosen, strict=True) if take}
        left_out.append({p.group for p in data.points} - inside)
        assert not inside & left_out[-1]
        return step_time.shipped()

    monkeypatch.setattr(cross_validation, "fit", seen)
    tpot, _ = held_out(points, fold)
    assert sorted(len(each) for each in left_out) == [1] * 5
    assert tpot == pytest.approx(predict(points.points, step_time.shipped())[0])


def test_whole_devices_left_out(points: Many) -> None:
    assert {(p.hardware, fold) for p, fold in zip(points.points, by_device(points.points), strict=True)} == {
        ("b200-sxm", 0),
        ("h200-sxm", 1),
    }


def test_progress_is_told(points: Many, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "fit", lambda data, chosen: step_time.shipped())
    told: list[tuple[int, int]] = []
    held_out(points, folds(points.points, 2), lambda what, done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2)]
