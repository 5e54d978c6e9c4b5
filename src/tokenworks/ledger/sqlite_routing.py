"""How requests for ``auto`` were decided, and what was learnt from them, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tokenworks.ledger import decided, spans
from tokenworks.ledger.decided import (
    DECISION_COLUMNS,
    LEARNT_KEY,
    LEARNT_SUMS,
    DecisionRow,
    LearntRow,
    SavingsRow,
)
from tokenworks.ledger.record import Record
from tokenworks.ledger.sqlite_file import SqliteFile, transaction

_COLUMNS = ", ".join(DECISION_COLUMNS)
_QUOTED = ", ".join(f'"{name}"' for name in (*LEARNT_KEY, *LEARNT_SUMS))
# Statements are made of this package's own names only; everything from outside is a parameter.
_DECIDE = f"INSERT OR IGNORE INTO decisions ({_COLUMNS}) VALUES ({','.join('?' * len(DECISION_COLUMNS))})"  # noqa: S608
_LEARN = (
    f"INSERT INTO learnt ({_QUOTED}) VALUES ({','.join('?' * (len(LEARNT_KEY) + len(LEARNT_SUMS)))})"  # noqa: S608
    " ON CONFLICT DO UPDATE SET "
    + ", ".join(f'"{name}" = "{name}" + excluded."{name}"' for name in LEARNT_SUMS)
)
_ONE = f"SELECT {_COLUMNS} FROM decisions WHERE time_us >= ? AND time_us < ? AND id = ?"  # noqa: S608
_MANY = (
    f"SELECT {_COLUMNS} FROM decisions WHERE time_us >= ? AND time_us < ?"  # noqa: S608
    " AND (time_us, id) > (?, ?) ORDER BY time_us, id LIMIT ?"
)
_LATEST = f"SELECT {_COLUMNS} FROM decisions ORDER BY time_us DESC, id DESC LIMIT ?"  # noqa: S608
_LEARNT = f"SELECT {_QUOTED} FROM learnt WHERE day >= ? ORDER BY day, task, model"  # noqa: S608
_PRUNE = (
    "DELETE FROM decisions WHERE rowid IN"
    " (SELECT rowid FROM decisions WHERE time_us < ? ORDER BY time_us LIMIT ?)"
)


def decide(connection: sqlite3.Connection, records: Sequence[Record]) -> None:
    """In the transaction that adds ``records``: keep their decisions, and what is learnt from them."""
    rows = decided.rows(records)
    if rows.decisions:
        connection.executemany(_DECIDE, rows.decisions)
        learn(connection, rows.learnt)


def learn(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Add ``rows``, in the order of ``LearntRow``."""
    connection.executemany(_LEARN, rows)


class SqliteRouting(SqliteFile):
    """See ``store.Store``."""

    def decision(self, record_id: str) -> DecisionRow | None:
        """How the request with this id was decided."""
        span = spans.of_id(record_id)
        if span is None:
            return None
        with self._errors():
            row = self._connection().execute(_ONE, (*span, record_id)).fetchone()
        return None if row is None else DecisionRow(*row)

    def decisions(
        self, since_us: int, until_us: int, after: DecisionRow | None = None, limit: int = 5000
    ) -> list[DecisionRow]:
        """Decisions of the span in order of time and id."""
        start = (after.time_us, after.id) if after is not None else (-1, "")
        with self._errors():
            rows = self._connection().execute(_MANY, (since_us, until_us, *start, limit)).fetchall()
        return [DecisionRow(*row) for row in rows]

    def latest_decisions(self, limit: int) -> list[DecisionRow]:
        """The last ``limit`` decisions, newest first."""
        with self._errors():
            rows = self._connection().execute(_LATEST, (limit,)).fetchall()
        return [DecisionRow(*row) for row in rows]

    def savings(
        self, by: str | None, since_us: int | None = None, until_us: int | None = None
    ) -> list[SavingsRow]:
        """Sums of decisions for each of ``by``, or of all together."""
        sql, parameters = spans.savings(by, since_us, until_us)
        with self._errors():
            rows = self._connection().execute(sql, parameters).fetchall()
        return [SavingsRow(str(group), *rest) for group, *rest in rows]

    def learnt(self, since_day: int) -> list[LearntRow]:
        """What was seen of models since that day."""
        with self._errors():
            rows = self._connection().execute(_LEARNT, (since_day,)).fetchall()
        return [LearntRow(*row) for row in rows]

    def prune_decisions(self, before_us: int, limit: int = 5000) -> int:
        """Drop up to ``limit`` decisions from before that time, the oldest first; returns how many."""
        with self._errors(), transaction(self._connection()) as connection:
            return connection.execute(_PRUNE, (before_us, limit)).rowcount
