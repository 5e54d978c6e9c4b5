"""Requests that wait for room in their plan, in SQLite."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from tokenworks.ledger.queued import BRIEF, COLUMNS, KEPT_US, QueuedRow
from tokenworks.ledger.sqlite_file import SqliteFile, transaction

# Statements are made of this package's own names only; everything from outside is a parameter.
_ALL = ", ".join(COLUMNS)
_INSERT = f"INSERT INTO queued ({_ALL}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_OPEN = "SELECT count(*), coalesce(sum(length(body)), 0) FROM queued WHERE key_id = ? AND finished_us IS NULL"
_LIST = f"SELECT {', '.join(BRIEF)} FROM queued"  # noqa: S608
_ONE = f"SELECT {_ALL} FROM queued WHERE id = ?"  # noqa: S608
_DUE = "SELECT 1 FROM queued WHERE status = 'queued' AND not_before_us <= ? LIMIT 1"
# The first of each key, found by jumping from key to key; of these the ones that are due, those first whose
# key has the least under way.
_HEADS = """WITH RECURSIVE waiting (key_id) AS (
  SELECT min(key_id) FROM queued WHERE status = 'queued'
  UNION ALL
  SELECT (SELECT min(key_id) FROM queued WHERE status = 'queued' AND key_id > waiting.key_id)
  FROM waiting WHERE waiting.key_id IS NOT NULL
), heads (seq) AS (
  SELECT (SELECT min(seq) FROM queued AS q WHERE q.status = 'queued' AND q.key_id = waiting.key_id)
  FROM waiting WHERE waiting.key_id IS NOT NULL
), busy (key_id, open) AS (
  SELECT key_id, count(*) FROM queued WHERE status = 'running' GROUP BY key_id
)
SELECT q.seq FROM heads JOIN queued AS q ON q.seq = heads.seq
  LEFT JOIN busy ON busy.key_id = q.key_id WHERE q.not_before_us <= ?
