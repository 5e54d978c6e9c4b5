"""What people said of answers, in SQLite."""

from __future__ import annotations

from tokenworks.ledger import feedback
from tokenworks.ledger.feedback import FEEDBACK_COLUMNS, FeedbackRow
from tokenworks.ledger.sqlite_file import SqliteFile, transaction
from tokenworks.ledger.sqlite_routing import learn

_COLUMNS = ", ".join(FEEDBACK_COLUMNS)
# Statements are made of this package's own names only; everything from outside is a parameter.
_PUT = f"INSERT OR REPLACE INTO feedback ({_COLUMNS}) VALUES ({','.join('?' * len(FEEDBACK_COLUMNS))})"  # noqa: S608
_ONE = f"SELECT {_COLUMNS} FROM feedback WHERE id = ?"  # noqa: S608
_MANY = (
    f"SELECT {_COLUMNS} FROM feedback WHERE time_us >= ? AND time_us < ?"  # noqa: S608
    " AND (time_us, id) > (?, ?) ORDER BY time_us, id LIMIT ?"
)


class SqliteFeedback(SqliteFile):
    """See ``store.Store``."""

    def put_feedback(self, row: FeedbackRow) -> FeedbackRow | None:
        """Keep a verdict in place of the one of that request; returns that one."""
        row = feedback.clean(row)
        with self._errors(), transaction(self._connection()) as connection:
            found = connection.execute(_ONE, (row.id,)).fetchone()
            old = None if found is None else FeedbackRow(*found)
            connection.execute(_PUT, [getattr(row, name) for name in FEEDBACK_COLUMNS])
            learn(connection, feedback.learnt(old, row))
        return old

    def feedback_of(self, record_id: str) -> FeedbackRow | None:
        """The verdict on the request with this id."""
        with self._errors():
            row = self._connection().execute(_ONE, (_known(record_id),)).fetchone()
        return None if row is None else FeedbackRow(*row)

    def feedback(
        self, since_us: int, until_us: int, after: FeedbackRow | None = None, limit: int = 5000
    ) -> list[FeedbackRow]:
        """Verdicts of the span in order of time and id."""
        start = (after.time_us, after.id) if after is not None else (-1, "")
        with self._errors():
            rows = self._connection().execute(_MANY, (since_us, until_us, *start, limit)).fetchall()
        return [FeedbackRow(*row) for row in rows]


def _known(record_id: str) -> str:
    """An id that the driver takes: no stored one has half of a surrogate pair."""
    return record_id.encode("utf-8", "replace").decode()
