"""Which model first, and after each answer: serve it, ask another cheap model, or the strong one?

The value of information decides. ``threshold`` says how much expected quality one call of the strong model
is worth: with it, a state of knowledge has the value::

    value = max(0,                                               # ask the strong model
                threshold - loss,                                # accept; loss = P(strong right) - P(right)
                Σ P(next) · value(next) - threshold · cost_next / cost_strong)    # ask one more cheap model

The next model is asked only where what it is expected to save exceeds its cost, and none at all where going
straight to the strong model is worth more. Everything here is arithmetic: no I/O, no clock, no dice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from tokenworks.routing.calibration import Calibration, Signs, leader, shipped
from tokenworks.routing.checks import Finding

FEW = 3  # cheap models that are considered; more would cost time and never won in the study
GRID = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03, 0.015, 0.0)  # thresholds tried under a cap on cost
ROUNDING = 1e-9


class Option(msgspec.Struct, frozen=True):
    """A model that may serve. ``cost_usd`` is what this prompt is expected to cost there."""

    model: str
    family: str
    right: float
    cost_usd: float


class Route(msgspec.Struct, frozen=True):
    """What to ask, in this order. ``checked`` False: the answer of ``first`` is served as it comes."""

    first: Option
    second: Option | None
    strong: Option
    checked: bool
    right: float  # expected
    cost_usd: float  # expected, with the chances that later models are asked
    why: str
    third: Option | None = None
    threshold: float = 0.0  # the largest expected loss at which an answer is accepted
    capped: bool = False  # made under a cap on cost, so that quality gives way

    @property
    def cheap(self) -> tuple[Option, ...]:
        """The models before the strong one."""
        if not self.checked:
            return (self.first,)
        return tuple(o for o in (self.first, self.second, self.third) if o is not None)


class Seen(msgspec.Struct, frozen=True):
    """What an answer looks like from outside, in the order in which models were asked."""

    thought: float = 0.0  # log(output tokens / what is usual for this model and task); 0: unknown
    number: bool = False  # its final answer is a number
    answer_chars: int = 0  # of its final answer


class Evidence(msgspec.Struct):
    """What is known by now. One answer: ``agrees`` is None. A third answer: see ``pattern``."""

    right: float
    findings: tuple[Finding, ...] = ()  # of the answer that would be served
    agrees: float | None = None
    seen: tuple[Seen, ...] = ()
    prompt_chars: int = 0
    pattern: str = ""  # who agrees with whom, "ABA" (agreement.pattern); empty: by ``agrees``


class Verdict(msgspec.Struct, frozen=True):
    """``step`` "second" is the next cheap model, also where that is the third."""

    step: Literal["accept", "second", "strong"]
    right: float
    why: str
    loss: float = 0.0  # expected of accepting
    serve: int = 0  # which of the answers is the one to serve


class Node(msgspec.Struct):
    """A state of knowledge, and those that one more answer may lead to, with their chances."""

    right: float
    loss: float
    branches: tuple[tuple[float, Node], ...]


class Outlook(msgspec.Struct, frozen=True):
    """What a state promises when one acts by its best step. Costs are shares of the strong model's."""

    step: Literal["accept", "second", "strong"]
    value: float
    loss: float
    cost: float


def grow(signs: Signs, task: str, table: Calibration, priors: Sequence[float]) -> Node:
    """The tree from what is known; ``priors`` are those of all cheap models, also of those not asked yet."""
    chances = table.judge(signs, task)
    branches: list[tuple[float, Node]] = []
    if len(signs.pattern) < len(priors):
        for pattern, chance in table.follows(signs, task):
            known = (*priors[: len(pattern)],)
            usual = sum(signs.thought) / max(1, len(signs.thought))  # who thinks long is mostly in company
            thought = (*signs.thought, usual) if signs.thought else ()
            later = Signs(
                pattern, known, signs.strong, thought, signs.prompt_chars, signs.number, signs.answer_chars
            )
            branches.append((chance, grow(later, task, table, priors)))
    return Node(chances.right, chances.loss, tuple(branches))


