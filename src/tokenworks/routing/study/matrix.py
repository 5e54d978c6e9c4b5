"""Features of many prompts at once, as the matrices that are trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import ConfigError
from tokenworks.routing.features import BUCKETS, buckets
from tokenworks.routing.learned import CLIP, SHAPE_WEIGHT
from tokenworks.routing.shapes import shapes
from tokenworks.routing.study.data import EXTRA

try:
    from scipy import sparse  # type: ignore[import-untyped]
except ImportError as error:  # scipy comes with scikit-learn
    raise ConfigError(f"this needs scikit-learn; install it with: {EXTRA}") from error

Progress = Callable[[str, int, int], None]  # what, done, of how many


@dataclass
class Features:
    """Of all prompts: what falls into which bucket (1 + ln count), and their shapes."""

    counts: Any  # scipy csr [prompt, BUCKETS]
    shapes: NDArray[np.float32]


def features(texts: Sequence[str], progress: Progress) -> Features:
    """Of normalised ``texts``."""
    ends, places, values, found = [0], [], [], []
    for done, text in enumerate(texts):
        where, how = buckets(text)
        places.append(where.astype(np.int32))
        values.append(how)
        ends.append(ends[-1] + len(where))
        found.append(shapes(text))
        if done % 500 == 0:
            progress("reading prompts", done, len(texts))
    counts = sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(places), np.array(ends)), shape=(len(texts), BUCKETS)
    )
    return Features(counts, np.array(found, dtype=np.float32))


@dataclass
class Scaling:
    """What turns counts and shapes into numbers of like size; learned from the prompts that are trained
    on.
    """

    idf: NDArray[np.float32]  # [BUCKETS]; 0: a bucket seen in fewer than two prompts
    mean: NDArray[np.float32]  # of each shape
    spread: NDArray[np.float32]
    _all: Any = None

    def apply(self, found: Features, rows: NDArray[np.intp]) -> Any:
        """csr [row, BUCKETS + shapes]: TF-IDF of unit length beside the weighted, standardised shapes.

        It must be the same ``found`` each time: all of it is worked out once.
        """
        if self._all is None:
            self._all = self._applied(found)
        return self._all[rows]

    def _applied(self, found: Features) -> Any:
        weighted = found.counts.multiply(self.idf).tocsr()
        length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(1)).ravel())
        unit = sparse.diags((1 / np.maximum(length, 1e-6)).astype(np.float32)) @ weighted
        standard = np.clip((found.shapes - self.mean) / self.spread, -CLIP, CLIP)
        return beside(unit, standard * SHAPE_WEIGHT)


def beside(words: Any, shape: NDArray[Any]) -> Any:
    """One csr matrix of a sparse and a dense one with as many rows."""
    return sparse.hstack([words, sparse.csr_matrix(shape)]).tocsr().astype(np.float32)


def scaling(found: Features, rows: NDArray[np.intp]) -> Scaling:
    """From the prompts ``rows``."""
    seen = np.asarray((found.counts[rows] > 0).sum(0)).ravel()
    idf = np.where(seen < 2, 0, np.log((1 + len(rows)) / (1 + seen)) + 1).astype(np.float16)
    spread = found.shapes[rows].std(0)
    return Scaling(
        idf.astype(np.float32),
        found.shapes[rows].mean(0),
        np.where(spread < 1e-6, 1, spread).astype(np.float32),
    )
