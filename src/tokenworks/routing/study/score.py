"""Scores a router on recorded outcomes: each source with one strong and one cheap model, and all together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import ConfigError
from tokenworks.routing.learned import Learned
from tokenworks.routing.study import curve as curves
from tokenworks.routing.study.data import Data, Source
from tokenworks.routing.study.folds import folds, hashes, question, questions
from tokenworks.routing.study.matrix import Features, Progress
from tokenworks.routing.study.predict import gains, predictions
from tokenworks.routing.study.train import train

Floats = NDArray[np.float64]

CHEAP = 5.0  # the cheap model costs at most the strong one's cost divided by this
_COVERED = 0.5  # of a source's prompts that a model must have outcomes for, to be chosen unasked
_FIGURES = 101  # points of a curve that are told
_DRAWS = 500  # of the bootstrap


@dataclass
class Duel:
    """Strong against cheap on the prompts that both answered."""

    source: str
    strong: str
    cheap: str
    prompts: NDArray[np.intp]
    scores: tuple[Floats, Floats]  # strong, cheap
    costs: tuple[Floats, Floats] | None  # dollars; None: unknown
    gain: Floats = field(default_factory=lambda: np.zeros(0))  # expected of asking strong
    told: tuple[Floats, Floats] | None = None  # what was predicted of strong and of cheap


def pair(source: Source, wanted: tuple[str, str] | None = None) -> tuple[str, str] | None:
    """Strong and cheap of a source; None where there are not two.

    Unless ``wanted``: the best-scoring model, and the best-scoring one at no more than a fifth of its cost
    (the median model where costs are unknown). Models without costs are no candidates where others have them.
    """
    if wanted is not None:
        return wanted if all(model in source.models for model in wanted) else None
    covered = (~np.isnan(source.score)).mean(0) if len(source.prompts) else np.zeros(len(source.models))
    candidates = np.flatnonzero(covered >= _COVERED * covered.max(initial=0))
    if len(candidates) < 2:
        return None
    mean = np.nanmean(source.score[:, candidates], axis=0)
    cost = np.array([_mean(source.cost_usd[:, column]) for column in candidates])
    strong = int(np.argmax(np.where(np.isnan(cost), -1, mean))) if (~np.isnan(cost)).sum() > 1 else -1
    limit = float(cost[strong]) / CHEAP if strong >= 0 else -1.0
    cheaper = np.flatnonzero(cost <= limit)
    if len(cheaper):
        cheap = int(cheaper[np.argmax(mean[cheaper])])
    else:
        ranked = np.argsort(-mean, kind="stable")
        strong, cheap = int(ranked[0]), int(ranked[len(ranked) // 2])
    return source.models[candidates[strong]], source.models[candidates[cheap]]


def duel(source: Source, wanted: tuple[str, str] | None = None, most: int = 0, seed: int = 0) -> Duel | None:
    """The pair's outcomes; at most ``most`` prompts where that is given. None where there is nothing to
    gain.
    """
    chosen = pair(source, wanted)
    if chosen is None:
        return None
    strong, cheap = source.column(chosen[0]), source.column(chosen[1])
    rows = np.flatnonzero(~np.isnan(source.score[:, strong]) & ~np.isnan(source.score[:, cheap]))
    if most and len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    if len(rows) < 2:
        return None
    costs = np.stack([source.cost_usd[rows, strong], source.cost_usd[rows, cheap]], axis=1).astype(float)
    for column in range(2):  # a few unknown costs count as the mean of the others
        costs[:, column] = np.where(np.isnan(costs[:, column]), _mean(costs[:, column]), costs[:, column])
    return Duel(
        source.name,
        *chosen,
        source.prompts[rows],
        (source.score[rows, strong].astype(float), source.score[rows, cheap].astype(float)),
        None if np.isnan(costs).any() else (costs[:, 0], costs[:, 1]),
    )


def shipped(learned: Learned, found: Features, duels: list[Duel], progress: Progress) -> None:
    """Fill in the gains that ``learned`` expects, without fitting anything."""
    for done, each in enumerate(duels):
        progress(f"scoring {each.source}", done, len(duels))
        said = predictions(learned, found, each.prompts, [each.strong, each.cheap])
        each.told = said[:, 0], said[:, 1]
        each.gain = gains(learned, found, each.prompts, each.strong, each.cheap)


def in_sample(learned: Learned, data: Data, duels: list[Duel]) -> int:
    """How many of the prompts that ``duels`` are about ask a question that ``learned`` was trained on.

    A score on these says how well they were learned by heart, not what to expect of others.
    """
    prompts = {int(prompt) for each in duels for prompt in each.prompts}
    if not prompts or not len(learned.trained):
        return 0
    return int(np.isin(hashes([question(data.texts[prompt]) for prompt in prompts]), learned.trained).sum())


def crossed(
    data: Data,
    found: Features,
    duels: list[Duel],
    *,
    count: int,
    seed: int,
    progress: Progress,
    budget: Mapping[str, int] | None = None,
    by_text: bool = False,
) -> None:
    """Fill in gains by ``count`` folds of questions: a prompt's question is never trained on.

    ``budget``: for a source, how many of its prompts may be labelled in each training part. ``by_text``: only
    the same normalised text is kept together, so a question may be trained on with other options.
    """
    part = folds(data.texts if by_text else questions(data), count, seed)
    for each in duels:
        each.gain = np.zeros(len(each.prompts))
        each.told = np.zeros(len(each.prompts)), np.zeros(len(each.prompts))
    for fold in range(count):
        progress(f"fold {fold + 1} of {count}", fold, count)
        used = part != fold
        labels = {
            name: limited(data.sources[name], used, most, seed) for name, most in (budget or {}).items()
        }
        learned = train(data, found, used=used, labels=labels, seed=seed, calibrate=False)
        for each in duels:
            rows = np.flatnonzero(part[each.prompts] == fold)
            if len(rows):
                said = predictions(learned, found, each.prompts[rows], [each.strong, each.cheap])
                each.gain[rows] = gains(learned, found, each.prompts[rows], each.strong, each.cheap)
                assert each.told is not None
                each.told[0][rows], each.told[1][rows] = said[:, 0], said[:, 1]


def limited(source: Source, used: NDArray[np.bool_], most: int, seed: int) -> NDArray[np.bool_]:
    """At most ``most`` of a source's ``used`` prompts, by chance, as a mask over all prompts."""
    mine = source.prompts[used[source.prompts]]
    chosen = np.zeros(len(used), dtype=bool)
    chosen[np.random.default_rng(seed).permutation(mine)[:most]] = True
    return chosen