def look(node: Node, threshold: float, costs: Sequence[float], asked: int, fatal: bool = False) -> Outlook:
    """The best step at ``node`` after ``asked`` models; ``costs`` of each cheap model, strong = 1."""
    best = Outlook("strong", 0.0, 0.0, 1.0)
    if not fatal and node.loss <= threshold:
        best = Outlook("accept", threshold - node.loss, node.loss, 0.0)
    if asked < len(costs) and node.branches:
        later = [(p, look(branch, threshold, costs, asked + 1)) for p, branch in node.branches]
        value = sum(p * o.value for p, o in later) - threshold * costs[asked]
        if value > best.value + ROUNDING:
            cost = costs[asked] + sum(p * o.cost for p, o in later)
            best = Outlook("second", value, sum(p * o.loss for p, o in later), cost)
    return best


def route(
    options: Sequence[Option],
    *,
    quality: float,
    max_cost_usd: float | None,
    task: str,
    checkable: bool,
    prompt_chars: int = 0,
    strong: Option | None = None,
    calibration: Calibration | None = None,
) -> Route:
    """The cheapest route expected to keep ``quality`` of the strong model's P(right).

    Under ``max_cost_usd`` it is the best one that is expected to cost no more, and the cheapest model
    where none is. ``strong``: by default the option most likely right. ``checkable`` False: an answer
    must be served as it comes (streams, tools with side effects). Never expected to cost more than the
    strong model alone. Raises ValueError without options.
    """
    if not options:
        raise ValueError("no models to route among: allow at least one")
    best = strong or max(options, key=lambda o: (o.right, -o.cost_usd))
    routes = [straight(best)]
    for option in options:
        if option.cost_usd < best.cost_usd:
            routes.append(unchecked(option, best))
    if checkable:
        table = calibration or shipped()
        if max_cost_usd is None:
            thresholds = table.thresholds(task, (1 - quality) * best.right)
        else:
            thresholds = list(GRID)
        for plan in plans(options, best):
            least = quality * best.right - ROUNDING if max_cost_usd is None else math.inf
            routes += cascades(plan, best, thresholds, least, task, prompt_chars, table)
    if max_cost_usd is not None:
        fits = [r for r in routes if r.cost_usd <= max_cost_usd + ROUNDING]
        best_of = max(fits, key=lambda r: (r.right, -r.cost_usd), default=None)
        chosen = best_of or min(routes, key=lambda r: (r.cost_usd, -r.right))
        return msgspec.structs.replace(chosen, capped=True)
    fits = [r for r in routes if quality <= 0 or r.right >= quality * best.right - ROUNDING]
    return min(fits, key=lambda r: (r.cost_usd, -r.right))


def straight(best: Option) -> Route:
    """To the strong model at once."""
    why = f"{best.model} at once: no cheaper way keeps the quality"
    return Route(best, None, best, False, best.right, best.cost_usd, why)


def unchecked(option: Option, best: Option) -> Route:
    """To a cheap model, whose answer is served as it comes."""
    why = f"{option.model} unchecked: right at {option.right:.0%}, {best.model} at {best.right:.0%}"
    return Route(option, None, best, False, option.right, option.cost_usd, why)


def plans(options: Sequence[Option], best: Option) -> Iterator[tuple[Option, ...]]:
    """Orders of one to three cheap models of different families, the cheaper one first."""
    cheap = [o for o in options if o is not best and o.cost_usd < best.cost_usd]
    cheap.sort(key=lambda o: (best.right - o.right) * best.cost_usd + o.cost_usd)
    few = sorted(cheap[:FEW], key=lambda o: (o.cost_usd, -o.right))
    for i, first in enumerate(few):
        alone = True
        for j, second in enumerate(few[i + 1 :], i + 1):
            if second.family == first.family:
                continue
            alone = False
            third = next((o for o in few[j + 1 :] if o.family not in (first.family, second.family)), None)
            yield (first, second) if third is None else (first, second, third)
        if alone:
            yield (first,)


