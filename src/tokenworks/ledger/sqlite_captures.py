"""Captured prompts and answers in SQLite. What is dropped is overwritten, not only unlinked."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from tokenworks.ledger import sqlite_audit
from tokenworks.ledger.captured import CAPTURE_COLUMNS, GIVEN_COLUMNS, CaptureCount, CaptureRow
from tokenworks.ledger.sqlite_file import SqliteFile, transaction

# Statements are made of this package's own names only; everything from outside is a parameter.
_KEEP = (
    f"INSERT OR IGNORE INTO captures ({', '.join(GIVEN_COLUMNS)})"  # noqa: S608
    f" VALUES ({','.join('?' * len(GIVEN_COLUMNS))})"
)
_MANY = (
    f"SELECT {', '.join(CAPTURE_COLUMNS)} FROM captures"  # noqa: S608
    " WHERE seq > ? AND time_us >= ? AND time_us < ? ORDER BY seq LIMIT ?"
)
_COUNTS = (
    "SELECT key_id, count(*), sum(length(body)), min(time_us), max(time_us), min(expires_us)"
    " FROM captures GROUP BY key_id ORDER BY key_id"
)
_EXPIRE = (
    "DELETE FROM captures WHERE seq IN"
    " (SELECT seq FROM captures WHERE expires_us <= ? ORDER BY expires_us LIMIT ?)"
)
_FORGET = {name: f"DELETE FROM captures WHERE {name} = ?" for name in ("id", "key_id")}  # noqa: S608


class SqliteCaptures(SqliteFile):
    """See ``store.Store``."""

    def keep_capture(self, row: CaptureRow) -> bool:
        """Keep a capture; False, and nothing done, where there is one of that request."""
        values = [getattr(row, name) for name in GIVEN_COLUMNS]
        with self._errors(), transaction(self._connection()) as connection:
            return connection.execute(_KEEP, values).rowcount == 1

    def captures(
        self, since_us: int, until_us: int, after_seq: int = 0, limit: int = 500
    ) -> list[CaptureRow]:
        """Up to ``limit`` captures of the span in the order in which they were kept."""
        with self._errors():
            rows = self._connection().execute(_MANY, (after_seq, since_us, until_us, limit)).fetchall()
        return [CaptureRow(*row) for row in rows]

    def capture_counts(self) -> list[CaptureCount]:
        """How much is kept of each key, by key."""
        with self._errors():
            rows = self._connection().execute(_COUNTS).fetchall()
        return [CaptureCount(*row) for row in rows]

    def forget_captures(self, *, key_id: str = "", capture_id: str = "", actor: str = "") -> int:
        """Erase what is kept of this key, or of this request; returns how many."""
        column, subject = ("key_id", key_id) if key_id else ("id", capture_id)
        with self._errors(), self._erasing() as connection:
            with transaction(connection):
                erased = connection.execute(_FORGET[column], (subject,)).rowcount
                if erased:
                    sqlite_audit.write(connection, actor, "capture.forget", subject, {"erased": erased})
            if erased:  # the log ahead of the file still holds the pages as they were
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return erased

    def expire_captures(self, now_us: int, limit: int = 1000) -> int:
        """Drop up to ``limit`` of those whose time has come, the oldest first; returns how many."""
        with self._errors(), self._erasing() as connection, transaction(connection):
            return connection.execute(_EXPIRE, (now_us, limit)).rowcount

    @contextlib.contextmanager
    def _erasing(self) -> Iterator[sqlite3.Connection]:
        """Room that is freed is filled with zeros meanwhile."""
        connection = self._connection()
        connection.execute("PRAGMA secure_delete = ON").fetchall()
        try:
            yield connection
        finally:
            connection.execute("PRAGMA secure_delete = OFF").fetchall()
