"""What a forest says of prompts, labelled or not."""

import numpy as np
import pytest
from scipy import sparse

from tokenworks.routing.study.forest import told


def asked(count: int, seed: int) -> tuple[sparse.csr_matrix, np.ndarray, list[str], np.ndarray]:
    """Prompts that the cheap model fails where two words come together."""
    chance = np.random.default_rng(seed)
    words = (chance.random((count, 12)) < 0.6).astype(np.float32)
    hard = words[:, 0] * words[:, 1]
    score = np.stack([chance.random(count) < 0.95, chance.random(count) < 0.9 - 0.8 * hard], axis=1)
    kinds = [f"kind {number % 5}" for number in range(count)]
    return sparse.csr_matrix(words), np.zeros((count, 1), dtype=np.float32), kinds, score.astype(np.float32)


def test_prompts_without_labels_are_told_apart_too() -> None:
    words, shape, kinds, score = asked(900, 1)
    rows = np.arange(300)
    said = told(words, shape, kinds, score[rows], rows, 0)
    hard = (words[:, [0]].toarray() * words[:, [1]].toarray()).ravel() > 0
    assert said.shape == (900, 2)
    for part in (slice(0, 300), slice(300, None)):
        cheap = said[part, 1]
        assert cheap[hard[part]].mean() < cheap[~hard[part]].mean() - 0.15
    assert said.mean(0) == pytest.approx(score.mean(0), abs=0.08)


def test_a_labelled_prompt_is_told_by_trees_that_never_saw_it() -> None:
    words, shape, kinds, _ = asked(300, 2)
    noise = (np.random.default_rng(3).random((300, 2)) < 0.5).astype(np.float32)
    said = told(words, shape, kinds, noise, np.arange(300), 0)
    assert abs(np.corrcoef(said[:, 1], noise[:, 1])[0, 1]) < 0.2


def test_one_model_alone_is_enough() -> None:
    words, shape, kinds, score = asked(300, 4)
    assert told(words, shape, kinds, score[:, :1], np.arange(300), 0).shape == (300, 1)
