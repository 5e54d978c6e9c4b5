"""Fits the constants of ``step_time`` to measured points.

Each of the four constants of a cell (hardware, backend, dense | experts) is a product: a value for all, a
factor of the backend, one of dense | experts, one of the cell. Factors are drawn to 1, more strongly the less
they are said to vary, so a cell with few points, or of one model, is near what others of its backend say (a
cell without points is what they say). The loss is that of relative errors, and grows linearly for large ones:
points with predicted tokens (not told apart in such files) or with a fault must not move the rest.

Levenberg-Marquardt on the logarithms of all parameters; the same points in any order give the same constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tokenworks.energy.serving_points import Point
from tokenworks.energy.step_time import Constants, Row, Shared, Step, Table, added_step_s, decode_step_s

Array = npt.NDArray[np.float64]

_OWN = {  # start; standard deviations of logarithms: of the value for all, of the factors of backend,
    # of dense | experts, of cell (0: there is no such factor)
    "bandwidth_share": (0.85, 0.5, 0.05, 0.1, 0.1),
    "matrix_share": (0.4, 0.7, 0.2, 0.3, 0.1),
    "layer_us": (60.0, 1.0, 0.2, 0.2, 0.2),
    "sequence_us": (0.3, 1.0, 0.2, 0.2, 0.1),
    "first_steps": (10.0, 1.0, 1.0, 0.0, 0.0),
}
_SHARED = {  # of Shared: start, and standard deviation of the logarithm
    "popularity": (3.0, 1.0),
    "latent": (0.15, 1.0),
    "indexed": (0.3, 1.0),
    "block_us": (10.0, 1.0),
    "packed_us": (5.0, 1.0),
    "widened": (1.0, 0.5),
    "int4": (1.0, 1.0),
    "link_share": (0.5, 0.7),
    "prompt_link_share": (0.5, 0.7),
    "burst": (0.5, 1.0),
    "spread": (0.6, 0.5),
}
_FIRST = ("first_steps", "burst", "spread")  # what only the time before the first token hangs on
_ERROR = 0.08  # relative error from which on a point counts less
_POINTS_EACH = 10.0  # points whose errors are alike count as one
_ROUNDS = 60
_DIGITS = 4


class Many(msgspec.Struct, frozen=True):
    """Points as columns. Their order does not matter to a fit."""

    points: tuple[Point, ...]
    decode: Step
    prompt: Step
    running: Array
    concurrency: Array
    output_tokens: Array
    tpot_s: Array
    ttft_s: Array


def many(points: Sequence[Point]) -> Many:
    """``points``, sorted so that sums do not depend on their order."""
    ordered = tuple(
        sorted(points, key=lambda p: (p.group, p.backend, p.precision, p.tpot_s, p.ttft_s, p.line))
    )

    def column(of: Callable[[Point], float]) -> Array:
        return np.array([of(point) for point in ordered], dtype=np.float64)

    def steps(name: str) -> Step:
        rows = [msgspec.structs.astuple(getattr(point, name)) for point in ordered]
        return Step(*np.array(rows, dtype=np.float64).reshape(len(rows), -1).T)

    return Many(
        points=ordered,
        decode=steps("decode"),
        prompt=steps("prompt"),
        running=column(lambda p: p.running),
        concurrency=column(lambda p: p.concurrency),
        output_tokens=column(lambda p: p.output_tokens),
        tpot_s=column(lambda p: p.tpot_s),
        ttft_s=column(lambda p: p.ttft_s),
    )


def tpot_s(p: Point | Many, c: Constants, shared: Shared) -> Any:
    """Seconds for each output token: a step, and its share of others' prompts that are read meanwhile."""
    running: Any = p.running
    others = (running - 1.0 + abs(running - 1.0)) / 2.0
    return decode_step_s(p.decode, c, shared) + others / p.output_tokens * added_step_s(p.prompt, c, shared)


