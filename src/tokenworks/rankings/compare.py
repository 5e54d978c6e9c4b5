"""Our own shares beside those of an outside source."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import Period
from tokenworks.rankings.table import Row, Table, columns
from tokenworks.rankings.views import VIEWS, ranking

EVERY = 1_000_000  # rows: all of them
COLUMNS = columns(("share_there", "share"), ("rank_there", "rank"), ("share_difference", "share"))


def against(
    books: Books, table: Table, period: Period, source: str, where: Mapping[str, str] | None = None
) -> Table:
    """``table`` with each row's share and rank at ``source``, and how much larger its share is here.

    All three are null where the source knows nothing of it, or told nothing of that time at all. Raises
    BadRequest for a view that outside sources don't have.
    """
    if not VIEWS[table.view].outside:
        can = ", ".join(name for name, view in VIEWS.items() if view.outside)
        raise BadRequest(f"the {table.view} view can't be held against a source; these can: {can}")
    theirs = ranking(books, table.view, period, top=EVERY, source=source, where=where)
    named = next(each.name for each in table.columns if each.kind == "text")
    there = _by_name(theirs, named)
    listed = {_same(row[named]) for row in table.rows if row["rank"] is not None}
    rows = []
    for row in table.rows:
        found = there.get(_same(row[named])) if row["rank"] is not None else None
        if row["rank"] is None and there:
            found = {"share": 1 - sum(each["share"] for name, each in there.items() if name in listed)}
        rows.append({**row, **_beside(row, found)})
    note = f"There: {source}, {theirs.period}. {theirs.note}".strip()
    if not there:
        note = f"{source} told nothing of {theirs.period}."
    return msgspec.structs.replace(
        table,
        columns=[*table.columns, *COLUMNS],
        rows=rows,
        note=f"{table.note} {note}".strip(),
    )


def _by_name(table: Table, named: str) -> dict[str, Row]:
    """Share and rank there: of several variants the sum, and the best."""
    found: dict[str, Row] = {}
    for row in table.rows:
        if row["rank"] is not None:
            known = found.setdefault(_same(row[named]), {"share": 0.0, "rank": row["rank"]})
            known["share"] += row["share"] or 0.0
    return found


def _beside(row: Row, there: Row | None) -> Row:
    share = there["share"] if there else None
    here = row["share"]
    return {
        "share_there": share,
        "rank_there": there.get("rank") if there else None,
        "share_difference": None if share is None or here is None else here - share,
    }


def _same(name: str) -> str:
    """What two spellings of one model have in common: case and variants don't matter."""
    return name.lower().partition(":")[0]
