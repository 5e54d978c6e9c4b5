"""Wide heads: for each model of each source, what the words of a prompt say about being right.

Linear in the wide features: partly a ridge on the outcomes, partly a ridge that repeats a forest (``forest.py``),
the latter also on prompts without labels. The fewer outcomes, the more the forest counts. How much was chosen
on the sources and pairs that no goal is about: MMLU-Pro with 1,500 labels, and other pairs of GSM8K, KOR, CRUX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.features import BUCKETS
from tokenworks.routing.learned import SHAPE_WEIGHT
from tokenworks.routing.study import forest
from tokenworks.routing.study.data import Data, Source
from tokenworks.routing.study.matrix import Features, Progress, Scaling, beside
from tokenworks.routing.study.ridge import ridge

_STRETCH = 20.0  # a shape that varies less than this part of its usual spread is left out
_LINEAR_FROM = 4_000.0  # outcomes at which the ridge on them counts as much as the forest
_REPEATING = 4.0  # penalty where the forest is repeated: what it says is smooth already
AREA_SAMPLE = 700  # prompts of an area that its recognition is learned from


Floats = NDArray[np.float32]


@dataclass
class Heads:
    """Of one source: linear functions of the wide features, one for each of its models."""

    source: str
    models: list[str]
    prompts: NDArray[np.intp]  # that they were fitted on
    read: NDArray[np.intp]  # those, and prompts without outcomes that may be read
    means: NDArray[np.float32]  # [model]
    weights: NDArray[np.float32]  # [wide, model]
    seen: NDArray[np.float32]  # [model] outcomes
    score: NDArray[np.float32]  # [prompt, model] what was to be learned

    def predict(self, rows: Any) -> NDArray[np.float32]:
        """[row, model] without the means."""
        return np.asarray(rows @ self.weights, dtype=np.float32)


def completed(score: NDArray[np.float32]) -> NDArray[np.float32]:
    """``score`` with gaps filled: the model's mean, moved by how the other models did on that prompt."""
    means = np.nanmean(score, axis=0)
    apart = score - means
    known = ~np.isnan(apart)
    moved = np.where(known, apart, 0).sum(1) / np.maximum(known.sum(1), 1)
    return np.where(known, score, np.clip(means + moved[:, None], 0, 1)).astype(np.float32)


def heads(
    data: Data,
    source: Source,
    labelled: NDArray[np.bool_],
    found: Features,
    scaled: Scaling,
    *,
    used: NDArray[np.bool_],
    seed: int = 0,
) -> Heads | None:
    """Heads of ``source`` from the outcomes of its prompts that are ``labelled`` [prompt of Data].

    ``used``: the prompts that may be read. None: too few outcomes.
    """
    rows = np.flatnonzero(labelled[source.prompts])
    if len(rows) < 2:
        return None
    enough = (~np.isnan(source.score[rows])).sum(0) >= 2
    columns = np.flatnonzero(enough)
    rows = rows[(~np.isnan(source.score[np.ix_(rows, columns)])).any(1)]
    if len(rows) < 2 or not len(columns):
        return None
    score = source.score[np.ix_(rows, columns)]
    prompts = source.prompts[rows]
    read = source.prompts[(used | labelled)[source.prompts]]
    full = completed(score)
    means, weights = _fitted(data, read, np.searchsorted(read, prompts), full, found, scaled, seed)
    seen = (~np.isnan(score)).sum(0).astype(np.float32)
    return Heads(source.name, [source.models[c] for c in columns], prompts, read, means, weights, seen, full)


def _fitted(
    data: Data,
    read: NDArray[np.intp],
    rows: NDArray[np.intp],
    score: Floats,
    found: Features,
    scaled: Scaling,
    seed: int,
) -> tuple[Floats, Floats]:
    """Means and weights from the outcomes ``score`` of ``read[rows]``.

    Shapes are standardised once more: what hardly varies within one source may still tell much.
    """
    wide = scaled.apply(found, read)
    words, shape = wide[:, :BUCKETS], wide[:, BUCKETS:].toarray()
    middle, spread = shape[rows].mean(0), shape[rows].std(0)
    factor = np.where(spread > SHAPE_WEIGHT / _STRETCH, SHAPE_WEIGHT / np.maximum(spread, 1e-9), 0)
    local = np.asarray((shape - middle) * factor, dtype=np.float32)
    beside_them = beside(words, local)
    means, weights = ridge(beside_them[rows], score)
    if len(rows) >= forest.LEAST:
        said = forest.told(words, local, [data.categories[each] for each in read], score, rows, seed)
        _, repeated = ridge(beside_them, said, penalty=_REPEATING)
        linear = len(rows) / (len(rows) + _LINEAR_FROM)
        weights = np.asarray(linear * weights + (1 - linear) * repeated, dtype=np.float32)
    weights[BUCKETS:] *= factor[:, None]
    return np.asarray(means - middle @ weights[BUCKETS:], dtype=np.float32), weights


def recognition(
    of_area: NDArray[np.int32], count: int, found: Features, scaled: Scaling, seed: int
) -> NDArray[np.float32]:
    """Weights [wide, area] that tell areas apart. ``of_area`` [prompt]: its area, -1: not to be used."""
    chance = np.random.default_rng(seed)
    chosen = np.concatenate(
        [chance.permutation(np.flatnonzero(of_area == area))[:AREA_SAMPLE] for area in range(count)]
    )
    is_area = (of_area[chosen, None] == np.arange(count)).astype(np.float32)
    return ridge(scaled.apply(found, chosen), is_area, penalty=1.0)[1]


def fit_all(
    data: Data,
    labelled: dict[str, NDArray[np.bool_]],
    used: NDArray[np.bool_],
    found: Features,
    scaled: Scaling,
    progress: Progress,
    seed: int = 0,
) -> list[Heads]:
    """``heads`` of every source that has enough; ``labelled``: for each source, the prompts of Data whose
    outcomes may be looked at; ``used``: those that may be read.
    """
    made = []
    for done, (name, source) in enumerate(data.sources.items()):
        progress(f"fitting {name}", done, len(data.sources))
        one = heads(data, source, labelled[name], found, scaled, used=used, seed=seed)
        if one is not None:
            made.append(one)
    return made
