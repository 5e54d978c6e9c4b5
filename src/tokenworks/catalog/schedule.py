"""Prices over time: which of several dated or hourly price rows is in force at a moment.

A :class:`Schedule` has one row in the common case. Later rows win over earlier ones while they
apply, and the first is the one that holds when no other does. All times are UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from tokenworks.schema import Price


class PriceRow(msgspec.Struct, frozen=True):
    """A price, and when it applies: from ``start`` on, or daily from ``daily[0]`` until ``daily[1]``."""

    price: Price
    start: date | None = None
    daily: tuple[time, time] | None = None  # UTC; an end before the begin runs past midnight

    def applies(self, at: datetime) -> bool:
        """Whether this row is in force at ``at`` (UTC)."""
        if self.start is not None and at.date() < self.start:
            return False
        if self.daily is None:
            return True
        begin, end = self.daily
        now = at.time()
        return begin <= now < end if begin <= end else now >= begin or now < end

    def next_boundary(self, after: datetime) -> datetime | None:
        """First moment past ``after`` (UTC) at which this row may begin or cease to apply."""
        moments: list[datetime] = []
        if self.start is not None:
            moments.append(datetime.combine(self.start, time(), UTC))
        for clock in self.daily or ():
            today = datetime.combine(after.date(), clock, UTC)
            moments.append(today if today > after else today + timedelta(days=1))
        return min((moment for moment in moments if moment > after), default=None)


class Schedule(msgspec.Struct, frozen=True):
    """All price rows of one endpoint."""

    rows: tuple[PriceRow, ...]

    @classmethod
    def fixed(cls, price: Price) -> Schedule:
        """A price that does not depend on time."""
        return cls((PriceRow(price),))

    def at(self, moment: datetime) -> Price:
        """The price in force at ``moment``; a moment without time zone is taken as UTC."""
        if len(self.rows) == 1:
            return self.rows[0].price
        moment = as_utc(moment)
        for row in reversed(self.rows):
            if row.applies(moment):
                return row.price
        return self.rows[0].price

    def next_change(self, after: datetime) -> datetime | None:
        """First moment past ``after`` at which the price may differ; None if it never will."""
        if len(self.rows) == 1:
            return None
        after = as_utc(after)
        boundaries = (row.next_boundary(after) for row in self.rows)
        return min((moment for moment in boundaries if moment is not None), default=None)


def as_utc(moment: datetime) -> datetime:
    """``moment`` in UTC; one without time zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
