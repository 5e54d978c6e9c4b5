"""Wide heads."""

import numpy as np
import pytest
from outcomes import CHEAP, STRONG

from tokenworks.routing.study.data import Data
from tokenworks.routing.study.matrix import Features, scaling
from tokenworks.routing.study.teacher import fit_all, recognition


def test_the_word_that_tells_is_found(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    train = np.arange(len(data.texts)) % 3 != 0
    scaled = scaling(found, np.flatnonzero(train))
    made = fit_all(data, dict.fromkeys(data.sources, train), train, found, scaled, lambda *_: None)[0]
    rows = np.array([p for p in data.sources["cooking"].prompts if not train[p]])
    said = made.predict(scaled.apply(found, rows))[:, made.models.index(CHEAP)]
    tricky = np.array(["tricky" in data.texts[row] for row in rows])
    assert said[tricky].mean() < said[~tricky].mean() - 0.1


def test_a_source_with_too_little_is_left_out(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    nothing = np.zeros(len(data.texts), dtype=bool)
    scaled = scaling(found, np.arange(len(data.texts)))
    all_of = ~nothing
    made = fit_all(data, {"cooking": nothing, "sailing": all_of}, all_of, found, scaled, lambda *_: None)
    assert [each.source for each in made] == ["sailing"]
    assert made[0].seen == pytest.approx(240) and STRONG in made[0].models


def test_prompts_without_labels_are_read_where_that_is_allowed(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    every = np.ones(len(data.texts), dtype=bool)
    few = np.arange(len(data.texts)) % 2 == 0
    scaled = scaling(found, np.arange(len(data.texts)))
    labelled = dict.fromkeys(data.sources, few)
    made = fit_all(data, labelled, every, found, scaled, lambda *_: None)[0]
    assert (len(made.prompts), len(made.read)) == (120, 240)
    made = fit_all(data, labelled, few, found, scaled, lambda *_: None)[0]
    assert len(made.read) == 120


def test_areas_are_recognised(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    area = np.array([int(source == "sailing") for source in data.source_of], dtype=np.int32)
    learn = np.where(np.arange(len(area)) % 2 == 0, area, -1).astype(np.int32)
    scaled = scaling(found, np.flatnonzero(learn >= 0))
    weights = recognition(learn, 2, found, scaled, 0)
    told = scaled.apply(found, np.flatnonzero(learn < 0)) @ weights
    assert (told.argmax(1) == area[learn < 0]).mean() > 0.95
