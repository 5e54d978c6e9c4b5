"""What the predictor gets wrong here: a shift for each task and model, and a head on the prompt's vector.

The shift moves the logit of all predictions at a task alike, so that on average they are what was seen. It
leaves the differences between prompts, which plain counts of right and wrong would level.

What is left is learnt by a linear head for each model: recursive least squares with forgetting, kept as
information (Haykin, Adaptive Filter Theory, ch. 13). With x = (vector, 1) and y = seen right - shifted right,

    A <- f A + (1 - f) ridge I + w x x',    b <- f b + w y x,    head = A^-1 b

What is forgotten is replaced by the ridge, so that A stays sound where no prompt comes any more, and a head
that knows little says little: its correction is drawn to nothing by the ridge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.thompson import expit

FORGETTING = 0.9995  # of each sample of weight 1: the last 2,000 count
RIDGE = 10.0  # samples at which a correction is half of what was seen
MOST = 0.3  # that a correction changes P(right)
SHIFT_RIDGE = 10.0  # samples at which a shift is half of what was seen
MOST_SHIFT = 2.0  # of the logit
MAX_SHIFTS = 1000
WIDTH = 65  # of x: a vector of at most 64, and the one
MAX_MODELS = 64  # a megabyte
LEAST_RIGHT, MOST_RIGHT = 0.01, 0.99

Vector = NDArray[np.float32]
_Array = NDArray[np.float64]
_UPPER = np.triu_indices(WIDTH)


class _Head(msgspec.Struct, array_like=True):
    """As it is kept: the upper half of A, b, and how much was seen."""

    weight: float
    information: bytes  # float64, by rows
    target: bytes  # float64
    used: int  # the update that touched it last


class _Kept(msgspec.Struct, array_like=True):
    format: int
    width: int
    updates: int
    heads: dict[str, _Head]
    shifts: dict[str, tuple[float, float, float]]  # by task, NUL, model: as in ``_Seen``
    position: bytes


_FORMAT = 1
_decode = msgspec.msgpack.Decoder(_Kept).decode


class _Learning:
    """One head while it learns."""

    __slots__ = ("information", "target", "used", "weight")

    def __init__(self) -> None:
        self.information: _Array = np.eye(WIDTH) * RIDGE
        self.target: _Array = np.zeros(WIDTH)
        self.weight = 0.0
        self.used = 0


class _Seen:
    """Of one task and model: samples, how many of them were right, and how many were foretold to be."""

    __slots__ = ("foretold", "right", "weight")

    def __init__(self, weight: float = 0.0, right: float = 0.0, foretold: float = 0.0) -> None:
        self.weight, self.right, self.foretold = weight, right, foretold

    def add(self, right: float, foretold: float, weight: float) -> None:
        keep = FORGETTING**weight
        self.weight = keep * self.weight + weight
        self.right = keep * self.right + weight * right
        self.foretold = keep * self.foretold + weight * foretold

    def shift(self) -> float:
        """Of the logit."""
        if self.weight <= 0:
            return 0.0
        foretold = self.foretold / self.weight
        seen = (self.right + SHIFT_RIDGE * foretold) / (self.weight + SHIFT_RIDGE)
        return min(max(_logit(seen) - _logit(foretold), -MOST_SHIFT), MOST_SHIFT)


Cell = tuple[str, str]  # task and model


class Corrections:
    """Shifts and heads as workers use them: solved, unchanging, small."""

    def __init__(
        self,
        heads: Mapping[str, _Array] | None = None,
        weights: Mapping[str, float] | None = None,
        shifts: Mapping[Cell, float] | None = None,
    ) -> None:
        self._heads = dict(heads or {})
        self._weights = dict(weights or {})
        self._shifts = dict(shifts or {})

    def __len__(self) -> int:
        return len(self._heads)

    def weight(self, model: str) -> float:
        """How many samples the head of ``model`` rests on, old ones faded."""
        return self._weights.get(model, 0.0)

    def correction(self, model: str, vector: Vector) -> float:
        """What to add to the predicted P(right) of ``model``, within ``-MOST..MOST``."""
        head = self._heads.get(model)
        if head is None:
            return 0.0
        width = min(len(vector), WIDTH - 1)
        found = float(head[:width] @ vector[:width]) + float(head[-1])
        return min(max(found, -MOST), MOST)

    def knows(self, task: str, model: str) -> bool:
        """Whether anything was seen of ``model`` at ``task``."""
        return (task, model) in self._shifts

    def corrected(self, model: str, vector: Vector, right: float, task: str = "") -> float:
        """``right`` as it would have been right here so far, never quite sure; without ``task`` unshifted."""
        if model not in self._heads:
            return right
        found = shifted(right, self._shifts.get((task, model), 0.0)) + self.correction(model, vector)
        return min(max(found, LEAST_RIGHT), MOST_RIGHT)


def shifted(right: float, shift: float) -> float:
    """``right`` with its logit moved."""
    return expit(_logit(right) + shift) if shift else right


class Heads:
    """Heads that learn. The same samples in the same order always make the same heads."""

    def __init__(self) -> None:
        self._models: dict[str, _Learning] = {}
        self._shifts: dict[Cell, _Seen] = {}
        self.updates = 0
        self.position = b""  # which samples are in them: for whoever teaches them, kept as one with them

    def learn(
        self, task: str, model: str, vector: Vector, foretold: float, right: float, weight: float
    ) -> None:
        """``model`` was foretold to be right at ``foretold``, and was at ``right``; as ``weight`` samples."""
        if not (0 <= foretold <= 1 and 0 <= right <= 1 and weight > 0) or _extended(vector) is None:
            return
        cell = self._shifts.get((task, model))
        shift = cell.shift() if cell is not None else 0.0
        self.update(model, vector, right - shifted(foretold, shift), weight)
        if cell is None:
            if len(self._shifts) >= MAX_SHIFTS:
                del self._shifts[min(self._shifts, key=lambda key: (self._shifts[key].weight, key))]
            cell = self._shifts[task, model] = _Seen()
        cell.add(float(right), float(foretold), min(float(weight), 1.0))

    def update(self, model: str, vector: Vector, residual: float, weight: float) -> None:
        """``model`` was right by ``residual`` (-1..1) more than predicted; that counts ``weight`` samples."""
        x = _extended(vector)
        if x is None or not (weight > 0 and -1 <= residual <= 1):
            return
        weight = min(weight, 1.0)
        head = self._of(model)
        keep = FORGETTING**weight
        head.information *= keep
        head.information.flat[:: WIDTH + 1] += (1 - keep) * RIDGE
        head.information += weight * np.outer(x, x)
        head.target *= keep
        head.target += (weight * residual) * x
        head.weight = float(keep * head.weight + weight)

    def amend(self, task: str, model: str, vector: Vector, change: float, weight: float) -> None:
        """What was learnt from this vector turned out ``change`` more right than was said then."""
        cell = self._shifts.get((task, model))
        x, head = _extended(vector), self._models.get(model)
        if x is not None and head is not None and weight > 0 and -1 <= change <= 1:
            head.target += (min(weight, 1.0) * change) * x
            if cell is not None:
                cell.right = min(max(cell.right + min(weight, 1.0) * change, 0.0), cell.weight)

    def _of(self, model: str) -> _Learning:
        self.updates += 1
        head = self._models.get(model)
        if head is None:
            if len(self._models) >= MAX_MODELS:
                del self._models[min(self._models, key=lambda name: (self._models[name].used, name))]
            head = self._models[model] = _Learning()
        head.used = self.updates
        return head

    def solved(self) -> Corrections:
        """The heads as they stand."""
        heads: dict[str, _Array] = {
            name: np.asarray(np.linalg.solve(head.information, head.target), dtype=np.float64)
            for name, head in self._models.items()
        }
        return Corrections(
            heads,
            {name: head.weight for name, head in self._models.items()},
            {cell: seen.shift() for cell, seen in self._shifts.items()},
        )

    def dumped(self) -> bytes:
        """All of it as bytes; exact."""
        heads = {
            name: _Head(head.weight, head.information[_UPPER].tobytes(), head.target.tobytes(), head.used)
            for name, head in sorted(self._models.items())
        }
        shifts = {
            f"{task}\0{model}": (seen.weight, seen.right, seen.foretold)
            for (task, model), seen in sorted(self._shifts.items())
        }
        return msgspec.msgpack.encode(_Kept(_FORMAT, WIDTH, self.updates, heads, shifts, self.position))


def loaded(body: bytes) -> Heads:
    """The heads in ``body``. Raises ``ValueError`` for what this version can't read."""
    try:
        kept = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"no heads: {error}") from error
    if (kept.format, kept.width) != (_FORMAT, WIDTH):
        raise ValueError(f"heads of another version: format {kept.format}, {kept.width} wide")
    found = Heads()
    found.updates, found.position = kept.updates, kept.position
    for name, head in kept.heads.items():
        found._models[name] = _revived(name, head)
    for name, seen in kept.shifts.items():
        if not all(map(math.isfinite, seen)):
            raise ValueError("no heads: a shift is not finite")
        task, _, model = name.partition("\0")
        found._shifts[task, model] = _Seen(*seen)
    return found


