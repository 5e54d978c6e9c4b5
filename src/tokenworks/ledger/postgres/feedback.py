"""What people said of answers, in PostgreSQL."""

from __future__ import annotations

from tokenworks.ledger import feedback
from tokenworks.ledger.feedback import FEEDBACK_COLUMNS, FeedbackRow
from tokenworks.ledger.postgres.database import Connection, Database
from tokenworks.ledger.postgres.routing import learn

_COLUMNS = ", ".join(FEEDBACK_COLUMNS)
_TURN = 0x666565646261636B  # of the advisory locks: "feedback"
# Statements are made of this package's own names only; everything from outside is a parameter.
_PUT = (
    f"INSERT INTO feedback ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(FEEDBACK_COLUMNS))})"  # noqa: S608
    " ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in FEEDBACK_COLUMNS[1:])
)
_ONE = f"SELECT {_COLUMNS} FROM feedback WHERE id = %s"  # noqa: S608
_MANY = (
    f"SELECT {_COLUMNS} FROM feedback WHERE time_us >= %s AND time_us < %s"  # noqa: S608
    " AND (time_us, id) > (%s, %s) ORDER BY time_us, id LIMIT %s"
)


class PostgresFeedback(Database):
    """See ``store.Store``."""

    def put_feedback(self, row: FeedbackRow) -> FeedbackRow | None:
        """Keep a verdict in place of the one of that request; returns that one."""
        row = feedback.clean(row)

        def work(connection: Connection) -> FeedbackRow | None:
            # One after the other for each request, also where there is no row to lock yet.
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", (row.id, _TURN))
            found = connection.execute(_ONE.encode(), (row.id,)).fetchone()
            old = None if found is None else FeedbackRow(*found)
            connection.execute(_PUT.encode(), [getattr(row, name) for name in FEEDBACK_COLUMNS])
            if sums := feedback.learnt(old, row):
                learn(connection, sums)
            return old

        return self._write(work)

    def feedback_of(self, record_id: str) -> FeedbackRow | None:
        """The verdict on the request with this id."""
        row = self._row(_ONE, (record_id,))
        return None if row is None else FeedbackRow(*row)

    def feedback(
        self, since_us: int, until_us: int, after: FeedbackRow | None = None, limit: int = 5000
    ) -> list[FeedbackRow]:
        """Verdicts of the span in order of time and id."""
        start = (after.time_us, after.id) if after is not None else (-1, "")
        return [FeedbackRow(*row) for row in self._rows(_MANY, (since_us, until_us, *start, limit))]
