"""What stands in one cell: a number of tokens, a day, the name of a model, yes or no.

Each function raises ``ValueError`` with half a sentence that says what is wrong with the cell.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from tokenworks.errors import BadRequest
from tokenworks.ledger.outside import MAX_TOKENS, Span
from tokenworks.rankings.periods import day_number, first_day

MAX_MODEL = 200  # characters
_MAX_SHOWN = 40  # of a cell that an error repeats
_MAX_NUMBER = 60

_GROUP = "[,_ '\u2019\u00a0\u2009\u202f]"  # between thousands
_NUMBER = re.compile(
    rf"\+?(?P<whole>\d{{1,3}}(?:{_GROUP}\d{{3}})+|\d+)(?:\.(?P<part>\d+))?"
    r"(?:[eE]\+?(?P<power>\d{1,2})|[ \u00a0]?(?P<suffix>[kKmMbBtT]))?",
    re.ASCII,
)
_POWERS = {"": 0, "k": 3, "m": 6, "b": 9, "t": 12}
_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:\.0{1,9})?)?(?:Z|\+00:?00)?")
_YES, _NO = ("true", "yes", "y", "1"), ("false", "no", "n", "0", "")


def amount(value: Any, what: str) -> int:
    """A number of ``what`` ("tokens", "requests"): 0 or more, whole.

    Texts may group thousands (``1,234``), be followed by K, M, B or T (``8.7T``) or have an exponent.
    """
    if type(value) is str:
        text = value.strip()
        if len(text) < 17 and text.isascii() and text.isdecimal():
            return int(text)  # nearly all of them
        found = _written(text, what)
    elif type(value) is int:
        found = value
    elif type(value) is float and value.is_integer():
        found = int(value)
    else:
        raise ValueError(f"{shown(value)} is no number of {what}")
    if found < 0:
        raise ValueError(f"{shown(value)} is negative")
    if found > MAX_TOKENS:
        raise ValueError(f"{shown(value)} is too large; {MAX_TOKENS:,} {what} is the most in one row")
    return found


def when(value: Any, unit: Span | None) -> tuple[Span, int]:
    """The span and its first day since 1970. ``unit`` None: as the form of the text tells.

    A week is ``2026-W08`` or the date of its Monday, a month ``2026-02`` or the date of its first day.
    """
    if type(value) is not str or not value.strip():
        raise ValueError(f"{shown(value)} is no date; write it like 2026-02-20")
    text = value.strip()
    text = text[:10] if len(text) > 10 and _MIDNIGHT.fullmatch(text[10:]) else text
    form: Span = "week" if "W" in text.upper() else "month" if len(text) == 7 else "day"
    try:
        first = first_day(text.upper() if form == "week" else text, form)
    except BadRequest as error:
        raise ValueError(f"{error.message.partition(', or latest')[0]}") from None
    span = unit or form
    if form not in (span, "day"):
        raise ValueError(f"{shown(value)} is a {form}, not a {span}")
    if span == "week" and first.weekday() != 0:
        raise ValueError(f"{text} is no Monday; weeks are written like 2026-W08 or as their Monday's date")
    if span == "month" and first.day != 1:
        raise ValueError(f"{text} is not the first of a month; months are written like 2026-02")
    return span, day_number(first)


def not_after(day: int, today: date) -> None:
    """Refuse what has not begun; a day of grace, for it is tomorrow already elsewhere."""
    if day > day_number(today) + 1:
        raise ValueError(f"it has not begun yet: today is {today.isoformat()}")


def model(value: Any, variant: Any = None) -> str:
    """The model's id; ``variant`` is added as ``:free`` where it is none of the usual one."""
    if type(value) is not str:
        raise ValueError(f"{shown(value)} is no name of a model")
    name = value.strip()
    if not name:
        raise ValueError("the model is empty")
    if type(variant) is str and variant.strip() not in ("", "standard", "default"):
        name = name if ":" in name else f"{name}:{variant.strip()}"
    elif variant is not None and type(variant) is not str:
        raise ValueError(f"{shown(variant)} is no variant of a model")
    if len(name) > MAX_MODEL:
        raise ValueError(f"{shown(name)} has {len(name):,} characters; {MAX_MODEL} is the most")
    if not name.isprintable():
        raise ValueError(f"{shown(name)} has a control or invisible character")
    return name


def flag(value: Any) -> bool:
    """Yes or no; nothing is no."""
    if value is None or type(value) is bool:
        return bool(value)
    text = str(value).strip().lower() if type(value) in (str, int) else "?"
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise ValueError(f"{shown(value)} is neither true nor false")


def is_empty(value: Any) -> bool:
    """Whether nothing is told."""
    return value is None or (type(value) is str and not value.strip())


def shown(value: Any) -> str:
    """The cell as an error repeats it: on one line, without control characters, cut where it is long."""
    text = repr(value[:_MAX_SHOWN] if type(value) is str else value)
    if len(text) > _MAX_SHOWN + 10 or (type(value) is str and len(value) > _MAX_SHOWN):
        return f"{text[:_MAX_SHOWN]}..."
    return text


def _written(text: str, what: str) -> int:
    """The whole number that ``text`` writes, exactly: 2.45T is 2450000000000, never a float near it."""
    positive = text[1:] if text.startswith(("-", "\u2212")) else text
    found = _NUMBER.fullmatch(positive) if len(text) <= _MAX_NUMBER else None
    if found is None:
        told = f"the number of {what} is missing" if not text else f"{shown(text)} is no number of {what}"
        raise ValueError(told)
    part = (found["part"] or "").rstrip("0")
    power = int(found["power"]) if found["power"] else _POWERS[(found["suffix"] or "").lower()]
    if len(part) > power:
        raise ValueError(f"{shown(text)} is no whole number of {what}")
    digits: str = re.sub(_GROUP, "", found["whole"]) + part
    whole = int(digits) * int(10 ** (power - len(part)))
    return whole if positive is text else -whole
