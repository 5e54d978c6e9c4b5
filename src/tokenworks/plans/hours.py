"""Hours of the week at which a key may be used: ``Mon-Fri 09:00-18:00``, ``Sat,Sun``, ``22:00-06:00``."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime

from tokenworks.plans.window import zone

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON_S = 60 * 86_400  # an opening that is further off is not looked for; there is none in practice

_DAY_MIN, _WEEK_MIN = 1440, 7 * 1440
_DAY = f"(?:{'|'.join(DAYS)})"
_SPAN = re.compile(
    rf"(?P<days>{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*)?"
    r"(?:(?:^| )(?P<h1>[0-9]{1,2})(?::(?P<m1>[0-5][0-9]))?-(?P<h2>[0-9]{1,2})(?::(?P<m2>[0-5][0-9]))?)?"
)


class Hours:
    """When clocks in a time zone show one of some spans of the week. Times are unix µs.

    What counts is what the clock shows: an hour that it shows twice is in or out both times.
    """

    __slots__ = ("_edges", "_known", "_open", "_zone")

    def __init__(self, spans: tuple[str, ...], timezone: str = "UTC") -> None:
        """Open in each of ``spans``, always without any. Raises ``ValueError`` with one line."""
        self._zone = zone(timezone)
        self._open = _minutes(spans)  # for each minute of the week, from Monday on
        self._edges = [i for i in range(_WEEK_MIN) if self._open[i] != self._open[i - 1]]
        self._known = (0, 0, False)  # from, until, open: the answer given last

    def allows(self, now_us: int) -> bool:
        """Whether it is open now."""
        return self._at(now_us)[2]

    def until_us(self, now_us: int) -> int:
        """Until when ``allows`` says the same: the next change, or some days ahead where that is further."""
        return self._at(now_us)[1]

    def opens_us(self, now_us: int) -> int:
        """When it is open next; now, if it is."""
        _, until_us, is_open = self._at(now_us)
        if is_open:
            return now_us
        last_us = now_us + HORIZON_S * 1_000_000
        while until_us < last_us and not self._shows(until_us // 1_000_000):
            until_us = self._change_s(until_us // 1_000_000) * 1_000_000
        return until_us

    def _at(self, now_us: int) -> tuple[int, int, bool]:
        known = self._known
        if not known[0] <= now_us < known[1]:
            now_s = now_us // 1_000_000
            known = (now_s * 1_000_000, self._change_s(now_s) * 1_000_000, self._shows(now_s))
            self._known = known
        return known

    def _shows(self, at_s: int) -> bool:
        local = datetime.fromtimestamp(at_s, self._zone)
        return bool(self._open[local.weekday() * _DAY_MIN + local.hour * 60 + local.minute])

    def _change_s(self, now_s: int) -> int:
        """The next second with another answer, or one 7 days or more ahead up to which there is none."""
        is_open, at_s = self._shows(now_s), now_s
        while at_s < now_s + 7 * 86_400:
            offset = self._offset(at_s)
            next_s = at_s + self._steady_s(at_s)
            if self._offset(next_s) != offset:  # clocks are changed on the way
                steps = range(at_s + 1, next_s)
                next_s = at_s + 1 + bisect_left(steps, True, key=lambda s: self._offset(s) != offset)
            at_s = next_s
            if self._shows(at_s) != is_open:
                return at_s
        return at_s

    def _steady_s(self, at_s: int) -> int:
        """Seconds to the next edge if no clock is changed before, a day at most."""
        local = datetime.fromtimestamp(at_s, self._zone)
        minute = local.weekday() * _DAY_MIN + local.hour * 60 + local.minute
        if not self._edges:
            return 86_400
        at = bisect_right(self._edges, minute)
        edge = self._edges[at] if at < len(self._edges) else self._edges[0] + _WEEK_MIN
        return min((edge - minute) * 60 - local.second, 86_400)

    def _offset(self, at_s: int) -> object:
        return datetime.fromtimestamp(at_s, self._zone).utcoffset()


def _minutes(spans: Iterable[str]) -> bytearray:
    """1 for each minute of the week that is in one of ``spans``."""
    marked = bytearray(_WEEK_MIN)
    empty = True
    for text in spans:
        empty = False
        days, begin, length = _parse(text)
        for day in days:
            for minute in range(begin, begin + length):
                marked[(day * _DAY_MIN + minute) % _WEEK_MIN] = 1  # past midnight, and past Sunday
    return bytearray(b"\1" * _WEEK_MIN) if empty else marked


def _parse(text: str) -> tuple[set[int], int, int]:
    """Days, the first minute of each, and how many minutes from there."""
    word = re.sub(r"\s*([,-])\s*", r"\1", " ".join(text.lower().split()))
    found = _SPAN.fullmatch(word)
    if not word or found is None:
        raise ValueError(
            f"hours {text[:40]!r}: write days and times of 24 hours, as in Mon-Fri 09:00-18:00, "
            "Sat,Sun or 22:00-06:00"
        )
    begin = _minute(text, found["h1"] or "0", found["m1"])
    end = _minute(text, found["h2"] or "24", found["m2"])
    if begin in (end, _DAY_MIN):
        raise ValueError(f"hours {text[:40]!r}: that is no time at all; a whole day is 00:00-24:00")
    return _days(found["days"]), begin, (end - begin) % _DAY_MIN or _DAY_MIN


def _minute(text: str, hour: str, minute: str | None) -> int:
    value = int(hour) * 60 + int(minute or 0)
    if value > _DAY_MIN:
        raise ValueError(f"hours {text[:40]!r}: a day goes from 00:00 to 24:00")
    return value


def _days(text: str | None) -> set[int]:
    if text is None:
        return set(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin = DAYS.index(first)
        days.update((begin + i) % 7 for i in range((DAYS.index(last or first) - begin) % 7 + 1))
    return days
