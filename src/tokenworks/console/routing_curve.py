"""What ``auto`` would cost at other qualities, by its own predictions for what was really asked.

No outcomes are needed for it: every decision keeps what each candidate was expected to be right and to cost.
So it says what the knob is expected to do with this traffic, not what was measured; it asks one model a
request, where ``auto`` may also check a cheap answer and then ask another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tokenworks.ledger.decided import DecisionRow
from tokenworks.routing import decision
from tokenworks.routing.decision import Candidate
from tokenworks.schema import NANO_USD

QUALITIES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)
PATHS = ("direct", "cascade", "strong", "stage", "rule")  # of decisions that answered somebody


class Point(msgspec.Struct, frozen=True):
    """Means over all requests."""

    name: str  # the quality, or the model that is always asked
    right: float  # P(the answer is right), as predicted
    cost_usd: float  # of a request


class Curve(msgspec.Struct, frozen=True):
    """``knob`` from the cheapest to the best; ``constants`` are models that could serve all of it."""

    knob: tuple[Point, ...] = ()
    constants: tuple[Point, ...] = ()
    requests: int = 0
    went_right: float = 0.0  # as was expected of the ways that were gone
    went_cost_usd: float = 0.0  # what they really cost, a request


class _Asked(msgspec.Struct, frozen=True):
    candidates: tuple[Candidate, ...]
    strong: Candidate
    right: float
    cost_usd: float


def curve(rows: Iterable[DecisionRow]) -> Curve:
    """The curve of these decisions; those that kept no candidates are left out."""
    asked = [each for row in rows if (each := _read(row)) is not None]
    if not asked:
        return Curve()
    knob = [_mean(f"{quality:g}", [_choice(each, quality) for each in asked]) for quality in QUALITIES]
    return Curve(
        tuple(knob),
        tuple(_constants(asked)),
        len(asked),
        sum(each.right for each in asked) / len(asked),
        sum(each.cost_usd for each in asked) / len(asked),
    )


def paths(rows: Iterable[DecisionRow]) -> dict[str, int]:
    """How many of these decisions went each way, in the order of ``PATHS``; others behind."""
    counts = dict.fromkeys(PATHS, 0)
    for row in rows:
        counts[row.path] = counts.get(row.path, 0) + 1
    return {path: count for path, count in counts.items() if count}


def _read(row: DecisionRow) -> _Asked | None:
    if row.path not in PATHS:  # a call that only teaches
        return None
    try:
        told = decision.read(row.detail)
    except ValueError:
        return None
    strong = decision.named(told.candidates, told.strong)
    if strong is None:
        return None
    return _Asked(told.candidates, strong, told.expected_right, row.cost_nano_usd / NANO_USD)


def _choice(asked: _Asked, quality: float) -> Candidate:
    """The cheapest that is expected to keep so much of the strong model's quality."""
    least = quality * asked.strong.right
    good = [each for each in asked.candidates if each.right >= least]
    return min(good, key=lambda each: (each.cost_usd, -each.right)) if good else asked.strong


def _constants(asked: Sequence[_Asked]) -> list[Point]:
    by_model: dict[str, list[Candidate]] = {}
    for each in asked:
        for candidate in each.candidates:
            by_model.setdefault(candidate.model, []).append(candidate)
    found = [_mean(model, known) for model, known in by_model.items() if len(known) == len(asked)]
    return sorted(found, key=lambda point: (point.cost_usd, point.name))


def _mean(name: str, chosen: Sequence[Candidate]) -> Point:
    count = len(chosen)
    return Point(
        name, sum(each.right for each in chosen) / count, sum(each.cost_usd for each in chosen) / count
    )
