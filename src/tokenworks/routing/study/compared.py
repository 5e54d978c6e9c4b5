"""How near the answers of several models come to the references of a held-out set, with intervals.

Shares have Wilson's score interval (E. B. Wilson, "Probable inference", 1927), means a percentile bootstrap
over rows (B. Efron, "Bootstrap methods", 1979) with a fixed seed; both at 95 %.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from tokenworks.routing.study.distilled import normal

DRAWS = 2000
_SEED = 1979
_Z = 1.959964  # of 95 %

Agreement = Callable[[str, str, str], float]  # task, reference, answer → 0..1
Check = Callable[[str, str, "Reply"], bool]  # task, prompt, reply → whether all checks passed


class Reply(msgspec.Struct, frozen=True):
    """What one model answered to one row. ``error``: it did not."""

    text: str = ""
    finish: str = ""
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    latency_s: float = 0.0
    model: str = ""  # that answered, where another chose it
    error: str = ""


class Asked(msgspec.Struct, frozen=True):
    """One row: its last question, and the answer that was given then."""

    task: str
    prompt: str
    reference: str


def said(message: Mapping[str, Any]) -> str:
    """What a chat message says, as one text: its calls as JSON, however they were spelled, or its words."""
    calls = message.get("tool_calls") or ()
    if not calls:
        return str(message.get("content") or "")
    return json.dumps([[each["function"]["name"], _plain(each["function"]["arguments"])] for each in calls])


def alike(task: str, reference: str, answer: str) -> float:
    """F1 of their words, in normal form; 1 where they are equal. For answers that no better judge knows."""
    one, other = normal(reference), normal(answer)
    if one == other:
        return 1.0
    left, right = Counter(one.split()), Counter(other.split())
    return 2 * (left & right).total() / max((left + right).total(), 1)


def compare(
    rows: Sequence[Asked],
    replies: Mapping[str, Sequence[Reply]],
    agreement: Agreement,
    check: Check | None,
) -> dict[str, Any]:
    """The report: for each who was asked and each type of task, and for all types together ("all").

    ``replies`` are in the order of ``rows``. The first who was asked is compared with each other: differences
    of agreement on the same rows.
    """
    scores = {who: _scores(rows, given, agreement, check) for who, given in replies.items()}
    tasks = sorted({row.task for row in rows})
    report: dict[str, Any] = {"rows": len(rows), "models": {}, "differences": []}
    for who, given in replies.items():
        report["models"][who] = {
            task: _sums([n for n, row in enumerate(rows) if task in ("all", row.task)], given, scores[who])
            for task in (*tasks, "all")
        }
    first, *others = replies
    for other in others:
        gaps = scores[first]["agreement"] - scores[other]["agreement"]
        mean, low, high = mean_with_interval(gaps)
        report["differences"].append(
            {
                "of": first,
                "to": other,
                "agreement": round(mean, 4),
                "interval": [round(low, 4), round(high, 4)],
            }
        )
    return report


def share_with_interval(hits: int, of: int) -> tuple[float, float, float]:
    """The share, and Wilson's interval; all of 0..1 where nothing was asked."""
    if not of:
        return 0.0, 0.0, 1.0
    share, square = hits / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return share, max(0.0, middle - half), min(1.0, middle + half)


def mean_with_interval(values: Any) -> tuple[float, float, float]:
    """The mean, and its bootstrap interval."""
    found = np.asarray(values, dtype=np.float64)
    if not len(found):
        return 0.0, 0.0, 0.0
    draws = np.random.default_rng(_SEED).integers(0, len(found), (DRAWS, len(found)))
    low, high = np.percentile(found[draws].mean(axis=1), (2.5, 97.5))
    return float(found.mean()), float(low), float(high)


def _scores(
    rows: Sequence[Asked], given: Sequence[Reply], agreement: Agreement, check: Check | None
) -> dict[str, Any]:
    """By row: who did not answer agrees with nobody and passes nothing."""
    pairs = list(zip(rows, given, strict=True))
    return {
        "agreement": np.array(
            [0.0 if r.error else agreement(row.task, row.reference, r.text) for row, r in pairs]
        ),
        "same": np.array([not r.error and normal(row.reference) == normal(r.text) for row, r in pairs]),
        "passed": None
        if check is None
        else np.array([not r.error and check(row.task, row.prompt, r) for row, r in pairs]),
    }


def _sums(numbers: list[int], given: Sequence[Reply], scores: Mapping[str, Any]) -> dict[str, Any]:
    picked = [given[n] for n in numbers]
    answered = [reply for reply in picked if not reply.error]
    at = np.array(numbers, dtype=np.int64)
    cost = mean_with_interval([reply.cost_usd for reply in answered])
    latencies = [reply.latency_s for reply in answered] or [0.0]
    found: dict[str, Any] = {
        "rows": len(picked),
        "failed": len(picked) - len(answered),
        "agreement": _told(mean_with_interval(scores["agreement"][at])),
        "same": _told(share_with_interval(int(scores["same"][at].sum()), len(at))),
        "passed": None,
        "cost_usd": {
            "total": round(sum(reply.cost_usd for reply in answered), 9),
            "mean": round(cost[0], 9),
            "interval": [round(each, 9) for each in cost[1:]],
        },
        "input_tokens": sum(reply.input_tokens for reply in answered),
        "output_tokens": sum(reply.output_tokens for reply in answered),
        "latency_s": {
            "p50": round(float(np.percentile(latencies, 50)), 4),
            "p95": round(float(np.percentile(latencies, 95)), 4),
        },
    }
    if scores["passed"] is not None:
        found["passed"] = _told(share_with_interval(int(scores["passed"][at].sum()), len(at)))
    return found


def _told(values: tuple[float, float, float]) -> dict[str, Any]:
    value, low, high = (round(each, 4) for each in values)
    return {"value": value, "interval": [low, high]}


def _plain(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}", object_pairs_hook=lambda pairs: dict(sorted(pairs)))
    except ValueError:
        return arguments
