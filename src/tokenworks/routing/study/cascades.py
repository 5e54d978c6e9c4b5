"""Agreement cascades replayed on outcomes: every call charged, thresholds from training folds only.

What is chosen on training folds: the order of calls (by cost), the calibration, whether it looks at more than
who agrees, and the threshold. What is replayed on the test fold is ``cascade.judge``, as in a request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import ConfigError
from tokenworks.routing.calibration import Calibration, Limit, Signs
from tokenworks.routing.cascade import Evidence, Node, Option, Route, Seen, grow, judge, look
from tokenworks.routing.checks import Finding
from tokenworks.routing.extracted import numeric
from tokenworks.routing.study.calibrating import Asked, Samples, asked, fit, limited, samples
from tokenworks.routing.study.cases import Cases, ease, read
from tokenworks.routing.study.data import Data
from tokenworks.routing.study.folds import folds as split

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

ALLOWED = 0.005  # of quality that may be lost: half a point
THRESHOLDS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4)
INNER = 5  # parts of the training folds, each judged by a calibration of the others
# Standard errors that the estimated loss must stay below what is allowed. A rule of who agrees has nothing
# fitted that could flatter it; weights of many numbers have.
BOUND = {"agreement": 0.0, "everything": 1.0}
BELIEVED = 0.3  # weight of the measured loss beside the calibration's own, which varies less
# Within what is allowed, a point of quality is given up for 40 % of the dollars at least: where the last
# few percent cost much, the estimate of what they cost is what overshoots.
WORTH = 40.0
DONORS = 30_000  # states of other models' orders from which the calibration learns as well
LIKE = 0.15  # how far those models' scores may be from the ones of the order in question
OWN = "own"


@dataclass
class Chosen:
    """What the training folds decided; ``threshold`` None: always the strong model."""

    kind: str
    threshold: float | None
    table: Calibration | None
    allowed: float


def evaluate(
    data: Data,
    source: str,
    cheap: Sequence[str],
    strong: str,
    folds: int = 5,
    seed: int = 0,
    allowed: float = ALLOWED,
) -> dict[str, float]:
    """Replay a cascade of ``cheap`` models before ``strong`` on ``source``, by folds of the question asked.

    Only prompts count that all of them answered and whose costs are known. Returns shares (0..1) and
    dollars: ``n``, ``strong``, ``cheap`` (the first one alone), ``right``, ``change`` (right - strong, with
    ``change_error``, its standard error), ``saved`` (of the dollars of strong alone), ``asked_strong``,
    ``random`` (the score of a random mix of first and strong at equal spend), ``oracle`` and
    ``oracle_saved`` (the cheapest right answer of all), ``rescued`` (right because the strong model gave no
    answer and the cheap one's was served), ``ece`` (calibration error of what was judged, 10 equal parts).
    """
    cases, columns = _of(data, source, cheap, strong)
    fold = split(cases.questions, folds, seed)
    served, cost = np.zeros(len(cases)), np.zeros(len(cases))
    asked_strong, rescued = np.zeros(len(cases)), np.zeros(len(cases))
    said: list[tuple[float, float]] = []
    rng = np.random.default_rng(seed)
    for part in range(folds):
        training, test = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        order = _by_cost(cases, columns, training)
        chosen, group = _choose(cases, order, training, test, allowed, rng)
        for place, row in enumerate(test.tolist()):
            step = _replay(cases, group, place, chosen)
            served[row], cost[row], asked_strong[row], rescued[row] = step.outcome
            said += step.said
    first = columns[int(np.argmin(np.nanmean(cases.cost_usd[:, columns[:-1]], axis=0)))]
    return _told(cases, columns, first, served, cost) | {
        "asked_strong": float(asked_strong.mean()),
        "rescued": float(rescued.mean()),
        "ece": calibration_error(said),
    }


def _of(data: Data, source: str, cheap: Sequence[str], strong: str) -> tuple[Cases, list[int]]:
    """The prompts that all of them answered at a known cost, and the models' columns."""
    cases = read(data, source)
    missing = [name for name in (*cheap, strong) if name not in cases.models]
    if missing or not 1 <= len(cheap) <= 3:
        raise ConfigError(
            f"{source} has no model {missing[0]}; it has {', '.join(cases.models[:6])} ..."
            if missing
            else "a cascade has one to three cheap models"
        )
    columns = [cases.models.index(name) for name in (*cheap, strong)]
    known = ~np.isnan(cases.score[:, columns]).any(1) & ~np.isnan(cases.cost_usd[:, columns]).any(1)
    if known.sum() < 100:
        raise ConfigError(f"{source}: only {known.sum()} prompts have outcomes and costs of all models")
    return cases.pick(np.flatnonzero(known)), columns


def _by_cost(cases: Cases, columns: list[int], training: Rows) -> list[int]:
    means = cases.cost_usd[training][:, columns].mean(0)
    return [columns[i] for i in sorted(range(len(columns) - 1), key=lambda i: float(means[i]))] + columns[-1:]


def _choose(
    cases: Cases, order: list[int], training: Rows, test: Rows, allowed: float, rng: np.random.Generator
) -> tuple[Chosen, Asked]:
    """The calibration and threshold that save most of those whose bounded loss is allowed."""
    eased = {"agreement": np.zeros(len(cases)), "everything": ease(cases, training)}
    inner = np.full(len(cases), -1)
    inner[training] = rng.integers(0, INNER, len(training))
    others = _donors(cases, order, training, rng)
    means = cases.cost_usd[training][:, order].mean(0)
    shares = (means[:-1] / means[-1]).tolist()
    best, group, most = Chosen("agreement", None, None, allowed), None, 0.0
    for kind, easier in eased.items():
        everybody = asked(cases, order, np.arange(len(cases)), training, easier)
        rows = [samples(cases, _some(everybody, training), OWN)]
        rows += [samples(cases, asked(cases, other, kept, kept, easier), "other") for other, kept in others]
        known = Samples.joined(rows)
        outlooks = _out_of_fold(known, everybody, inner, kind == "agreement")
        for threshold in THRESHOLDS:
            lost, spent, foretold = simulate(cases, _some(everybody, training), outlooks, threshold, shares)
            loss = BELIEVED * lost.mean() + (1 - BELIEVED) * foretold
            loss += BOUND[kind] * lost.std() / math.sqrt(len(lost))
            saved = 1 - spent.sum() / cases.cost_usd[training, order[-1]].sum()
            worth = saved - WORTH * max(loss, 0.0)
            if loss <= allowed and saved > 0 and worth > most:
                table = limited(
                    fit(known, "", [OWN], kind == "agreement"), {OWN: [Limit(allowed, threshold)]}
                )
                best, group, most = Chosen(kind, threshold, table, allowed), everybody, worth
    if group is None:
        group = asked(cases, order, np.arange(len(cases)), training, eased["agreement"])
    return best, _some(group, test)


def _some(group: Asked, rows: Rows) -> Asked:
    """Of a group of all prompts, only ``rows``."""
    return Asked(rows, group.columns, [group.signs[row] for row in rows.tolist()], group.priors[rows])


def _donors(
    cases: Cases, order: list[int], training: Rows, rng: np.random.Generator
) -> list[tuple[list[int], Rows]]:
    """Other orders of like models, and the training prompts that all of them answered.

    One order alone has few prompts on which two agree and are wrong. How that hangs on what is seen is
    much the same for other models of that strength.
    """
    means = np.nanmean(cases.score[training], axis=0)
    wanted = max(1, DONORS // (len(training) * (len(order) - 1)))
    found: list[tuple[list[int], Rows]] = []
    for _ in range(50 * wanted):
        if len(found) == wanted or len(cases.models) < len(order):
            break
        other = rng.permutation(len(cases.models))[: len(order)].tolist()
        near = abs(means[other[:-1]].mean() - means[order[:-1]].mean()) <= LIKE
        near = near and abs(means[other[-1]] - means[order[-1]]) <= LIKE
        if set(other) == set(order) or not near or means[other[-1]] < means[other[:-1]].max():
            continue
        kept = training[~np.isnan(cases.score[training][:, other]).any(1)]
        if len(kept) >= len(training) / 2:
            found.append((other, kept))
    return found


def _out_of_fold(known: Samples, group: Asked, inner: Rows, plain: bool) -> dict[int, list[Node]]:
    """For each training prompt its states, each judged by a calibration that never saw the prompt."""
    found: dict[int, list[Node]] = {}
    part_of = inner[known.row]
    whole = fit(known, "", [OWN], plain) if plain else None  # shares of patterns: too few to flatter itself
    for part in range(INNER):
        table = whole or fit(known.pick(part_of != part), "", [OWN], plain)
        same: dict[str, list[Node]] = {}
        for row in np.flatnonzero(inner == part).tolist():
            states, priors = group.signs[row], group.priors[row, :-1].tolist()
            letters = states[-1].pattern
            if plain and letters in same:
                found[row] = same[letters]
                continue
            if plain:
                states = [_bare(state) for state in states]
            found[row] = same[letters] = [grow(state, OWN, table, priors) for state in states]
    return found


def _bare(state: Signs) -> Signs:
    """Without what the plain calibration doesn't look at."""
    return Signs(state.pattern, state.priors, state.strong)


def simulate(
    cases: Cases, group: Asked, outlooks: dict[int, list[Node]], threshold: float, shares: Sequence[float]
) -> tuple[Floats, Floats, float]:
    """(loss and dollars of each prompt, expected mean loss) of the cascade with ``threshold``.

    ``outlooks``: of each row its states; ``shares``: what cheap calls cost of a strong one. The same steps
    as ``cascade.judge`` takes, made from states that were judged once for all thresholds.
    """
    lost, spent, foretold = np.zeros(len(group.rows)), np.zeros(len(group.rows)), 0.0
    strong = group.columns[-1]
    same: dict[tuple[int, tuple[bool, ...]], tuple[int, str, float]] = {}
    for place, row in enumerate(group.rows.tolist()):
        nodes = outlooks[row]
        leads = [group.served(place, answers) for answers in range(1, len(group.columns))]
        fatal = tuple(cases.answers[row, lead] is None for lead in leads)
        if (id(nodes), fatal) not in same:
            same[id(nodes), fatal] = _walk(nodes, fatal, threshold, shares)
        answers, step, loss = same[id(nodes), fatal]
        spent[place] = cases.cost_usd[row, group.columns[:answers]].sum()
        lead = cases.score[row, leads[answers - 1]]
        if step == "accept":
            lost[place] = cases.score[row, strong] - lead
            foretold += loss
            continue
        spent[place] += cases.cost_usd[row, strong]
        if cases.answers[row, strong] is None:
            lost[place] = cases.score[row, strong] - lead
    return lost, spent, foretold / max(1, len(group.rows))


def _walk(
    nodes: list[Node], fatal: Sequence[bool], threshold: float, shares: Sequence[float]
) -> tuple[int, str, float]:
    """(answers, last step, loss expected by then)."""
    for answers, (node, silent) in enumerate(zip(nodes, fatal, strict=True), 1):
        outlook = look(node, threshold, shares, answers, silent)
        if outlook.step != "second":
            break
    return answers, outlook.step, outlook.loss


@dataclass
class Replayed:
    """One prompt's way: (score, dollars, was the strong model asked, was it rescued), and what was said."""

    outcome: tuple[float, float, float, float]
    said: list[tuple[float, float]]  # (P(right) of the leading answer, its score)


def _replay(cases: Cases, group: Asked, place: int, chosen: Chosen) -> Replayed:
    """The prompt's way through ``cascade.judge``, as in a request."""
    row, strong = int(group.rows[place]), group.columns[-1]
    cost, score = cases.cost_usd[row], cases.score[row]
    if chosen.threshold is None:
        return Replayed((score[strong], cost[strong], 1.0, 0.0), [])
    route = _route(cases, group, place, chosen.threshold)
    quality = 1 - chosen.allowed / route.strong.right
    spent, said = 0.0, []
    for answers in range(1, len(group.columns)):
        column = group.columns[answers - 1]
        spent += cost[column]
        lead = group.served(place, answers)
        evidence = _evidence(cases, group, place, answers, chosen.kind == "agreement")
        verdict = judge(route, evidence, task=OWN, quality=quality, calibration=chosen.table)
        said.append((verdict.right, float(score[lead])))
        if verdict.step != "second":
            break
    if verdict.step == "accept":
        return Replayed((score[lead], spent, 0.0, 0.0), said)
    if cases.answers[row, strong] is None:  # a fatal finding of the strong model's answer
        gained = float(score[lead] > score[strong])
        return Replayed((score[lead], spent + cost[strong], 1.0, gained), said)
    return Replayed((score[strong], spent + cost[strong], 1.0, 0.0), said)


def _route(cases: Cases, group: Asked, place: int, threshold: float) -> Route:
    """As ``cascade.route`` would make it; costs are means, as are known before a call."""
    means = np.nanmean(cases.cost_usd[:, group.columns], axis=0).tolist()
    options = [
        Option(cases.models[column], cases.models[column], prior, mean)
        for column, prior, mean in zip(group.columns, group.priors[place].tolist(), means, strict=True)
    ]
    second, third = (*options[1:-1], None, None)[:2]
    return Route(options[0], second, options[-1], True, 0.0, 0.0, "", third, threshold)


def _evidence(cases: Cases, group: Asked, place: int, answers: int, plain: bool) -> Evidence:
    """What is known after that many answers, as a request would tell it."""
    state, row = group.signs[place][answers - 1], int(group.rows[place])
    silent = cases.answers[row, group.served(place, answers)] is None
    findings = (Finding("emptiness", False, True, "no final answer"),) if silent else ()
    if plain:
        return Evidence(state.priors[0], findings, pattern=state.pattern)
    seen = tuple(
        Seen(thought, numeric(said) is not None, len(said))
        for thought, said in zip(state.thought, _said(cases, group, row), strict=False)
    )
    return Evidence(state.priors[0], findings, None, seen, state.prompt_chars, state.pattern)


def _said(cases: Cases, group: Asked, row: int) -> list[str]:
    return [str(cases.answers[row, column] or "") for column in group.columns[:-1]]


def _told(cases: Cases, columns: list[int], first: int, served: Floats, cost: Floats) -> dict[str, float]:
    """The figures that hang on scores and dollars alone."""
    strong, dollars = cases.score[:, columns[-1]], cases.cost_usd[:, columns[-1]]
    cheap, cents = cases.score[:, first], cases.cost_usd[:, first]
    share = (cost.sum() - cents.sum()) / (dollars.sum() - cents.sum())
    scores, costs = cases.score[:, columns], cases.cost_usd[:, columns]
    right = scores >= scores.max(1, keepdims=True)
    oracle = np.where(right, costs, np.inf).min(1)
    change = served - strong
    return {
        "n": float(len(cases)),
        "strong": float(strong.mean()),
        "cheap": float(cheap.mean()),
        "cheap_saved": float(1 - cents.sum() / dollars.sum()),
        "right": float(served.mean()),
        "change": float(change.mean()),
        "change_error": float(change.std() / math.sqrt(len(change))),
        "saved": float(1 - cost.sum() / dollars.sum()),
        "random": float(cheap.mean() + np.clip(share, 0, 1) * (strong.mean() - cheap.mean())),
        "oracle": float(scores.max(1).mean()),
        "oracle_saved": float(1 - oracle.sum() / dollars.sum()),
    }


def calibration_error(said: Sequence[tuple[float, float]], parts: int = 10) -> float:
    """Expected calibration error of (P, outcome) pairs in ``parts`` of equal size; 0 where there are none."""
    if not said:
        return 0.0
    pairs = np.array(sorted(said, key=lambda pair: pair[0]))  # by P alone: ties stay as they came
    error = sum(len(p) * abs(p[:, 0].mean() - p[:, 1].mean()) for p in np.array_split(pairs, parts) if len(p))
    return float(error / len(pairs))
