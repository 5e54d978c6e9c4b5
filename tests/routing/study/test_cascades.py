"""Cascades replayed on made-up outcomes, of which it is known what should come out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tokenworks.errors import ConfigError
from tokenworks.routing.study.cascades import calibration_error, evaluate
from tokenworks.routing.study.data import Data, load

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")

CHEAP, STRONG = ["one", "two"], "big"
RIGHT = {"one": 0.8, "two": 0.8, "other": 0.75, "big": 0.95}
COST = {"one": 0.01, "two": 0.02, "other": 0.02, "big": 1.0}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 prompts: models err by themselves, so two that agree are right."""
    folder, draw = tmp_path_factory.mktemp("routing"), random.Random(7)
    prompts, outcomes, answers = [], [], []
    for i in range(240):
        key = {"source": "sums", "prompt_id": str(i)}
        prompts.append(
            {**key, "prompt": f"What is {i} and {draw.randrange(900)} more?", "category": "math/x"}
        )
        for model, share in RIGHT.items():
            right = draw.random() < share
            outcomes.append(
                {**key, "model": model, "score": float(right), "output_tokens": 20, "cost_usd": COST[model]}
            )
            answers.append({**key, "model": model, "answer": "42" if right else str(draw.randrange(10**6))})
    for name, rows in (("prompts", prompts), ("outcomes", outcomes), ("answers", answers)):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def data(made: Path) -> Data:
    return load(made)


def test_two_that_agree_are_served_and_every_call_is_charged(data: Data) -> None:
    found = evaluate(data, "sums", CHEAP, STRONG, folds=2)
    assert found["n"] == 240
    assert found["change"] >= -0.005
    agree = 1 - found["asked_strong"]
    assert agree > 0.55, "0.8 times 0.8 agree; what is won there may be spent elsewhere"
    assert agree - 0.03 - 1e-6 <= found["saved"] <= agree - 0.01 + 1e-6, (
        "one or both cheap models on every prompt"
    )
    assert found["right"] > found["random"] + 0.02
    assert found["oracle"] >= found["right"] and found["oracle_saved"] >= found["saved"]
    assert evaluate(data, "sums", CHEAP, STRONG, folds=2) == found, "the same seed, the same figures"


def test_what_is_not_there_is_told(data: Data) -> None:
    with pytest.raises(ConfigError, match="no source nowhere"):
        evaluate(data, "nowhere", CHEAP, STRONG)
    with pytest.raises(ConfigError, match="no model who"):
        evaluate(data, "sums", ["who"], STRONG)


def test_calibration_error_is_how_far_what_is_said_is_from_what_is() -> None:
    assert calibration_error([(0.5, float(i % 2)) for i in range(100)], parts=5) == pytest.approx(0.0)
    assert calibration_error([(0.9, float(i % 2)) for i in range(100)], parts=5) == pytest.approx(0.4)
    assert calibration_error([]) == 0.0
