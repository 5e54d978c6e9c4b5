"""How figures of rankings are written in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenworks.cli.table import plain, usd
from tokenworks.rankings.figures import carbon, change, energy, joules, move, share
from tokenworks.rankings.table import Kind

_SIZES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def written(value: Any, kind: Kind, name: str = "") -> str:
    """One cell; what nobody knows is a dash."""
    if kind == "text":
        return "-" if value in (None, "") else plain(str(value))
    if kind == "rank_change":
        return move(value)
    if value is None:
        return "" if kind == "rank" else "-"
    if name == "share_difference":
        return points(value)
    return _FORMS[kind](value)


def tokens(number: float) -> str:
    """Three digits, so that they stand below each other: 8.70T, 123M, 950."""
    for size, letter in _SIZES:
        if number >= 0.9995 * size:
            value = number / size
            return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}{letter}"
    return f"{number:,.0f}"


def points(fraction: float) -> str:
    """The difference of two shares in percentage points: +1.5 pp."""
    return f"{100 * fraction:+.1f} pp".replace("-", "\N{MINUS SIGN}")


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.1 else f"{1000 * value:.0f} ms"


_FORMS: dict[str, Callable[[Any], str]] = {
    "rank": str,
    "tokens": tokens,
    "count": "{:,}".format,
    "usd": usd,
    "usd_mtok": usd,
    "share": share,
    "change": change,
    "seconds": _seconds,
    "rate": "{:,.1f}/s".format,
    "energy": energy,
    "carbon": carbon,
    "joules": joules,
}
