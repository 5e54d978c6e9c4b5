"""Sums of a period out of the store's cubes: which cube can tell, narrowed, in whatever time zone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from tokenworks.errors import BadRequest
from tokenworks.ledger.cubes import CUBES
from tokenworks.ledger.rollups import DAY_US, HOUR_US
from tokenworks.rankings.books import Maker
from tokenworks.rankings.periods import Period
from tokenworks.rankings.views.ranked import Spans
from tokenworks.rankings.views.view import Asked

# What each filter needs to be told apart; those of who made a model need the model.
_NEEDS = {
    **{"model": "model", "author": "model", "country": "model", "weights": "model"},
    **{"provider": "provider", "app": "app", "key": "key_id", "team": "key_id", "user": "user"},
}
HOURLY = frozenset(("model", "provider"))  # cubes whose sums "hour" has by the hour
UTC_NOTE = "By days of UTC: this view keeps no finer sums."
CUT_NOTE = "This time zone's days begin within an hour of UTC, so they are cut to whole hours of UTC."
NO_PRIVATE = "Private traffic is part of these figures: it is not kept apart here."

Name = TypeVar("Name", bound=Hashable)
Vector = tuple[int, ...]
Groups = dict[str, Vector]
Test = Callable[[Sequence[Any]], bool]


class Fetch(NamedTuple):
    """What to read: a cube, its dimensions in the order of ``by``, equalities, and tests of each row.

    And which of its measures; () for all.
    """

    cube: str
    by: tuple[str, ...]
    where: dict[str, str | bool]
    tests: tuple[Test, ...]
    measures: tuple[str, ...] = ()

    @property
    def grain_us(self) -> int:
        """How finely this can be told."""
        return HOUR_US if self.cube in HOURLY else DAY_US


def filters_of(cubes: Sequence[str]) -> tuple[str, ...]:
    """What a view over these cubes can be narrowed by."""
    there = {name for cube in cubes for name in CUBES[cube].dimensions}
    return tuple(name for name, needed in _NEEDS.items() if needed in there)


def fetch_of(
    asked: Asked,
    cubes: Sequence[str],
    groups: Sequence[str],
    measures: tuple[str, ...] = (),
    equal: Mapping[str, str] | None = None,
) -> Fetch:
    """How to read ``measures`` of ``groups`` out of the first of ``cubes`` that can tell all that is asked.

    ``equal``: what dimensions must be, besides what is asked.

    Raises BadRequest where none can.
    """
    needed = {*groups, *(_NEEDS[name] for name in asked.where)}
    for name in cubes:
        if needed <= set(CUBES[name].dimensions):
            break
    else:
        asked_by = " and ".join(asked.where)
        raise BadRequest(
            f"the {asked.view.name} view can't be narrowed by {asked_by} at once; leave one of them out"
        )
    by = list(groups)
    where: dict[str, str | bool] = dict(equal or {})
    if asked.private is False and "private" in CUBES[name].dimensions:
        where["private"] = False
    tests = [test for filtered in asked.where if (test := _narrow(asked, filtered, by, where)) is not None]
    return Fetch(name, tuple(by), where, tuple(tests), measures)


def _narrow(asked: Asked, name: str, by: list[str], where: dict[str, str | bool]) -> Test | None:
    """Adds an equality to ``where``, or a dimension to ``by`` and tells how to test it."""
    value, books = asked.where[name], asked.books
    dimension = _NEEDS[name]
    if name in ("key", "team"):
        ids = books.key_ids(value) if name == "key" else books.team_ids(value)
        if name == "key" and len(ids) == 1 and dimension not in where:
            where[dimension] = ids[0]
            return None
        allowed = frozenset(ids)
        at = _position(by, dimension)
        return lambda row: row[at] in allowed
    if name == "provider":
        at = _position(by, dimension)
        return lambda row: row[at] == value or row[at].startswith(f"{value}/")
    if name == dimension:
        where[dimension] = value
        return None
    at = _position(by, dimension)
    return maker_test(asked, name, lambda row: str(row[at]))


def maker_test(asked: Asked, name: str, model_of: Callable[[Any], str]) -> Callable[[Any], bool]:
    """Tells of a row whether its model is the one asked for, or its author, country or weights are."""
    value, books = asked.where[name], asked.books
    if name == "model":
        return lambda row: model_of(row) == value
    wanted = value.upper() if name == "country" else value.lower()
    if name == "country" and wanted == "UNKNOWN":
        wanted = ""
    at = Maker._fields.index(name)
    return lambda row: books.maker(model_of(row))[at] == wanted


def _position(by: list[str], dimension: str) -> int:
    if dimension not in by:
        by.append(dimension)
    return by.index(dimension)


def rows_of(asked: Asked, fetch: Fetch, period: Period) -> list[tuple[Any, ...]]:
    """Rows of ``fetch`` over the period: each ``by``, then its measures. One combination may come thrice."""
    found: list[tuple[Any, ...]] = []
    for cube, since_us, until_us in _parts(fetch, period):
        rows = _most_of_a_day(asked, fetch, since_us, until_us) if cube == "hour" else None
        if rows is None:
            rows = asked.books.cube(cube, fetch.by, since_us, until_us, fetch.where, fetch.measures)
        found += rows
    for test in fetch.tests:
        found = [row for row in found if test(row)]
    return found


def _parts(fetch: Fetch, period: Period) -> list[tuple[str, int, int]]:
    """Whole days from a cube by the day, what sticks out at the ends from the one by the hour."""
    since, until = period.since_us // HOUR_US * HOUR_US, period.until_us // HOUR_US * HOUR_US
    if since >= until:
        return []
    if fetch.grain_us == DAY_US:
        return [(fetch.cube, since, until)]
    first, last = -(-since // DAY_US) * DAY_US, until // DAY_US * DAY_US
    if first > last:
        return [("hour", since, until)]
    parts = [("hour", since, first), (fetch.cube, first, last), ("hour", last, until)]
    return [part for part in parts if part[1] < part[2]]


def _most_of_a_day(asked: Asked, fetch: Fetch, since_us: int, until_us: int) -> list[tuple[Any, ...]] | None:
    """These hours of one day as that day less its other hours, where this is fewer rows to read.

    None where it is not, or where both can't be told of the same moment: the day still runs, or got late
    records between the two reads.
    """
    day_us = since_us // DAY_US * DAY_US
    ends = ((day_us, since_us), (until_us, day_us + DAY_US))
    rest = [(since, until) for since, until in ends if since < until]
    left = sum(until - since for since, until in rest)
    if not 0 < left < DAY_US // 2 or not asked.books.is_over(day_us + DAY_US):
        return None
    width = len(fetch.by)
    hours = (
        row
        for since, until in rest
        for row in asked.books.cube("hour", fetch.by, since, until, fetch.where, fetch.measures)
    )
    others = folded(hours, width, lambda row: tuple(row[:width]))
    found = []
    for row in asked.books.cube(fetch.cube, fetch.by, day_us, day_us + DAY_US, fetch.where, fetch.measures):
        name, values = row[:width], row[width:]
        if (less := others.pop(name, None)) is not None:
            values = tuple(map(int.__sub__, values, less))
            if min(values) < 0:
                return None
        if any(values):
            found.append((*name, *values))
    return None if others else found


def placed(asked: Asked, grain_us: int) -> Period:
    """The period as it can be told: by days of UTC where there is nothing finer."""
    if grain_us < DAY_US:
        return asked.period
    return asked.period.of_zone("UTC", asked.books.now_us())


def spans(
    asked: Asked, period: Period, grain_us: int, read: Callable[[Period], dict[str, Any]]
) -> Spans[Any]:
    """What ``read`` finds in the period, and what to compare: the same whole days or hours of both."""
    now = read(period)
    like = period.cut(grain_us)
    if like.since_us >= like.until_us:
        return Spans(now, {}, {})
    return Spans(now, now if period.complete else read(like), read(like.before()))


def folded(
    rows: Iterable[Sequence[Any]], width: int, name: Callable[[Sequence[Any]], Name]
) -> dict[Name, Vector]:
    """Sums of all from position ``width`` on, by what ``name`` says of a row."""
    groups: dict[Name, Vector] = {}
    for row in rows:
        group = name(row)
        values = tuple(row[width:])
        known = groups.get(group)
        groups[group] = values if known is None else tuple(map(int.__add__, known, values))
    return groups


def joined(width: int) -> Callable[[Iterable[Vector]], Vector]:
    """Adds up vectors of ``width`` numbers; zeros of none."""
    nothing = (0,) * width

    def join(vectors: Iterable[Vector]) -> Vector:
        return tuple(map(sum, zip(*vectors, strict=True))) or nothing

    return join


def notes(asked: Asked, fetch: Fetch) -> list[str]:
    """What a reader should know of how this was told."""
    told = []
    if fetch.grain_us == DAY_US and asked.period.zone != "UTC":
        told.append(UTC_NOTE)
    elif asked.period.since_us % HOUR_US or asked.period.until_us % HOUR_US:
        told.append(CUT_NOTE)
    if asked.private is False and "private" not in CUBES[fetch.cube].dimensions:
        told.append(NO_PRIVATE)
    return told
