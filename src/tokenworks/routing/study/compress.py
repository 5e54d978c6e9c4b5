"""From wide heads to a vector of 64 numbers that says nearly as much.

The vector's directions are those in which the wide heads differ within their own area of work, the most
telling ones of each, and those that tell the areas apart. Then each head is taught again what it said, as a
function of the vector alone: its labels are not looked at a second time, so nothing is fitted to them twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.features import BUCKETS
from tokenworks.routing.learned import SHAPE_WEIGHT, WIDTH
from tokenworks.routing.study.matrix import Features, Scaling
from tokenworks.routing.study.teacher import Heads

Floats = NDArray[np.float32]

_SAMPLE = 1_500  # prompts of an area that its directions are found on
_ALL_ALIKE = 0.5  # of what all models of a source have in common is left out when directions are chosen
_SIZE = 0.11  # spread of each number of the vector, so that its length is about 0.9


@dataclass
class Basis:
    """The map from wide features to vectors, already in the numbers that are shipped."""

    projection: NDArray[np.int8]  # [BUCKETS, WIDTH]
    scale: Floats
    shape_projection: Floats
    centre: Floats

    def vectors(self, rows: Any) -> Floats:
        """Vectors [row, WIDTH] of wide rows (scipy csr), as ``Learned.vector`` gives them."""
        words = (
            np.asarray(rows[:, :BUCKETS] @ self.projection.astype(np.float32), dtype=np.float32) * self.scale
        )
        found = words + rows[:, BUCKETS:].toarray() @ (self.shape_projection / SHAPE_WEIGHT) - self.centre
        length = np.sqrt((found**2).sum(1, keepdims=True))
        return np.asarray(found / np.maximum(length, 1), dtype=np.float32)


def basis(
    heads: list[Heads],
    recognition: Floats,
    found: Features,
    scaled: Scaling,
    seed: int,
) -> Basis:
    """Choose ``WIDTH`` directions: one for each area, then the most telling ones of every source in turn."""
    chance = np.random.default_rng(seed)
    ranked = []
    samples = []
    for head in heads:
        chosen = chance.permutation(head.read)[:_SAMPLE]
        samples.append(chosen)
        said = head.predict(scaled.apply(found, chosen))
        said = said - said.mean(0)
        # Who gains from being asked matters more than how hard a prompt is for all.
        said = said - _ALL_ALIKE * said.mean(1, keepdims=True)
        _, size, across = np.linalg.svd(said, full_matrices=False)
        told = size**2 / max(float((size**2).sum()), 1e-12)
        ranked += [(float(told[:place].sum()), place, head, across[place]) for place in range(len(size))]
    # A direction comes earlier the more of its source is left unsaid without it.
    ranked.sort(key=lambda each: (each[0], each[1]))
    wide = [recognition[:, area] for area in range(recognition.shape[1])]
    wide += [head.weights @ direction for _, _, head, direction in ranked[: WIDTH - len(wide)]]
    while len(wide) < WIDTH:
        wide.append(np.zeros(BUCKETS + len(scaled.mean), dtype=np.float32))
    matrix = np.stack(wide[:WIDTH], axis=1).astype(np.float32)
    return _quantised(_whitened(matrix, scaled.apply(found, np.concatenate(samples))))


def _whitened(matrix: Floats, rows: Any) -> tuple[Floats, Floats]:
    """``matrix`` with columns of equal spread over ``rows``, and the mean that is to be taken off."""
    said = np.asarray(rows @ matrix, dtype=np.float32)
    spread = said.std(0)
    factor = np.where(spread > 1e-9, _SIZE / np.maximum(spread, 1e-9), 0).astype(np.float32)
    return np.asarray(matrix * factor, dtype=np.float32), np.asarray(said.mean(0) * factor, dtype=np.float32)


def _quantised(given: tuple[Floats, Floats]) -> Basis:
    matrix, centre = given
    words = matrix[:BUCKETS]
    # A few buckets weigh far more than the rest: cut at a high quantile, for steps that fit the others.
    top = np.maximum(np.quantile(np.abs(words), 0.9999, axis=0), 1e-9)
    scale = (top / 127).astype(np.float32)
    steps = np.clip(np.rint(words / scale), -127, 127).astype(np.int8)
    return Basis(steps, scale, (matrix[BUCKETS:] * SHAPE_WEIGHT).astype(np.float32), centre)


def taught(head: Heads, vectors: Floats, said: Floats) -> tuple[Floats, Floats]:
    """Means [model] and heads [model, WIDTH] that repeat what ``head`` ``said`` of prompts with
    ``vectors``.
    """
    ones = np.concatenate([vectors, np.ones((len(vectors), 1), dtype=np.float32)], axis=1).astype(np.float64)
    penalty = np.full(WIDTH + 1, 1e-3 * len(vectors) * _SIZE**2)
    penalty[-1] = 0
    solved = np.linalg.solve(ones.T @ ones + np.diag(penalty + 1e-9), ones.T @ said)
    return (head.means + solved[-1]).astype(np.float32), solved[:-1].T.astype(np.float32)
