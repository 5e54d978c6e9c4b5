"""What a replay showed, as JSON tells it: dollars as numbers, counts as whole numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from tokenworks.plans.economics.breakeven import BreakEven, Point
from tokenworks.plans.economics.history import History
from tokenworks.plans.economics.replay import Outcome, Standing
from tokenworks.plans.spec import NANO_CREDIT
from tokenworks.schema import NANO_USD

PERCENTS = (0, 5, 25, 50, 75, 95, 100)
_COUNTS = (
    "requests",
    "included",
    "deferred",
    "cheaper",
    "paid",
    "refused",
    "waiting",
    "not_included",
)
_MONEY = ("revenue", "overflow", "cost", "margin", "wanted")
LEFT_OUT = "concurrency, allowed clients and fair use are not replayed"


def report(
    history: History, outcome: Outcome, answers: Sequence[BreakEven], curve: Sequence[Point]
) -> dict[str, Any]:
    """Totals, percentiles of margin, kinds, windows, every subscriber, and what breaks even.

    Subscribers stand in order of margin, those that lose most first.
    """
    standings = outcome.standings
    return {
        "plan": msgspec.to_builtins(outcome.plan),
        "source": {
            "note": history.note,
            "synthetic": history.synthetic,
            "days": history.days,
            "requests": len(history),
            "left_out": LEFT_OUT,
        },
        "totals": _sums(standings),
        "margin_usd": {
            f"p{percent}": usd(value) for percent, value in zip(PERCENTS, _margins(standings), strict=True)
        },
        "kinds": _kinds(standings),
        "windows": _windows(outcome),
        "break_even": [_answer(each) for each in answers],
        "curve": [
            {
                "scale": each.scale,
                "margin_usd": usd(each.margin_nano_usd),
                "losing_share": each.losing / len(standings) if standings else 0.0,
            }
            for each in curve
        ],
        "subscribers": [row(each) for each in by_margin(standings)],
    }


def by_margin(standings: Sequence[Standing]) -> list[Standing]:
    """Those that lose most first."""
    return sorted(standings, key=lambda each: (each.margin_nano_usd, each.name))


def row(each: Standing) -> dict[str, Any]:
    """One subscriber."""
    return {
        "subscriber": each.name,
        "kind": each.kind,
        **{name: getattr(each, name) for name in _COUNTS},
        "times_used_up": sum(each.used_up),
        "credits": each.nano_credits / NANO_CREDIT,
        **{f"{name}_usd": usd(getattr(each, f"{name}_nano_usd")) for name in _MONEY},
    }


def percentile(ordered: Sequence[int], percent: float) -> int:
    """The smallest value that at least ``percent`` of ``ordered`` do not exceed (nearest rank); 0 of none."""
    if not ordered:
        return 0
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


def usd(nano_usd: int) -> float:
    """Dollars."""
    return nano_usd / NANO_USD


def _margins(standings: Sequence[Standing]) -> list[int]:
    ordered = sorted(each.margin_nano_usd for each in standings)
    return [percentile(ordered, percent) for percent in PERCENTS]


def _sums(standings: Sequence[Standing]) -> dict[str, Any]:
    losing = sum(each.loses for each in standings)
    return {
        "subscribers": len(standings),
        "losing": losing,
        "losing_share": losing / len(standings) if standings else 0.0,
        **{name: sum(getattr(each, name) for each in standings) for name in _COUNTS},
        "times_used_up": sum(sum(each.used_up) for each in standings),
        "credits": sum(each.nano_credits for each in standings) / NANO_CREDIT,
        **{
            f"{name}_usd": usd(sum(getattr(each, f"{name}_nano_usd") for each in standings))
            for name in _MONEY
        },
    }


def _kinds(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """Sums for people and for agents, in a demonstration."""
    kinds = dict.fromkeys(each.kind for each in standings if each.kind)
    return [{"kind": kind, **_sums([each for each in standings if each.kind == kind])} for kind in kinds]


def _windows(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "window": each.window,
            "credits": each.credits,
            "times_used_up": sum(standing.used_up[place] for standing in outcome.standings),
            "subscribers": sum(standing.used_up[place] > 0 for standing in outcome.standings),
        }
        for place, each in enumerate(outcome.plan.windows)
    ]


def _answer(each: BreakEven) -> dict[str, Any]:
    told = {
        "knob": each.knob,
        "class": each.class_name or None,
        "target": each.target,
        "status": each.status,
        "scale": each.scale,
        "price_usd": each.price_usd,
        "detail": each.detail,
    }
    if each.plan is not None and each.knob == "windows":
        told["windows"] = msgspec.to_builtins(each.plan.windows)
    if each.plan is not None and each.knob == "weights":
        told["classes"] = msgspec.to_builtins(
            [one for one in each.plan.classes if one.name == each.class_name]
        )
    return told
