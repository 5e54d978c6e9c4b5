"""Figures of rankings as people read them at a glance: three digits, the sign of a change, places moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tokenworks.console.formats import NONE, number, seconds, tokens, usd
from tokenworks.rankings.figures import carbon, energy, joules
from tokenworks.rankings.table import Kind

_PHYSICAL: Mapping[str, Callable[[float], str]] = {"energy": energy, "carbon": carbon, "joules": joules}
_STEPS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def amount(value: float | None) -> str:
    """Tokens: 8.70T, 530B, 12.3M, 999."""
    if value is None:
        return NONE
    for step, letter in _STEPS:
        part = value / step
        if abs(part) >= 0.9995:  # which is shown as 1.00 of this unit
            digits = 2 if abs(part) < 9.995 else 1 if abs(part) < 99.95 else 0
            return f"{part:.{digits}f}{letter}"
    return f"{value:.0f}"


def share(value: float | None) -> str:
    """A fraction: 61 %, 5.3 %, 0.04 %; what is nearly all is not rounded to it: 99.96 %."""
    if value is None:
        return NONE
    size = abs(value)
    if 0 < size < 0.00005:
        return "<0.01 %" if value > 0 else ">-0.01 %"
    if 0.995 <= size < 1:
        return f"{max(min(100 * value, 99.99), -99.99):.2f} %"
    digits = 2 if size < 0.00995 else 1 if size < 0.0995 else 0
    return f"{100 * value:.{digits if value else 0}f} %"


def change(value: float) -> str:
    """A fraction against before: +197 %, -20 %."""
    return f"{100 * value:+,.0f} %".replace("-0 %", "0 %").replace("+0 %", "0 %")


def points(value: float | None) -> str:
    """The difference of two shares, in points of a percent: +3.2, -0.4."""
    return NONE if value is None else f"{100 * value:+.1f}"


def text(kind: Kind, value: float | None) -> str:
    """A value of a column of this kind that is neither text nor a change."""
    if value is None:
        return NONE
    if kind == "tokens":
        return amount(value)
    if kind in ("count", "rank"):
        return number(value)
    if kind in ("usd", "usd_mtok"):
        return usd(value)
    if kind == "share":
        return share(value)
    if kind in _PHYSICAL:
        return _PHYSICAL[kind](value)
    return seconds(value) if kind == "seconds" else tokens(value)
