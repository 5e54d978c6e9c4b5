"""Limits as commands show them: a line each, with a bar of what is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tokenworks.cli.table import usd

COLUMNS = ("id", "on", "limit", "spent", "left", "used", "resets")
BAR = 10  # characters
SUBJECTS = 20  # of a limit that counts for several


def lines(limits: Iterable[dict[str, Any]], names: Mapping[str, str]) -> list[Sequence[Any]]:
    """Rows of a table. ``names`` of keys and teams, by id; ``limits`` are those of ``standing.described``."""
    found: list[Sequence[Any]] = []
    for each in limits:
        whom = f"{each['scope']} {names.get(each['subject'], each['subject'])}"
        within = f" of {names.get(each['within'], each['within'])}" if each["within"] else ""
        on = f"each {each['scope']}{within}" if each["subject"] == "*" else f"{whom}{within}"
        if each["left"] is not None:
            found.append((each["id"], on, text(each), *_figures(each, each)))
            continue
        found.append((each["id"], on, text(each), "", "", "", ""))
        subjects = each["subjects"]
        found += [("", f"  {one['subject']}", "", *_figures(each, one)) for one in subjects[:SUBJECTS]]
        if len(subjects) > SUBJECTS:
            found.append(("", f"  and {len(subjects) - SUBJECTS:,} more", "", "", "", "", ""))
    return found


def text(limit: dict[str, Any]) -> str:
    """What the limit allows, in words."""
    if limit["purpose"] == "wallet":
        return f"wallet of {_amount(limit, limit['amount'])}"
    if limit["unit"] == "concurrent":
        return f"{limit['amount']:,} at a time"
    zone = "" if limit["timezone"] == "UTC" else f" {limit['timezone']}"
    strict = ", strict" if limit["strict"] else ""
    window = " for ever" if limit["window"] == "lifetime" else f"/{limit['window']}{zone}"
    return f"{_amount(limit, limit['amount'])}{window}{strict}"


def bar(part: float) -> str:
    """How much is used, to look at."""
    full = min(max(part, 0.0), 1.0)
    filled = int(full * BAR)
    return f"{'█' * filled}{'░' * (BAR - filled)} {part:.0%}"


def _figures(limit: dict[str, Any], one: dict[str, Any]) -> tuple[str, str, str, str]:
    spent = one["held"] if limit["unit"] == "concurrent" else one["spent"]
    part = spent / limit["amount"] if limit["amount"] else 1.0
    return (
        _amount(limit, spent).removesuffix(f" {limit['unit']}"),
        _amount(limit, one["left"]).removesuffix(f" {limit['unit']}"),
        bar(part),
        one["resets_at"] or "",
    )


def _amount(limit: dict[str, Any], amount: float) -> str:
    return usd(amount) if limit["unit"] == "usd" else f"{amount:,} {limit['unit'].replace('_', ' ')}"
