"""How able each model is and how hard each area of work, on one scale, from the shares they got right.

An item-response model of whole areas: logit(share right) = slope · ability − hardness. It says what to
expect of a model on work where it was never seen, and of a model that was never seen at all but whose kind
is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.learned import canonical, expit, logit
from tokenworks.routing.prior import ability as expected_ability

Floats = NDArray[np.float64]

_ROUNDS = 60
_TRUST = 1.0  # of what is expected of a model by its name, in areas seen
_SLOPE_TRUST = 4.0  # of a slope of 1, in models seen
_LEAST = 5.0  # outcomes behind half a weight


@dataclass
class Scale:
    """The fit. Models by their canonical names."""

    models: list[str]
    ability: Floats  # [model]
    hardness: Floats  # [area]
    slope: Floats  # [area]


def scale(
    models: list[str], area_of: NDArray[np.int32], mean: NDArray[Any], seen: NDArray[Any], areas: int
) -> Scale:
    """From columns: the model, its area, its share right there and the number of outcomes."""
    names = sorted({canonical(model) for model in models})
    row_of = {name: row for row, name in enumerate(names)}
    spelled = {canonical(model): model for model in models}
    who = np.array([row_of[canonical(model)] for model in models])
    expected = np.array([expected_ability(spelled[name]) for name in names])
    share = (mean * seen + 0.5) / (seen + 1)
    told = logit(np.clip(share, 0.01, 0.99))
    weight = seen / (seen + _LEAST)
    able, hard, slope = expected.copy(), np.zeros(areas), np.ones(areas)
    for _ in range(_ROUNDS):
        for area in range(areas):
            mine = area_of == area
            if not mine.any():
                continue
            x, y, w = able[who[mine]], told[mine], weight[mine]
            middle = (w @ x) / w.sum()
            apart = x - middle
            slope[area] = ((w * apart) @ y + _SLOPE_TRUST) / ((w * apart) @ apart + _SLOPE_TRUST)
            slope[area] = np.clip(slope[area], 0.3, 2.0)
            hard[area] = slope[area] * middle - (w @ y) / w.sum()
        steep = slope[area_of]
        top = np.bincount(who, weight * steep * (told + hard[area_of]), len(names)) + _TRUST * expected
        able = top / (np.bincount(who, weight * steep**2, len(names)) + _TRUST)
    return Scale(names, able, hard, slope)


def expected_share(ability: float, hardness: float, slope: float) -> float:
    """P(right) that the scale gives."""
    return float(expit(np.array(slope * ability - hardness)))
