"""Whom to ask first: mostly who seems best, sometimes another one, to learn of it.

The chance of each is worked out first, and one uniform number then decides by it. So what is logged as
propensity is the very chance that the rule gave, and decisions can be judged by it later (``study.replay``).

The chances are those of Thompson sampling: each route is taken as often as it is likely the best, given what
is known of P(its first answer is right). For independent beliefs that is the integral over one belief of the
others' distribution functions, taken at ``_NODES`` quantiles.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.thompson import Belief

FLOOR = 0.01  # of the chances: shared by all, so that each can be judged later
MOST = 0.15  # that is not given to who seems best
MOST_ARMS = 4  # that are drawn among; those ranked behind have the floor alone
_NODES = 33
_QUANTILES = np.array([NormalDist().inv_cdf((each + 0.5) / _NODES) for each in range(_NODES)])

_Array = NDArray[np.float64]


class Arm(msgspec.Struct, frozen=True):
    """One feasible route: what is believed of its first model, and what it is worth.

    Its worth is ``gain_usd * P(right) - cost_usd``: ``cost_usd`` as if the first answer were wrong (with the
    strong model's on top), ``gain_usd`` what is saved when it is right.
    """

    belief: Belief
    cost_usd: float
    gain_usd: float

    def worth_usd(self, right: float) -> float:
        """At this P(right)."""
        return self.gain_usd * right - self.cost_usd


def ahead(belief: Belief, cost_usd: float, strong_usd: float) -> Arm:
    """Of asking this model first, and the strong one after it where the answer is wrong."""
    return Arm(belief, cost_usd + strong_usd, strong_usd)


def straight(belief: Belief, strong_usd: float) -> Arm:
    """Of asking the strong model at once."""
    return Arm(belief, strong_usd, 0.0)


class Choice(msgspec.Struct, frozen=True):
    """The route that is taken, and the chance that each had."""

    index: int
    propensities: tuple[float, ...]

    @property
    def propensity(self) -> float:
        """The chance of the one that is taken."""
        return self.propensities[self.index]


def explored(arms: Sequence[Arm], uniform: float, *, floor: float = FLOOR, most: float = MOST) -> Choice:
    """Choose among ``arms``, the one that seems best first, by a ``uniform`` number of [0, 1).

    Every arm has a chance of ``floor / len(arms)`` at least, the first one of ``1 - most``. With ``most=0``
    it is always the first.
    """
    chances = propensities(arms, floor=floor, most=most)
    sums = np.cumsum(chances[:-1]).tolist()
    return Choice(bisect.bisect_right(sums, uniform), chances)


def propensities(arms: Sequence[Arm], *, floor: float = FLOOR, most: float = MOST) -> tuple[float, ...]:
    """The chance of each of ``arms`` by the rule of ``explored``; they sum to 1."""
    count = len(arms)
    if count < 2 or most <= 0:
        return (1.0,) + (0.0,) * (count - 1)
    floor = min(floor, most)
    chances = np.zeros(count)
    chances[:MOST_ARMS] = (1 - floor) * best(arms[:MOST_ARMS])
    others, room = float(chances[1:].sum()), most - floor * (count - 1) / count
    if others > room:
        chances[1:] *= room / others
    chances += floor / count
    chances[0] = 1.0 - float(chances[1:].sum())
    return tuple(float(chance) for chance in chances)


def best(arms: Sequence[Arm]) -> _Array:
    """P(this arm is worth the most), for each."""
    logits = [arm.belief.logit() for arm in arms]
    means = np.array([mean for mean, _ in logits])[:, None]
    deviations = np.array([deviation for _, deviation in logits])[:, None]
    costs = np.array([arm.cost_usd for arm in arms])[:, None]
    gains = np.array([max(arm.gain_usd, 1e-12) for arm in arms])[:, None]
    rights = 0.5 * (1 + np.tanh(0.5 * (means + deviations * _QUANTILES)))
    worths = gains * rights - costs
    # by arm j: P(its worth is at most that of arm i at node q)
    needed = np.clip((worths[None, :, :] + costs[:, :, None]) / gains[:, :, None], 1e-12, 1 - 1e-12)
    below = _normal((np.log(needed / (1 - needed)) - means[:, :, None]) / deviations[:, :, None])
    own = np.arange(len(arms))
    below[own, own, :] = 1.0
    chances: _Array = below.prod(axis=0).mean(axis=1)
    total = float(chances.sum())
    return chances / total if total > 0 else np.full(len(arms), 1 / len(arms))


def shadowed(uniform: float, share: float) -> bool:
    """Whether a second model answers this request too, which nobody waits for. ``share``: 0..1."""
    return uniform < share


def _normal(x: _Array) -> _Array:
    """The normal distribution function, right to 2e-4 (Page 1977, Applied Statistics 26)."""
    found: _Array = 0.5 * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))
    return found
