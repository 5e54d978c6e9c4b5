"""Makes the calibration table that is shipped: many orders of models on every source with answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import ConfigError
from tokenworks.routing.calibration import Calibration, Limit
from tokenworks.routing.cascade import grow
from tokenworks.routing.study.calibrating import Asked, Samples, asked, fit, limited, samples
from tokenworks.routing.study.cascades import THRESHOLDS, calibration_error, simulate
from tokenworks.routing.study.cases import Cases, ease, read
from tokenworks.routing.study.data import Data
from tokenworks.routing.study.folds import folds as split

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

ORDERS = 12  # of models, for each source
CHEAP = 3
FEWEST = 4  # models with answers, for a source to say anything
PROMPTS = 1500  # of a source for each order
GAP = 0.02  # by which the strong model is better than the best cheap one at least
SHARE = 0.05  # what a cheap call costs of a strong one, where thresholds are measured
SURE = 1.28  # standard deviations among orders: nine in ten orders of new models lose less


@dataclass
class Order:
    """One order of models on one source, and what it knew."""

    cases: Cases
    group: Asked
    fold: NDArray[np.int64]  # of each prompt of the group


@dataclass
class Report:
    """How good the table is on prompts it was not fitted on."""

    ece: float
    by_task: dict[str, float]
    samples: int


def build(
    data: Data, command: str, seed: int = 0, folds: int = 5, orders: int = ORDERS
) -> tuple[Calibration, Report]:
    """The table of all sources with answers, and its calibration error by folds of the question asked.

    Raises ``ConfigError`` where no source has answers of enough models.
    """
    rng = np.random.default_rng(seed)
    every = [order for name in data.sources for order in _orders(data, name, rng, seed, folds, orders)]
    if not every:
        raise ConfigError(f"no source has final answers of {FEWEST} models; answers.parquet must hold them")
    blocks = [samples(order.cases, order.group, order.cases.task) for order in every]
    parts = [_fold_of(order, block) for order, block in zip(every, blocks, strict=True)]
    known, part = Samples.joined(blocks), np.concatenate(parts)
    said: list[tuple[str, float, float]] = []
    lost: dict[str, list[list[float]]] = {}
    for number in range(folds):
        table = fit(known.pick(part != number), command)
        for order in every:
            _judge(order, number, table, said, lost)
    limits = {task: _limits(np.array(losses), folds) for task, losses in lost.items()}
    # Work of a kind that nobody measured is held to the strictest of those that were measured.
    limits[""] = [
        Limit(max(of.loss for of in same), same[0].threshold) for same in zip(*limits.values(), strict=True)
    ]
    tasks = sorted({task for task, _, _ in said})
    report = Report(
        calibration_error([(p, y) for _, p, y in said]),
        {t: calibration_error([(p, y) for task, p, y in said if task == t]) for t in tasks},
        len(said),
    )
    return limited(fit(known, command), limits), report


def _orders(
    data: Data, source: str, rng: np.random.Generator, seed: int, folds: int, orders: int
) -> list[Order]:
    """Random orders of the models that answered most prompts of ``source``."""
    try:
        cases = read(data, source)
    except ConfigError:  # it has no answers
        return []
    full = np.flatnonzero((~np.isnan(cases.score)).mean(0) >= 0.8)
    if len(full) < FEWEST:
        return []
    everything = np.arange(len(cases))
    eased, fold = ease(cases, everything), split(cases.questions, folds, seed)
    means = np.nanmean(cases.score, axis=0)
    found: list[Order] = []
    for _ in range(200 * orders):
        picked = rng.permutation(full)[: min(CHEAP + 1, len(full))].tolist()
        if means[picked[-1]] - means[picked[:-1]].max() < GAP:
            continue
        rows = np.flatnonzero(~np.isnan(cases.score[:, picked]).any(1))
        rows = np.sort(rng.permutation(rows)[:PROMPTS])
        found.append(Order(cases, asked(cases, picked, rows, everything, eased), fold[rows]))
        if len(found) == orders:
            break
    return found


def _fold_of(order: Order, block: Samples) -> NDArray[np.int64]:
    place = {row: i for i, row in enumerate(order.group.rows.tolist())}
    return order.fold[[place[row] for row in block.row.tolist()]]


def _judge(
    order: Order,
    number: int,
    table: Calibration,
    said: list[tuple[str, float, float]],
    lost: dict[str, list[list[float]]],
) -> None:
    """Add what ``table`` says of the fold ``number`` of ``order``, and what each threshold loses there."""
    task, group = order.cases.task, order.group
    kept = np.flatnonzero(order.fold == number)
    nodes = {}
    for place in kept.tolist():
        row, priors = int(group.rows[place]), group.priors[place, :-1].tolist()
        nodes[row] = [grow(state, task, table, priors) for state in group.signs[place]]
        for answers, node in enumerate(nodes[row], 1):
            said.append((task, node.right, float(order.cases.score[row, group.served(place, answers)])))
    part = Asked(group.rows[kept], group.columns, [group.signs[i] for i in kept.tolist()], group.priors[kept])
    shares = [SHARE] * (len(group.columns) - 1)
    losses = [float(simulate(order.cases, part, nodes, t, shares)[0].mean()) for t in THRESHOLDS]
    lost.setdefault(task, []).append(losses)


def _limits(losses: Floats, folds: int) -> list[Limit]:
    """For each threshold the loss that nine in ten orders stay below; never falling."""
    count = len(losses) // folds
    by_order = losses.reshape(folds, count, -1).mean(0) if len(losses) == folds * count else losses
    bound = by_order.mean(0) + SURE * by_order.std(0)
    rising = np.maximum.accumulate(np.maximum(bound, 0.0))
    return [
        Limit(round(float(loss), 4), threshold) for loss, threshold in zip(rising, THRESHOLDS, strict=True)
    ]
