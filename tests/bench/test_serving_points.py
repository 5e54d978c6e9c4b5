"""That the tables are true: what they must show, and that constants say which points they were fitted on."""

import json
import math
import statistics
from pathlib import Path

import pytest

import serving_points
from serving_points import POINTS, day, day_rows, energy_rows, node_rows, power_rows, shape_rows, wide_rows
from tokenworks.energy import pool


def test_the_published_day_within_three_percent() -> None:
    rows = [row for row in day_rows() if row.fitted]
    assert {row.what for row in rows} == {
        f"day: {w}" for w in ("input, hits included", "output", "nodes", "cost")
    }
    for row in rows:
        assert abs(row.error) < 0.03, row


def test_what_the_day_would_be_without_its_own_constants_is_told() -> None:
    free = day(production=False)
    assert 0.7 < free.nodes / POINTS["day"]["nodes"] < 1


def test_wide_points_within_ten_percent() -> None:
    for told, row in zip(POINTS["wide"], wide_rows(), strict=True):
        if told["point"] in (3, 5):
            assert abs(row.error) < 0.10, row


def test_constants_are_in_the_middle_of_their_points() -> None:
    rows = {told["id"]: row for told, row in zip(POINTS["wide"], wide_rows(), strict=True)}
    shipped = pool.shipped()
    for constant in (*shipped.decode.values(), shipped.prefill):
        ratios = [rows[point].computed / rows[point].published for point in constant.points]
        assert math.isclose(max(ratios) * min(ratios), 1, abs_tol=0.01), constant
        assert all(rows[point].fitted for point in constant.points)
    fitted = {point for constant in (*shipped.decode.values(), shipped.prefill) for point in constant.points}
    assert fitted == {told["id"] for told in POINTS["wide"] if told.get("fitted")}


def test_the_band_is_that_of_the_points_outside() -> None:
    ratios = sorted(
        row.computed / row.published for row in wide_rows() if not row.fitted
    )  # measured time by ours
    band = pool.shipped().band
    assert band.points == len(ratios)
    assert sum(band.low <= ratio <= band.high for ratio in ratios) >= 0.75 * len(ratios)
    assert statistics.median(abs(ratio - 1) for ratio in ratios) == pytest.approx(
        band.median_abs_error, abs=0.03
    )


def test_every_table_is_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    serving_points.main(["--json", str(tmp_path / "out.json")])
    printed = capsys.readouterr().out
    assert printed.count("\n## ") + printed.startswith("## ") == len(serving_points.PARTS)
    assert "not computed" not in printed
    data = json.loads((tmp_path / "out.json").read_text())
    assert set(data) == set(serving_points.PARTS)


def test_points_of_one_server_and_of_energy_are_all_there() -> None:
    assert {row.point for row in node_rows()} == {str(n) for n in range(11, 18)}
    assert {row.point for row in energy_rows()} == {"18", "19", "20", "21"}
    assert statistics.median(abs(row.error) for row in energy_rows()) < 0.3
    assert all(abs(row.error) < 0.05 for row in shape_rows())


def test_electricity_is_a_small_share_until_the_devices_are_paid_off() -> None:
    rows = power_rows()
    at_hand = [row for row in rows if "paid off" not in row.case]
    assert all(0.01 < row.power_share < 0.1 for row in at_hand)
    assert all(row.power_share > 0.99 for row in rows if "paid off" in row.case)
