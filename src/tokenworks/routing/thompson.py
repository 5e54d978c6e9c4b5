"""What was learnt here of models at types of work, as distributions over P(its answer is right).

Counts of right and wrong fade with age (a half-life in days), so that a model that changed is seen anew.
What the predictor says of a prompt counts as a bounded number of earlier samples. Draws are from the
logit-normal with the same mean and variance of the logit as the Beta distribution: E = psi(a) - psi(b),
Var = psi'(a) + psi'(b) (Aitchison & Shen 1980, Biometrika 67), which one normal number makes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from tokenworks.ledger.decided import LEARNT_SUMS, LearntRow

HALF_LIFE_DAYS = 14.0
MOST_PRIOR = 30.0  # samples that the predictor's word counts at most; else nothing would be learnt here
LEAST_PRIOR = 2.0
MOST_BELIEVED = 300.0  # samples behind a belief about one prompt, however much was seen of others
_LEAST = 1e-3  # pseudo-counts are at least so much


class Counts(msgspec.Struct, frozen=True):
    """Samples of right and wrong, with fractions."""

    right: float = 0.0
    wrong: float = 0.0

    @property
    def weight(self) -> float:
        """All samples."""
        return self.right + self.wrong


NONE = Counts()
Table = Mapping[tuple[str, str], Counts]  # by task and model


class Belief(msgspec.Struct, frozen=True):
    """A Beta distribution over P(right)."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        """The expected P(right)."""
        return self.a / (self.a + self.b)

    @property
    def weight(self) -> float:
        """How much is known, in samples."""
        return self.a + self.b

    def logit(self) -> tuple[float, float]:
        """Mean and standard deviation of the logit."""
        return digamma(self.a) - digamma(self.b), math.sqrt(trigamma(self.a) + trigamma(self.b))

    def draw(self, normal: float) -> float:
        """A P(right) drawn by ``normal``, a number of the standard normal distribution."""
        mean, deviation = self.logit()
        return expit(mean + deviation * normal)


def counted(
    rows: Iterable[LearntRow], today: int, half_life_days: float = HALF_LIFE_DAYS
) -> dict[tuple[str, str], Counts]:
    """Counts by (task, model), those of earlier days (UTC, since 1970) faded. Days to come count as today."""
    sums: dict[tuple[str, str], tuple[float, float]] = {}
    for row in rows:
        faded = 0.5 ** (max(today - row.day, 0) / half_life_days)
        weight = max(row.weight, 0.0)  # what was taken back may leave a rounding error
        right = min(max(row.right, 0.0), weight)
        if weight > 0:
            before = sums.get((row.task, row.model), (0.0, 0.0))
            sums[row.task, row.model] = (before[0] + faded * right, before[1] + faded * (weight - right))
    return {key: Counts(*both) for key, both in sums.items()}


def collapsed(
    rows: Iterable[LearntRow], today: int, half_life_days: float = HALF_LIFE_DAYS
) -> list[LearntRow]:
    """The same evidence in one faded row for each (task, model), as if it were all of ``today``."""
    cells: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        faded = 0.5 ** (max(today - row.day, 0) / half_life_days)
        sums = cells.setdefault((row.task, row.model), [0.0] * len(LEARNT_SUMS))
        for at, name in enumerate(LEARNT_SUMS):
            sums[at] += faded * getattr(row, name)
    return [LearntRow(today, *key, *sums) for key, sums in cells.items()]  # type: ignore[arg-type]


def believed(right: float, weight: float, counts: Counts = NONE) -> Belief:
    """The predictor's P(``right``) of ``weight`` samples, and what was counted here."""
    prior = min(max(weight, LEAST_PRIOR), MOST_PRIOR)
    right = min(max(right, 0.0), 1.0)
    return Belief(max(prior * right + counts.right, _LEAST), max(prior * (1 - right) + counts.wrong, _LEAST))


def around(mean: float, weight: float) -> Belief:
    """A belief with this mean that rests on so many samples, ``MOST_BELIEVED`` at most."""
    weight = min(weight, MOST_BELIEVED)
    return Belief(max(mean * weight, _LEAST), max((1 - mean) * weight, _LEAST))


def expit(x: float) -> float:
    """1 / (1 + exp(-x)), for any x."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def digamma(x: float) -> float:
    """psi(x) for x > 0, right to 1e-9: the recurrence up to 6, then the asymptotic series (A&S 6.3.18)."""
    found = 0.0
    while x < 6:
        found -= 1 / x
        x += 1
    square = 1 / (x * x)
    tail = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))))
    return found + math.log(x) - 0.5 / x - tail


def trigamma(x: float) -> float:
    """psi'(x) for x > 0, right to 1e-9 of it, likewise (A&S 6.4.12)."""
    found = 0.0
    while x < 8:
        found += 1 / (x * x)
        x += 1
    square = 1 / (x * x)
    tail = square / x * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square * (1 / 30 - square * 5 / 66))))
    return found + 1 / x + 0.5 * square + tail
