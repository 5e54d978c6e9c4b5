"""Days, ISO weeks and months in any time zone, by their labels.

A period that still runs is compared with the same part of the one before: in whole hours, since that is the
finest that sums are kept in.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.ledger.rollups import DAY_US, HOUR_US
from tokenworks.plans.window import reached_s, zone

Unit = Literal["day", "week", "month"]
UNITS: tuple[Unit, ...] = ("day", "week", "month")
LATEST = "latest"

EPOCH = date(1970, 1, 1)
FIRST_YEAR, LAST_YEAR = 2000, 9998

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SHOWN = 40  # characters of a label that an error repeats
_EXAMPLES = {"day": "2026-02-20", "week": "2026-W08", "month": "2026-02"}
_LABELS = {
    "day": re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII),
    "week": re.compile(r"(\d{4})-W(\d{2})", re.ASCII),
    "month": re.compile(r"(\d{4})-(\d{2})", re.ASCII),
}


class Period(msgspec.Struct, frozen=True):
    """One day, week or month of a time zone: ``[since_us, until_us)``, unix µs.

    ``cut_us`` is its end, or while it runs the last whole hour since its beginning that is over.
    """

    unit: Unit
    label: str  # "2026-02-20", "2026-W08" or "2026-02"
    zone: str
    since_us: int
    until_us: int
    complete: bool
    cut_us: int

    @property
    def day(self) -> date:
        """Its first day."""
        return first_day(self.label, self.unit)

    def before(self) -> Period:
        """The one before it; while this one runs, up to the same point: ``until_us`` is there then."""
        other = _made(self.unit, self.day - timedelta(days=1), self.zone, None)
        if self.complete:
            return other
        until_us = min(other.since_us + self.cut_us - self.since_us, other.until_us)
        return msgspec.structs.replace(other, until_us=until_us, cut_us=until_us)

    def cut(self, grain_us: int = HOUR_US) -> Period:
        """What is over of it in whole ``grain_us``; itself once it is complete."""
        if self.complete:
            return self
        cut_us = self.since_us + (self.cut_us - self.since_us) // grain_us * grain_us
        return msgspec.structs.replace(self, until_us=cut_us, cut_us=cut_us)

    def of_zone(self, timezone: str, now_us: int) -> Period:
        """The period of the same label elsewhere."""
        return self if timezone == self.zone else _made(self.unit, self.day, timezone, now_us)

    @property
    def whole_days(self) -> bool:
        """Whether it begins and ends with a day of UTC, as roll-ups by the day do."""
        return self.since_us % DAY_US == 0 and (not self.complete or self.until_us % DAY_US == 0)


def period(text: str, unit: str, timezone: str, now_us: int, newest_day: int | None) -> Period:
    """The period of this label; "latest" is the one with ``newest_day`` (since 1970, UTC; None: with now).

    Raises BadRequest, which names the fix, for what is no such period or has not begun.
    """
    if unit not in UNITS:
        raise BadRequest(f"unit must be one of {', '.join(UNITS)}")
    where = zone_of(timezone)
    today = _moment(now_us).astimezone(where).date()
    if text == LATEST:
        if newest_day is None:
            return _made(unit, today, timezone, now_us)
        last_us = min((newest_day + 1) * DAY_US - 1, now_us)  # the newest that may be there
        return _made(unit, _moment(last_us).astimezone(where).date(), timezone, now_us)
    first = first_day(text, unit)
    if first.year < FIRST_YEAR:
        raise BadRequest(f"{text}: years are {FIRST_YEAR} to {LAST_YEAR}")
    if first > today:
        newest = label_of(today, unit)
        raise BadRequest(f"{text} has not begun; ask for {newest} or one before, or for {LATEST}")
    return _made(unit, first, timezone, now_us)


def first_day(text: str, unit: str) -> date:
    """The first day of the period of this label. Raises BadRequest."""
    found = _LABELS[unit].fullmatch(text)
    if found is None:
        raise BadRequest(
            f"{_shown(text)!r} is no {unit}; write it like {_EXAMPLES[unit]}, or {LATEST} for the newest"
        )
    year = int(found[1])
    if not FIRST_YEAR - 10 <= year <= LAST_YEAR:  # those before the first one are gone back to
        raise BadRequest(f"{text}: years are {FIRST_YEAR} to {LAST_YEAR}")
    if unit == "week":
        return _monday(text, year, int(found[2]))
    month = int(found[2])
    if not 1 <= month <= 12:
        raise BadRequest(f"{text}: months are 01 to 12")
    if unit == "month":
        return date(year, month, 1)
    days = (_next_month(date(year, month, 1)) - timedelta(days=1)).day
    if not 1 <= int(found[3]) <= days:
        raise BadRequest(f"{text}: {text[:7]} has {days} days")
    return date(year, month, int(found[3]))


def label_of(day: date, unit: str) -> str:
    """The label of the period that ``day`` is in."""
    if unit == "day":
        return day.isoformat()
    if unit == "month":
        return f"{day.year:04}-{day.month:02}"
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"


def days_of(since_us: int, until_us: int) -> tuple[int, int]:
    """The days since 1970 (UTC) that ``[since_us, until_us)`` touches; the second is not included."""
    return since_us // DAY_US, -(-until_us // DAY_US)


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH).days


def zone_of(name: str) -> tzinfo:
    """The time zone of this IANA name. Raises BadRequest."""
    try:
        return zone(name)
    except ValueError as error:
        raise BadRequest(str(error)) from None


def _monday(text: str, year: int, week: int) -> date:
    weeks = date(year, 12, 28).isocalendar().week  # which is always in the last week of its year
    if not 1 <= week <= weeks:
        raise BadRequest(f"{text}: {year} has {weeks} weeks")
    return date.fromisocalendar(year, week, 1)


def _made(unit: str, day: date, timezone: str, now_us: int | None) -> Period:
    """The period that ``day`` is in. None for now: it is over."""
    if unit == "week":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    elif unit == "month":
        first = day.replace(day=1)
        after = _next_month(first)
    else:
        first, after = day, day + timedelta(days=1)
    where = zone_of(timezone)
    since_us, until_us = _midnight(first, where), _midnight(after, where)
    complete = now_us is None or now_us >= until_us
    cut_us = until_us
    if now_us is not None and not complete:
        cut_us = since_us + max(now_us - since_us, 0) // HOUR_US * HOUR_US
    known: Unit = "week" if unit == "week" else "month" if unit == "month" else "day"
    return Period(known, label_of(first, unit), timezone, since_us, until_us, complete, cut_us)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _midnight(day: date, where: tzinfo) -> int:
    return reached_s(where, datetime.combine(day, time())) * 1_000_000


def _moment(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


def _shown(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
