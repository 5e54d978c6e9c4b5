"""How likely an answer is right, and how likely the strong model would be, given what is known by then.

Known are the priors of the models asked, which of their answers agree, how long they thought in comparison to
what is usual for them, and what the final answer looks like. Two logistic heads give P(right) of the
leading answer and of the strong model, a third one P(the next model sides with it). Each head has
weights for all tasks and, where a task has evidence, what that task adds to them::

    P(head | signs, task) = sigmoid(x(signs) · (w_all + w_task))

``w_task`` was fitted with a penalty that draws it to 0, so that a task with few samples stays with the rest.
Reading and judging needs neither numpy nor files but the table itself; fitting is in ``study.calibrating``.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import msgspec

TABLE = Path(__file__).parent / "weights" / "calibration.json"
# Who agrees with whom, in the order asked: "AB" are two answers that differ, "ABB" a third one that sides
# with the second.
PATTERNS = ("A", "AA", "AB", "AAA", "AAB", "ABA", "ABB", "ABC")
NUMBERS = ("lead", "rest", "strong", "thought", "spread", "prompt", "number", "length")
WIDTH = len(PATTERNS) + len(NUMBERS)
ROUNDING = 1e-9
SURE = 0.995  # no prior is believed beyond this
# What a finding that isn't fatal takes from the odds of being right, as a logarithm: a prior, not fitted,
# for no public data holds whole answers of cheap models beside their scores.
DOUBT = 1.0


def logit(p: float) -> float:
    """Log odds of ``p``, which is kept within 1 - SURE and SURE."""
    p = min(max(p, 1 - SURE), SURE)
    return math.log(p / (1 - p))


def sigmoid(x: float) -> float:
    """What ``logit`` undoes."""
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


class Signs(msgspec.Struct, frozen=True):
    """What is known when one has to decide. Tuples hold a value for each model asked, in that order."""

    pattern: str
    priors: tuple[float, ...]  # P(right) before anything was asked
    strong: float  # the same of the strong model
    thought: tuple[float, ...] = ()  # log(output tokens / what is usual for this model and task); 0: unknown
    prompt_chars: int = 0
    number: bool = False  # is the leading final answer a number?
    answer_chars: int = 0  # of the leading final answer
    doubts: int = 0  # findings of the leading answer that are neither ok nor fatal


def leader(pattern: str, priors: tuple[float, ...]) -> int:
    """Which answer would be served: the one with the most company, among equals that of the best prior.

    Of answers that agree it is the first that was asked.
    """
    best = max(range(len(pattern)), key=lambda i: (pattern.count(pattern[i]), priors[i]))
    return pattern.index(pattern[best])


def numbers(signs: Signs) -> tuple[float | None, ...]:
    """The values of ``NUMBERS``, each about of size 1; None where they aren't known yet."""
    lead = leader(signs.pattern, signs.priors)
    letter = signs.pattern[lead]
    company = [logit(p) for p, x in zip(signs.priors, signs.pattern, strict=True) if x == letter]
    others = [logit(p) for p, x in zip(signs.priors, signs.pattern, strict=True) if x != letter]
    thought = signs.thought or (0.0,)
    return (
        sum(company) / len(company),
        sum(others) / len(others) if others else 0.0,
        logit(signs.strong),
        sum(thought) / len(thought),
        max(thought) - min(thought) if signs.thought else None,
        math.log(signs.prompt_chars / 500) if signs.prompt_chars else None,
        float(signs.number) if signs.answer_chars else None,
        math.log1p(min(signs.answer_chars, 1000)) / 3 if signs.answer_chars else None,
    )


class Head(msgspec.Struct):
    """One logistic model: weights of ``PATTERNS`` and ``NUMBERS``, WIDTH of them; ``tasks`` holds sums."""

    everywhere: list[float]
    tasks: dict[str, list[float]]

    def weights(self, task: str) -> list[float]:
        """Those of the task; of all tasks where it has none of its own."""
        return self.tasks.get(task, self.everywhere)


class Limit(msgspec.Struct, frozen=True):
    """With answers accepted up to an expected loss of ``threshold``, all prompts lost ``loss`` on average."""

    loss: float  # an upper bound, see study.calibrating
    threshold: float


class Chances(msgspec.Struct, frozen=True):
    """P(right) of the leading answer and of the strong model in its place."""

    right: float
    strong: float

    @property
    def loss(self) -> float:
        """What accepting costs in quality; below 0 where agreement beats the strong model."""
        return self.strong - self.right


class Calibration(msgspec.Struct):
    """The table. ``command`` says how it was made, ``samples`` on how many prompts of each task."""

    command: str
    centres: dict[str, list[float]]  # means of NUMBERS by task, "" of all; what isn't known counts as these
    right: Head
    strong: Head
    joins: Head  # the next model gives the leading answer
    breaks: float  # P(it gives the other one of two | it doesn't join the leading one)
    limits: dict[str, list[Limit]]  # by task; "" for all, by rising loss
    samples: dict[str, int]

    def judge(self, signs: Signs, task: str) -> Chances:
        """Both chances."""
        x = self._centred(signs, task)
        place = PATTERNS.index(signs.pattern)
        right = dot(self.right.weights(task), place, x) - DOUBT * signs.doubts
        return Chances(sigmoid(right), sigmoid(dot(self.strong.weights(task), place, x)))

    def follows(self, signs: Signs, task: str) -> list[tuple[str, float]]:
        """The patterns that one more answer may make, with their chances."""
        x = self._centred(signs, task)
        p = sigmoid(dot(self.joins.weights(task), PATTERNS.index(signs.pattern), x))
        return follow(signs.pattern, leader(signs.pattern, signs.priors), p, self.breaks)

    def thresholds(self, task: str, loss: float) -> list[float]:
        """Expected losses up to which an answer may be accepted when ``loss`` is allowed on average.

        The largest one first, never empty. What goes to the strong model loses nothing, so single answers
        may lose more than the mean. How much more was measured (``limits``); where all that was measured
        loses more, only answers that lose nothing are left. Without any measurement it is ``loss`` itself,
        which keeps the promise whatever the share of accepted answers, if the chances are right.
        """
        limits = self.limits.get(task) or self.limits.get("") or []
        measured = {limit.threshold for limit in limits if limit.loss <= loss + ROUNDING}
        return sorted(measured | {0.0 if limits else max(loss, 0.0)}, reverse=True)

    def _centred(self, signs: Signs, task: str) -> list[float]:
        centre = self.centres.get(task) or self.centres[""]
        return [0.0 if v is None else v - c for v, c in zip(numbers(signs), centre, strict=True)]


def follow(pattern: str, lead: int, joins: float, breaks: float) -> list[tuple[str, float]]:
    """Patterns after one more answer; ``joins`` is the chance that it is the leading one's."""
    if pattern == "A":
        return [("AA", joins), ("AB", 1 - joins)]
    if pattern == "AA":
        return [("AAA", joins), ("AAB", 1 - joins)]
    if pattern != "AB":
        return []
    ours, theirs = ("ABA", "ABB") if lead == 0 else ("ABB", "ABA")
    return [(ours, joins), (theirs, (1 - joins) * breaks), ("ABC", (1 - joins) * (1 - breaks))]


def dot(weights: list[float], place: int, x: list[float]) -> float:
    """``x(signs) · weights``, where the pattern's own weight is at ``place``."""
    total = weights[place]
    for w, value in zip(weights[len(PATTERNS) :], x, strict=True):
        total += w * value
    return total


@cache
def shipped() -> Calibration:
    """The table that lies beside the code."""
    return msgspec.json.decode(TABLE.read_bytes(), type=Calibration)
