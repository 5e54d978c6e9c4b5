"""Fits the weights of the fair-use score."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Protocol

from tokenworks.plans.fair_use.score import FEATURES, FEWEST, Weight, Weights, vector
from tokenworks.plans.fair_use.signals import Signals

# Chosen by two-fold cross-validation within the half that is fitted on.
MIX = 0.45  # share of programs that the score takes for granted
DECAY = 2.0  # square penalty on the weights of features that were brought to one scale
ROUNDS = 100
SMALL = 1e-3  # a round that moves no weight more is the last


class Labelled(Protocol):
    """A subscriber of whom we know what he is."""

    @property
    def automated(self) -> bool: ...

    @property
    def looks(self) -> Sequence[Signals]: ...


def fit(days: Sequence[Labelled], command: str, mix: float = MIX, decay: float = DECAY) -> Weights:
    """Logistic regression with weights of at least 0, by coordinate descent.

    Each step is Newton's for one weight, cut at 0 (Hastie, Tibshirani, Friedman: The Elements of
    Statistical Learning, 2nd ed., 4.4.1 and 18.4). Looks at too few requests are left out; programs are
    weighed to be ``mix`` of all. ``command`` is kept as what fitted them.
    """
    seen = [(vector(look), day.automated) for day in days for look in day.looks if look.requests >= FEWEST]
    programs = sum(automated for _, automated in seen)
    each = {True: mix * len(seen) / programs, False: (1 - mix) * len(seen) / (len(seen) - programs)}
    weighs = [each[automated] for _, automated in seen]
    targets = [float(automated) for _, automated in seen]
    usual = {
        n: sum(v[n] for v, automated in seen if not automated) / (len(seen) - programs) for n in FEATURES
    }
    columns = {n: [v[n] - usual[n] for v, _ in seen] for n in FEATURES}
    scale = {n: (sum(x * x for x in column) / len(seen)) ** 0.5 for n, column in columns.items()}
    columns |= {"": [1.0] * len(seen)}  # the bias, which has no penalty and any sign
    scale |= {"": 0.0}
    weights, odds = dict.fromkeys(columns, 0.0), [0.0] * len(seen)
    for _ in range(ROUNDS):
        moved = 0.0
        for name, column in columns.items():
            chances = [1.0 / (1.0 + exp(-max(min(z, 30.0), -30.0))) for z in odds]
            rows = list(zip(weighs, targets, chances, column, strict=True))
            penalty = decay * scale[name] ** 2
            slope = sum(w * (y - p) * x for w, y, p, x in rows) - penalty * weights[name]
            curve = sum(w * p * (1 - p) * x * x for w, _, p, x in rows) + penalty
            new = weights[name] + slope / max(curve, 1e-9)
            new = max(new, 0.0) if name else new
            step, weights[name] = new - weights[name], new
            if step:
                odds = [z + step * x for z, x in zip(odds, column, strict=True)]
                moved = max(moved, abs(step) * (scale[name] or 1.0))
        if moved < SMALL:
            break
    bias = weights.pop("")
    kept = {n: Weight(round(w, 4), round(usual[n], 4)) for n, w in weights.items() if w >= 1e-4}
    return Weights(command, round(bias, 4), kept)