def report(duels: list[Duel], *, intervals: bool = False, seed: int = 0) -> dict[str, Any]:
    """``{"sources": [...], "pooled": {...}}``; without any duel that has something to gain, pooled is
    None.
    """
    told = [figures(each.source, each, intervals=intervals, seed=seed) for each in duels]
    whole = pooled(duels)
    together = None if whole is None else figures("pooled", whole, intervals=intervals, seed=seed)
    return {"sources": told, "pooled": together}


def pooled(duels: list[Duel]) -> Duel | None:
    """All prompts of all sources as one: the gains compete with each other."""
    if not duels:
        return None
    costs = [each.costs for each in duels if each.costs is not None]
    joined = (
        (np.concatenate([one for one, _ in costs]), np.concatenate([two for _, two in costs]))
        if len(costs) == len(duels)
        else None
    )
    return Duel(
        "pooled",
        "strong of each source",
        "cheap of each source",
        np.concatenate([each.prompts for each in duels]),
        (
            np.concatenate([each.scores[0] for each in duels]),
            np.concatenate([each.scores[1] for each in duels]),
        ),
        joined,
        np.concatenate([each.gain for each in duels]),
    )


def figures(name: str, each: Duel, *, intervals: bool = False, seed: int = 0) -> dict[str, Any]:
    """What is told of one source: figures, the constant policies, and the curve beside its bounds."""
    strong, cheap = each.scores
    found = curves.curve(each.gain, strong, cheap, each.costs)
    best = curves.curve(strong - cheap, strong, cheap, each.costs)
    told: dict[str, Any] = {
        "source": name,
        "n": len(each.prompts),
        "strong": each.strong,
        "cheap": each.cheap,
        "strong_score": _round(strong.mean()),
        "cheap_score": _round(cheap.mean()),
        "oracle_score": _round(np.maximum(strong, cheap).mean()),
        "apgr": _round(curves.apgr(found)),
        "cpt50": _round(curves.cpt(found, 0.5), 2),
        "cpt80": _round(curves.cpt(found, 0.8), 2),
        "saved_at_parity": _round(curves.saved_at(found, float(strong.mean()))),
        "saved_at_99": _round(curves.saved_at(found, 0.99 * float(strong.mean()))),
        "saved_is": "dollars" if each.costs is not None else "calls",
        "random_mix": {"apgr": 0.5, "cpt50": 50.0, "cpt80": 80.0, "saved_at_parity": 0.0},
        "oracle": {
            "apgr": _round(curves.apgr(best)),
            "cpt50": _round(curves.cpt(best, 0.5), 2),
            "cpt80": _round(curves.cpt(best, 0.8), 2),
            "saved_at_parity": _round(curves.saved_at(best, float(strong.mean()))),
        },
        "strong_cost_usd": None if each.costs is None else _round(each.costs[0].mean(), 8),
        "cheap_cost_usd": None if each.costs is None else _round(each.costs[1].mean(), 8),
    }
    if intervals:
        told["apgr_interval"] = _interval(each, curves.apgr, seed)
    told["curve"] = _points(found, best)
    return told


