"""What another policy would have done to requests that were decided already, before it goes live.

Each logged decision has the chance that the policy of then gave to each model of being asked first. By these
a new policy is judged doubly robustly (Dudik, Langford & Li 2011, arXiv:1103.4601): with pi the new policy's
chances, p the logged ones, q a model of what comes of asking a first, fitted on the other folds,

    value = mean of  sum_a pi(a) q(x, a) + min(pi(a_i) / p_i, MOST_WEIGHT) (y_i - q(x_i, a_i))

It is right where either q or the chances are. y is the cost of the whole request, or how sure it was that the
answer served was right; what a person said of it goes before. What happens after the first answer (checks,
agreement, another model) is taken as it was then: only who is asked first differs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tokenworks.ledger.decided import DecisionRow
from tokenworks.routing import cascade
from tokenworks.routing import decision as decision_of
from tokenworks.routing.cascade import Option
from tokenworks.routing.decision import Candidate, Decision, Step
from tokenworks.schema import NANO_USD

FOLDS = 5
SHRINK = 20.0  # decisions with one model at one task that count as much as the model's others
MOST_WEIGHT = 20.0
SURE = 1.959964  # standard deviations of a 95 % interval
MARGIN = 0.01  # of P(right): less is no loss
LEAST_DECISIONS = 100
LEAST_EFFECTIVE = 50.0
MOST_UNSUPPORTED = 0.05
UNCHOSEN = frozenset({"rule", "stage", "shadow"})  # paths on which no policy chose who is asked first

_Array = NDArray[np.float64]


class Logged(msgspec.Struct, frozen=True):
    """One decision as it went."""

    id: str
    task: str
    candidates: tuple[Candidate, ...]
    chosen: int  # of the candidates: who was asked first
    strong: int  # of the candidates
    quality: float  # that was asked for
    max_cost_usd: float | None
    vector: str  # of the prompt, packed; "" where it was not kept
    known: float
    right: float  # how sure it is that the answer served was right, 0..1
    cost_usd: float  # of all calls


Policy = Callable[[Logged], Sequence[float]]  # the chance of each candidate to be asked first
Belief = Callable[[Logged], Sequence[float]]  # P(right) of each candidate


class Interval(msgspec.Struct, frozen=True):
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float


class Replayed(msgspec.Struct, frozen=True):
    """What came out. Costs are dollars a request."""

    policy: str
    decisions: int
    left_out: int  # that tell nothing: by rule or stage, unreadable, or without a chance
    verdict: str  # "go live" | "worse" | "not enough evidence" | "refused"
    why: str
    effective: float = 0.0  # sample size: so many decisions of its own would tell as much
    unsupported: float = 0.0  # share of the new policy's choices that the old one never made
    clipped: float = 0.0  # share of the decisions whose weight was cut
    right: Interval | None = None
    cost_usd: Interval | None = None
    right_change: Interval | None = None  # against what was done
    cost_change_usd: Interval | None = None


def logged(row: DecisionRow, score: float | None = None) -> Logged | None:
    """The decision of ``row`` as replay needs it; None for one that tells nothing.

    ``score``: what a person said of the answer. Where nobody looked at it, it is as right as was predicted.
    """
    try:
        told = decision_of.read(row.detail)
    except ValueError:
        return None
    steps = [step for step in told.steps if step.outcome != "shadow"]
    names = [each.model for each in told.candidates]
    if not steps or told.path in UNCHOSEN or told.strong not in names or steps[0].model not in names:
        return None
    chosen = names.index(steps[0].model)
    if not told.candidates[chosen].propensity > 0:
        return None
    right = _right(told, steps) if score is None else score
    if not (math.isfinite(right) and all(math.isfinite(c.right + c.cost_usd) for c in told.candidates)):
        return None
    return Logged(
        *(row.id, told.task, told.candidates, chosen, names.index(told.strong)),
        *(told.quality, told.max_cost_usd, told.vector, told.known),
        *(min(max(right, 0.0), 1.0), row.cost_nano_usd / NANO_USD),
    )


def _right(told: Decision, steps: Sequence[Step]) -> float:
    if not told.served:
        return 0.0
    served = next((step for step in reversed(steps) if step.model == told.served), None)
    if served is not None and served.outcome != "served":
        return served.right
    foretold = decision_of.named(told.candidates, told.served)
    return foretold.right if foretold is not None else told.expected_right


# --- policies -------------------------------------------------------------------------------------


def as_foretold(each: Logged) -> Sequence[float]:
    """P(right) as it was taken then."""
    return [candidate.right for candidate in each.candidates]


def policy(name: str, *, quality: float | None = None, belief: Belief = as_foretold) -> Policy:
    """The policy of this name. Raises ``ValueError`` for none.

    "router": as the router decides now, where answers may be checked. "logged": as it was. "strong": always
    the strong model. "cheapest": the cheapest answer. "quality": the cheapest with at least ``quality`` of
    the strong model's P(right). ``quality`` None: what was asked for then.
    """
    if name == "logged":
        return lambda each: [candidate.propensity for candidate in each.candidates]

    def routed(each: Logged) -> int:
        options = [
            Option(candidate.model, candidate.model.partition("/")[0], right, candidate.cost_usd)
            for candidate, right in zip(each.candidates, belief(each), strict=True)
        ]
        found = cascade.route(
            options,
            quality=each.quality if quality is None else quality,
            max_cost_usd=each.max_cost_usd,
            task=each.task,
            checkable=True,
            strong=options[each.strong],
        )
        return options.index(found.first)

    def enough(each: Logged) -> int:
        rights = belief(each)
        needed = (each.quality if quality is None else quality) * rights[each.strong]
        able = [at for at, right in enumerate(rights) if right >= needed] or [each.strong]
        return min(able, key=lambda at: (each.candidates[at].cost_usd, -rights[at]))

    def cheapest(each: Logged) -> int:
        return min(range(len(each.candidates)), key=lambda at: each.candidates[at].cost_usd)

    choices: Mapping[str, Callable[[Logged], int]] = {
        "router": routed,
        "strong": lambda each: each.strong,
        "cheapest": cheapest,
        "quality": enough,
    }
    if name not in choices:
        raise ValueError(f"no policy {name!r}; use one of {', '.join(POLICIES)}")
    choose = choices[name]

    def chances(each: Logged) -> list[float]:
        first = choose(each)
        return [float(at == first) for at in range(len(each.candidates))]

    return chances


POLICIES = ("router", "logged", "strong", "cheapest", "quality")


# --- estimates ------------------------------------------------------------------------------------


def replay(name: str, decisions: Iterable[Logged | None], new: Policy) -> Replayed:
    """Judge the policy ``new``, called ``name``, on logged ``decisions``; None counts as left out."""
    every = list(decisions)
    kept = [each for each in every if each is not None]
    left_out = len(every) - len(kept)
    chances = [_chances(new, each) for each in kept]
    weights = np.array(
        [
            chance[each.chosen] / each.candidates[each.chosen].propensity
            for chance, each in zip(chances, kept, strict=True)
        ]
    )
    squares = float((weights**2).sum())
    effective = float(weights.sum()) ** 2 / squares if squares else 0.0
    unsupported = (
        float(np.mean([_unsupported(c, each) for c, each in zip(chances, kept, strict=True)]))
        if kept
        else 1.0
    )
    why = _refusal(len(kept), effective, unsupported)
    if why:
        return Replayed(name, len(kept), left_out, "refused", why, effective, unsupported)
    rights = np.array([each.right for each in kept])
    costs = np.array([each.cost_usd for each in kept])
    right = doubly_robust(kept, chances, rights, _Additive)
    cost = doubly_robust(kept, chances, costs, _Factor)
    right_change, cost_change = interval(right - rights), interval(cost - costs)
    verdict, why = _verdict(right_change, cost_change)
    return Replayed(
        *(name, len(kept), left_out, verdict, why, effective, unsupported),
        *(float((weights > MOST_WEIGHT).mean()), interval(right), interval(cost), right_change, cost_change),
    )


def doubly_robust(
    decisions: Sequence[Logged], chances: Sequence[_Array], seen: _Array, kind: type[_Model]
) -> _Array:
    """One doubly robust term for each decision; their mean is the estimate."""
    folds = np.array([_fold(each.id) for each in decisions])
    terms = np.zeros(len(decisions))
    for fold in range(FOLDS):
        model = kind([(each, y) for each, y, f in zip(decisions, seen, folds, strict=True) if f != fold])
        for at in np.flatnonzero(folds == fold).tolist():
            each, chance = decisions[at], chances[at]
            expected = np.array([model.expect(each.task, candidate) for candidate in each.candidates])
            weight = min(chance[each.chosen] / each.candidates[each.chosen].propensity, MOST_WEIGHT)
            terms[at] = chance @ expected + weight * (seen[at] - expected[each.chosen])
    return terms


def interval(terms: _Array) -> Interval:
    """The mean of independent ``terms``, and its 95 % interval by the normal distribution."""
    mean = float(terms.mean())
    spread = SURE * float(terms.std(ddof=1)) / math.sqrt(len(terms)) if len(terms) > 1 else math.inf
    return Interval(mean, mean - spread, mean + spread)


class _Model:
    """What comes of asking a candidate first: as foretold, put right by what was seen elsewhere."""

    def __init__(self, seen: Iterable[tuple[Logged, float]]) -> None:
        self._cells: dict[tuple[str, str], list[float]] = {}
        self._right: dict[tuple[str, str], float] = {}
        for each, y in seen:
            candidate = each.candidates[each.chosen]
            for key in ((each.task, candidate.model), ("", candidate.model), ("", "")):
                sums = self._cells.setdefault(key, [0.0, 0.0, 0.0])
                for at, amount in enumerate((1.0, *self.pair(candidate, y))):
                    sums[at] += amount

    def pair(self, candidate: Candidate, y: float) -> tuple[float, float]:
        """What is summed."""
        raise NotImplementedError

    def expect(self, task: str, candidate: Candidate) -> float:
        """Of this candidate."""
        raise NotImplementedError

    def put_right(self, task: str, model: str) -> float:
        """By how much, from everything to this model at this task."""
        key = (task, model)
        found = self._right.get(key)
        if found is None:
            found = self.nothing
            for narrower in (("", ""), ("", model), key):
                if narrower in self._cells:
                    found = self.towards(found, *self._cells[narrower])
            self._right[key] = found
        return found

    nothing = 0.0  # that is put right where nothing was seen

    def towards(self, before: float, count: float, one: float, other: float) -> float:
        """From what holds more widely to what these sums say."""
        raise NotImplementedError


class _Additive(_Model):
    """Foretold plus a mean difference."""

    def pair(self, candidate: Candidate, y: float) -> tuple[float, float]:
        return y - candidate.right, 0.0

    def towards(self, before: float, count: float, one: float, other: float) -> float:
        return (one + SHRINK * before) / (count + SHRINK)

    def expect(self, task: str, candidate: Candidate) -> float:
        return min(max(candidate.right + self.put_right(task, candidate.model), 0.0), 1.0)


class _Factor(_Model):
    """Foretold times a factor."""

    nothing = 1.0

    def pair(self, candidate: Candidate, y: float) -> tuple[float, float]:
        return y, candidate.cost_usd

    def towards(self, before: float, count: float, one: float, other: float) -> float:
        usual = other / count
        return (one + SHRINK * usual * before) / (other + SHRINK * usual) if usual > 0 else before

    def expect(self, task: str, candidate: Candidate) -> float:
        return candidate.cost_usd * self.put_right(task, candidate.model)


def _chances(new: Policy, each: Logged) -> _Array:
    chances = np.array(new(each), dtype=np.float64)
    total = float(chances.sum())
    return chances / total if total > 0 else chances


def _unsupported(chances: _Array, each: Logged) -> float:
    return float(
        sum(c for c, candidate in zip(chances, each.candidates, strict=True) if candidate.propensity <= 0)
    )


def _refusal(count: int, effective: float, unsupported: float) -> str:
    if count < LEAST_DECISIONS:
        return f"{count} decisions; at least {LEAST_DECISIONS} are needed: give a longer --since"
    if unsupported > MOST_UNSUPPORTED:
        return (
            f"{unsupported:.0%} of its choices were never made before, so nobody knows what comes of them;"
            " explore more first"
        )
    if effective < LEAST_EFFECTIVE:
        return (
            f"the old choices tell as much as {effective:.0f} of its own; at least {LEAST_EFFECTIVE:.0f} are"
            " needed: give a longer --since, or explore more first"
        )
    return ""


def _verdict(right: Interval, cost: Interval) -> tuple[str, str]:
    if right.high < -MARGIN:
        return (
            "worse",
            f"answers are right less often: {right.value:+.3f} [{right.low:+.3f}, {right.high:+.3f}]",
        )
    if right.low >= -MARGIN and (cost.high < 0 or (right.low > 0 and cost.high <= 0)):
        return "go live", "it costs less, and answers are as right as before"
    if cost.low > 0 and right.high <= MARGIN:
        return "worse", "it costs more, and answers are no better"
    return "not enough evidence", "the intervals leave open whether it is better; let it run longer"


def _fold(name: str) -> int:
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=4).digest()[0] % FOLDS
