"""What rankings and the list of requests ask, in SQLite; and what is imported for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from tokenworks.ledger import cubes, labelled, outside, sqlite_audit, tallies
from tokenworks.ledger.cubes import SessionRow, Where
from tokenworks.ledger.outside import OutsideRow, OutsideSource
from tokenworks.ledger.record import FIELDS, Record
from tokenworks.ledger.rollups import Row
from tokenworks.ledger.sqlite_file import SqliteFile, transaction


def _marks(count: int) -> str:
    return ",".join("?" * count)


# Statements are made of this package's own names only; everything from outside is a parameter.
_UPSERTS = [
    tallies.upsert(tally, f"VALUES ({_marks(len(tally.columns))})").format(least="min", greatest="max")
    for tally in (*tallies.TALLIES, tallies.WEEKS)
]
_LABEL = (
    f"INSERT OR IGNORE INTO labels ({', '.join(labelled.COLUMNS)})"  # noqa: S608
    f" VALUES ({_marks(len(labelled.COLUMNS))})"
)
_BOUNDS = "SELECT (SELECT min(day) FROM day_model), (SELECT max(day) FROM day_model)"
_SEARCH = f"SELECT {', '.join(FIELDS)} FROM requests WHERE time_us >= ? AND time_us < ?"  # noqa: S608
_CUT_OFF = (
    "SELECT time_us FROM request_facts WHERE time_us >= ? AND time_us < ?"
    " ORDER BY time_us DESC, id DESC LIMIT 1 OFFSET ?"
)
_OUTSIDE = (
    f"SELECT {', '.join(outside.COLUMNS)} FROM outside"  # noqa: S608
    " WHERE source = ? AND day >= ? AND day < ? ORDER BY day, span, model"
)
_KEEP = (
    f"INSERT INTO outside ({', '.join(outside.COLUMNS)})"  # noqa: S608
    f" VALUES ({_marks(len(outside.COLUMNS))})"
)
_SOURCES = "SELECT source, min(day), max(day), count(*) FROM outside GROUP BY source ORDER BY source"


def tally(connection: sqlite3.Connection, records: Sequence[Record], sums: Sequence[Sequence[Row]]) -> None:
    """In the transaction that adds ``records``: count them in every tally, and keep their labels.

    ``sums`` are what they add to the tables of ``GRAINS``.
    """
    tables = tallies.tallied(records)
    for statement, rows in zip(_UPSERTS, (*tables, tallies.shared(sums, tables)), strict=True):
        if rows:
            connection.executemany(statement, rows)
    labels = labelled.rows(records)
    if labels:
        connection.executemany(_LABEL, labels)


class SqliteRankings(SqliteFile):
    """See ``store.Store``."""

    def cube(
        self,
        name: str,
        by: Sequence[str],
        since_us: int,
        until_us: int,
        *,
        where: Where | None = None,
        measures: Sequence[str] = (),
    ) -> list[tuple[Any, ...]]:
        """Sums of a cube by some of its dimensions."""
        sql, parameters = cubes.query(name, by, since_us, until_us, where, measures=measures)
        with self._errors():
            return self._connection().execute(sql, parameters).fetchall()

    def bounds(self) -> tuple[int, int] | None:
        """The first and the last day with anything in them."""
        with self._errors():
            first, last = self._connection().execute(_BOUNDS).fetchone()
        return None if first is None else (first, last)

    def session_sums(
        self, week: int, *, private: bool | None = None, limit: int = 50_000
    ) -> list[SessionRow]:
        """Sessions of that week, a fair sample where there are more than ``limit``."""
        of = "" if private is None else " AND private = ?"
        parameters = [week, *([] if private is None else [private]), limit]
        with self._errors():
            rows = (
                self._connection()
                .execute(
                    f"{cubes.SESSIONS}{of} ORDER BY mix, session, key_id, model, private LIMIT ?", parameters
                )
                .fetchall()
            )
        return cubes.sessions(rows)

    def search(
        self,
        since_us: int,
        until_us: int,
        *,
        before: Record | None = None,
        limit: int = 50,
        where: Where | None = None,
    ) -> list[Record]:
        """The newest requests of the span that fit."""
        conditions, values = cubes.filters(where)
        if before is not None:
            until_us = min(until_us, before.time_us + 1)
        with self._errors():
            execute = self._connection().execute
            if where:
                cut = execute(_CUT_OFF, (since_us, until_us, cubes.MOST_LOOKED_AT)).fetchone()
                since_us = since_us if cut is None else cut[0]
            parameters: list[Any] = [since_us, until_us, *values]
            if before is not None:
                conditions += " AND (time_us, id) < (?, ?)"
                parameters += [before.time_us, before.id]
            sql = f"{_SEARCH}{conditions} ORDER BY time_us DESC, id DESC LIMIT ?"
            rows = execute(sql, [*parameters, limit]).fetchall()
        return [of_row(row) for row in rows]

    # --- what others have told ------------------------------------------------------------------

    def outside(self, source: str, since_day: int, until_day: int) -> list[OutsideRow]:
        """Rows of that source whose day is in the span."""
        with self._errors():
            rows = self._connection().execute(_OUTSIDE, (source, since_day, until_day)).fetchall()
        return [OutsideRow(*(*row[:-1], bool(row[-1]))) for row in rows]

    def replace_outside(self, source: str, rows: Sequence[OutsideRow], *, actor: str = "") -> int:
        """Put ``rows`` in the place of all that is there of their spans and days."""
        with self._errors(), transaction(self._connection()) as connection:
            connection.executemany(
                "DELETE FROM outside WHERE source = ? AND span = ? AND day = ?",
                [(source, *each) for each in outside.touched(rows)],
            )
            values = (msgspec.structs.astuple(msgspec.structs.replace(row, source=source)) for row in rows)
            connection.executemany(_KEEP, values)
            if rows:
                sqlite_audit.write(connection, actor, "rankings.import", source, {"rows": len(rows)})
        return len(rows)

    def outside_sources(self) -> list[OutsideSource]:
        """What is there of each source, by name."""
        with self._errors():
            rows = self._connection().execute(_SOURCES).fetchall()
        return [OutsideSource(*row) for row in rows]

    def forget_outside(self, source: str, *, actor: str = "") -> int:
        """Drop all of that source; returns how many rows."""
        with self._errors(), transaction(self._connection()) as connection:
            dropped = connection.execute("DELETE FROM outside WHERE source = ?", (source,)).rowcount
            if dropped:
                sqlite_audit.write(connection, actor, "rankings.forget", source, {"rows": dropped})
        return dropped


def of_row(row: Sequence[Any]) -> Record:
    """A record of a row of ``FIELDS``; SQLite knows no booleans."""
    values: dict[str, Any] = dict(zip(FIELDS, row, strict=True))
    for name in ("stream", "estimated", "private"):
        values[name] = bool(values[name])
    return Record(**values)
