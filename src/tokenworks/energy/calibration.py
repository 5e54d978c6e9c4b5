"""Constants from points, the errors that go with them, and the file that both are kept in.

Rows of devices carry errors of points whose model was left out on that device (``folds``); rows for devices
without points carry those that came of leaving out whole devices. So a band says what a user can expect of a
model, or a device, that was not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tokenworks.energy.cross_validation import Told, by_device, folds, held_out, predict
from tokenworks.energy.fitting import Array, fit, many
from tokenworks.energy.serving_points import Point
from tokenworks.energy.step_time import Row, Table
from tokenworks.errors import BadRequest

_HEAD = """\
# Constants of energy/step_time.py and their errors. Written by `tokenworks energy fit`: change nothing here.
# {n} points of {groups} groups (a model on a device); cross-validated in {k} parts by group:
#   time per output token: median error {median:.1%}, p90 {p90:.1%}
#   by constants that were fitted to all points: {fit_median:.1%}, {fit_p90:.1%}
# Rows without hardware serve devices without points; their errors are those of leaving out whole devices.
# What the fields mean: Constants, Row and Shared in energy/step_time.py.
"""


class Calibration(msgspec.Struct, frozen=True):
    """Constants, and relative errors (predicted / measured - 1) of each of ``points``."""

    table: Table
    points: tuple[Point, ...]
    parts: int
    tpot: Array
    ttft: Array
    fitted_tpot: Array
    fitted_ttft: Array


def calibrate(
    points: Sequence[Point], parts: int = 5, tell: Told = lambda what, done, total: None
) -> Calibration:
    """Fit, and fit again without each part. ``tell`` is told what is done, how much of it, of how much.

    Raises ``BadRequest`` where there are fewer groups than ``parts``.
    """
    if not points:
        raise BadRequest("there are no points to fit constants to")
    data = many(points)
    fold, device = folds(data.points, parts), by_device(data.points)
    devices = len(set(device))
    total = 1 + parts + devices
    tell("fitting", 0, total)
    table = fit(data)
    fitted = predict(data.points, table)
    out = held_out(data, fold, lambda what, done, _: tell(what, 1 + done, total))
    unknown = fitted
    if devices > 1:
        unknown = held_out(data, device, lambda what, done, _: tell(what, 1 + parts + done, total))
    tell("done", total, total)
    tpot, ttft = out[0] / data.tpot_s - 1, out[1] / data.ttft_s - 1
    far = unknown[0] / data.tpot_s - 1, unknown[1] / data.ttft_s - 1
    fitted_tpot = fitted[0] / data.tpot_s - 1
    rows = [
        _with_errors(row, data.points, (tpot, ttft) if row.hardware else far, fitted_tpot)
        for row in table.rows
    ]
    return Calibration(
        table=Table(shared=table.shared, rows=tuple(rows)),
        points=data.points,
        parts=parts,
        tpot=tpot,
        ttft=ttft,
        fitted_tpot=fitted_tpot,
        fitted_ttft=fitted[1] / data.ttft_s - 1,
    )


def _with_errors(row: Row, points: Sequence[Point], errors: tuple[Array, Array], fitted: Array) -> Row:
    """``row`` with what its points' errors say; a backend without points has those of all other backends."""
    device, backend, moe = row.hardware, row.backend, row.moe
    mine = np.array(
        [p.backend == backend and p.moe == moe and p.hardware == (device or p.hardware) for p in points]
    )
    if row.n:
        basis = f"{row.n} points of {backend}" + (f" on {device}" if device else " on other devices")
    else:
        mine = np.array([p.moe == moe for p in points])
        mine = mine if mine.any() else np.ones(len(points), dtype=bool)
        basis = f"no points of {backend} for this kind of model: those of other backends"
    ratio = 1 + errors[0][mine]
    return msgspec.structs.replace(
        row,
        median_abs_error=_short(np.median(np.abs(errors[0][mine]))),
        p10=_short(np.quantile(ratio, 0.1)),
        p90=_short(np.quantile(ratio, 0.9)),
        basis=basis,
        fitted_abs_error=_short(np.median(np.abs(fitted[mine]))),
        ttft_abs_error=_short(np.median(np.abs(errors[1][mine]))),
    )


def _short(value: np.floating[Any]) -> float:
    return round(float(value), 3)


def render(found: Calibration) -> str:
    """``constants.toml``."""
    head = _HEAD.format(
        n=len(found.points),
        groups=len({point.group for point in found.points}),
        k=found.parts,
        median=_median(found.tpot),
        p90=_p90(found.tpot),
        fit_median=_median(found.fitted_tpot),
        fit_p90=_p90(found.fitted_tpot),
    )
    blocks = [head + "\n[shared]\n" + _fields(msgspec.to_builtins(found.table.shared))]
    blocks += ["[[row]]\n" + _fields(_ordered(row)) for row in found.table.rows]
    return "\n".join(blocks)


def _ordered(row: Row) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(row)
    return {name: fields.pop(name) for name in ("hardware", "backend", "moe")} | fields


def _fields(fields: dict[str, Any]) -> str:
    return "".join(f"{name} = {_value(value)}\n" for name, value in fields.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return msgspec.json.encode(value).decode() if isinstance(value, str) else repr(value)


def _median(errors: npt.NDArray[np.float64]) -> float:
    return float(np.median(np.abs(errors)))


def _p90(errors: npt.NDArray[np.float64]) -> float:
    return float(np.quantile(np.abs(errors), 0.9))
