"""The pictures of the routing page: money by day, and quality against cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from tokenworks.console.routing_curve import Curve, Point
from tokenworks.ledger.decided import SavingsRow
from tokenworks.schema import NANO_USD

WIDTH, HEIGHT = 640, 300  # of the picture, in its own units
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 40  # around its plane
_TICKS = 4


class Dot(msgspec.Struct, frozen=True):
    """One point in the picture, and what it stands for."""

    x: float
    y: float
    point: Point


class Tick(msgspec.Struct, frozen=True):
    """Where an axis is marked."""

    at: float
    value: float


class Plane(msgspec.Struct, frozen=True):
    """Quality (upwards, P(right)) against cost (to the right, $ a request)."""

    knob: tuple[Dot, ...]
    constants: tuple[Dot, ...]
    went: Dot
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM

    @property
    def line(self) -> str:
        """The knob's points for a ``<polyline>``."""
        return " ".join(f"{dot.x},{dot.y}" for dot in self.knob)


def spent(days: Sequence[SavingsRow]) -> dict[str, list[Any]] | None:
    """Dollars added up day by day, ``paid`` and as always asking the ``strong`` model; None without days."""
    if not days:
        return None
    cost = baseline = 0
    told: dict[str, list[Any]] = {"labels": [], "paid": [], "strong": []}
    for row in days:
        cost, baseline = cost + row.cost_nano_usd, baseline + row.baseline_nano_usd
        told["labels"].append(row.group)
        told["paid"].append(cost / NANO_USD)
        told["strong"].append(baseline / NANO_USD)
    return told


def quality_cost(curve: Curve) -> Plane | None:
    """The picture of ``curve``; None where there is nothing to draw."""
    if not curve.requests:
        return None
    went = Point("", curve.went_right, curve.went_cost_usd)
    points = [*curve.knob, *curve.constants, went]
    most = max(point.cost_usd for point in points) or 1e-9
    low = math.floor(10 * min(point.right for point in points)) / 10
    high = max(1.0 if low >= 1.0 else math.ceil(10 * max(point.right for point in points)) / 10, low + 0.1)

    def dot(point: Point) -> Dot:
        return Dot(_x(point.cost_usd / most), _y((point.right - low) / (high - low)), point)

    shares = [step / _TICKS for step in range(_TICKS + 1)]
    return Plane(
        tuple(map(dot, curve.knob)),
        tuple(map(dot, curve.constants)),
        dot(went),
        tuple(Tick(_x(share), share * most) for share in shares),
        tuple(Tick(_y((value - low) / (high - low)), value) for value in _tenths(low, high)),
    )


def _tenths(low: float, high: float) -> list[float]:
    """Round shares from ``low`` to ``high``, some five of them."""
    first, last = round(10 * low), round(10 * high)
    return [number / 10 for number in range(first, last + 1, 1 if last - first <= _TICKS + 1 else 2)]


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)
