"""Whether ``auto`` fares otherwise lately than it used to: alarms on what is counted of decisions.

Five measures for each type of work: how often two answers agree, a model refuses, a check fails, the strong
model is asked after a cheap one, and what a request costs. The last days are compared with the days before.
Days differ from each other more than dice would have it, so the test takes the days before as they scatter (a
factor on the variance, as in quasi-binomial models; McCullagh & Nelder 1989, 4.5). Of all comparisons at once
no more than ``FALSE_SHARE`` of the alarms are false, on average (Benjamini & Hochberg 1995), and one that is
sure but small is no alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from tokenworks.ledger.decided import DecisionRow
from tokenworks.ledger.rollups import DAY_US
from tokenworks.routing import decision as decision_of
from tokenworks.routing.decision import Decision
from tokenworks.schema import NANO_USD

RECENT_DAYS = 2
BASELINE_DAYS = 21
FALSE_SHARE = 0.01
LEAST_RECENT = 50  # samples; of fewer nothing is said
LEAST_BASELINE = 200
LEAST_POINTS = 0.05  # by which a share has to change
LEAST_FACTOR = 1.2  # by which a cost has to change, up or down
SHADOW = "shadow"  # the path of a call that only teaches
REFUSAL = "refusal"  # the check that finds one
SHARES = ("agreement", "refusals", "failed_checks", "escalation")
COST = "cost"
MEASURES = (*SHARES, COST)


class Alarm(msgspec.Struct, frozen=True):
    """One measure that changed."""

    task: str
    measure: str  # one of ``MEASURES``
    before: float  # a share, or for cost the geometric mean of dollars a request
    now: float
    samples: int  # of the last days
    p: float  # how likely so large a change would be without any reason, two-sided

    @property
    def line(self) -> str:
        """For people."""
        word = self.measure.replace("_", " ")
        if self.measure == COST:
            return f"{self.task}: {word} ${self.before:.6f} -> ${self.now:.6f} a request"
        return f"{self.task}: {word} {self.before:.1%} -> {self.now:.1%}"


class Tally(msgspec.Struct):
    """One day of one type of work: for each measure how many samples, their sum and sum of squares."""

    day: int  # UTC, since 1970
    task: str
    counts: dict[str, int] = {}
    sums: dict[str, float] = {}
    squares: dict[str, float] = {}

    def add(self, measure: str, value: float) -> None:
        """One sample."""
        self.counts[measure] = self.counts.get(measure, 0) + 1
        self.sums[measure] = self.sums.get(measure, 0.0) + value
        self.squares[measure] = self.squares.get(measure, 0.0) + value * value


Tallies = dict[tuple[int, str], Tally]  # by day and type of work


def tallied(rows: Iterable[DecisionRow], into: Tallies | None = None) -> Tallies:
    """Count decisions by day and type of work, added to ``into``; unreadable ones are left out."""
    found: Tallies = {} if into is None else into
    for row in rows:
        try:
            told = decision_of.read(row.detail)
        except ValueError:
            continue
        if told.path == SHADOW:
            continue
        key = (row.time_us // DAY_US, row.task)
        tally = found.get(key)
        if tally is None:
            tally = found[key] = Tally(*key)
        _add(tally, told, row.cost_nano_usd / NANO_USD)
    return found


def _add(tally: Tally, told: Decision, cost_usd: float) -> None:
    looked_at = [step for step in told.steps if step.outcome in ("accepted", "doubted")]
    for step in looked_at:
        tally.add("failed_checks", float(bool(step.failed_checks)))
        tally.add("refusals", float(REFUSAL in step.failed_checks))
        if step.agrees is not None:
            tally.add("agreement", min(max(step.agrees, 0.0), 1.0))
    if looked_at:
        last = told.steps[-1]
        tally.add("escalation", float(last.model == told.strong and looked_at[0].model != told.strong))
    if cost_usd > 0:
        tally.add(COST, math.log(cost_usd))


def alarms(
    tallies: Iterable[Tally],
    today: int,
    *,
    recent_days: int = RECENT_DAYS,
    baseline_days: int = BASELINE_DAYS,
    false_share: float = FALSE_SHARE,
) -> list[Alarm]:
    """What changed in the ``recent_days`` up to ``today`` against the ``baseline_days`` before.

    The surest comes first.
    """
    split = today - recent_days
    recent: dict[str, list[Tally]] = {}
    before: dict[str, list[Tally]] = {}
    for tally in tallies:
        if split < tally.day <= today:
            recent.setdefault(tally.task, []).append(tally)
        elif split - baseline_days < tally.day <= split:
            before.setdefault(tally.task, []).append(tally)
    compared = [
        alarm
        for task in sorted(recent)
        for measure in MEASURES
        if (alarm := _compared(task, measure, before.get(task, ()), recent[task])) is not None
    ]
    return [alarm for alarm in _sure(compared, false_share) if _large(alarm)]


def _compared(task: str, measure: str, before: Sequence[Tally], recent: Sequence[Tally]) -> Alarm | None:
    """The change, however small; None where there are too few samples."""
    n_before, n_now = (sum(t.counts.get(measure, 0) for t in each) for each in (before, recent))
    if n_before < LEAST_BASELINE or n_now < LEAST_RECENT:
        return None
    mean, now = (
        sum(t.sums.get(measure, 0.0) for t in each) / n for each, n in ((before, n_before), (recent, n_now))
    )
    whole = sum(t.squares.get(measure, 0.0) for each in (before, recent) for t in each)
    total = n_before + n_now
    both = (mean * n_before + now * n_now) / total
    variance = max(whole / total - both * both, 1e-9)
    scatter = _scatter(measure, before, mean, variance)
    error = math.sqrt(variance * scatter * (1 / n_before + 1 / n_now))
    p = _two_sided(abs(now - mean) / error, max(len(before) - 1, 1))
    if measure == COST:
        mean, now = math.exp(mean), math.exp(now)
    return Alarm(task, measure, mean, now, n_now, p)


def _scatter(measure: str, days: Sequence[Tally], mean: float, variance: float) -> float:
    """How much more the means of days vary than independent samples would; 1 at least."""
    seen = [(t.counts[measure], t.sums[measure]) for t in days if t.counts.get(measure)]
    if len(seen) < 3:
        return 1.0
    square = sum((total / count - mean) ** 2 * count for count, total in seen) / variance
    return max(1.0, square / (len(seen) - 1))


def _two_sided(t: float, degrees: int) -> float:
    """How likely a larger t of Student's distribution is; by Wallace's normal approximation (1959)."""
    z = (8 * degrees + 1) / (8 * degrees + 3) * math.sqrt(degrees * math.log1p(t * t / degrees))
    return math.erfc(z / math.sqrt(2))


def _sure(compared: list[Alarm], false_share: float) -> list[Alarm]:
    """Benjamini and Hochberg's step-up procedure."""
    ordered = sorted(compared, key=lambda alarm: (alarm.p, alarm.task, alarm.measure))
    last = 0
    for rank, alarm in enumerate(ordered, 1):
        if alarm.p <= false_share * rank / len(ordered):
            last = rank
    return ordered[:last]


def _large(alarm: Alarm) -> bool:
    if alarm.measure == COST:
        return max(alarm.now / alarm.before, alarm.before / alarm.now) >= LEAST_FACTOR
    return abs(alarm.now - alarm.before) >= LEAST_POINTS
