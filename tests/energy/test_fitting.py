"""Fitting: constants that points were made with come back, faults among the points do not move them much."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from measured_points import rows, write

from tokenworks.energy import step_time
from tokenworks.energy.cross_validation import predict
from tokenworks.energy.fitting import fit, many, tpot_s
from tokenworks.energy.serving_points import Point, read
from tokenworks.energy.step_time import Table


def made(tmp_path: Path, table: Table, fault: float = 1.0) -> list[Point]:
    """Points with the times that ``table`` says, every ninth ``fault`` times as long."""
    points = read(write(tmp_path / "points.csv", rows())).points
    tpot, ttft = predict(points, table)
    return [
        msgspec.structs.replace(
            p,
            tpot_s=float(t) * (fault if i % 9 == 0 else 1.0),
            ttft_s=float(first) * (fault if i % 9 == 0 else 1.0),
        )
        for i, (p, t, first) in enumerate(zip(points, tpot, ttft, strict=True))
    ]


def slower(table: Table) -> Table:
    """Other constants than those that a fit begins with."""
    return Table(
        table.shared,
        tuple(
            msgspec.structs.replace(row, layer_us=row.layer_us * 2.5, bandwidth_share=0.6)
            for row in table.rows
        ),
    )


@pytest.mark.parametrize(("fault", "within"), [(1.0, 0.03), (0.4, 0.05)])
def test_times_come_back(tmp_path: Path, fault: float, within: float) -> None:
    truth = slower(step_time.shipped())
    table = fit(many(made(tmp_path, truth, fault)))
    points = made(tmp_path, truth)
    tpot, ttft = predict(points, table)
    assert np.median(np.abs(tpot / [p.tpot_s for p in points] - 1)) < within
    assert np.median(np.abs(ttft / [p.ttft_s for p in points] - 1)) < 0.25
    assert max(row.bandwidth_share for row in table.rows if row.hardware) < 0.75  # it was 0.6, begins at 0.85


def test_the_order_of_points_does_not_matter(tmp_path: Path) -> None:
    points = made(tmp_path, step_time.shipped())
    assert fit(many(points)) == fit(many(points[::-1]))


def test_only_chosen_points_count(tmp_path: Path) -> None:
    points = made(tmp_path, step_time.shipped())
    data = many(points)
    chosen = np.array([point.hardware == "h200-sxm" for point in data.points])
    table = fit(data, chosen)
    assert {row.hardware for row in table.rows} == {"h200-sxm", ""}
    assert table == fit(many([point for point in points if point.hardware == "h200-sxm"]))


def test_prompts_of_others_stretch_each_token(tmp_path: Path) -> None:
    points = made(tmp_path, step_time.shipped())
    one = points[0]
    c = step_time.constants(*one.cell)
    alone = msgspec.structs.replace(one, running=1.0)
    assert tpot_s(alone, c, step_time.shipped().shared) == pytest.approx(
        step_time.decode_step_s(one.decode, c, step_time.shipped().shared)
    )
    assert tpot_s(one, c, step_time.shipped().shared) > tpot_s(alone, c, step_time.shipped().shared)


def test_the_shipped_constants_are_those_of_the_measured_points(data: Path) -> None:
    found = fit(many(read(data / "economics" / "measured_serving.csv").points))
    assert found.shared == step_time.shipped().shared
    fitted = ("hardware", "backend", "moe", "bandwidth_share", "matrix_share", "layer_us", "sequence_us", "n")
    for now, kept in zip(found.rows, step_time.shipped().rows, strict=True):
        assert [getattr(now, name) for name in fitted] == [getattr(kept, name) for name in fitted]
