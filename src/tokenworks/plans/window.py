"""Windows of limits: when what was spent begins to count and when it stops.

A *calendar* window ("month") begins at the same moment for everybody, in a time zone. A *rolling* one
("5h") looks back from now. "lifetime" never ends. What is spent is counted in *buckets*, each named by
its first second since 1970: a whole period of a calendar window, a sixtieth of a rolling one, 0 for ever.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

Kind = Literal["calendar", "rolling", "lifetime"]

NEVER_US = 2**62  # the end of a lifetime window; later than any clock
CALENDAR = ("minute", "hour", "day", "week", "month", "year")
MAX_SPAN_S = 3660 * 86_400  # of a rolling window; whoever wants more means "lifetime"
SPANS_S = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}

_WORDS = {"": "lifetime", "total": "lifetime", "once": "lifetime", "daily": "day"} | {
    f"{name}ly": name for name in ("hour", "week", "month", "year")
}
_CLOCK_S = {"minute": 60, "hour": 3600}
_ROLLING = re.compile(r"([0-9]{1,12}) ?(s|min|h|d|w)")
_PARTS = 60  # buckets in which a rolling window is counted


class Window:
    """One window; ``parse`` makes it. Times are unix µs; may be used from any thread."""

    __slots__ = ("kind", "span_s", "text", "timezone")

    def __init__(self, text: str, timezone: str, kind: Kind, span_s: int = 0) -> None:
        self.text = text  # as ``parse`` reads it again
        self.timezone = timezone
        self.kind: Kind = kind
        self.span_s = span_s  # length of a rolling window, else 0

    def __repr__(self) -> str:
        return f"Window({self.text!r}, {self.timezone!r})"

    def bucket(self, now_us: int) -> tuple[int, int]:
        """In which bucket what is spent now counts, and when the next bucket begins."""
        raise NotImplementedError

    def since(self, now_us: int) -> int:
        """The first bucket that counts now: the sum from there on is what is spent in the window."""
        raise NotImplementedError

    def frees_us(self, bucket: int, now_us: int) -> int:
        """When what was spent in ``bucket`` stops counting, which may be in the past."""
        raise NotImplementedError


class _Lifetime(Window):
    __slots__ = ()

    def bucket(self, now_us: int) -> tuple[int, int]:
        return 0, NEVER_US

    def since(self, now_us: int) -> int:
        return 0

    def frees_us(self, bucket: int, now_us: int) -> int:
        return NEVER_US


class _Rolling(Window):
    """A bucket counts until a whole window after its end: no shorter than asked for, at most a sixtieth
    (and a second, for the shortest) longer."""

    __slots__ = ("_part_s",)

    def __init__(self, text: str, timezone: str, span_s: int) -> None:
        super().__init__(text, timezone, "rolling", span_s)
        self._part_s = max(1, span_s // _PARTS)

    def bucket(self, now_us: int) -> tuple[int, int]:
        part_s = self._part_s
        begin = now_us // 1_000_000 // part_s * part_s
        return begin, (begin + part_s) * 1_000_000

    def since(self, now_us: int) -> int:
        # the first multiple of part_s with begin + part_s + span_s > now; all but now are whole seconds
        part_s = self._part_s
        over_s = now_us // 1_000_000 - part_s - self.span_s  # a bucket of this begin has just run out
        return (over_s // part_s + 1) * part_s

    def frees_us(self, bucket: int, now_us: int) -> int:
        return (bucket + self._part_s + self.span_s) * 1_000_000


class _Calendar(Window):
    __slots__ = ("_last", "_period")

    def __init__(self, text: str, timezone: str, period: Callable[[int], tuple[int, int]]) -> None:
        super().__init__(text, timezone, "calendar")
        self._period = period
        self._last = (0, 0)  # the bucket asked for last: it is the answer until it ends

    def bucket(self, now_us: int) -> tuple[int, int]:
        last = self._last
        if last[0] * 1_000_000 <= now_us < last[1]:
            return last
        begin, end = self._period(now_us // 1_000_000)
        self._last = found = begin, end * 1_000_000
        return found

    def since(self, now_us: int) -> int:
        return self.bucket(now_us)[0]

    def frees_us(self, bucket: int, now_us: int) -> int:
        last = self._last
        return last[1] if bucket == last[0] and last[1] else self._period(bucket)[1] * 1_000_000


@lru_cache(maxsize=4096)
def parse(text: str, timezone: str = "UTC") -> Window:
    """The window that ``text`` names. Raises ``ValueError`` with one line that names the valid forms."""
    place = zone(timezone)
    word = text.strip().lower()
    word = _WORDS.get(word, word)
    if word == "lifetime":
        return _Lifetime(word, timezone, "lifetime")
    if word in _CLOCK_S:
        unit_s = _CLOCK_S[word]
        return _Calendar(word, timezone, lambda now_s: _clock_period(place, unit_s, now_s))
    if word in CALENDAR:
        return _Calendar(word, timezone, lambda now_s: _date_period(place, word, now_s))
    if (found := _ROLLING.fullmatch(word)) and 0 < (count := int(found[1])) * SPANS_S[found[2]] <= MAX_SPAN_S:
        return _Rolling(f"{count}{found[2]}", timezone, count * SPANS_S[found[2]])
    if re.fullmatch(r"[0-9]+ ?m", word):
        raise ValueError(f"window {text[:40]!r}: write {word[:-1].strip()[:20]}min for minutes, or month")
    raise ValueError(
        f"window {text[:40]!r}: use minute, hour, day, week, month or year (by the calendar), "
        "30s, 90min, 5h, 7d or 2w (back from now, up to 10 years), or lifetime"
    )


def zone(timezone: str) -> tzinfo:
    """The time zone of this IANA name. Raises ``ValueError`` with one line that names the fix."""
    if timezone == "UTC":  # works without time zone data
        return UTC
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:  # not found, no name at all, a folder
        if not available_timezones():
            raise ValueError(
                f"time zone {timezone[:40]!r}: this machine has no time zone data; "
                "install tzdata (a system or Python package), or use UTC"
            ) from error
        raise ValueError(
            f"time zone {timezone[:40]!r} is not known: use an IANA name such as Europe/Berlin, or UTC"
        ) from error


def reached_s(place: tzinfo, wall: datetime) -> int:
    """The first unix second at which clocks in ``place`` show ``wall`` (naive) or have jumped past it."""
    local = wall.replace(tzinfo=place, fold=0)  # the first one, where clocks show it twice
    at_s = int(local.timestamp())
    if datetime.fromtimestamp(at_s, place).replace(tzinfo=None, fold=0) == wall:
        return at_s
    # No clock ever shows it: find the jump. With fold the answer is as far before it as at_s is after.
    before_s = int(local.replace(fold=1).timestamp())
    return _first_s(before_s, at_s, lambda s: datetime.fromtimestamp(s, place).replace(tzinfo=None) >= wall)


def _date_period(place: tzinfo, unit: str, now_s: int) -> tuple[int, int]:
    """First second of the day, week, month or year that contains ``now_s``, and of the next one.

    It begins when clocks first show its midnight. Where they are put back over midnight, what they show
    twice belongs to the new day from then on: no period begins twice.
    """
    day = _first_day(unit, datetime.fromtimestamp(now_s, place).date())
    begin = reached_s(place, datetime(day.year, day.month, day.day))
    while True:
        day = _first_day(unit, day + timedelta(days={"day": 1, "week": 7, "month": 31, "year": 366}[unit]))
        end = reached_s(place, datetime(day.year, day.month, day.day))
        if end > now_s:
            return begin, end
        begin = end


def _first_day(unit: str, day: date) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def _clock_period(place: tzinfo, unit_s: int, now_s: int) -> tuple[int, int]:
    """First second of the hour or minute (``unit_s``) that contains ``now_s``, and of the next one.

    Clocks put back show an hour twice; these are two hours. Where they are changed by a part of an
    hour, one hour ends and another begins with the change.
    """
    offset_s = _offset_s(place, now_s)
    begin = (now_s + offset_s) // unit_s * unit_s - offset_s
    end = begin + unit_s

    def same(at_s: int) -> bool:
        return (_offset_s(place, at_s) - offset_s) % unit_s == 0

    if not same(begin):
        begin = _first_s(begin, now_s, same)
    if not same(end - 1):
        end = _first_s(now_s, end - 1, lambda at_s: not same(at_s))
    return begin, end


def _offset_s(place: tzinfo, at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, place).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _first_s(low_s: int, high_s: int, test: Callable[[int], bool]) -> int:
    """The first second for which ``test`` is true, which it is not at ``low_s`` and is at ``high_s``."""
    return low_s + 1 + bisect_left(range(low_s + 1, high_s), True, key=test)
