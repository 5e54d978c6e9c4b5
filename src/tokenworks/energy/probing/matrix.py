"""How fast this machine's BLAS multiplies matrices of 32-bit floats: numpy has no smaller type for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

SIZES = (256, 512, 1024, 2048, 4096)


class MatrixRate(msgspec.Struct, frozen=True):
    """Multiply-adds of one square product, counted as two operations each."""

    size: int  # rows and columns of both factors
    flops_per_s: float
    repeats: int


def measure(size: int, seconds: float) -> MatrixRate:
    """The best of the products of two ``size`` x ``size`` matrices that fit into ``seconds``, at least one.

    BLAS takes as many threads as its environment allows, by default all cores.
    """
    left, right = _random(size), _random(size)
    out = np.empty((size, size), np.float32)
    if size <= 1024:  # larger ones are their own warming up
        np.matmul(left, right, out=out)
    fastest, repeats = float("inf"), 0
    end = time.perf_counter() + seconds
    while not repeats or time.perf_counter() < end:
        begun = time.perf_counter()
        np.matmul(left, right, out=out)
        fastest = min(fastest, time.perf_counter() - begun)
        repeats += 1
    return MatrixRate(size, 2.0 * size**3 / fastest, repeats)


def seconds_of(size: int, known: Sequence[MatrixRate]) -> float:
    """What one product of this size takes at the best rate so far."""
    return 2.0 * size**3 / max(each.flops_per_s for each in known)


def blas_name() -> str:
    """Which BLAS numpy was built with: "scipy-openblas 0.3.31"."""
    found: Any = np.show_config(mode="dicts")
    blas = found.get("Build Dependencies", {}).get("blas", {}) if isinstance(found, dict) else {}
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _random(size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(size).random((size, size), np.float32)
