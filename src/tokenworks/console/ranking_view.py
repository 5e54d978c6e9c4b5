"""A table of rankings as a page shows it: heads that sort, cells with names, figures and links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tokenworks.console import ranking_figures as figures
from tokenworks.console.formats import NONE, number
from tokenworks.console.ranking_names import Names
from tokenworks.console.ranking_query import Query
from tokenworks.rankings import compare
from tokenworks.rankings.chart import Chart
from tokenworks.rankings.table import Column, Row, Table, sort
from tokenworks.rankings.views import VIEWS

# What a name leads to: the view, and the filter that is set. Models lead to the first that can tell.
_DRILL: dict[str, tuple[str, ...]] = {
    "model": ("provider", "app", "key", "model"),
    "author": ("model",),
    "country": ("author",),
    "weights": ("model",),
    "provider": ("model",),
    "app": ("model",),
    "key": ("model",),
    "team": ("model",),
    "user": ("model",),
}
# Columns that say of a row what another one does in the reader's language, or what its link says.
_LEFT_OUT = ("title", "key_id")
# What is told of a name, after the figures that people look for.
_LATER = ("author", "country", "weights", "team")
_BESIDE = tuple(each.name for each in compare.COLUMNS)
_SIGNED = "share_difference"
_UNKNOWN = "unknown"


class Head(msgspec.Struct, frozen=True):
    """One column's head. ``now``: "ascending" or "descending" if the table is sorted by it."""

    name: str
    label: str
    right: bool
    address: str
    now: str


class Cell(msgspec.Struct, frozen=True):
    """One cell. ``part``: how long its bar is, None for none; ``title``: the whole figure or name."""

    kind: str
    text: str
    right: bool = False
    address: str = ""
    title: str = ""
    value: float | None = None
    part: float | None = None


class Line(msgspec.Struct, frozen=True):
    """One row. ``kind``: "" with a rank, "others" or "total"."""

    kind: str
    cells: list[Cell]
    filled: bool = False


class Board(msgspec.Struct, frozen=True):
    """A whole table."""

    heads: list[Head]
    lines: list[Line]
    total: Line | None
    filled: bool  # whether any row is marked so
    most: float  # the share whose bar is full: the largest of those with a rank


class Painter:
    """Makes boards for one reader and one question. ``admin``: links to views of persons are given too."""

    def __init__(self, names: Names, query: Query, *, admin: bool) -> None:
        self._names, self._query, self._admin = names, query, admin

    def board(self, table: Table, only: Sequence[str] = ()) -> Board:
        """All columns, or those in ``only``."""
        table = self.sorted(table)
        shown = _chosen(table.columns, only)
        first = next((each.name for each in shown if each.kind == "text"), "")
        lines = [
            Line(
                "" if row["rank"] is not None else "others",
                [self._cell(each, row, first) for each in shown],
                bool(row.get("filled")),
            )
            for row in table.rows
        ]
        return Board(
            [self._head(each) for each in shown],
            lines,
            self._total(table, shown, first) if table.rows else None,
            any(line.filled for line in lines),
            max((row.get("share") or 0 for row in table.rows if row["rank"] is not None), default=0) or 1,
        )

    def chart(self, chart: Chart) -> dict[str, Any]:
        """What the macro of that name draws."""
        t = self._names.t
        names = [self._names.name(chart.view, each.name) for each in chart.series]
        return {
            "kind": "stacked",
            "format": "tokens",
            "x": t(f"rankings.unit_{chart.unit}"),
            "labels": chart.labels,
            "series": [
                {"name": name, "values": each.values, "others": each.name == "others"}
                for name, each in zip(names, chart.series, strict=True)
            ],
        }

    def sorted(self, table: Table) -> Table:
        """In the order that was asked for; by rank where that is no column."""
        wanted = self._query.sort
        name = wanted.removeprefix("-")
        if name not in {each.name for each in table.columns}:
            return table
        return sort(table, name, descending=wanted.startswith("-"))

    def _head(self, column: Column) -> Head:
        sorting = self._query.sort
        now = {column.name: "ascending", f"-{column.name}": "descending"}.get(sorting, "")
        number_first = column.kind not in ("text", "rank")
        return Head(
            column.name,
            self._names.t(f"rankings.col_{column.name}"),
            column.kind not in ("text", "rank"),
            self._query.sorted_by(column.name, number=number_first),
            now,
        )

    def _cell(self, column: Column, row: Row, first: str) -> Cell:
        value = row.get(column.name)
        kind, right = column.kind, column.kind not in ("text", "rank")
        if kind == "text":
            return self._named(column.name, row, first)
        if value is None and kind == "rank":
            return Cell("rank", "")
        if kind == "change":
            # nothing before: a row that is there for the first time says so where its rank would have moved
            return Cell(kind, NONE if value is None else figures.change(value), right, value=value)
        if kind == "rank_change":
            known = row["rank"] is not None
            return Cell(
                kind if known else "text", "" if value is None else str(abs(value)), right, value=value
            )
        if column.name == _SIGNED:
            return Cell("points", figures.points(value), right, value=value)
        exact = number(value) if kind == "tokens" and value is not None else ""
        part = value if column.name == "share" and row["rank"] is not None else None
        return Cell(kind, figures.text(kind, value), right, title=exact, value=value, part=part)

    def _named(self, column: str, row: Row, first: str) -> Cell:
        value = row.get(column)
        if row["rank"] is None:
            return Cell("text", self._names.name(column, value) if column == first and value else "")
        if value is None:
            return Cell("text", NONE)
        name = self._names.name(column, value)
        return Cell("text", name, address=self._drill(column, row), title=value if value != name else "")

    def _drill(self, column: str, row: Row) -> str:
        """Where a name leads to; "" where no view can tell more, or that is where one is."""
        value = row["key_id"] if column == "key" and "key_id" in row else row[column]
        if column == "country" and not value:
            value = _UNKNOWN
        if not value or value == "other":
            return ""
        query, found = self._query, []
        for view in _DRILL.get(column, ()):
            hidden = VIEWS[view].audience == "admin" and not self._admin
            if not hidden and not (column in query.where and query.view == view):
                lost = sum(name not in VIEWS[view].filters for name in query.where)
                found.append((lost, query.narrowed(view, column, value)))
        # where what it is narrowed by stays, if there is such a view
        return min((each for each in found if each[1]), key=lambda each: each[0], default=(0, ""))[1]

    def _total(self, table: Table, shown: Sequence[Column], first: str) -> Line:
        row = {"rank": None, **table.total}
        cells = [self._cell(each, row, "") for each in shown]
        at = next((at for at, each in enumerate(shown) if each.name == first), 0)
        cells[at] = Cell("text", self._names.t("rankings.total"))
        return Line("total", cells)


def _chosen(columns: Sequence[Column], only: Sequence[str]) -> list[Column]:
    """Those in ``only`` in that order; else all, with what is told of a name behind its first figures."""
    if only:
        named = {each.name: each for each in columns}
        return [named[name] for name in only if name in named]
    texts = [each.name for each in columns if each.kind == "text"]
    beside = [each for each in columns if each.name in _BESIDE]
    later = [each for each in columns if each.name in _LATER and each.name not in texts[:1]]
    shown = [each for each in columns if each not in (*beside, *later) and each.name not in _LEFT_OUT]
    moved = next((at for at, each in enumerate(shown, start=1) if each.kind == "rank_change"), len(shown))
    return [*shown[:moved], *beside, *later, *shown[moved:]]
