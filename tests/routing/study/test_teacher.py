"""Wide heads."""

import numpy as np
import pytest
from outcomes import CHEAP, STRONG

from tokenworks.routing.study.data import Data
from tokenworks.routing.study.matrix import Features, scaling
from tokenworks.routing.study.teacher import completed, fit_all, heads, recognition


def test_gaps_are_filled_by_how_the_others_did() -> None:
    score = np.array([[1, 1, np.nan], [0, 0, 0], [1, 1, 1], [0, 1, 0]], dtype=np.float32)
    filled = completed(score)
    assert np.isfinite(filled).all()
    assert filled[0, 2] > np.nanmean(score[:, 2])  # the others got it right
    assert (filled[1:] == score[1:]).all()


def test_the_word_that_tells_is_found(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    train = np.arange(len(data.texts)) % 3 != 0
    scaled = scaling(found, np.flatnonzero(train))
    made = heads(data, data.sources["cooking"], train, found, scaled, used=train)
    assert made is not None
    rows = np.array([p for p in data.sources["cooking"].prompts if not train[p]])
    said = made.predict(scaled.apply(found, rows))[:, made.models.index(CHEAP)]
    tricky = np.array(["tricky" in data.texts[row] for row in rows])
    assert said[tricky].mean() < said[~tricky].mean() - 0.1


def test_a_source_with_too_little_is_left_out(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    nothing = np.zeros(len(data.texts), dtype=bool)
    scaled = scaling(found, np.arange(len(data.texts)))
    assert heads(data, data.sources["cooking"], nothing, found, scaled, used=~nothing) is None
    all_of = ~nothing
    made = fit_all(data, {"cooking": nothing, "sailing": all_of}, all_of, found, scaled, lambda *_: None)
    assert [each.source for each in made] == ["sailing"]
    assert made[0].seen == pytest.approx(240) and STRONG in made[0].models


def test_areas_are_recognised(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    area = np.array([int(source == "sailing") for source in data.source_of], dtype=np.int32)
    learn = np.where(np.arange(len(area)) % 2 == 0, area, -1).astype(np.int32)
    scaled = scaling(found, np.flatnonzero(learn >= 0))
    weights = recognition(learn, 2, found, scaled, 0)
    told = scaled.apply(found, np.flatnonzero(learn < 0)) @ weights
    assert (told.argmax(1) == area[learn < 0]).mean() > 0.95
