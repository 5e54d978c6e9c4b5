"""Wide heads: for each model of each source, what the words of a prompt say about being right.

Linear in the wide features: partly a ridge on the outcomes, partly a ridge that repeats a forest
(``forest.py``), the latter also on prompts without labels. The fewer outcomes, the more the forest counts.
How much was chosen on pairs that no goal is about: of MMLU-Pro with 1,500 labels, and others of GSM8K, KOR
and CRUX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.features import BUCKETS
from tokenworks.routing.learned import SHAPE_WEIGHT
from tokenworks.routing.study import forest
from tokenworks.routing.study.data import Data
from tokenworks.routing.study.matrix import Features, Progress, Scaling, beside
from tokenworks.routing.study.ridge import ridge
from tokenworks.routing.study.twins import Known, known, twins

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


def heads(
    data: Data,
    name: str,
    known: Known,
    used: NDArray[np.bool_],
    found: Features,
    scaled: Scaling,
    others: Floats,
    seed: int = 0,
) -> Heads:
    """Heads of the source ``name`` from its outcomes ``known``.

    ``used`` [prompt of Data]: what may be read; ``others``: ``twins`` of the source.
    """
    mine = data.sources[name].prompts
    readable = used.copy()
    readable[known.prompts] = True
    read = mine[readable[mine]]
    means, weights = _fitted(data, read, known, found, scaled, others[read], seed)
    return Heads(name, known.models, known.prompts, read, means, weights, known.seen, known.score)


def _fitted(
    data: Data,
    read: NDArray[np.intp],
    known: Known,
    found: Features,
    scaled: Scaling,
    others: Floats,
    seed: int,
) -> tuple[Floats, Floats]:
    """Means and weights.

    Shapes are standardised once more: what hardly varies within one source may still tell much.
    """
    rows = np.searchsorted(read, known.prompts)
    wide = scaled.apply(found, read)
    words, shape = wide[:, :BUCKETS], wide[:, BUCKETS:].toarray()
    middle, spread = shape[rows].mean(0), shape[rows].std(0)
    factor = np.where(spread > SHAPE_WEIGHT / _STRETCH, SHAPE_WEIGHT / np.maximum(spread, 1e-9), 0)
    local = np.asarray((shape - middle) * factor, dtype=np.float32)
    beside_them = beside(words, local)
    means, weights = ridge(beside_them[rows], known.score)
    if len(rows) >= forest.LEAST:
        categories = [data.categories[each] for each in read]
        figures = np.concatenate([local, others], axis=1)
        said = forest.told(words, figures, categories, known.score, rows, seed)
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
    outcomes = {name: one for name, part in data.sources.items() if (one := known(part, labelled[name]))}
    others = twins(data, outcomes)
    made = []
    for done, (name, one) in enumerate(outcomes.items()):
        progress(f"fitting {name}", done, len(outcomes))
        made.append(heads(data, name, one, used, found, scaled, others[name], seed))
    return made
