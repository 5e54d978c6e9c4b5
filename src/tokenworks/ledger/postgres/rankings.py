"""What rankings and the list of requests ask, in PostgreSQL; and what is imported for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tokenworks.ledger import cubes, outside, tallies
from tokenworks.ledger.cubes import SessionRow, Where
from tokenworks.ledger.outside import OutsideRow, OutsideSource
from tokenworks.ledger.postgres import audit
from tokenworks.ledger.postgres.database import Connection, Database
from tokenworks.ledger.record import FIELDS, Record

_TYPES = {
    **dict.fromkeys(
        (
            *("user", "model", "provider", "context", "finish_reason", "kind", "label", "session", "key_id"),
            *("name", "basis"),
        ),
        "text",
    ),
    "private": "boolean",
}


def _quoted(name: str) -> str:
    return f'"{name}"'


def _arrays(columns: Sequence[str]) -> str:
    kinds = (_TYPES.get(name, "bigint") for name in columns)
    arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
    return f"SELECT * FROM unnest({arrays})"  # noqa: S608


# Statements are made of this package's own names only; everything from outside is a parameter.
_UPSERTS = [
    tallies.upsert(tally, _arrays(tally.columns), _quoted, "t.")
    .format(least="least", greatest="greatest")
    .encode()
    for tally in (*tallies.TALLIES, tallies.WEEKS)
]
_LABEL = (
    b"INSERT INTO labels (time_us, id, task, language, code, weight) SELECT * FROM unnest("
    b"%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[]) ON CONFLICT DO NOTHING"
)
_BOUNDS = "SELECT (SELECT min(day) FROM day_model), (SELECT max(day) FROM day_model)"
_SEARCH = "SELECT {} FROM requests WHERE time_us >= %s AND time_us < %s".format(  # noqa: S608
    ", ".join(map(_quoted, FIELDS))
)
_CUT_OFF = (
    "SELECT time_us FROM request_facts WHERE time_us >= %s AND time_us < %s"
    " ORDER BY time_us DESC, id DESC LIMIT 1 OFFSET %s"
)
_OUTSIDE = (
    f"SELECT {', '.join(outside.COLUMNS)} FROM outside"  # noqa: S608
    " WHERE source = %s AND day >= %s AND day < %s ORDER BY day, span, model"
)
_KEEP = "COPY outside ({}) FROM STDIN".format(", ".join(outside.COLUMNS)).encode()
_SOURCES = "SELECT source, min(day), max(day), count(*) FROM outside GROUP BY source ORDER BY source"


def tally(connection: Connection, tables: Sequence[Sequence[tuple[Any, ...]]], labels: Sequence[Any]) -> None:
    """In the transaction that adds records: rows of ``TALLIES`` and ``WEEKS``, and of ``labelled.rows``."""
    for statement, rows in zip(_UPSERTS, tables, strict=True):
        if rows:
            connection.execute(statement, [list(column) for column in zip(*rows, strict=True)])
    if labels:
        connection.execute(_LABEL, [list(column) for column in zip(*labels, strict=True)])


class PostgresRankings(Database):
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
        return self._rows(*cubes.query(name, by, since_us, until_us, where, "%s", measures=measures))

    def bounds(self) -> tuple[int, int] | None:
        """The first and the last day with anything in them."""
        row = self._row(_BOUNDS)
        return None if row is None or row[0] is None else (row[0], row[1])

    def session_sums(
        self, week: int, *, private: bool | None = None, limit: int = 50_000
    ) -> list[SessionRow]:
        """Sessions of that week, a fair sample where there are more than ``limit``."""
        sql = cubes.SESSIONS.replace("?", "%s") + ("" if private is None else " AND private = %s")
        parameters = [week, *([] if private is None else [private]), limit]
        rows = self._rows(f"{sql} ORDER BY mix, session, key_id, model, private LIMIT %s", parameters)
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
        conditions, values = cubes.filters(where, "%s")
        if before is not None:
            until_us = min(until_us, before.time_us + 1)
        if where:
            cut = self._row(_CUT_OFF, (since_us, until_us, cubes.MOST_LOOKED_AT))
            since_us = since_us if cut is None else cut[0]
        parameters: list[Any] = [since_us, until_us, *values]
        if before is not None:
            conditions += " AND (time_us, id) < (%s, %s)"
            parameters += [before.time_us, before.id]
        rows = self._rows(
            f"{_SEARCH}{conditions} ORDER BY time_us DESC, id DESC LIMIT %s", [*parameters, limit]
        )
        return [Record(**dict(zip(FIELDS, row, strict=True))) for row in rows]

    # --- what others have told ------------------------------------------------------------------

    def outside(self, source: str, since_day: int, until_day: int) -> list[OutsideRow]:
        """Rows of that source whose day is in the span."""
        return [OutsideRow(*row) for row in self._rows(_OUTSIDE, (source, since_day, until_day))]

    def replace_outside(self, source: str, rows: Sequence[OutsideRow], *, actor: str = "") -> int:
        """Put ``rows`` in the place of all that is there of their spans and days."""
        places = outside.touched(rows)

        def work(connection: Connection) -> None:
            connection.execute(
                b"DELETE FROM outside WHERE source = %s AND (span, day) IN"
                b" (SELECT * FROM unnest(%s::text[], %s::bigint[]))",
                (source, [span for span, _ in places], [day for _, day in places]),
            )
            with connection.cursor().copy(_KEEP) as copy:
                for row in rows:
                    copy.write_row(msgspec.structs.astuple(msgspec.structs.replace(row, source=source)))
            if rows:
                audit.write(connection, actor, "rankings.import", source, {"rows": len(rows)})

        self._write(work)
        return len(rows)

    def outside_sources(self) -> list[OutsideSource]:
        """What is there of each source, by name."""
        return [OutsideSource(*row) for row in self._rows(_SOURCES)]

    def forget_outside(self, source: str, *, actor: str = "") -> int:
        """Drop all of that source; returns how many rows."""

        def work(connection: Connection) -> int:
            dropped = connection.execute(b"DELETE FROM outside WHERE source = %s", (source,)).rowcount
            if dropped:
                audit.write(connection, actor, "rankings.forget", source, {"rows": dropped})
            return dropped

        return self._write(work)
