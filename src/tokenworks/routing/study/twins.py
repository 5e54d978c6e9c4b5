"""How other sources' models did on the same questions.

They say how hard a question is with less noise than two outcomes of a pair. Only the forest looks at them,
and only for prompts that are trained on: what it then says of these is what linear heads learn. At a request
nothing of it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.study.data import Data, Source
from tokenworks.routing.study.folds import questions

Floats = NDArray[np.float32]

_THIRDS = 3  # of the models, by how able they are
FIGURES = 2 + _THIRDS


@dataclass
class Known:
    """The outcomes of a source that may be looked at, without gaps."""

    models: list[str]
    prompts: NDArray[np.intp]
    score: Floats  # [prompt, model]
    seen: Floats  # [model] outcomes before gaps were filled


def known(source: Source, labelled: NDArray[np.bool_]) -> Known | None:
    """Of prompts that are ``labelled`` [prompt of Data] and models with two outcomes; None: too few."""
    rows = np.flatnonzero(labelled[source.prompts])
    columns = np.flatnonzero((~np.isnan(source.score[rows])).sum(0) >= 2)
    if len(rows) < 2 or not len(columns):
        return None
    rows = rows[(~np.isnan(source.score[np.ix_(rows, columns)])).any(1)]
    if len(rows) < 2:
        return None
    score = source.score[np.ix_(rows, columns)]
    seen = (~np.isnan(score)).sum(0).astype(np.float32)
    return Known([source.models[c] for c in columns], source.prompts[rows], completed(score), seen)


def completed(score: Floats) -> Floats:
    """``score`` with gaps filled: the model's mean, moved by how the other models did on that prompt."""
    means = np.nanmean(score, axis=0)
    apart = score - means
    there = ~np.isnan(apart)
    moved = np.where(there, apart, 0).sum(1) / np.maximum(there.sum(1), 1)
    return np.where(there, score, np.clip(means + moved[:, None], 0, 1)).astype(np.float32)


def twins(data: Data, outcomes: Mapping[str, Known]) -> dict[str, Floats]:
    """For each source, [prompt of Data, FIGURES]: how much better than usual the models of other sources did
    on the same question, all of them and each third of them; the last one: 1 where there is such a source.
    """
    codes = np.unique(np.array(questions(data), dtype=object), return_inverse=True)[1]
    sums = {name: np.zeros((codes.max() + 1, FIGURES), dtype=np.float32) for name in outcomes}
    for name, each in outcomes.items():
        np.add.at(sums[name], codes[each.prompts], _figures(each))
    whole = sum(sums.values(), np.zeros((codes.max() + 1, FIGURES), dtype=np.float32))
    found = {}
    for name in outcomes:
        told = whole - sums[name]
        count = told[:, -1:]
        found[name] = np.asarray(np.where(count > 0.5, told / np.maximum(count, 1), 0)[codes])
    return found


def _figures(each: Known) -> Floats:
    means = each.score.mean(0)
    apart = each.score - means
    order = np.argsort(means, kind="stable")
    thirds = np.array_split(order, _THIRDS) if len(order) >= _THIRDS else [order] * _THIRDS
    columns = [apart.mean(1), *(apart[:, third].mean(1) for third in thirds), np.ones(len(apart))]
    return np.stack(columns, axis=1).astype(np.float32)