ORDER BY coalesce(busy.open, 0), q.seq
LIMIT ?"""
_CLAIM = (
    "UPDATE queued SET status = 'running', holder = ?, tries = tries + 1"  # noqa: S608
    f" WHERE seq = ? RETURNING {_ALL}"
)
_PUT_BACK = (
    "UPDATE queued SET status = 'queued', holder = '', not_before_us = ?, tries = max(tries - ?, 0)"
    " WHERE id = ? AND status = 'running' AND holder = ?"
)
_FINISH = (
    "UPDATE queued SET status = 'done', holder = '', finished_us = ?, status_code = ?, body = x'', answer = ?"
    " WHERE id = ? AND status = 'running' AND holder = ?"
)
_CANCEL = (
    "UPDATE queued SET status = 'cancelled', holder = '', finished_us = ?, body = x''"
    " WHERE id = ? AND status IN ('queued', 'running')"
)
_EXPIRE = (
    "UPDATE queued SET status = 'expired', finished_us = ?, body = x'' WHERE seq IN"
    " (SELECT seq FROM queued WHERE status = 'queued' AND created_us <= ? ORDER BY created_us LIMIT ?)"
)
_DROP = (
    "DELETE FROM queued WHERE seq IN"
    " (SELECT seq FROM queued WHERE finished_us <= ? ORDER BY finished_us LIMIT ?)"
)
_LAST = "\U0010ffff"  # sorts behind whatever a name may go on with


class SqliteQueue(SqliteFile):
    """See ``store.Store``."""

    def enqueue(self, row: QueuedRow, most: int, most_bytes: int) -> bool:
        """Keep a request; False, and nothing done, where its key has ``most`` open or they are too long."""
        with self._errors(), transaction(self._connection()) as connection:
            count, size = connection.execute(_OPEN, (row.key_id,)).fetchone()
            if count >= most or size + len(row.body) > most_bytes:
                return False
            connection.execute(_INSERT, msgspec.structs.astuple(row))
            return True

    def queued(self, key_id: str | None = None, limit: int = 100, offset: int = 0) -> list[QueuedRow]:
        """Requests of the key (None: of all), the latest first, without their bodies and answers."""
        where, parameters = (" WHERE key_id = ?", [key_id]) if key_id is not None else ("", [])
        sql = f"{_LIST}{where} ORDER BY seq DESC LIMIT ? OFFSET ?"
        with self._errors():
            rows = self._connection().execute(sql, (*parameters, limit, offset)).fetchall()
        return [QueuedRow(*row) for row in rows]

    def queued_one(self, queued_id: str) -> QueuedRow | None:
        """The request with this id, whole."""
        with self._errors():
            row = self._connection().execute(_ONE, (queued_id,)).fetchone()
        return None if row is None else QueuedRow(*row)

    def claim(self, holder: str, now_us: int, limit: int) -> list[QueuedRow]:
        """Up to ``limit`` requests that are due, at most one of each key, now run by ``holder``."""
        with self._errors():
            connection = self._connection()
            if connection.execute(_DUE, (now_us,)).fetchone() is None:  # told without the writer's lock
                return []
            with transaction(connection):
                heads = connection.execute(_HEADS, (now_us, limit)).fetchall()
                rows = [connection.execute(_CLAIM, (holder, seq)).fetchone() for (seq,) in heads]
        return [QueuedRow(*row) for row in rows]

    def put_back(self, queued_id: str, holder: str, not_before_us: int, *, counted: bool) -> bool:
        """It was not answered and waits again. ``counted``: as a try. False: ``holder`` does not have it."""
        with self._errors(), transaction(self._connection()) as connection:
            parameters = (not_before_us, 0 if counted else 1, queued_id, holder)
            return connection.execute(_PUT_BACK, parameters).rowcount == 1

    def finish(self, queued_id: str, holder: str, status_code: int, answer: bytes, now_us: int) -> bool:
        """Keep its answer and drop its body. False, and nothing done: ``holder`` does not have it."""
        with self._errors(), transaction(self._connection()) as connection:
            parameters = (now_us, status_code, answer, queued_id, holder)
            return connection.execute(_FINISH, parameters).rowcount == 1

    def cancel(self, queued_id: str, now_us: int) -> bool:
        """It is not run any more, or its answer not kept; False where it is finished or there is none."""
        with self._errors(), transaction(self._connection()) as connection:
            return connection.execute(_CANCEL, (now_us, queued_id)).rowcount == 1

    def forget_queued(self, queued_id: str) -> bool:
        """Drop it with its answer; False where it is not finished or there is none."""
        with self._errors(), transaction(self._connection()) as connection:
            sql = "DELETE FROM queued WHERE id = ? AND finished_us IS NOT NULL"
            return connection.execute(sql, (queued_id,)).rowcount == 1

    def queue_holders(self, prefix: str) -> list[str]:
        """Those whose names begin with ``prefix`` and who run any, in order."""
        sql = (
            "SELECT DISTINCT holder FROM queued"
            " WHERE status = 'running' AND holder >= ? AND holder < ? ORDER BY holder"
        )
        with self._errors():
            rows = self._connection().execute(sql, (prefix, prefix + _LAST)).fetchall()
        return [holder for (holder,) in rows]

    def release_queue(self, holder: str, but: Collection[str] = ()) -> int:
        """What ``holder`` runs waits again, except ``but`` these; how many. They count as tried."""
        with self._errors():
            connection = self._connection()
            sql = "SELECT id FROM queued WHERE status = 'running' AND holder = ?"
            ids = [i for (i,) in connection.execute(sql, (holder,)) if i not in but]
            if not ids:
                return 0
            with transaction(connection):
                sql = (
                    "UPDATE queued SET status = 'queued', holder = ''"
                    " WHERE id = ? AND status = 'running' AND holder = ?"
                )
                return connection.executemany(sql, [(each, holder) for each in ids]).rowcount

    def expire_queue(self, now_us: int, limit: int = 100) -> int:
        """End up to ``limit`` that have waited, and drop up to ``limit`` that were kept, for ``KEPT_US``.

        Returns how many of both.
        """
        with self._errors(), transaction(self._connection()) as connection:
            ended = connection.execute(_EXPIRE, (now_us, now_us - KEPT_US, limit)).rowcount
            return ended + connection.execute(_DROP, (now_us - KEPT_US, limit)).rowcount
