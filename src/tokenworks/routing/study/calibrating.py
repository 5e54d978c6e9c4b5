"""Fits the calibration: what is known at each step of a cascade, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.calibration import (
    PATTERNS,
    WIDTH,
    Calibration,
    Head,
    Limit,
    Signs,
    leader,
    numbers,
)
from tokenworks.routing.extracted import numeric
from tokenworks.routing.study.cases import Cases

Floats = NDArray[np.float64]
ROUNDS = 30
DECAY = 2.0  # square penalty, in samples, on what draws a weight away from where it starts
BIAS_DECAY = 0.5  # the same for the weights of patterns, which stand for shares
PULL = 20.0  # what draws a task's weights to those of all tasks
PLAIN_PULL = 150.0  # the same where few weights are fitted
LEAST = 50  # samples, for a task to get weights of its own
FROM_ANSWERS = slice(len(PATTERNS) + 3, WIDTH)  # numbers that the priors don't tell


@dataclass
class Asked:
    """What one order of models knew and got, for each prompt: a state after each answer."""

    rows: NDArray[np.intp]  # which prompts of the cases
    columns: list[int]  # of the cases' models: the cheap ones in the order asked, then the strong one
    signs: list[list[Signs]]  # [prompt][answers - 1]
    priors: Floats  # [prompt, model of columns]

    def served(self, row: int, answers: int) -> int:
        """The column whose answer leads after that many ``answers``."""
        state = self.signs[row][answers - 1]
        return self.columns[leader(state.pattern, state.priors)]


def pattern(answers: Sequence[object]) -> str:
    """Who agrees with whom, where equal means equal; an answer that is None agrees with nobody."""
    letters = ""
    heads: list[object] = []
    for answer in answers:
        if answer is not None and answer in heads:
            letters += "ABC"[heads.index(answer)]
        else:
            letters += "ABC"[len(heads)]
            heads.append(object() if answer is None else answer)
    return letters


def asked(
    cases: Cases, columns: list[int], rows: NDArray[np.intp], training: NDArray[np.intp], eased: Floats
) -> Asked:
    """Ask ``columns`` each prompt of ``rows``. Means come from the prompts ``training`` alone."""
    means = np.nanmean(cases.score[training][:, columns], axis=0)
    priors = np.clip(means[None, :] + eased[rows, None], 0.02, 0.98)
    logs = np.log(np.maximum(cases.tokens[:, columns], 1))
    usual = np.nanmean(logs[training], axis=0) if not np.isnan(logs).all() else np.zeros(len(columns))
    thought = np.nan_to_num(logs - usual)
    signs = []
    for row, prior in zip(rows.tolist(), priors.tolist(), strict=True):
        answers = [cases.answers[row, column] for column in columns[:-1]]
        whole = pattern(answers)
        states = []
        for count in range(1, len(columns)):
            known = tuple(prior[:count])
            lead = answers[leader(whole[:count], known)]
            said = "" if lead is None else str(lead)
            states.append(
                Signs(
                    whole[:count],
                    known,
                    prior[-1],
                    tuple(thought[row, :count].tolist()),
                    len(cases.prompts[row]),
                    numeric(said) is not None,
                    len(said),
                )
            )
        signs.append(states)
    return Asked(rows, columns, signs, priors)


@dataclass
class Samples:
    """States as rows. ``joins`` and ``breaks`` are NaN where no model followed."""

    x: Floats  # (n, WIDTH): which pattern, then the numbers, NaN where unknown
    right: Floats  # score of the leading answer, 0..1
    strong: Floats  # score of the strong model
    joins: Floats  # 1: the next model gave the leading answer
    breaks: Floats  # of those that did not: 1 where it gave the other answer of two
    task: NDArray[np.object_]
    row: NDArray[np.intp]  # which prompt of the cases

    def pick(self, mask: NDArray[np.bool_]) -> Samples:
        """Only those rows."""
        return Samples(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    @staticmethod
    def joined(parts: Sequence[Samples]) -> Samples:
        """All of ``parts``, one after the other."""
        names = Samples.__dataclass_fields__
        return Samples(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def samples(cases: Cases, group: Asked, task: str) -> Samples:
    """The states of ``group`` with what came of them."""
    rows: list[list[float]] = []
    owners = []
    for place, (row, states) in enumerate(zip(group.rows.tolist(), group.signs, strict=True)):
        for count, state in enumerate(states, 1):
            joins = breaks = math.nan
            if count < len(states):
                new = states[count].pattern[-1]
                joins = float(new == state.pattern[leader(state.pattern, state.priors)])
                if state.pattern == "AB" and not joins:
                    breaks = float(new in state.pattern)
            right = cases.score[row, group.served(place, count)]
            strong = cases.score[row, group.columns[-1]]
            values = (math.nan if v is None else v for v in numbers(state))
            pick = [0.0] * len(PATTERNS)
            pick[PATTERNS.index(state.pattern)] = 1.0
            rows.append([right, strong, joins, breaks, *pick, *values])
            owners.append(row)
    table = np.array(rows)
    return Samples(
        table[:, 4:],
        table[:, 0],
        table[:, 1],
        table[:, 2],
        table[:, 3],
        np.full(len(rows), task, dtype=object),
        np.array(owners, dtype=np.intp),
    )


def logistic(x: Floats, y: Floats, start: Floats, decay: float = DECAY) -> Floats:
    """Weights (WIDTH,) by Newton's method, drawn towards ``start`` by a square penalty.

    Minimises Σ log loss + Σ decay/2 · (w - start)². ``y`` may be anything from 0 to 1.
    """
    penalty = np.full(WIDTH, decay)
    penalty[: len(PATTERNS)] = min(BIAS_DECAY, decay)
    w = start.copy()
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        slope = x.T @ (p - y) + penalty * (w - start)
        curve = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        w -= np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-6:
            break
    return w


def head(x: Floats, y: Floats, tasks: NDArray[np.object_], own: Iterable[str], pull: float) -> Head:
    """Weights for all tasks, and for each of ``own`` those drawn towards them."""
    everywhere = logistic(x, y, np.zeros(WIDTH))
    found = {}
    for task in own:
        mask = tasks == task
        if mask.sum() >= LEAST:
            found[task] = np.round(logistic(x[mask], y[mask], everywhere, pull), 5).tolist()
    return Head(np.round(everywhere, 5).tolist(), found)


def centred(rows: Samples, tasks: Sequence[str]) -> tuple[Floats, dict[str, list[float]]]:
    """(``rows.x`` with each task's means taken from its numbers and 0 for unknown ones, those means)."""
    x = rows.x.copy()
    values = x[:, len(PATTERNS) :]  # a view
    centres = {"": _means(values)}
    for task in sorted(set(rows.task.tolist())):
        mask = rows.task == task
        centre = _means(values[mask]) if task in tasks else centres[""]
        centres |= {task: centre} if task in tasks else {}
        values[mask] -= centre
    return np.nan_to_num(x, copy=False), centres


def _means(values: Floats) -> list[float]:
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(0)
    return np.round(total / np.maximum(1, known.sum(0)), 5).tolist()  # type: ignore[no-any-return]


def fit(rows: Samples, command: str, own: Iterable[str] | None = None, plain: bool = False) -> Calibration:
    """The table of ``rows``, with weights for the tasks ``own`` (default: all).

    ``plain``: by who agrees with whom and the priors alone, as rules like "two agree" do it.
    """
    tasks = sorted(set(rows.task.tolist())) if own is None else list(own)
    x, centres = centred(rows, tasks)
    if plain:
        x[:, FROM_ANSWERS] = 0.0
    pull = PLAIN_PULL if plain else PULL
    follows = ~np.isnan(rows.joins)
    broken = rows.breaks[~np.isnan(rows.breaks) & np.isin(rows.task, tasks)]
    return Calibration(
        command,
        centres,
        head(x, rows.right, rows.task, tasks, pull),
        head(x, rows.strong, rows.task, tasks, pull),
        head(x[follows], rows.joins[follows], rows.task[follows], tasks, pull),
        round(float((broken.sum() + 1) / (len(broken) + 2)), 4),
        {},
        {task: int((rows.task == task).sum()) for task in tasks},
    )


def limited(table: Calibration, limits: dict[str, list[Limit]]) -> Calibration:
    """``table`` with ``limits``."""
    return Calibration(
        table.command,
        table.centres,
        table.right,
        table.strong,
        table.joins,
        table.breaks,
        limits,
        table.samples,
    )