def _revived(name: str, kept: _Head) -> _Learning:
    upper, target = _floats(kept.information), _floats(kept.target)
    if upper.shape != (len(_UPPER[0]),) or target.shape != (WIDTH,):
        raise ValueError(f"no heads: that of {name} has another size")
    if not (np.isfinite(upper).all() and np.isfinite(target).all()):
        raise ValueError(f"no heads: that of {name} is not finite")
    head = _Learning()
    square = np.zeros((WIDTH, WIDTH))
    square[_UPPER] = upper
    head.information = square + np.triu(square, 1).T
    head.target = target.copy()
    head.weight, head.used = kept.weight, kept.used
    return head


def _floats(raw: bytes) -> _Array:
    try:
        return np.frombuffer(raw, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"no heads: {error}") from error


def _logit(share: float) -> float:
    share = min(max(share, 1e-3), 1 - 1e-3)
    return math.log(share / (1 - share))


def _extended(vector: Iterable[float] | Vector) -> _Array | None:
    """``vector`` filled up with zeros, and the one; None for one that is no vector."""
    given = np.asarray(vector, dtype=np.float64)
    if given.ndim != 1 or not given.size or not np.isfinite(given).all():
        return None
    x = np.zeros(WIDTH)
    width = min(given.size, WIDTH - 1)
    x[:width] = given[:width]
    x[-1] = 1.0
    return x