def ttft_s(p: Point | Many, c: Constants, shared: Shared) -> Any:
    """Seconds before the first token: some steps of the engine's loop, the prompt and those that come at the
    same time, and where not all requests fit, until one of those that run is over."""
    prompt = added_step_s(p.prompt, c, shared)
    token = tpot_s(p, c, shared)
    waiting = (p.concurrency - p.running) / p.running * p.output_tokens * token
    return c.first_steps * token + prompt * shared.burst * p.running**shared.spread + waiting


def fit(data: Many, chosen: npt.NDArray[np.bool_] | None = None) -> Table:
    """The constants for the ``chosen`` points (all); ``Row.n`` counts them, errors are left 0."""
    whole = _Problem(data, chosen)
    values = _least(whole, whole.start, _time_per_token)
    values = _least(whole, values, _time_to_first, only=_FIRST)
    return whole.table(values)


class _Problem:
    """Parameters, logarithms all, and the points that they are fitted to."""

    def __init__(self, data: Many, chosen: npt.NDArray[np.bool_] | None) -> None:
        if chosen is not None:
            kept = [point for point, take in zip(data.points, chosen, strict=True) if take]
            data = many(kept)
        self.data = data
        self.names: list[tuple[str, ...]] = []
        start: list[float] = []
        spread: list[float] = []
        self.cells = sorted({point.cell for point in data.points})
        self.cell = np.array([self.cells.index(point.cell) for point in data.points])
        self.backends = sorted({point.backend for point in data.points})
        levels: list[list[tuple[str, ...]]] = [
            [(backend,) for backend in self.backends],
            [("dense",), ("experts",)],
            [_cell(cell) for cell in self.cells],
        ]
        for name, (first, base, *widths) in _OWN.items():
            self.names.append((name,))
            start.append(float(np.log(first)))
            spread.append(base)
            for level, width in zip(levels, widths, strict=True):
                keys = [(name, *each) for each in level] if width else []
                self.names += keys
                start += [0.0] * len(keys)
                spread += [width] * len(keys)
        for name, (first, width) in _SHARED.items():
            self.names.append((name,))
            start.append(float(np.log(first)))
            spread.append(width)
        self.start, self.spread = np.array(start), np.array(spread)
        self.place = {name: i for i, name in enumerate(self.names)}
        self.parts = {name: self._parts(name) for name in _OWN}

    def _parts(self, name: str) -> Array:
        """Cells × parameters: 1 where a parameter is a factor of that cell's constant."""
        parts = np.zeros((len(self.cells), len(self.names)))
        for i, cell in enumerate(self.cells):
            for key in _keys(name, cell):
                if key in self.place:
                    parts[i, self.place[key]] = 1.0
        return parts

    def at(self, values: Array) -> tuple[dict[str, Any], dict[str, Any]]:
        """Logarithms of the constants of each point, and of what is shared."""
        own = {name: (self.parts[name] @ values)[self.cell] for name in _OWN}
        return own, {name: values[self.place[(name,)]] for name in _SHARED}

    def constant(self, values: Array, name: str, keys: Sequence[tuple[str, ...]]) -> float:
        return _rounded(float(np.exp(sum(values[self.place[key]] for key in keys if key in self.place))))

    def table(self, values: Array) -> Table:
        """Rows of all cells, then of each backend on devices without points."""
        shared = {name: _rounded(float(np.exp(values[self.place[(name,)]]))) for name in _SHARED}
        count = {cell: sum(point.cell == cell for point in self.data.points) for cell in self.cells}
        general = [("", backend, moe) for backend in self.backends for moe in (False, True)]
        rows = []
        for cell in [*self.cells, *general]:
            fields: dict[str, Any] = {"hardware": cell[0], "backend": cell[1], "moe": cell[2]}
            fields |= {name: self.constant(values, name, _keys(name, cell)) for name in _OWN}
            n = count.get(cell) or sum(some for other, some in count.items() if other[1:] == cell[1:])
            rows.append(Row(n=n, **fields))
        return Table(shared=Shared(**shared), rows=tuple(rows))


def _cell(cell: tuple[str, str, bool]) -> tuple[str, ...]:
    return cell[0], cell[1], "experts" if cell[2] else "dense"


