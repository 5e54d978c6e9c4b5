"""Captured prompts and answers in PostgreSQL."""

from __future__ import annotations

from tokenworks.ledger.captured import CAPTURE_COLUMNS, GIVEN_COLUMNS, CaptureCount, CaptureRow
from tokenworks.ledger.postgres import audit
from tokenworks.ledger.postgres.database import Connection, Database

# Statements are made of this package's own names only; everything from outside is a parameter.
_KEEP = (
    f"INSERT INTO captures ({', '.join(GIVEN_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join(['%s'] * len(GIVEN_COLUMNS))}) ON CONFLICT (id) DO NOTHING"
)
_MANY = (
    f"SELECT {', '.join(CAPTURE_COLUMNS)} FROM captures"  # noqa: S608
    " WHERE seq > %s AND time_us >= %s AND time_us < %s ORDER BY seq LIMIT %s"
)
_COUNTS = (
    "SELECT key_id, count(*), sum(length(body))::bigint, min(time_us), max(time_us), min(expires_us)"
    " FROM captures GROUP BY key_id ORDER BY key_id"
)
_EXPIRE = (
    "DELETE FROM captures WHERE seq = ANY (ARRAY("
    "SELECT seq FROM captures WHERE expires_us <= %s ORDER BY expires_us LIMIT %s FOR UPDATE SKIP LOCKED))"
)
_FORGET = {name: f"DELETE FROM captures WHERE {name} = %s" for name in ("id", "key_id")}  # noqa: S608


class PostgresCaptures(Database):
    """See ``store.Store``."""

    def keep_capture(self, row: CaptureRow) -> bool:
        """Keep a capture; False, and nothing done, where there is one of that request."""
        return self._do(_KEEP, [getattr(row, name) for name in GIVEN_COLUMNS]) == 1

    def captures(
        self, since_us: int, until_us: int, after_seq: int = 0, limit: int = 500
    ) -> list[CaptureRow]:
        """Up to ``limit`` captures of the span in the order in which they were kept."""
        return [CaptureRow(*row) for row in self._rows(_MANY, (after_seq, since_us, until_us, limit))]

    def capture_counts(self) -> list[CaptureCount]:
        """How much is kept of each key, by key."""
        return [CaptureCount(*row) for row in self._rows(_COUNTS)]

    def forget_captures(self, *, key_id: str = "", capture_id: str = "", actor: str = "") -> int:
        """Erase what is kept of this key, or of this request; returns how many."""
        column, subject = ("key_id", key_id) if key_id else ("id", capture_id)

        def work(connection: Connection) -> int:
            erased = connection.execute(_FORGET[column].encode(), (subject,)).rowcount
            if erased:
                audit.write(connection, actor, "capture.forget", subject, {"erased": erased})
            return erased

        return self._write(work)

    def expire_captures(self, now_us: int, limit: int = 1000) -> int:
        """Drop up to ``limit`` of those whose time has come, the oldest first; returns how many."""
        return self._do(_EXPIRE, (now_us, limit))
