"""The table that is shipped is made from outcomes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tokenworks.routing.calibration import Signs
from tokenworks.routing.study.data import load
from tokenworks.routing.study.table import build

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")


def test_agreement_raises_what_the_table_says(tmp_path: Path) -> None:
    draw, prompts, outcomes, answers = random.Random(5), [], [], []
    for i in range(200):
        key = {"source": "sums", "prompt_id": str(i)}
        prompts.append(
            {**key, "prompt": f"What is {i} and {draw.randrange(900)} more?", "category": "math/x"}
        )
        for model, share in {"a": 0.6, "b": 0.65, "c": 0.7, "big": 0.9}.items():
            right = draw.random() < share
            outcomes.append(
                {**key, "model": model, "score": float(right), "output_tokens": 9, "cost_usd": 0.1}
            )
            answers.append({**key, "model": model, "answer": "1" if right else str(draw.randrange(10**6))})
    for name, rows in (("prompts", prompts), ("outcomes", outcomes), ("answers", answers)):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    table, report = build(load(tmp_path), "test", folds=2, orders=2)
    alone = table.judge(Signs("A", (0.65,), 0.9), "math").right
    agreed = table.judge(Signs("AA", (0.65, 0.65), 0.9), "math").right
    assert agreed > 0.9 > alone
    assert 0 < report.ece < 0.2 and report.samples == 200 * 3 * 2
    losses = [limit.loss for limit in table.limits["math"]]
    assert losses == sorted(losses) and "" in table.limits
