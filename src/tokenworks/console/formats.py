"""Numbers, money and times as pages show them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tokenworks.rankings import figures
from tokenworks.schema import NANO_USD

NONE = "–"
_STEPS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def number(value: float | None, digits: int = 0) -> str:
    """1234567 -> "1,234,567"."""
    return NONE if value is None else f"{value:,.{digits}f}"


def tokens(value: float | None) -> str:
    """8700000000000 -> "8.7T": three figures at most."""
    if value is None:
        return NONE
    for step, letter in _STEPS:
        # 999.5 and more would be shown as 1000 of the smaller unit
        if abs(value) >= 0.9995 * step:
            return f"{_three(value / step)}{letter}"
    return _three(value)


def _three(value: float) -> str:
    """Three figures at most, no zeros behind the point."""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def usd(value: float | None) -> str:
    """Dollars: "$1,234.50", "$0.0123", "$0"; small amounts keep three figures."""
    if value is None:
        return NONE
    if value == 0:
        return "$0"
    sign, value = ("-" if value < 0 else ""), abs(value)
    if value >= 0.995:
        return f"{sign}${value:,.2f}"
    if value < 1e-9:
        return f"{sign}<$0.000000001"
    digits = 2
    while digits < 12 and value * 10**digits < 99.5:
        digits += 1
    text = f"{value:.{digits}f}".rstrip("0")
    return f"{sign}${text if len(text.partition('.')[2]) >= 2 else f'{value:.2f}'}"


def nano_usd(value: int | None) -> str:
    """The same for nano-dollars, as the ledger counts."""
    return NONE if value is None else usd(value / NANO_USD)


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction: 0.613 -> "61.3 %"."""
    return NONE if value is None else f"{100 * value:,.{digits}f} %"


def seconds(value: float | None) -> str:
    """0.25 -> "250 ms", 12.3 -> "12.3 s", 95 -> "1 min 35 s"."""
    if value is None:
        return NONE
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    if value < 60:
        return f"{_three(value)} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s"


def moment(time_us: int | None, zone: str = "UTC", *, short: bool = False) -> str:
    """A unix time in µs as "2026-11-26 14:03:09" in that zone; ``short``: without seconds."""
    if time_us is None:
        return NONE
    local = datetime.fromtimestamp(time_us / 1e6, ZoneInfo(zone))
    return local.strftime("%Y-%m-%d %H:%M" if short else "%Y-%m-%d %H:%M:%S")


def iso(time_us: int) -> str:
    """The same for machines: RFC 3339 in UTC."""
    return datetime.fromtimestamp(time_us / 1e6, ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")


FILTERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "tokens": tokens,
    "usd": usd,
    "nano_usd": nano_usd,
    "percent": percent,
    "seconds": seconds,
    "moment": moment,
    "iso": iso,
    "energy": lambda kwh: NONE if kwh is None else figures.energy(kwh),
    "carbon": lambda grams: NONE if grams is None else figures.carbon(grams),
    "joules": lambda amount: NONE if amount is None else figures.joules(amount),
}
