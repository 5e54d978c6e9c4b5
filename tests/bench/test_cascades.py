"""The table that the cascade benchmark prints."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
FILE = Path(__file__).parents[2] / "bench" / "cascades.py"


def test_a_row_says_whether_the_figure_was_reached() -> None:
    spec = importlib.util.spec_from_file_location("bench_cascades", FILE)
    assert spec is not None and spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    row = {
        "source": "sums",
        "wanted": 0.5,
        "reached": False,
        "n": 9.0,
        "strong": 0.9,
        "cheap": 0.5,
        "ece": 0.01,
    }
    row |= {
        "change": -0.01,
        "change_error": 0.002,
        "saved": 0.4,
        "saved_seeds": [0.4],
        "change_seeds": [-0.01],
    }
    row |= {"random": 0.7, "oracle": 0.95, "oracle_saved": 0.8}
    text = bench.table([row])
    assert "sums" in text and "NO" in text and "-1.00" in text
    assert {name for name, *_ in bench.RUNS} >= {"mmlu_pro", "zeroeval_gsm"}
