"""What is kept of one request for a later one, in SQLite."""

from __future__ import annotations

from tokenworks.ledger.sqlite_file import SqliteFile, transaction

_KEEP = (
    "INSERT INTO states (scope, id, expires_us, body) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (scope, id) DO UPDATE SET expires_us = excluded.expires_us, body = excluded.body"
)
_EXPIRE = (
    "DELETE FROM states WHERE rowid IN"
    " (SELECT rowid FROM states WHERE expires_us <= ? ORDER BY expires_us LIMIT ?)"
)


class SqliteStates(SqliteFile):
    """See ``store.Store``."""

    def keep_state(self, scope: str, state_id: str, body: bytes, expires_us: int) -> None:
        """Keep ``body`` until ``expires_us``, in place of what was there."""
        with self._errors(), transaction(self._connection()) as connection:
            connection.execute(_KEEP, (scope, state_id, expires_us, body))

    def state(self, scope: str, state_id: str, now_us: int) -> bytes | None:
        """What is kept, None where there is nothing or its time has come."""
        sql = "SELECT body FROM states WHERE scope = ? AND id = ? AND expires_us > ?"
        with self._errors():
            row = self._connection().execute(sql, (scope, state_id, now_us)).fetchone()
        return None if row is None else bytes(row[0])

    def forget_state(self, scope: str, state_id: str) -> bool:
        """Drop it; False where there was none."""
        with self._errors(), transaction(self._connection()) as connection:
            sql = "DELETE FROM states WHERE scope = ? AND id = ?"
            return connection.execute(sql, (scope, state_id)).rowcount == 1

    def expire_states(self, now_us: int, limit: int = 1000) -> int:
        """Drop up to ``limit`` of those whose time has come; returns how many."""
        with self._errors(), transaction(self._connection()) as connection:
            return connection.execute(_EXPIRE, (now_us, limit)).rowcount
