"""Abilities and hardness on one scale."""

import numpy as np
import pytest

from tokenworks.routing.study.areas import expected_share, scale


def test_a_hard_area_and_an_able_model_are_told_apart() -> None:
    models = ["acme/a-70b", "acme/b-70b", "acme/a-70b", "acme/b-70b", "acme/c-70b"]
    area = np.array([0, 0, 1, 1, 1], dtype=np.int32)
    mean = np.array([0.95, 0.85, 0.6, 0.3, 0.3])
    found = scale(models, area, mean, np.full(5, 1000.0), 2)
    able = dict(zip(found.models, found.ability, strict=True))
    assert found.hardness[1] > found.hardness[0] + 1
    assert able["a70b"] > able["b70b"]
    assert able["c70b"] == pytest.approx(able["b70b"], abs=0.5)
    of_c_in_0 = expected_share(able["c70b"], found.hardness[0], found.slope[0])
    assert 0.7 < of_c_in_0 < 0.95  # as b did there, which c never was


def test_a_handful_of_outcomes_moves_an_ability_less() -> None:
    models, area = ["acme/a-70b", "acme/b-70b"], np.zeros(2, dtype=np.int32)
    mean = np.array([0.9, 0.1])
    few = scale(models, area, mean, np.array([1000.0, 1.0]), 1)
    many = scale(models, area, mean, np.array([1000.0, 1000.0]), 1)
    assert few.ability[1] > many.ability[1]
