"""What a ``Difficulty`` guesses of many prompts and models at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.difficulty import Difficulty, Look
from tokenworks.routing.learned import Learned
from tokenworks.routing.study.matrix import Features


def predictions(
    learned: Learned, found: Features, prompts: NDArray[np.intp], models: Sequence[str]
) -> NDArray[np.float64]:
    """P(right) [prompt, model], exactly as ``Difficulty`` would answer for each prompt."""
    difficulty = Difficulty(learned)
    said = np.empty((len(prompts), len(models)))
    for row, prompt in enumerate(prompts):
        said[row] = difficulty.rights(_look(difficulty, found, int(prompt)), models)[0]
    return said


def gains(
    learned: Learned, found: Features, prompts: NDArray[np.intp], strong: str, cheap: str
) -> NDArray[np.float64]:
    """``Difficulty.gain`` of each prompt."""
    difficulty = Difficulty(learned)
    looks = (_look(difficulty, found, int(prompt)) for prompt in prompts)
    return np.array([difficulty.gain(look, strong, cheap) for look in looks])


def _look(difficulty: Difficulty, found: Features, prompt: int) -> Look:
    start, end = found.counts.indptr[prompt : prompt + 2]
    where, how = found.counts.indices[start:end], found.counts.data[start:end]
    vector = difficulty.learned.vector(where.astype(np.intp), how, found.shapes[prompt])
    areas, known = difficulty.areas(vector)
    return Look("", 0.0, known, vector, areas)
