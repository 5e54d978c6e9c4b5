"""What is kept of one request for a later one, in PostgreSQL."""

from __future__ import annotations

from tokenworks.ledger.postgres.database import Database

_KEEP = (
    "INSERT INTO states (scope, id, expires_us, body) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (scope, id) DO UPDATE SET expires_us = excluded.expires_us, body = excluded.body"
)
# Looked at once more, since a row may have been kept anew by the time that it is locked.
_EXPIRE = (
    "DELETE FROM states WHERE expires_us <= %s AND ctid = ANY (ARRAY("
    "SELECT ctid FROM states WHERE expires_us <= %s ORDER BY expires_us LIMIT %s FOR UPDATE SKIP LOCKED))"
)


class PostgresStates(Database):
    """See ``store.Store``."""

    def keep_state(self, scope: str, state_id: str, body: bytes, expires_us: int) -> None:
        """Keep ``body`` until ``expires_us``, in place of what was there."""
        self._do(_KEEP, (scope, state_id, expires_us, body))

    def state(self, scope: str, state_id: str, now_us: int) -> bytes | None:
        """What is kept, None where there is nothing or its time has come."""
        sql = "SELECT body FROM states WHERE scope = %s AND id = %s AND expires_us > %s"
        row = self._row(sql, (scope, state_id, now_us))
        return None if row is None else bytes(row[0])

    def forget_state(self, scope: str, state_id: str) -> bool:
        """Drop it; False where there was none."""
        return self._do("DELETE FROM states WHERE scope = %s AND id = %s", (scope, state_id)) == 1

    def expire_states(self, now_us: int, limit: int = 1000) -> int:
        """Drop up to ``limit`` of those whose time has come, the oldest first; returns how many."""
        return self._do(_EXPIRE, (now_us, now_us, limit))
