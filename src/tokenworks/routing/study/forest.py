"""What a forest of trees says of prompts, for wide heads to repeat.

With few outcomes a forest on a few dense figures (main directions of the words, shapes, likely category,
how other models did on the same question) tells prompts apart better than a linear function of all words. It
is too slow to ship, so its predictions become the targets of one, on every prompt that may be read, labelled
or not. A labelled prompt gets what the trees say that never saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import ConfigError
from tokenworks.routing.study.data import EXTRA
from tokenworks.routing.study.ridge import ridge

try:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.ensemble import ExtraTreesRegressor
except ImportError as error:
    raise ConfigError(f"this needs scikit-learn; install it with: {EXTRA}") from error

Floats = NDArray[np.float32]

LEAST = 200  # labelled prompts: a forest of fewer tells less than a line
_TREES = 600
_LEAF = 8
_MOST = 2_500  # labelled prompts that each tree sees
_DIRECTIONS = 64
_CATEGORIES = 3  # a source with more of them has its likely category as figures
_ALL_ALIKE = 0.5  # of what all models have in common counts less where a tree is split


def told(
    words: Any, figures: Floats, categories: Sequence[str], score: Floats, rows: NDArray[np.intp], seed: int
) -> Floats:
    """Predictions [prompt, model] for prompts of one source.

    ``words``: csr TF-IDF [prompt, bucket]; ``figures`` [prompt, figure]: what else is known of each;
    ``score`` [row, model] without NaN: the outcomes of prompts ``rows``.
    """
    dense = np.concatenate([_directions(words, seed), figures, _likely(words, categories, seed)], axis=1)
    # Who gains from being asked matters more than how hard a prompt is for all.
    wanted = score - _ALL_ALIKE * score.mean(1, keepdims=True)
    trees = ExtraTreesRegressor(
        _TREES,
        min_samples_leaf=_LEAF,
        max_features=0.3,
        bootstrap=True,
        oob_score=True,
        max_samples=_MOST if len(rows) > _MOST else None,
        random_state=seed,
    ).fit(dense[rows], wanted if wanted.shape[1] > 1 else wanted[:, 0])
    count = score.shape[1]
    said = trees.predict(dense).reshape(-1, count)
    said[rows] = trees.oob_prediction_.reshape(-1, count)
    return np.asarray(said + said.mean(1, keepdims=True) * _ALL_ALIKE / (1 - _ALL_ALIKE), dtype=np.float32)


def _directions(words: Any, seed: int) -> Floats:
    count = min(_DIRECTIONS, min(words.shape) - 1)
    return np.asarray(TruncatedSVD(count, n_iter=2, random_state=seed).fit_transform(words), dtype=np.float32)


def _likely(words: Any, categories: Sequence[str], seed: int) -> Floats:
    """How much each prompt looks like each category, by what the other half of the prompts taught."""
    names = sorted(set(categories))
    if len(names) <= _CATEGORIES:
        return np.zeros((len(categories), 0), dtype=np.float32)
    is_in = (np.array(categories, dtype=object)[:, None] == np.array(names, dtype=object)).astype(np.float32)
    half = np.random.default_rng(seed).permutation(len(categories)) % 2
    found = np.zeros_like(is_in)
    for each in range(2):
        learn, tell = np.flatnonzero(half != each), np.flatnonzero(half == each)
        found[tell] = words[tell] @ ridge(words[learn], is_in[learn], penalty=2.0)[1]
    return np.asarray(found, dtype=np.float32)
