"""What a page of rankings is asked for, read from its address, and the addresses of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.rankings.periods import LATEST, UNITS, Period, first_day, label_of
from tokenworks.rankings.views import VIEWS
from tokenworks.rankings.views.view import FILTERS, OUTSIDE_FILTERS, View

PATH = "/console/rankings"
TOPS = (10, 20, 50, 100)
TOP = 20
MAX_TEXT = 200  # characters of one parameter
_STEPS = {"day": 1, "week": 7, "month": 32}  # days from the first of one period into the next


class Query(msgspec.Struct, frozen=True):
    """One page of rankings. Everything but ``view`` stands in the address's query."""

    view: str  # "" the overview
    unit: str = "week"
    at: str = LATEST
    top: int = TOP
    timezone: str = "UTC"
    private: bool = True  # False: private traffic is left out
    source: str = ""  # "" our own traffic
    against: str = ""  # a source that is shown beside
    sort: str = ""  # a column, with "-" before it for the largest first; "" by rank
    by: str = "model"  # of the overview's chart
    where: Mapping[str, str] = {}
    home_zone: str = "UTC"  # that is used where nobody asks for another, and need not be said

    @property
    def path(self) -> str:
        """Without its parameters."""
        return f"{PATH}/{self.view}" if self.view else PATH

    @property
    def parameters(self) -> dict[str, str]:
        """What differs from the defaults, as it stands in the address."""
        said: dict[str, str] = {}
        if self.unit != "week":
            said["unit"] = self.unit
        if self.at != LATEST:
            said["at"] = self.at
        if self.top != TOP:
            said["top"] = str(self.top)
        if self.timezone != self.home_zone:
            said["timezone"] = self.timezone
        if not self.private:
            said["private"] = "exclude"
        for name in ("source", "against", "sort"):
            if getattr(self, name):
                said[name] = getattr(self, name)
        if self.by != "model":
            said["by"] = self.by
        return {**said, **self.where}

    def address(self, part: str = "", **changes: Any) -> str:
        """The address of this with ``changes``; ``part`` is added to its path."""
        other = self.changed(**changes)
        said = other.parameters
        return f"{other.path}{part}?{urlencode(said)}" if said else f"{other.path}{part}"

    def changed(self, **changes: Any) -> Query:
        """The same with ``changes``. What another view can't be asked falls away."""
        other = msgspec.structs.replace(self, **changes)
        if other.unit != self.unit and "at" not in changes and self.at != LATEST:
            other = msgspec.structs.replace(other, at=_moved(self.at, self.unit, other.unit))
        if other.view == self.view and other.source == self.source:
            return other
        view = VIEWS.get(other.view)
        if view is None:
            return msgspec.structs.replace(other, sort="", where={})
        source = other.source if view.outside else ""
        against = other.against if view.outside else ""
        known = OUTSIDE_FILTERS if source else view.filters
        where = {name: value for name, value in other.where.items() if name in known}
        names = {each.name for each in view.columns}
        sort = other.sort if other.sort.removeprefix("-") in names else ""
        return msgspec.structs.replace(other, source=source, against=against, where=where, sort=sort)

    def without(self, name: str) -> str:
        """The address without the filter of this name."""
        return self.address(where={each: value for each, value in self.where.items() if each != name})

    def narrowed(self, view: str, name: str, value: str) -> str:
        """The address of ``view`` narrowed further, or "" where it can't be asked that."""
        wanted = VIEWS[view]
        known = OUTSIDE_FILTERS if self.source and wanted.outside else wanted.filters
        if name not in known or (self.source and not wanted.outside):
            return ""
        return self.address(view=view, where={**self.where, name: value}, sort="")

    def sorted_by(self, column: str, *, number: bool) -> str:
        """The address that the head of a column leads to: numbers largest first, then the other way."""
        first, second = (f"-{column}", column) if number else (column, f"-{column}")
        return self.address(sort=second if self.sort == first else first)


def read(given: Mapping[str, str], view: str, home_zone: str, *, admin: bool) -> Query:
    """What is asked for; whatever can't be meant is as if it had not been said.

    Labels, zones, sources and filters are judged by who looks them up. Where nobody is signed in private
    traffic stays out.
    """
    texts = {name: value.strip()[:MAX_TEXT] for name, value in given.items() if value.strip()}
    unit = texts.get("unit", "week")
    top = texts.get("top", "")
    return Query(
        view=view,
        unit=unit if unit in UNITS else "week",
        at=texts.get("at", LATEST),
        top=next((number for number in TOPS if str(number) == top), TOP),
        timezone=texts.get("timezone", home_zone),
        private=admin and texts.get("private") != "exclude",
        source=texts.get("source", ""),
        against=texts.get("against", ""),
        sort=texts.get("sort", ""),
        by=texts.get("by", "model"),
        where={name: texts[name] for name in FILTERS if name in texts},
        home_zone=home_zone,
    )


def after(period: Period) -> str:
    """The label of the one after it, or "" while it runs."""
    if not period.complete:
        return ""
    return label_of(period.day + timedelta(days=_STEPS[period.unit]), period.unit)


def last_day(period: Period) -> date:
    """The last day of it."""
    following = label_of(period.day + timedelta(days=_STEPS[period.unit]), period.unit)
    return first_day(following, period.unit) - timedelta(days=1)


def shown_by(view: View, *, admin: bool) -> bool:
    """Whether this visitor may see the view."""
    return admin or view.audience == "anyone"


def _moved(label: str, unit: str, other: str) -> str:
    """The period of another unit at the same place: the one with the first day of this one."""
    try:
        return label_of(first_day(label, unit), other)
    except BadRequest:
        return LATEST
