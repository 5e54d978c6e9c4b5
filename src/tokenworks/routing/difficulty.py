"""P(a model's answer is right) from the prompt alone, with the evidence behind it.

What is known of a model is put together from the general to the special, each part weighing as much as there
is evidence for it: how able it is (by its outcomes, else by its name), how it does in the area of work that
the prompt belongs to, and what the words of the prompt add there. Far from all work that was seen only the
first part is left: every prompt gets the same figure then, for on unknown work words tell nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.features import buckets, normalise
from tokenworks.routing.learned import Learned, canonical, expit
from tokenworks.routing.prior import ability as expected_ability
from tokenworks.routing.shapes import shapes
from tokenworks.routing.task import best, scores

SHIPPED = Path(__file__).with_name("weights") / "difficulty.npz"

_HALF = 20.0  # outcomes in an area at which they weigh as much as what is expected there
_NEARBY = 0.15  # how far outcomes nearby move what the head says: they tell of much the same
_LANDMARKS = 4  # that count as near
_STEEP = 3.0  # known rises from 0 to 1 between 5/6 and 7/6 of an area's reach
_KNOWN = 0.5  # from which on words may tell prompts apart
_MAYBE = 0.1  # P(area) up to which outcomes there tell nothing of a prompt; from twice that on, all
_PAIR_HALF = 200.0  # outcomes of both at which they are trusted by half
_NAME_IS_WORTH = 4.0  # outcomes
_AREA_TELLS = 2.5  # of a task's score: work that is surely of an area whose task is known
_MEMO = 64  # sets of candidates that are kept at hand
_EDGE = 0.02  # from 0 and 1, where sums of shares are bent: they stay probabilities, and in order

Floats = NDArray[np.float32]


class Look(msgspec.Struct):
    """What a prompt looks like."""

    task: str
    task_share: float  # P(it is of that task type)
    known: float  # 0..1; 1: close to work that was seen
    vector: Any  # numpy float32 [64], at most of unit length
    areas: Any = None  # numpy float32: P(area of work); None: not asked yet


class Guess(msgspec.Struct, frozen=True):
    """What to expect of one model."""

    right: float  # calibrated P(right)
    weight: float  # how much evidence there is, in samples


class _InArea(msgspec.Struct):
    """What is learned of some models in one area. M: models, P: numbers of the vector."""

    base: Any  # [M] share right, whatever the prompt
    heads: Any  # [M + 1, P] what the vector adds; the last: for all that were not seen there
    expected: Any  # [M] share right, of a model that was not seen there
    trust: Any  # [M] 0..1: how far its own outcomes there count
    seen: Any  # [M] outcomes
    columns: Any  # [M] column with most of them; the last one where there is none


class _Models(msgspec.Struct):
    """What is learned of some models, for every area. M: models, A: areas."""

    far: Any  # [M] P(right) on work of no known area
    base: Any  # [M, A] share right, whatever the prompt
    seen: Any  # [M, A] outcomes
    areas: list[_InArea]  # of each area by itself, so that a decision reads nothing of the others


class Difficulty:
    """Looks at prompts and guesses who gets them right. Nothing changes but a memo."""

    def __init__(self, learned: Learned) -> None:
        self.learned = learned
        self._memo: dict[tuple[str, ...], _Models] = {}

    @classmethod
    def load(cls, path: Path | None = None) -> Difficulty:
        """Read weights; None: the shipped ones. Raises ``ConfigError`` where they can't be used."""
        return cls(Learned.load(path or SHIPPED))

    def look(self, text: str) -> Look:
        """At the last thing the user said (or the system prompt and it). Takes about 0.3 ms for 2 KB."""
        plain = normalise(text)
        where, how = buckets(plain)
        vector = self.learned.vector(where, how, shapes(plain))
        areas, known = self.areas(vector)
        found = scores(plain)
        for task, likely in zip(self.learned.tasks, (known * areas).tolist(), strict=True):
            if task in found:
                found[task] += _AREA_TELLS * likely
        return Look(*best(found), known, vector, areas)

    def areas(self, vector: Floats) -> tuple[Floats, float]:
        """P(area of work) [A] of a vector, and how much it is like any of them, 0..1.

        The softmax alone can't say "none of these"; how high its highest logit is can.
        """
        told = self.learned.area_heads @ vector + self.learned.area_bias
        likeliest = int(told.argmax())
        share = np.exp(told - told[likeliest])
        reached = float(told[likeliest] / self.learned.reach[likeliest])
        known = min(max(0.5 + _STEEP * (reached - 1), 0.0), 1.0)
        return np.asarray(share / share.sum(), dtype=np.float32), known

    def guess(self, look: Look, models: Sequence[str]) -> list[Guess]:
        """For each of ``models``, "author/slug"; one that was never seen gets what its name lets expect."""
        if not models:
            return []
        rights, weights = self.rights(look, models)
        return [Guess(right, weight) for right, weight in zip(rights.tolist(), weights.tolist(), strict=True)]

    def rights(self, look: Look, models: Sequence[str]) -> tuple[Floats, Floats]:
        """P(right) and evidence [model], as ``guess``."""
        areas = look.areas if look.areas is not None else self.areas(look.vector)[0]
        known = self._of(tuple(models))
        of = known.areas[int(areas.argmax())]
        told = of.heads @ look.vector
        own = of.base + told[:-1] + _NEARBY * self._nearby(look.vector, of.columns)
        # How hard a prompt is moves what is expected of all alike that were not seen here, and never the
        # difference of two: for unseen pairs that is a coin toss, by every measurement.
        foreign = of.expected + told[-1]
        here = _bent(foreign + of.trust * (own - foreign))
        right = known.far + look.known * (here - known.far)
        places, values = self._steps
        weights = look.known * of.seen + _NAME_IS_WORTH
        return np.interp(right, places, values).astype(np.float32), weights

    def gain(self, look: Look, strong: str, cheap: str) -> float:
        """How much likelier ``strong`` is right than ``cheap``: what prompts are ranked by, uncalibrated.

        It abstains: far from known work, and in areas without outcomes of both, every prompt gets the pair's
        usual gain, so that nothing is told apart there. The order of such prompts is a coin toss at best.
        """
        of = self._of((strong, cheap))
        both = of.seen.min(0)
        if both.max() <= 0:
            return float(of.far[0] - of.far[1])
        usual = float((of.base[0] - of.base[1]) @ both / both.sum())
        if look.known < _KNOWN:
            return usual
        areas = look.areas if look.areas is not None else self.areas(look.vector)[0]
        trust = both / (both + _PAIR_HALF)
        area = int((areas * trust).argmax())
        sure = float(trust[area]) * min(max(float(areas[area]) / _MAYBE - 1, 0.0), 1.0)
        if sure <= 0:  # it is rather of an area where nothing is known of these two
            return usual
        here = of.areas[area]
        nearby = self._nearby(look.vector, here.columns)
        own = here.base + (here.heads @ look.vector)[:-1] + _NEARBY * nearby
        # Not cut to 0..1: the order of what a strong model surely gets right would be lost.
        one, two = own.tolist()
        return float(usual + sure * (one - two - usual))

    def _nearby(self, vector: Floats, columns: NDArray[np.intp]) -> Floats:
        """How much better than its mean each of ``columns`` did around the nearest landmarks."""
        far = self._landmark_sizes - 2 * (self.learned.landmarks @ vector)
        count = min(_LANDMARKS, len(far))
        nearest = np.argpartition(far, count - 1)[:count]
        return np.asarray(self.learned.local[nearest[:, None], columns].mean(0))

    @cached_property
    def _landmark_sizes(self) -> Floats:
        return np.asarray((self.learned.landmarks**2).sum(1), dtype=np.float32)

    @cached_property
    def _steps(self) -> NDArray[np.float64]:
        return np.asarray(self.learned.steps, dtype=np.float64)

    def _of(self, models: tuple[str, ...]) -> _Models:
        found = self._memo.get(models)
        if found is None:
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            found = self._memo[models] = self._gathered(models)
        return found

    def _gathered(self, models: tuple[str, ...]) -> _Models:
        learned = self.learned
        size = len(models), len(learned.areas)
        base, seen = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
        heads = np.zeros((*size, learned.heads.shape[1]), dtype=np.float32)
        columns, most = np.full(size, len(learned.models)), np.zeros(size)
        able = np.array([self.ability(model) for model in models], dtype=np.float32)
        for row, model in enumerate(models):
            for column in self._columns_of(model):
                area, weight = learned.area_of[column], learned.seen[column]
                if weight > most[row, area]:
                    most[row, area], columns[row, area] = weight, column
                seen[row, area] += weight
                base[row, area] += weight * learned.mean[column]
                heads[row, area] += weight * learned.heads[column]
        some = np.maximum(seen, 1e-9)
        mean, added, trust = base / some, heads / some[..., None], seen / (seen + _HALF)
        far = expit(learned.slope.mean() * able - learned.hardness.mean())
        expected = expit(learned.slope * able[:, None] - learned.hardness)
        areas = [
            _InArea(
                mean[:, area].copy(),
                np.concatenate([added[:, area], learned.common[area : area + 1]]),
                expected[:, area].copy(),
                trust[:, area].copy(),
                seen[:, area].copy(),
                columns[:, area].copy(),
            )
            for area in range(len(learned.areas))
        ]
        return _Models(far, mean, seen, areas)

    def ability(self, model: str) -> float:
        """Of its outcomes where there are any, else of its name: a logit."""
        found = self._abilities.get(canonical(model))
        return expected_ability(model) if found is None else found

    def _columns_of(self, model: str) -> Sequence[int]:
        """Exactly this spelling goes first: "big-2024-05" is not every "big"."""
        bare = model.rpartition("/")[2]
        return self._columns.get(bare) or self._columns.get(canonical(model)) or ()

    @cached_property
    def _columns(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for column, model in enumerate(self.learned.models):
            for name in dict.fromkeys((model, model.rpartition("/")[2], canonical(model))):
                found.setdefault(name, []).append(column)
        return found

    @cached_property
    def _abilities(self) -> dict[str, float]:
        return dict(zip(self.learned.known_models, self.learned.ability.tolist(), strict=True))


def _bent(share: Floats) -> Floats:
    """Between 0 and 1, rising everywhere, and as it is but for ``_EDGE``."""
    inside = np.minimum(np.maximum(share, _EDGE), 1 - _EDGE)
    return np.asarray(inside + _EDGE * np.tanh(share - inside), dtype=np.float32)
