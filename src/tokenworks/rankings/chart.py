"""Market shares over time: what is stacked week on week, month on month or day on day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.ledger.cubes import CUBES
from tokenworks.ledger.rollups import DAY_US, TOKENS
from tokenworks.ledger.tallies import week_of
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import EPOCH, Period, label_of
from tokenworks.rankings.table import OTHERS, ordered
from tokenworks.rankings.views import VIEWS, outside, view_of
from tokenworks.rankings.views.sums import UTC_NOTE, Fetch, fetch_of, maker_test
from tokenworks.rankings.views.view import Asked

MOST_WEEKS = {"day": 13, "week": 52, "month": 104}  # how far back charts of each unit reach

_SHARE = "share"  # the cube of weeks
_KINDS = frozenset(("model", "provider", "app", "task"))  # that it tells apart
_OF_MODELS = frozenset(("model", "author", "country", "weights"))  # filters that a model's name answers

Amounts = dict[str, dict[str, int]]  # group → label of a bar → tokens


class Series(msgspec.Struct):
    """One group's tokens in each bar."""

    name: str
    values: list[int]


class Chart(msgspec.Struct):
    """Stacked bars: ``series`` from the largest down, all others last, each as long as ``labels``."""

    view: str
    unit: str
    timezone: str
    source: str
    complete: bool  # False: the last bar still grows
    labels: list[str]
    series: list[Series]
    note: str = ""


def chart(
    books: Books,
    view: str,
    until: Period,
    *,
    weeks: int | None = None,
    top: int = 9,
    private: bool | None = None,
    source: str = "",
    where: Mapping[str, str] | None = None,
) -> Chart:
    """Tokens of the ``top`` groups in each bar of ``until``'s unit, up to ``until``, ``weeks`` back at most.

    Bars are of UTC. Those before the first with anything in it are left out. Raises BadRequest for a view
    that has no chart, and for what can't be told.
    """
    asked = Asked(
        books, view_of(view), until.of_zone("UTC", books.now_us()), top, private, source, where or {}
    )
    asked.view.check(asked)
    if not asked.view.charted:
        there = ", ".join(name for name, each in VIEWS.items() if each.charted)
        raise BadRequest(f"the {view} view has no chart; there are charts of {there}")
    most = MOST_WEEKS[until.unit]
    weeks = min(52, most) if weeks is None else weeks
    if not 1 <= weeks <= most:
        raise BadRequest(f"weeks must be from 1 to {most} for a chart by the {until.unit}")
    bars = _bars(asked.period, weeks)
    amounts = _outside(asked, bars) if source else _own(asked, bars)
    labels = _from_first([each.label for each in bars], amounts)
    return Chart(
        view=view,
        unit=until.unit,
        timezone="UTC",
        source=source,
        complete=asked.period.complete,
        labels=labels,
        series=_stacked(amounts, labels, top),
        note="" if until.zone == "UTC" else UTC_NOTE,
    )


def _bars(last: Period, weeks: int) -> list[Period]:
    """The bars, the oldest first: those that begin in the ``weeks`` up to the end of ``last``."""
    since_us = last.until_us - weeks * 7 * DAY_US
    bars = [last]
    while True:
        earlier = msgspec.structs.replace(bars[-1], complete=True).before()  # whole, also while it runs
        if earlier.since_us < since_us:
            return bars[::-1]
        bars.append(earlier)


def _own(asked: Asked, bars: list[Period]) -> Amounts:
    view = asked.view
    fetch = _shares(asked) or fetch_of(asked, view.cubes, (view.dimension,), equal=view.equal)
    measures = CUBES[fetch.cube].measures
    fetch = fetch._replace(measures=("tokens",) if "tokens" in measures else TOKENS)
    tests, width = fetch.tests, len(fetch.measures)
    amounts: Amounts = {}
    known: dict[str, dict[str, int]] = {}  # a year has fifty rows of each name, whose group is one
    for label, row in _rows(asked, fetch, bars):
        if tests and not all(test(row) for test in tests):
            continue
        of = known.get(row[0])
        if of is None:
            of = known[row[0]] = amounts.setdefault(view.group(asked.books, row[0]), {})
        of[label] = of.get(label, 0) + (row[-1] if width == 1 else sum(row[-width:]))
    return amounts


def _shares(asked: Asked) -> Fetch | None:
    """How to read the shares that are kept by the week: for a year they are far fewer rows than days'.

    None where they can't tell what is asked.
    """
    view = asked.view
    kind = view.equal.get("kind", view.dimension)
    own = _OF_MODELS if kind == "model" else frozenset()
    if asked.period.unit != "week" or kind not in _KINDS or not own.issuperset(asked.where):
        return None
    where: dict[str, str | bool] = {"kind": kind}
    if asked.private is False:
        where["private"] = False
    tests = tuple(maker_test(asked, name, lambda row: str(row[0])) for name in asked.where)
    return Fetch(_SHARE, ("name",), where, tests)


def _rows(asked: Asked, fetch: Fetch, bars: list[Period]) -> Iterable[tuple[str, tuple[Any, ...]]]:
    """The label of a bar, and a row of sums in it: what is over at once, then what still runs."""
    closed = [each for each in bars if each.complete]
    parts = [part for part in (closed, bars[len(closed) :]) if part]
    if asked.period.unit == "month":
        parts = [[each] for each in bars]
    unit = {"day": "day", "week": "week"}.get(asked.period.unit)
    by = (*fetch.by, unit) if unit else fetch.by
    for part in parts:
        labels = {_number(each): each.label for each in part}
        until_us = part[-1].until_us
        if fetch.cube == _SHARE and not part[-1].complete:  # a week of them is whole, also while it runs
            until_us = part[-1].since_us + 7 * DAY_US
        rows = asked.books.cube(fetch.cube, by, part[0].since_us, until_us, fetch.where, fetch.measures)
        for row in rows:
            yield labels[row[len(fetch.by)]] if unit else part[0].label, row


def _number(bar: Period) -> int:
    """Of its day or week since 1970, as the store counts them."""
    day = bar.since_us // DAY_US
    return week_of(day) if bar.unit == "week" else day


def _outside(asked: Asked, bars: list[Period]) -> Amounts:
    whole = msgspec.structs.replace(asked.period, since_us=bars[0].since_us)
    amounts: Amounts = {}
    for row in outside.rows_of(asked, whole):
        label = label_of(EPOCH + timedelta(days=row.day), asked.period.unit)
        rest = row.model.lower() in outside.REST
        of = amounts.setdefault(OTHERS if rest else asked.view.group(asked.books, row.model), {})
        of[label] = of.get(label, 0) + row.tokens
    return amounts


def _from_first(labels: list[str], amounts: Amounts) -> list[str]:
    used = {label for of in amounts.values() for label, tokens in of.items() if tokens}
    first = next((at for at, label in enumerate(labels) if label in used), len(labels) - 1)
    return labels[first:]


def _stacked(amounts: Amounts, labels: list[str], top: int) -> list[Series]:
    rest = amounts.pop(OTHERS, {})
    totals = {name: sum(of.values()) for name, of in amounts.items()}
    names = [name for name in ordered(totals) if totals[name]]
    series = [Series(name, [amounts[name].get(label, 0) for label in labels]) for name in names[:top]]
    others = [rest, *(amounts[name] for name in names[top:])]
    values = [sum(of.get(label, 0) for of in others) for label in labels]
    return [*series, Series(OTHERS, values)] if any(values) else series
