"""Wide ridge heads: for each model of each source, what the words of a prompt say about being right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.features import BUCKETS
from tokenworks.routing.learned import SHAPE_WEIGHT
from tokenworks.routing.study.data import Data, Source
from tokenworks.routing.study.matrix import Features, Progress, Scaling, beside
from tokenworks.routing.study.ridge import ridge

_STRETCH = 20.0  # a shape that varies less than this part of its usual spread is left out
AREA_SAMPLE = 700  # prompts of an area that its recognition is learned from


Floats = NDArray[np.float32]


@dataclass
class Heads:
    """Of one source: linear functions of the wide features, one for each of its models."""

    source: str
    models: list[str]
    prompts: NDArray[np.intp]  # that they were fitted on
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


def heads(source: Source, used: NDArray[np.bool_], found: Features, scaled: Scaling) -> Heads | None:
    """Heads of ``source`` from its prompts that are ``used`` [prompt of Data]; None: too few of them."""
    rows = np.flatnonzero(used[source.prompts])
    if len(rows) < 2:
        return None
    enough = (~np.isnan(source.score[rows])).sum(0) >= 2
    columns = np.flatnonzero(enough)
    rows = rows[(~np.isnan(source.score[np.ix_(rows, columns)])).any(1)]
    if len(rows) < 2 or not len(columns):
        return None
    score = source.score[np.ix_(rows, columns)]
    prompts = source.prompts[rows]
    full = completed(score)
    means, weights = _fitted(scaled.apply(found, prompts), full)
    seen = (~np.isnan(score)).sum(0).astype(np.float32)
    return Heads(source.name, [source.models[c] for c in columns], prompts, means, weights, seen, full)


def _fitted(wide: Any, score: Floats) -> tuple[Floats, Floats]:
    """``ridge``, with shapes standardised once more: what hardly varies within one source may still tell
    much.
    """
    words, shape = wide[:, :BUCKETS], wide[:, BUCKETS:].toarray()
    middle, spread = shape.mean(0), shape.std(0)
    factor = np.where(spread > SHAPE_WEIGHT / _STRETCH, SHAPE_WEIGHT / np.maximum(spread, 1e-9), 0)
    local = np.asarray((shape - middle) * factor, dtype=np.float32)
    means, weights = ridge(beside(words, local), score)
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
    data: Data, used: dict[str, NDArray[np.bool_]], found: Features, scaled: Scaling, progress: Progress
) -> list[Heads]:
    """``heads`` of every source that has enough; ``used``: for each source, the prompts of Data it may
    use.
    """
    made = []
    for done, (name, source) in enumerate(data.sources.items()):
        progress(f"fitting {name}", done, len(data.sources))
        one = heads(source, used[name], found, scaled)
        if one is not None:
            made.append(one)
    return made