def cascades(
    plan: tuple[Option, ...],
    best: Option,
    thresholds: Sequence[float],
    least: float,
    task: str,
    prompt_chars: int,
    table: Calibration,
) -> Iterator[Route]:
    """``plan`` before the strong model, with each of ``thresholds`` that makes it cheaper than that.

    They fall; the first one that is expected to be right at ``least`` is the cheapest and the last one.
    """
    priors = [o.right for o in plan]
    root = grow(Signs("A", (priors[0],), best.right, (), prompt_chars), task, table, priors)
    costs = [o.cost_usd / best.cost_usd for o in plan]
    for threshold in thresholds:
        outlook = look(root, threshold, costs, 1)
        cost = (costs[0] + outlook.cost) * best.cost_usd
        if outlook.step == "strong" or cost > best.cost_usd:
            continue
        asked = plan if outlook.step == "second" else plan[:1]
        names = ", ".join(o.model for o in asked)
        why = f"{names}, then {best.model}: accepted up to {threshold:.3f} expected loss"
        second, third = (*asked[1:], None, None)[:2]
        right = min(best.right - outlook.loss, 1.0)
        yield Route(plan[0], second, best, True, right, cost, why, third, threshold)
        if right >= least:
            return


def signs_of(route: Route, evidence: Evidence) -> Signs:
    """What the calibration is asked; ``agrees`` of a half or more counts as the same answer."""
    pattern = evidence.pattern
    if not pattern:
        pattern = "A" if evidence.agrees is None else "AA" if evidence.agrees >= 0.5 else "AB"
    priors = (evidence.right, *(o.right for o in route.cheap[1:]))[: len(pattern)]
    priors += (priors[-1],) * (len(pattern) - len(priors))
    doubts = sum(not f.ok for f in evidence.findings)
    seen = evidence.seen[: len(pattern)]
    thought = tuple(s.thought for s in seen)
    lead = seen[leader(pattern, priors)] if len(seen) == len(pattern) else Seen()
    return Signs(
        pattern,
        priors,
        route.strong.right,
        thought,
        evidence.prompt_chars,
        lead.number,
        lead.answer_chars,
        doubts,
    )


def judge(
    route: Route, evidence: Evidence, *, task: str, quality: float, calibration: Calibration | None = None
) -> Verdict:
    """The next step. Never accepts a fatal finding, nor a loss above what ``route`` and ``quality`` allow."""
    table = calibration or shipped()
    signs = signs_of(route, evidence)
    cheap = route.cheap
    priors = (evidence.right, *(o.right for o in cheap[1:]))
    node = grow(signs, task, table, priors)
    allowed = table.thresholds(task, (1 - quality) * route.strong.right)[0]
    threshold = route.threshold if route.capped else min(route.threshold, allowed)
    cost = route.strong.cost_usd
    costs = [o.cost_usd / cost if cost > 0 else 1.0 for o in cheap]
    fatal = any(f.fatal and not f.ok for f in evidence.findings)
    outlook = look(node, threshold, costs, len(signs.pattern), fatal)
    return Verdict(
        outlook.step,
        node.right,
        _reason(outlook, node, threshold, evidence, fatal),
        node.loss,
        leader(signs.pattern, signs.priors),
    )


def _reason(outlook: Outlook, node: Node, threshold: float, evidence: Evidence, fatal: bool) -> str:
    if fatal:
        failed = next(f for f in evidence.findings if f.fatal and not f.ok)
        return f"{failed.check}: {failed.detail}"
    odds = f"right at {node.right:.0%}, expected loss {node.loss:.3f}"
    if outlook.step == "accept":
        return f"{odds}, at most {threshold:.3f} allowed"
    if outlook.step == "second":
        return f"{odds}; one more opinion is worth its cost"
    return f"{odds}, above {threshold:.3f}"
