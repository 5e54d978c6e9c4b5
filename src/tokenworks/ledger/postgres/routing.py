"""How requests for ``auto`` were decided, and what was learnt from them, in PostgreSQL."""

from __future__ import annotations

from tokenworks.ledger import spans
from tokenworks.ledger.decided import (
    DECISION_COLUMNS,
    LEARNT_KEY,
    LEARNT_SUMS,
    DecisionRow,
    LearntRow,
    Rows,
    SavingsRow,
)
from tokenworks.ledger.postgres.database import Connection, Database

_COLUMNS = ", ".join(DECISION_COLUMNS)
_QUOTED = ", ".join(f'"{name}"' for name in (*LEARNT_KEY, *LEARNT_SUMS))
# Statements are made of this package's own names only; everything from outside is a parameter.
_DECIDE = (
    f"INSERT INTO decisions ({_COLUMNS}) SELECT * FROM unnest(%s::text[], %s::bigint[], "  # noqa: S608
    f"{', '.join(['%s::text[]'] * 6)}, %s::double precision[], %s::bigint[], %s::bigint[], %s::bytea[])"
    " ON CONFLICT DO NOTHING"
)
_LEARN = (
    f"INSERT INTO learnt AS t ({_QUOTED}) SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], "  # noqa: S608
    f"%s::double precision[], %s::double precision[], {', '.join(['%s::bigint[]'] * 6)})"
    " ON CONFLICT (day, task, model) DO UPDATE SET "
    + ", ".join(f'"{name}" = t."{name}" + excluded."{name}"' for name in LEARNT_SUMS)
)
_ONE = f"SELECT {_COLUMNS} FROM decisions WHERE time_us >= %s AND time_us < %s AND id = %s"  # noqa: S608
_MANY = (
    f"SELECT {_COLUMNS} FROM decisions WHERE time_us >= %s AND time_us < %s"  # noqa: S608
    " AND (time_us, id) > (%s, %s) ORDER BY time_us, id LIMIT %s"
)
_LATEST = f"SELECT {_COLUMNS} FROM decisions ORDER BY time_us DESC, id DESC LIMIT %s"  # noqa: S608
_LEARNT = f"SELECT {_QUOTED} FROM learnt WHERE day >= %s ORDER BY day, task, model"  # noqa: S608
_PRUNE = (
    "DELETE FROM decisions WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM decisions WHERE time_us < %s ORDER BY time_us LIMIT %s))"
)


def decide(connection: Connection, rows: Rows) -> None:
    """In the transaction that adds records: keep their decisions, and what is learnt from them."""
    if rows.decisions:
        connection.execute(_DECIDE.encode(), [list(column) for column in zip(*rows.decisions, strict=True)])
    if rows.learnt:
        learn(connection, rows.learnt)


def learn(connection: Connection, rows: list[tuple[object, ...]]) -> None:
    """Add ``rows``, in the order of ``LearntRow``, sorted, each key once."""
    connection.execute(_LEARN.encode(), [list(column) for column in zip(*rows, strict=True)])


class PostgresRouting(Database):
    """See ``store.Store``."""

    def decision(self, record_id: str) -> DecisionRow | None:
        """How the request with this id was decided."""
        span = spans.of_id(record_id)
        row = self._row(_ONE, (*span, record_id)) if span is not None else None
        return None if row is None else DecisionRow(*row)

    def decisions(
        self, since_us: int, until_us: int, after: DecisionRow | None = None, limit: int = 5000
    ) -> list[DecisionRow]:
        """Decisions of the span in order of time and id."""
        start = (after.time_us, after.id) if after is not None else (-1, "")
        return [DecisionRow(*row) for row in self._rows(_MANY, (since_us, until_us, *start, limit))]

    def latest_decisions(self, limit: int) -> list[DecisionRow]:
        """The last ``limit`` decisions, newest first."""
        return [DecisionRow(*row) for row in self._rows(_LATEST, (limit,))]

    def savings(
        self, by: str | None, since_us: int | None = None, until_us: int | None = None
    ) -> list[SavingsRow]:
        """Sums of decisions for each of ``by``, or of all together."""
        sql, parameters = spans.savings(by, since_us, until_us, spans.POSTGRES)
        return [SavingsRow(str(group), *rest) for group, *rest in self._rows(sql, parameters)]

    def learnt(self, since_day: int) -> list[LearntRow]:
        """What was seen of models since that day."""
        return [LearntRow(*row) for row in self._rows(_LEARNT, (since_day,))]

    def prune_decisions(self, before_us: int, limit: int = 5000) -> int:
        """Drop up to ``limit`` decisions from before that time, the oldest first; returns how many."""
        return self._do(_PRUNE, (before_us, limit))
