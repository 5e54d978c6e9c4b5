"""How people write limits: ``20/month`` and ``2/5h`` of dollars, ``60rpm``, ``requests:1000/day``."""

from __future__ import annotations

import re

from tokenworks.ledger.limit_rows import UNITS
from tokenworks.plans import window
from tokenworks.schema import NANO_USD

MAX_AMOUNT = 9 * 10**18  # what a 63-bit column holds, with room: 9 billion dollars
MAX_TEXT = 100  # characters of a limit

BUDGET_FORMS = "write dollars and a window, as in 20/month, 2/5h or 0.50/day, or dollars alone for ever"
LIMIT_FORMS = (
    "write 60rpm, 100ktpm (itpm, otpm: input, output), 1000rpd, 10 concurrent, "
    "or UNIT:AMOUNT/WINDOW as in requests:1000/day or input_tokens:2M/5h"
)

_SCALES: dict[str, int] = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9}
_AMOUNT = r"(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]+))? ?(?P<scale>[kKMB]?)"
_WINDOW = r"(?: ?/ ?(?P<window>[^/]+))?"
_BUDGET = re.compile(rf"\$? ?{_AMOUNT}{_WINDOW}")
_NAMED = re.compile(rf"(?P<unit>[A-Za-z_]+) ?: ?{_AMOUNT}{_WINDOW}")
_COUNTED = re.compile(rf"{_AMOUNT} ?(?P<unit>[A-Za-z_]+){_WINDOW}")
_RATED = {"r": "requests", "t": "tokens", "it": "input_tokens", "ot": "output_tokens"}
_RATES = {"s": "1s", "m": "1min", "h": "1h", "d": "1d"}
_SHORT = {f"{u}p{w}": (unit, span) for u, unit in _RATED.items() for w, span in _RATES.items()}
_SHORT_OF = {meaning: short for short, meaning in _SHORT.items()}
_RESETS = {"daily": "day", "weekly": "week", "monthly": "month"}


def parse(text: str) -> tuple[str, int, str]:
    """Unit, amount and window of a budget or any other limit: numbers without a unit are dollars.

    Amounts of "usd" are nano-dollars, else counts. Raises ``ValueError`` with one line.
    """
    if _BUDGET.fullmatch(_tidy(text)):
        return "usd", *parse_budget(text)
    return parse_limit(text)


def parse_budget(text: str) -> tuple[int, str]:
    """Nano-dollars and window of ``20/month``, ``$2/5h``, ``100`` (for ever). Raises ``ValueError``."""
    found = _BUDGET.fullmatch(_tidy(text))
    if found is None:
        raise ValueError(f"budget {text[:40]!r}: {BUDGET_FORMS}")
    return _amount(f"budget {text[:40]!r}", found, NANO_USD), _window(found)


def parse_limit(text: str) -> tuple[str, int, str]:
    """Unit, amount and window of a limit that says what it counts. Raises ``ValueError`` with one line.

    Requests or tokens a minute, hour or day, as in ``60rpm``, are counted in a window that rolls. For
    money it is ``$20/month`` or ``usd:20/month``.
    """
    tidy, name = _tidy(text), f"limit {text[:40]!r}"
    if tidy.startswith("$"):
        return "usd", *parse_budget(text)
    found = _NAMED.fullmatch(tidy) or _COUNTED.fullmatch(tidy)
    if found is None:
        if _BUDGET.fullmatch(tidy):
            raise ValueError(f"{name}: say of what, as in requests:{tidy[:40]} or ${tidy[:40]}")
        raise ValueError(f"{name}: {LIMIT_FORMS}")
    unit = found["unit"].lower()
    if unit in _SHORT and found.re is _COUNTED and found["window"] is None:
        unit, span = _SHORT[unit]
        return unit, _amount(name, found, 1), span
    unit = "concurrent" if unit == "c" else unit
    if unit not in UNITS:
        raise ValueError(f"{name}: {LIMIT_FORMS}")
    if unit == "concurrent" and found["window"] is not None:
        raise ValueError(f"{name}: what runs at the same time has no window; leave it out")
    return unit, _amount(name, found, NANO_USD if unit == "usd" else 1), _window(found)


def show_budget(amount: int, window_text: str) -> str:
    """A short text that ``parse_budget`` reads as these nano-dollars and this window."""
    dollars, rest = divmod(amount, NANO_USD)
    number = f"{dollars}.{rest:09d}".rstrip("0").rstrip(".")
    return number if window_text == "lifetime" else f"{number}/{window_text}"


def show_limit(unit: str, amount: int, window_text: str) -> str:
    """A short text that ``parse_limit`` reads as this limit."""
    if unit == "usd":
        return f"${show_budget(amount, window_text)}"
    if unit == "concurrent":
        return f"{amount} concurrent"
    short = _SHORT_OF.get((unit, window_text))
    if short is not None:
        return f"{_count(amount)}{short}"
    return f"{unit}:{_count(amount)}" + ("" if window_text == "lifetime" else f"/{window_text}")


def reset_window(limit_reset: str | None) -> str:
    """The window for what aggregators call ``limit_reset``: daily, weekly, monthly or null.

    Raises ``ValueError`` with one line.
    """
    if limit_reset is None:
        return "lifetime"
    if limit_reset not in _RESETS:
        raise ValueError(f"limit_reset {limit_reset[:40]!r}: use daily, weekly, monthly or null")
    return _RESETS[limit_reset]


def _tidy(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise ValueError(f"limit {text[:40]!r}: that is longer than {MAX_TEXT} characters")
    return " ".join(text.split())


def _window(found: re.Match[str]) -> str:
    return window.parse(found["window"] or "lifetime").text


def _amount(name: str, found: re.Match[str], unit: int) -> int:
    """The amount as a whole number of ``1 / unit``; exact, no floats."""
    whole, part, scale = found["whole"], found["part"] or "", found["scale"]
    if not whole and not part:
        raise ValueError(f"{name}: the amount is missing; {BUDGET_FORMS if unit > 1 else LIMIT_FORMS}")
    digits = int(whole + part) * unit * _SCALES["k" if scale == "K" else scale]
    amount, rest = divmod(digits, int("1" + "0" * len(part)))
    if amount > MAX_AMOUNT:
        raise ValueError(f"{name}: that is more than can be counted; leave the limit out for none")
    if rest:
        finest = "nine digits after the point at most" if unit > 1 else "a whole number"
        raise ValueError(f"{name}: write {finest}")
    if amount == 0:
        raise ValueError(f"{name}: write more than 0; to refuse everything disable the key")
    return amount


def _count(amount: int) -> str:
    """``amount`` in digits, or with k, M or B where that is no longer and it is 10,000 at least."""
    texts = [str(amount)]
    for scale, size in _SCALES.items():
        if amount >= 10_000 and amount >= size > 1:
            whole, rest = divmod(amount, size)
            part = f"{rest:0{len(str(size)) - 1}d}".rstrip("0")
            texts.append(f"{whole}{'.' if part else ''}{part}{scale}")
    return min(reversed(texts), key=len)
