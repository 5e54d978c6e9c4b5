"""The rate of matrix products."""

from typing import Any

import numpy as np
import pytest

from tokenworks.energy.probing import matrix


def test_a_product() -> None:
    found = matrix.measure(128, 0.01)
    assert found.size == 128 and found.repeats >= 1
    assert 1e7 < found.flops_per_s < 1e15


def test_operations_are_counted_twice_a_multiply_add_and_the_best_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clock that the product itself moves: 4 s, then 2 s, then 3 s."""
    now, takes = [0.0], iter([0.0, 4.0, 2.0, 3.0])  # the first warms up

    def matmul(left: Any, right: Any, out: Any) -> Any:
        now[0] += next(takes)
        return out

    monkeypatch.setattr(np, "matmul", matmul)
    monkeypatch.setattr(matrix.time, "perf_counter", lambda: now[0])
    found = matrix.measure(100, 8.5)
    assert found == matrix.MatrixRate(100, 2 * 100**3 / 2.0, 3)


def test_the_blas_has_a_name() -> None:
    assert len(matrix.blas_name()) > 3


def test_what_a_larger_product_takes() -> None:
    known = [matrix.MatrixRate(256, 1e9, 1), matrix.MatrixRate(512, 2e9, 1)]
    assert matrix.seconds_of(1000, known) == 1.0
