"""Scoring a router."""

import json

import numpy as np
import pytest
from outcomes import CHEAP, MIDDLING, STRONG

from tokenworks.errors import ConfigError
from tokenworks.routing.learned import Learned
from tokenworks.routing.study import score
from tokenworks.routing.study.data import Data, Source
from tokenworks.routing.study.matrix import Features
from tokenworks.routing.study.train import train


def source(mean: list[float], cost: list[float]) -> Source:
    count = 100
    marks = np.array(
        [[float(row < share * count) for share in mean] for row in range(count)], dtype=np.float32
    )
    return Source(
        "s", np.arange(count), list("abcde")[: len(mean)], marks, np.tile(np.float32(cost), (count, 1))
    )


NONE = float("nan")


@pytest.mark.parametrize(
    ("mean", "cost", "wanted"),
    [
        ([0.9, 0.8, 0.5], [10, 4, 1], ("a", "c")),  # b is too dear
        ([0.9, 0.8, 0.5], [10, 2, 1], ("a", "b")),
        ([0.9, 0.8, 0.7, 0.5, 0.4], [NONE] * 5, ("a", "c")),  # unknown costs: the median model
        ([0.95, 0.9, 0.5], [NONE, 10, 1], ("b", "c")),
        ([0.9, 0.5], [1, 1], ("a", "b")),  # nobody is cheap enough: the median
    ],
)
def test_the_pair_of_a_source(mean: list[float], cost: list[float], wanted: tuple[str, str]) -> None:
    assert score.pair(source(mean, cost)) == wanted


def test_a_model_on_few_prompts_is_not_chosen_unasked() -> None:
    part = source([0.9, 0.8, 0.5], [10, 2, 1])
    part.score[20:, 1] = np.nan
    assert score.pair(part) == ("a", "c")
    assert score.pair(part, ("a", "b")) == ("a", "b")
    asked = score.duel(part, ("a", "b"))
    assert asked is not None and len(asked.prompts) == 20


@pytest.fixture(scope="module")
def crossed(recorded: tuple[Data, Features]) -> list[score.Duel]:
    data, found = recorded
    duels = score.chosen(data)
    score.crossed(data, found, duels, count=2, seed=0, progress=lambda *_: None)
    return duels


def test_folds_by_text_keep_the_same_text_together(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    duels = score.chosen(data)
    score.crossed(data, found, duels, count=2, seed=0, progress=lambda *_: None, by_text=True)
    assert score.report(duels)["pooled"]["apgr"] > 0.6


def test_folds_are_better_than_chance_and_the_report_is_json(crossed: list[score.Duel]) -> None:
    assert [(each.strong, each.cheap) for each in crossed] == [(STRONG, CHEAP)] * 2
    told = json.loads(json.dumps(score.report(crossed, intervals=True), allow_nan=False))
    assert [each["source"] for each in told["sources"]] == ["cooking", "sailing"]
    pooled = told["pooled"]
    assert pooled["n"] == 480 and pooled["apgr"] > 0.6
    assert pooled["apgr_interval"][0] < pooled["apgr"] < pooled["apgr_interval"][1]
    assert pooled["oracle"]["apgr"] > pooled["apgr"] > pooled["random_mix"]["apgr"]
    assert 0 <= pooled["saved_at_parity"] <= pooled["oracle"]["saved_at_parity"]
    first, last = pooled["curve"][0], pooled["curve"][-1]
    assert first["quality"] == pooled["cheap_score"] and last["quality"] == pooled["strong_score"]
    assert first["cost_usd"] == pytest.approx(0.001) and last["cost_usd"] == pytest.approx(0.01)


def test_a_router_that_saw_the_answers_would_be_noticed(
    recorded: tuple[Data, Features], learned: Learned, crossed: list[score.Duel]
) -> None:
    """Folds must do worse than weights fitted on the very prompts that are scored."""
    data, found = recorded
    cheating = score.chosen(data)
    score.shipped(learned, found, cheating, lambda *_: None)
    honest, better = (score.report(each)["pooled"]["apgr"] for each in (crossed, cheating))
    assert better > honest


def test_prompts_that_were_trained_on_are_told(recorded: tuple[Data, Features], learned: Learned) -> None:
    data, found = recorded
    duels = score.chosen(data)
    assert score.in_sample(learned, data, duels) == 480
    used = np.arange(len(data.texts)) % 3 == 0
    assert score.in_sample(train(data, found, used=used, calibrate=False), data, duels) == used.sum()


def test_labels_are_limited_by_chance(recorded: tuple[Data, Features]) -> None:
    data, _ = recorded
    used = np.arange(len(data.texts)) % 2 == 0
    may = score.limited(data.sources["cooking"], used, 10, 0)
    assert may.sum() == 10 and not (may & ~used).any()
    assert (may != score.limited(data.sources["cooking"], used, 10, 1)).any()


def test_a_pair_that_nobody_has_is_said(recorded: tuple[Data, Features]) -> None:
    with pytest.raises(ConfigError, match="no source has outcomes of both x and y"):
        score.chosen(recorded[0], ("x", "y"))
    assert len(score.chosen(recorded[0], (MIDDLING, CHEAP))) == 2
