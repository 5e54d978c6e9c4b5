"""Errors on points that constants were not fitted to: groups of points are left out in turns.

A group is a model on a device, so that no setting of a model on a device is predicted from another one of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from tokenworks.energy.fitting import Array, Many, fit, tpot_s, ttft_s
from tokenworks.energy.serving_points import Point
from tokenworks.energy.step_time import Table, chosen
from tokenworks.errors import BadRequest

Told = Callable[[str, int, int], None]


def folds(points: Sequence[Point], k: int) -> list[int]:
    """Each point's fold, 0 to ``k`` - 1: groups from the largest down, each into the emptiest fold.

    Raises ``BadRequest`` where there are fewer groups than folds.
    """
    sizes = Counter(point.group for point in points)
    if not 2 <= k <= len(sizes):
        raise BadRequest(
            f"{k} folds of {len(sizes)} groups (a model on a device): use 2 to {len(sizes)} folds"
        )
    load, fold = [0] * k, {}
    for group in sorted(sizes, key=lambda group: (-sizes[group], group)):
        fold[group] = load.index(min(load))
        load[fold[group]] += sizes[group]
    return [fold[point.group] for point in points]


def predict(points: Sequence[Point], table: Table) -> tuple[Array, Array]:
    """Seconds per output token and before the first one, by the constants of ``table``."""
    found = {cell: chosen(table, *cell) for cell in {point.cell for point in points}}
    tpot = [float(tpot_s(point, found[point.cell], table.shared)) for point in points]
    ttft = [float(ttft_s(point, found[point.cell], table.shared)) for point in points]
    return np.array(tpot), np.array(ttft)


def held_out(
    data: Many, fold: Sequence[int], tell: Told = lambda what, done, total: None
) -> tuple[Array, Array]:
    """As ``predict`` for ``data.points``, each by constants that no point of its ``fold`` had a part in."""
    parts = np.array(fold)
    tpot, ttft = np.zeros(len(parts)), np.zeros(len(parts))
    for i, part in enumerate(sorted(set(fold))):
        tell("fitting without a part", i, len(set(fold)))
        out = parts == part
        table = fit(data, ~out)
        tpot[out], ttft[out] = predict([data.points[j] for j in np.flatnonzero(out)], table)
    return tpot, ttft


def by_device(points: Sequence[Point]) -> list[int]:
    """Each point's fold where whole devices are left out."""
    names = sorted({point.hardware for point in points})
    return [names.index(point.hardware) for point in points]
