"""Guesses of many prompts are those of each."""

import numpy as np
import pytest
from outcomes import CHEAP, STRONG

from tokenworks.routing.difficulty import Difficulty
from tokenworks.routing.learned import Learned
from tokenworks.routing.study.data import Data
from tokenworks.routing.study.matrix import Features
from tokenworks.routing.study.predict import predictions


def test_they_are_what_a_request_would_be_told(recorded: tuple[Data, Features], learned: Learned) -> None:
    data, found = recorded
    rows = np.array([3, 150])
    said = predictions(learned, found, rows, [STRONG, CHEAP])
    difficulty = Difficulty(learned)
    for row, prompt in enumerate(rows):
        guesses = difficulty.guess(difficulty.look(data.prompts[prompt]), [STRONG, CHEAP])
        assert said[row] == pytest.approx([each.right for each in guesses], abs=1e-5)
