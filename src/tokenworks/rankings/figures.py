"""Figures as people read them: 8.7T tokens, 61 %, up 197 %."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

_STEPS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
_SPACE = "\u00a0"  # no line breaks between a number and its sign
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def tokens(count: float | None) -> str:
    """Three significant digits: 2.45T, 900B, 12."""
    if count is None:
        return ""
    size = abs(count)
    for step, letter in _STEPS:
        if size >= step * 0.9995:  # what would round to 1,000 of the next smaller
            scaled = count / step
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            text = f"{scaled:,.{digits}f}"
            return (text.rstrip("0").rstrip(".") if digits else text) + letter
    return f"{count:,.0f}"


def share(part: float | None) -> str:
    """A fraction as 61 %; 0.4 % where it is small."""
    if part is None:
        return ""
    percent = part * 100
    small = 0 < abs(percent) < 9.95
    return f"{percent:.{1 if small else 0}f}{_SPACE}%"


def change(fraction: float | None) -> str:
    """By how much something grew: +197 %, −20 %; "new" where there was nothing before."""
    if fraction is None:
        return "new"
    percent = f"{abs(fraction) * 100:,.0f}"
    if percent == "0":
        return f"0{_SPACE}%"
    return f"{'+' if fraction > 0 else chr(0x2212)}{percent}{_SPACE}%"


def move(places: int | None) -> str:
    """How many ranks something moved, with a sign that is no colour: ▲2, ▼1, = or new."""
    if places is None:
        return "new"
    return "=" if places == 0 else f"{'▲' if places > 0 else '▼'}{abs(places)}"


def energy(kwh: float | None) -> str:
    """Kilowatt-hours in a unit that leaves three digits: 12.3 kWh, 4.56 Wh, 0.87 mWh."""
    return _scaled(kwh, ((1e3, "MWh"), (1.0, "kWh"), (1e-3, "Wh"), (1e-6, "mWh")))


def carbon(grams: float | None) -> str:
    """Grams likewise: 1.2 t, 3.45 kg, 120 g, 5.1 mg."""
    return _scaled(grams, ((1e6, "t"), (1e3, "kg"), (1.0, "g"), (1e-3, "mg")))


def joules(amount: float | None) -> str:
    """Joules likewise: 1.2 kJ, 3.45 J, 120 mJ."""
    return _scaled(amount, ((1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")))


def _scaled(value: float | None, units: Sequence[tuple[float, str]]) -> str:
    if value is None:
        return ""
    for step, unit in units:
        if abs(value) >= step * 0.9995 or step == units[-1][0]:
            part = value / step
            digits = 2 if abs(part) < 9.995 else 1 if abs(part) < 99.95 else 0
            text = f"{part:,.{digits}f}"
            return f"{text.rstrip('0').rstrip('.') if digits else text}{_SPACE}{unit}"
    raise AssertionError


def word(number: int) -> str:
    """A small number as a word."""
    return _WORDS[number] if 0 <= number < len(_WORDS) else f"{number:,}"


def days(first: date, after: date) -> str:
    """The days of a period: 16 to 22 February 2026."""
    last = after - timedelta(days=1)
    if last <= first:
        return f"{first.day} {_MONTHS[first.month - 1]} {first.year}"
    begins = str(first.day)
    if (first.year, first.month) != (last.year, last.month):
        begins += f" {_MONTHS[first.month - 1]}"
    if first.year != last.year:
        begins += f" {first.year}"
    return f"{begins} to {last.day} {_MONTHS[last.month - 1]} {last.year}"