def _keys(name: str, cell: tuple[str, str, bool]) -> list[tuple[str, ...]]:
    """Parameters whose product is the constant ``name`` of ``cell``."""
    device, backend, kind = _cell(cell)
    return [(name,), (name, backend), (name, kind), (name, device, backend, kind)]


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _time_per_token(data: Many, own: dict[str, Any], shared: dict[str, Any]) -> Array:
    return _log_error(tpot_s(data, *_bound(own, shared)), data.tpot_s)


def _time_to_first(data: Many, own: dict[str, Any], shared: dict[str, Any]) -> Array:
    return _log_error(ttft_s(data, *_bound(own, shared)), data.ttft_s)


def _log_error(predicted: Any, measured: Array) -> Array:
    return np.asarray(np.log(predicted / measured), dtype=np.float64)


def _bound(own: dict[str, Any], shared: dict[str, Any]) -> tuple[Constants, Shared]:
    return (
        Constants(**{name: np.exp(value) for name, value in own.items()}),
        Shared(**{name: np.exp(value) for name, value in shared.items()}),
    )


_Errors = Callable[[Many, dict[str, Any], dict[str, Any]], Array]


def _least(whole: _Problem, values: Array, errors: _Errors, only: tuple[str, ...] = ()) -> Array:
    """``values`` moved to the least loss; with ``only``, of these parameters of ``Shared`` alone."""
    free = np.array([not only or name[0] in only for name in whole.names])

    def loss(r: Array, at: Array) -> float:
        drawn = (((at - whole.start) / whole.spread)[free] ** 2).sum()
        return float(2.0 * (np.sqrt(1.0 + r * r) - 1.0).sum() / _POINTS_EACH + drawn)

    def residuals(at: Array) -> Array:
        return errors(whole.data, *whole.at(at)) / _ERROR

    damping = 1e-2
    r = residuals(values)
    best = loss(r, values)
    for _ in range(_ROUNDS):
        slope = _slopes(whole, values, errors)[:, free]
        weight = 1.0 / np.sqrt(1.0 + r * r) / _POINTS_EACH
        curve = _squares(slope, weight) + np.diag(1.0 / whole.spread[free] ** 2)
        down = -(
            (slope * (weight * r)[:, None]).sum(axis=0) + ((values - whole.start) / whole.spread**2)[free]
        )
        while True:
            moved = values.copy()
            moved[free] += np.linalg.solve(curve + damping * np.diag(np.diag(curve)), down)
            new_r = residuals(moved)
            new = loss(new_r, moved)
            if new < best or damping > 1e8:
                break
            damping *= 4.0
        if new >= best:
            break
        gained, values, r, best = best - new, moved, new_r, new
        damping = max(damping / 5.0, 1e-7)
        if gained < 1e-7 * best:
            break
    return values


def _squares(slope: Array, weight: Array) -> Array:
    """Parameters × parameters: the weighted sum of products of slopes. In pieces too small to be worth
    threads, which cost more than they gain here and sum in another order on another machine."""
    total = np.zeros((slope.shape[1], slope.shape[1]))
    for i in range(0, len(slope), 32):
        piece = slope[i : i + 32]
        total += (piece * weight[i : i + 32, None]).T @ piece
    return total


def _slopes(whole: _Problem, values: Array, errors: _Errors) -> Array:
    """Points × parameters: how residuals change. A constant is moved once, whatever its factors."""
    own, shared = whole.at(values)
    step = 1e-5
    slopes = np.zeros((len(whole.data.points), len(values)))

    def change(own: dict[str, Any], shared: dict[str, Any], sign: float) -> Array:
        return errors(whole.data, own, shared) * sign / (2.0 * step * _ERROR)

    for name in own:
        by = sum(change(own | {name: own[name] + sign * step}, shared, sign) for sign in (1.0, -1.0))
        slopes += np.asarray(by)[:, None] * whole.parts[name][whole.cell]
    for name in shared:
        by = sum(change(own, shared | {name: shared[name] + sign * step}, sign) for sign in (1.0, -1.0))
        slopes[:, whole.place[(name,)]] = by
    return slopes
