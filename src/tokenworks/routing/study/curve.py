"""Quality against cost when a score decides which prompts the strong model gets.

APGR and CPT as in RouteLLM (arXiv 2406.18665): the gap is what the strong model scores above the cheap one;
the share of it that is recovered, as a function of the share of calls to the strong model, has APGR as its
area, and CPT(x) is the least share of calls, in percent, that recovers x percent. Prompts of equal score are
one step, drawn as a straight line: the mean over all orders of them. So a router that tells nothing apart has
APGR 0.5 exactly, like a random mix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Points from all-cheap to all-strong."""

    calls: Floats  # share of prompts that the strong model gets
    quality: Floats  # mean score
    cost_usd: Floats  # mean of a prompt; NaN where costs are unknown

    @property
    def recovered(self) -> Floats:
        """Share of the gap between cheap and strong; NaN where there is none."""
        gap = self.quality[-1] - self.quality[0]
        return np.asarray((self.quality - self.quality[0]) / (gap if gap > 0 else np.nan))


def curve(score: Floats, strong: Floats, cheap: Floats, costs: tuple[Floats, Floats] | None = None) -> Curve:
    """Send prompts to the strong model in falling order of ``score``.

    ``strong``, ``cheap``: what each model scored on each prompt; ``costs``: dollars of strong and of cheap.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf) != 0) + 1
    count = len(score)

    def steps(of_strong: Floats, of_cheap: Floats) -> Floats:
        gained = np.concatenate(([0.0], np.cumsum((of_strong - of_cheap)[order])[ends - 1]))
        return np.asarray((of_cheap.sum() + gained) / count)

    calls = np.concatenate(([0], ends)) / count
    spent = steps(*costs) if costs is not None else np.full(len(calls), np.nan)
    return Curve(calls, steps(strong, cheap), spent)


def apgr(found: Curve) -> float:
    """Area under the recovered share: 0.5 is a random mix."""
    return float(np.trapezoid(found.recovered, found.calls))


def cpt(found: Curve, share: float) -> float:
    """Least percentage of calls to the strong model that recovers ``share`` of the gap."""
    return 100 * _first(found.calls, found.recovered, share)


def saved_at(found: Curve, quality: float) -> float:
    """Share of the all-strong cost that is saved where ``quality`` is first reached; 0 where it never is.

    With unknown costs: the share of calls to the strong model that is saved.
    """
    spent = found.calls if np.isnan(found.cost_usd).any() else found.cost_usd
    least = _first(spent, found.quality, quality)
    return float(1 - least / spent[-1]) if spent[-1] > 0 and not np.isnan(least) else 0.0


def at_spend(found: Curve, share: float) -> float:
    """Quality where ``share`` of the calls go to the strong model."""
    return float(np.interp(share, found.calls, found.quality))


def _first(along: Floats, reached: Floats, wanted: float) -> float:
    """Where ``reached`` first comes up to ``wanted``, on straight lines between points; NaN: never."""
    there = np.flatnonzero(reached >= wanted - 1e-12)
    if not len(there):
        return float("nan")
    at = int(there[0])
    if at == 0:
        return float(along[0])
    rise = reached[at] - reached[at - 1]
    return float(along[at - 1] + (along[at] - along[at - 1]) * (wanted - reached[at - 1]) / rise)
