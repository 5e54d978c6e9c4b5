"""What an answer of a model takes at a type of work, measured: the tokens that its cost is made of.

A list price is not a cost: two models with the same price may write ten times as much. Of a model and task
that were seen seldom the mean is drawn towards what the model takes elsewhere, times what the task takes of
other models, and this towards a default.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tokenworks.ledger.decided import LearntRow
from tokenworks.routing.thompson import HALF_LIFE_DAYS
from tokenworks.schema import Usage

CALLS = 20.0  # so many calls of a model at a task count as much as everything else
_MODEL_CALLS = 10.0
_MOST_FACTOR = 8.0  # of a task against others
INPUT, CACHED, OUTPUT, REASONING = range(4)
MOST_KNOWN = 10_000  # cells that are kept
DEFAULT = (1000.0, 0.0, 350.0, 0.0)  # tokens of a call, in this order


class Spending(msgspec.Struct, frozen=True):
    """Tokens of one call to expect."""

    input_tokens: float
    output_tokens: float  # all of it
    reasoning_tokens: float  # part of the output
    cache_share: float  # of the input, 0..1
    calls: float  # measured of this model at this task, faded

    def usage(self, input_tokens: int, *, cached: int | None = None) -> Usage:
        """What an answer to a prompt of ``input_tokens`` will likely use.

        ``cached``: how much of them is in the cache, where that is known; else the share that mostly is.
        """
        read = round(input_tokens * self.cache_share) if cached is None else min(cached, input_tokens)
        return Usage(
            uncached_input_tokens=input_tokens - read,
            cache_read_tokens=read,
            output_tokens=max(1, round(self.output_tokens)),
            reasoning_tokens=round(self.reasoning_tokens),
        )


class Spendings:
    """Measured means with all that they lean on. Unchanging once made, but for a memo."""

    def __init__(self, rows: Iterable[LearntRow], today: int, half_life_days: float = HALF_LIFE_DAYS) -> None:
        """``rows`` of earlier days (UTC, since 1970) count less."""
        cells: dict[tuple[str, str], list[float]] = {}
        models: dict[str, list[float]] = {}
        tasks: dict[str, list[float]] = {}
        whole = [0.0] * 5
        for row in rows:
            if row.calls <= 0:
                continue
            faded = 0.5 ** (max(today - row.day, 0) / half_life_days)
            seen = (
                row.calls,
                row.input_tokens,
                min(row.cache_read_tokens, row.input_tokens),
                row.output_tokens,
                min(row.reasoning_tokens, row.output_tokens),
            )
            for sums in (
                cells.setdefault((row.task, row.model), [0.0] * 5),
                models.setdefault(row.model, [0.0] * 5),
                tasks.setdefault(row.task, [0.0] * 5),
                whole,
            ):
                for at, amount in enumerate(seen):
                    sums[at] += faded * amount
        self._cells = cells
        self._global = _drawn(whole, DEFAULT, _MODEL_CALLS)
        self._models = {name: _drawn(sums, self._global, _MODEL_CALLS) for name, sums in models.items()}
        self._tasks = {name: _drawn(sums, self._global, _MODEL_CALLS) for name, sums in tasks.items()}
        self._known: dict[tuple[str, str], Spending] = {key: self._of(*key) for key in cells}

    def expect(self, task: str, model: str) -> Spending:
        """Of one call of ``model`` at ``task``."""
        found = self._known.get((task, model))
        if found is None:
            if len(self._known) > MOST_KNOWN:  # names of models come from callers too
                return self._of(task, model)
            found = self._known[task, model] = self._of(task, model)
        return found

    def _of(self, task: str, model: str) -> Spending:
        of_model = self._models.get(model, self._global)
        of_task = self._tasks.get(task, self._global)
        likely = tuple(
            mine * _factor(theirs, all_)
            for mine, theirs, all_ in zip(of_model, of_task, self._global, strict=True)
        )
        sums = self._cells.get((task, model), [0.0] * 5)
        tokens_in, cached, out, reasoning = _drawn(sums, likely, CALLS)
        share = min(cached / tokens_in, 1.0) if tokens_in > 0 else 0.0
        return Spending(tokens_in, out, min(reasoning, out), share, sums[0])


def _drawn(sums: list[float], towards: tuple[float, ...], calls: float) -> tuple[float, ...]:
    """Means of ``sums`` (calls first), drawn ``towards`` others as if those were of so many ``calls``."""
    return tuple(
        (amount + calls * other) / (sums[0] + calls) for amount, other in zip(sums[1:], towards, strict=True)
    )


def _factor(theirs: float, all_: float) -> float:
    return min(max(theirs / all_, 1 / _MOST_FACTOR), _MOST_FACTOR) if all_ > 0 else 1.0
