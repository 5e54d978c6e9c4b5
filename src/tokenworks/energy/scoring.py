"""How far predicted times lie from measured ones: overall, by cell, by model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from tokenworks.energy.cross_validation import predict
from tokenworks.energy.fitting import Array
from tokenworks.energy.serving_points import Point
from tokenworks.energy.step_time import Table
from tokenworks.errors import BadRequest


class Errors(msgspec.Struct, frozen=True):
    """Of relative errors, fractions: predicted / measured - 1."""

    median_abs_error: float
    p90_abs_error: float
    median_error: float  # with its sign: above 0, predicted times are too long
    p10: float  # predicted / measured
    p90: float


class Part(msgspec.Struct, frozen=True):
    """Some of the points: those of a cell, or of a model on a device."""

    name: str
    n: int
    tpot: Errors
    ttft: Errors


class Score(msgspec.Struct, frozen=True):
    n: int
    tpot: Errors
    ttft: Errors
    cells: tuple[Part, ...]  # hardware, backend, dense | experts
    groups: tuple[Part, ...]  # a model on a device in a precision by a backend; those predicted worst first


def relative(points: Sequence[Point], table: Table) -> tuple[Array, Array]:
    """Relative errors of ``table``'s constants, of time per output token and before the first one."""
    tpot, ttft = predict(points, table)
    return tpot / [p.tpot_s for p in points] - 1.0, ttft / [p.ttft_s for p in points] - 1.0


def score(points: Sequence[Point], tpot: Array, ttft: Array) -> Score:
    """Sums up relative errors of ``points``. Raises ``BadRequest`` where there are none."""
    if not points:
        raise BadRequest("there are no points to compare with")
    whole = _part("all", np.ones(len(points), dtype=bool), tpot, ttft)
    groups = _parts(points, _setting, tpot, ttft)
    return Score(
        n=whole.n,
        tpot=whole.tpot,
        ttft=whole.ttft,
        cells=tuple(_parts(points, _cell, tpot, ttft)),
        groups=tuple(sorted(groups, key=lambda part: -part.tpot.median_abs_error)),
    )


def as_dict(found: Score) -> dict[str, Any]:
    """For JSON, errors with six digits."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: short(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [short(each) for each in value]
        return round(value, 6) if isinstance(value, float) else value

    raw: dict[str, Any] = short(msgspec.to_builtins(found))
    return raw


def _cell(point: Point) -> str:
    return f"{point.hardware} {point.backend} {'experts' if point.moe else 'dense'}"


def _setting(point: Point) -> str:
    return f"{point.model} {point.precision} on {point.hardware}, {point.backend}"


def _parts(points: Sequence[Point], name: Callable[[Point], str], tpot: Array, ttft: Array) -> list[Part]:
    names = np.array([name(point) for point in points])
    return [_part(str(each), names == each, tpot, ttft) for each in sorted(set(names))]


def _part(name: str, chosen: Any, tpot: Array, ttft: Array) -> Part:
    return Part(name, int(chosen.sum()), _errors(tpot[chosen]), _errors(ttft[chosen]))


def _errors(errors: Array) -> Errors:
    return Errors(
        median_abs_error=float(np.median(np.abs(errors))),
        p90_abs_error=float(np.quantile(np.abs(errors), 0.9)),
        median_error=float(np.median(errors)),
        p10=float(np.quantile(1.0 + errors, 0.1)),
        p90=float(np.quantile(1.0 + errors, 0.9)),
    )
