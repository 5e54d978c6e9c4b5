"""The few functions of torch that the probe calls, on numpy arrays: checked without torch.

It shows that the arithmetic and the shapes are right. It does not show that torch has these functions.
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import numpy as np


class Tensor:
    """An array with torch's methods."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __getitem__(self, at: Any) -> Tensor:
        return Tensor(self.array[at])

    def __mul__(self, other: Any) -> Tensor:
        return Tensor(self.array * (other.array if isinstance(other, Tensor) else other))

    def __add__(self, other: Tensor) -> Tensor:
        return Tensor(self.array + other.array)

    def copy_(self, source: Tensor) -> Tensor:
        self.array[...] = source.array
        return self

    def t(self) -> Tensor:
        return Tensor(self.array.T)

    def to(self, dtype: str) -> Tensor:
        return self

    def transpose(self, one: int, two: int) -> Tensor:
        return Tensor(np.swapaxes(self.array, one, two))

    def view(self, *shape: int) -> Tensor:
        assert self.array.flags.c_contiguous, "torch refuses to view what is strewn"
        return Tensor(self.array.reshape(shape))

    def reshape(self, *shape: int) -> Tensor:
        return Tensor(self.array.reshape(shape))


class NumpyTorch:
    """Stands where the module ``torch`` would. ``device`` is "cpu" only, as its dtypes are names."""

    float32, bfloat16, float8_e4m3fn, int32 = "float32", "bfloat16", "float8_e4m3fn", "int32"

    def __init__(self, card: SimpleNamespace | None = None) -> None:
        self.cuda = SimpleNamespace(
            is_available=lambda: card is not None,
            get_device_properties=lambda number: card,
            empty_cache=lambda: None,
            synchronize=lambda: None,
        )
        attend = self._attend
        self.nn = SimpleNamespace(
            functional=SimpleNamespace(silu=self._silu, scaled_dot_product_attention=attend)
        )
        self.random = np.random.default_rng(1)

    inference_mode = staticmethod(contextlib.nullcontext)

    def ones(self, shape: Any, dtype: str, device: str) -> Tensor:
        return Tensor(np.ones(shape, np.float32))

    def empty_like(self, like: Tensor) -> Tensor:
        return Tensor(np.zeros_like(like.array))

    def randn(self, shape: Any, dtype: str, device: str) -> Tensor:
        return Tensor(self.random.standard_normal(shape).astype(np.float32))

    def randperm(self, count: int, device: str) -> Tensor:
        return Tensor(self.random.permutation(count))

    def arange(self, *ends: int, device: str, dtype: str = "int64") -> Tensor:
        return Tensor(np.arange(*ends))

    def index_select(self, pool: Tensor, axis: int, order: Tensor) -> Tensor:
        return Tensor(np.ascontiguousarray(np.take(pool.array, order.array, axis)))

    def matmul(self, left: Tensor, right: Tensor) -> Tensor:
        return Tensor(left.array @ right.array)

    def bmm(self, left: Tensor, right: Tensor) -> Tensor:
        assert left.array.ndim == right.array.ndim == 3
        return Tensor(left.array @ right.array)

    def softmax(self, scores: Tensor, axis: int) -> Tensor:
        powers = np.exp(scores.array - scores.array.max(axis, keepdims=True))
        return Tensor(powers / powers.sum(axis, keepdims=True))

    def _silu(self, value: Tensor) -> Tensor:
        return Tensor(value.array / (1 + np.exp(-value.array)))

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        scores = query.array @ np.swapaxes(keys.array, -1, -2) * query.array.shape[-1] ** -0.5
        return Tensor(self.softmax(Tensor(scores), -1).array @ values.array)
