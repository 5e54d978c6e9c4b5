"""Texts as numbers, and how easy a prompt is by its text."""

from __future__ import annotations

import random

import numpy as np

from tokenworks.routing.study.cases import Cases, ease, text_features


def test_how_easy_a_text_is_comes_from_the_training_prompts_alone() -> None:
    draw = random.Random(3)
    words = [f"word{i}" for i in range(40)]
    texts = [
        ("easy sum " if i % 2 else "hard proof ") + " ".join(draw.choices(words, k=4)) for i in range(120)
    ]
    score = np.array([[float(i % 2), float(i % 2)] for i in range(120)])
    none = np.full(score.shape, None, dtype=object)
    cases = Cases("s", "math", ["a", "b"], texts, texts, score, score, score, none, text_features(texts))
    training = np.arange(80)
    said = ease(cases, training)
    rest = said[80:]
    assert rest[1::2].mean() > rest[::2].mean() + 0.1
    score[80:] = 1 - score[80:]
    assert np.array_equal(ease(cases, training), said), "what is tested on is not looked at"
    score[0, :] = 1 - score[0, 0]
    moved = ease(cases, training)
    assert abs(moved[0] - said[0]) < 0.05, "nor is a prompt's own outcome, for itself"
