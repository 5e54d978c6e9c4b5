"""What differs between two runs of the same command though nothing has changed: times, durations, ids.

Other numbers are left alone: the 40 % of a job or the price of a share is what a poll is made for.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST = 16_384  # characters; a longer text is only the same when it is equal

_UNIT = "(?:ns|us|µs|ms|s|secs?|seconds?|mins?|minutes?|hrs?|hours?)"
_VOLATILE = re.compile(
    r"(?<![0-9A-Za-z])(?:"  # at the beginning of a word, and nearly all of them with a digit
    r"(?=\d)(?:"
    rf"(?P<lasted>(?<![_.:])(?:\d+h\s?)?(?:\d+m\s?)?\d+(?:\.\d+)?\s?{_UNIT}\b)"
    # a date alone is content, and so is 12:34, which may be a line and a column
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|(?<![_.:])\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
    r"|(?<![_.])1[5-9]\d{8}(?:\d{3})?(?:\.\d+)?(?!\w)"  # seconds or milliseconds since 1970
    r"|0x[0-9a-fA-F]{4,}\b"
    r")"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|(?=(?:[A-Za-z]*\d){4})(?=\d*[A-Za-z])[0-9A-Za-z]{16,}"  # ids of requests, digests
    r")"
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s?([a-zµ]+)")
_SECONDS = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Masked(NamedTuple):
    """A text without what is volatile in it."""

    text: str
    lasted_s: float  # its durations together


def masked(text: str) -> Masked:
    """``text`` with times, durations and ids replaced by ``#``."""
    if len(text) > LONGEST:
        return Masked(text, 0.0)
    lasted_s = 0.0

    def replace(match: re.Match[str]) -> str:
        nonlocal lasted_s
        if match["lasted"]:
            lasted_s += sum(float(number) * _seconds(unit) for number, unit in _PART.findall(match["lasted"]))
        return "#"

    return Masked(_VOLATILE.sub(replace, text), lasted_s)


def _seconds(unit: str) -> float:
    return _SECONDS["ms"] if unit == "ms" else _SECONDS[unit[0]]