def _points(found: curves.Curve, best: curves.Curve) -> list[dict[str, float | None]]:
    """Quality at equal shares of calls, beside a random mix of the same share and the oracle."""
    shares = np.linspace(0, 1, _FIGURES)
    mix = found.quality[0] + shares * (found.quality[-1] - found.quality[0])
    cost = np.interp(shares, found.calls, found.cost_usd)
    # At equal spend: a mix that costs as much. Its quality is a straight line in dollars as well.
    spread = found.cost_usd[-1] - found.cost_usd[0]
    paid = (
        mix
        if np.isnan(spread) or spread <= 0
        else found.quality[0]
        + np.clip((cost - found.cost_usd[0]) / spread, 0, 1) * (found.quality[-1] - found.quality[0])
    )
    return [
        {
            "calls": _round(share),
            "quality": _round(np.interp(share, found.calls, found.quality)),
            "cost_usd": _round(cost[at], 8),
            "random_mix": _round(paid[at]),
            "oracle": _round(np.interp(share, best.calls, best.quality)),
        }
        for at, share in enumerate(shares)
    ]


def _interval(each: Duel, of: Callable[[curves.Curve], float], seed: int) -> list[float | None]:
    """95 % of bootstrap draws of prompts."""
    chance = np.random.default_rng(seed)
    count = len(each.prompts)
    draws = []
    for _ in range(_DRAWS):
        rows = chance.integers(0, count, count)
        draws.append(of(curves.curve(each.gain[rows], each.scores[0][rows], each.scores[1][rows])))
    low, high = np.nanquantile(draws, [0.025, 0.975]) if not np.isnan(draws).all() else (np.nan, np.nan)
    return [_round(low), _round(high)]


def chosen(data: Data, wanted: tuple[str, str] | None = None, most: int = 0, seed: int = 0) -> list[Duel]:
    """A duel for every source that has a pair. Raises ``ConfigError`` where none has."""
    found = [one for part in data.sources.values() if (one := duel(part, wanted, most, seed)) is not None]
    if not found:
        raise ConfigError(
            f"no source has outcomes of both {wanted[0]} and {wanted[1]}; see outcomes.parquet"
            if wanted
            else "no source has outcomes of two models"
        )
    return found


def _mean(values: NDArray[Any]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _round(value: float | np.floating[Any], digits: int = 4) -> float | None:
    """For JSON, which has no NaN."""
    return None if np.isnan(value) else round(float(value), digits)
