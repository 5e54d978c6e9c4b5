"""Training: it learns what is there, refuses what it must not see, and repeats itself."""

from pathlib import Path

import numpy as np
import pytest
from outcomes import CHEAP, STRONG

from tokenworks.errors import ConfigError
from tokenworks.routing.difficulty import Difficulty
from tokenworks.routing.learned import Learned
from tokenworks.routing.study.data import Data
from tokenworks.routing.study.matrix import Features
from tokenworks.routing.study.train import refuse_evaluation_sets, train

HARD = (
    "Question about cooking: salt pepper tricky oven flour sugar boil recipe butter onion garlic number 900?"
)


def test_it_learns_the_word_that_tells(learned: Learned) -> None:
    difficulty = Difficulty(learned)
    strong, cheap = difficulty.guess(difficulty.look(HARD), [STRONG, CHEAP])
    plain = difficulty.guess(difficulty.look(HARD.replace("tricky", "plain")), [CHEAP])[0]
    assert strong.right > cheap.right + 0.15
    assert plain.right > cheap.right + 0.1
    assert learned.tasks == ["knowledge", "knowledge"]


def test_the_same_seed_gives_the_same_bytes(
    recorded: tuple[Data, Features], learned: Learned, tmp_path: Path
) -> None:
    learned.save(tmp_path / "one.npz")
    train(*recorded, calibrate=False).save(tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_labels_that_may_not_be_seen_are_not(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    few = np.zeros(len(data.texts), dtype=bool)
    few[data.sources["cooking"].prompts[:30]] = True
    made = train(data, found, labels={"cooking": few}, calibrate=False)
    area = made.areas.index("cooking")
    assert made.seen[made.area_of == area].max() == 30
    poisoned = data.sources["cooking"].score.copy()
    try:
        data.sources["cooking"].score[30:] = 1 - data.sources["cooking"].score[30:]
        again = train(data, found, labels={"cooking": few}, calibrate=False)
    finally:
        data.sources["cooking"].score[:] = poisoned
    assert np.array_equal(made.heads, again.heads) and np.array_equal(made.mean, again.mean)


def test_evaluation_sets_are_refused_by_name(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    refuse_evaluation_sets(data)
    data.sources["RouterArena_sub10"] = data.sources["cooking"]
    try:
        with pytest.raises(ConfigError, match="evaluation only"):
            train(data, found)
    finally:
        del data.sources["RouterArena_sub10"]


def test_the_calibration_rises_everywhere(recorded: tuple[Data, Features]) -> None:
    learned = train(*recorded)
    assert (np.diff(learned.steps[1]) > 0).all()
    assert learned.steps[1].min() >= 0 and learned.steps[1].max() <= 1
