"""Was the model as sure as it usually is?

A mean log-probability says nothing by itself: it depends on the model, its tokens and the task. So what is
usual is learned for each (model, task) with ``Usual``, and only an unusual one is a doubt.
"""

from __future__ import annotations

import math

import msgspec

from tokenworks.routing.checks.finding import Answer, Expected, Finding

FEWEST = 30  # answers, before anything is usual
UNSURE = -1.645  # standard deviations below the mean: of normal values, 5 % are lower
FADE = 500  # answers after which what came before weighs 1/e


class Usual(msgspec.Struct):
    """Mean and variance of what came so far, with older answers fading (West 1979)."""

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, logprob: float) -> None:
        """One more answer's mean log-probability; what is no finite number is left out."""
        if not math.isfinite(logprob):
            return
        self.count += 1
        share = 1 / min(self.count, FADE)
        step = logprob - self.mean
        self.mean += share * step
        self.variance = (1 - share) * (self.variance + share * step * step)

    def told(self) -> tuple[float, float] | None:
        """(mean, deviation); None while there were too few."""
        if self.count < FEWEST or self.variance <= 0:
            return None
        return self.mean, math.sqrt(self.variance)


def check(answer: Answer, expected: Expected) -> Finding | None:
    """A doubt for an unusually low one; None where none is offered or nothing is known to be usual."""
    if answer.mean_logprob is None or expected.usual_logprob is None:
        return None
    mean, deviation = expected.usual_logprob
    far = (answer.mean_logprob - mean) / deviation
    if far >= UNSURE:
        return Finding("logprob", True)
    return Finding("logprob", False, False, f"{-far:.1f} deviations less sure than it usually is")
