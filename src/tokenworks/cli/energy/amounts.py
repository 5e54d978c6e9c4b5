"""Numbers of a plan as people read them: three digits that matter, in units of a size that fits."""

from __future__ import annotations

import math


def seconds(value: float) -> str:
    """ "41 ms", "26.5 s", "1,200 s"."""
    return f"{digits(value)} s" if value >= 1 else f"{digits(value * 1e3)} ms"


def count(value: float) -> str:
    """A number of things: whole from a hundred up."""
    return f"{value:,.0f}" if value >= 100 else digits(value)


def dollars(value: float) -> str:
    """Cents from a dollar up, three digits that matter below."""
    if value >= 1 or value == 0:
        return f"${value:,.2f}"
    whole, _, cents = digits(value).partition(".")
    return f"${whole}.{cents:0<2}"


def digits(value: float) -> str:
    """Three significant digits, without powers of ten."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text
