"""Requests that wait for room in their plan, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from tokenworks.ledger.postgres.database import Connection, Database
from tokenworks.ledger.queued import BRIEF, COLUMNS, KEPT_US, QueuedRow

# Statements are made of this package's own names only; everything from outside is a parameter.
_ALL = ", ".join(COLUMNS)
_INSERT = f"INSERT INTO queued ({_ALL}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608
_OPEN = """SELECT count(*), coalesce(sum(octet_length(body)), 0)
FROM queued WHERE key_id = %s AND finished_us IS NULL"""
_LIST = f"SELECT {', '.join(BRIEF)} FROM queued"  # noqa: S608
_ONE = f"SELECT {_ALL} FROM queued WHERE id = %s"  # noqa: S608
_DUE = "SELECT 1 FROM queued WHERE status = 'queued' AND not_before_us <= %s LIMIT 1"
# The first of each key, found by jumping from key to key; of these the ones that are due, those first whose
# key has the least under way. Another's claim is passed over, and looked at again once it is locked.
_CLAIM = f"""WITH RECURSIVE waiting (key_id) AS (
  SELECT min(key_id) FROM queued WHERE status = 'queued'
  UNION ALL
  SELECT (SELECT min(key_id) FROM queued WHERE status = 'queued' AND key_id > waiting.key_id)
  FROM waiting WHERE waiting.key_id IS NOT NULL
), heads (seq) AS (
  SELECT (SELECT min(seq) FROM queued AS q WHERE q.status = 'queued' AND q.key_id = waiting.key_id)
  FROM waiting WHERE waiting.key_id IS NOT NULL
), busy (key_id, open) AS (
  SELECT key_id, count(*) FROM queued WHERE status = 'running' GROUP BY key_id
), due (seq) AS (
  SELECT q.seq FROM heads JOIN queued AS q ON q.seq = heads.seq
  LEFT JOIN busy ON busy.key_id = q.key_id WHERE q.not_before_us <= %s
  ORDER BY coalesce(busy.open, 0), q.seq
  LIMIT %s
), free (seq) AS MATERIALIZED (
  SELECT seq FROM queued WHERE seq IN (SELECT seq FROM due) AND status = 'queued' FOR UPDATE SKIP LOCKED
)
UPDATE queued SET status = 'running', holder = %s, tries = tries + 1
WHERE seq IN (SELECT seq FROM free) RETURNING {_ALL}"""  # noqa: S608
_PUT_BACK = (
    "UPDATE queued SET status = 'queued', holder = '', not_before_us = %s, tries = greatest(tries - %s, 0)"
    " WHERE id = %s AND status = 'running' AND holder = %s"
)
_FINISH = (
    "UPDATE queued SET status = 'done', holder = '', finished_us = %s, status_code = %s, body = '',"
    " answer = %s WHERE id = %s AND status = 'running' AND holder = %s"
)
_CANCEL = (
    "UPDATE queued SET status = 'cancelled', holder = '', finished_us = %s, body = ''"
    " WHERE id = %s AND status IN ('queued', 'running')"
)
_EXPIRE = (
    "UPDATE queued SET status = 'expired', finished_us = %s, body = '' WHERE status = 'queued' AND seq = ANY"
    " (ARRAY(SELECT seq FROM queued WHERE status = 'queued' AND created_us <= %s ORDER BY created_us LIMIT %s"
    " FOR UPDATE SKIP LOCKED))"
)
_DROP = (
    "DELETE FROM queued WHERE seq = ANY (ARRAY("
    "SELECT seq FROM queued WHERE finished_us <= %s ORDER BY finished_us LIMIT %s FOR UPDATE SKIP LOCKED))"
)


class PostgresQueue(Database):
    """See ``store.Store``."""

    def enqueue(self, row: QueuedRow, most: int, most_bytes: int) -> bool:
        """Keep a request; False, and nothing done, where its key has ``most`` open or they are too long."""

        def work(connection: Connection) -> bool:
            # Those that come at the same moment may not see each other: the bound is one of reason.
            found = connection.execute(_OPEN, (row.key_id,)).fetchone()
            assert found is not None
            if found[0] >= most or found[1] + len(row.body) > most_bytes:
                return False
            connection.execute(_INSERT.encode(), msgspec.structs.astuple(row))
            return True

        return self._write(work)

    def queued(self, key_id: str | None = None, limit: int = 100, offset: int = 0) -> list[QueuedRow]:
        """Requests of the key (None: of all), the latest first, without their bodies and answers."""
        where, parameters = (" WHERE key_id = %s", [key_id]) if key_id is not None else ("", [])
        sql = f"{_LIST}{where} ORDER BY seq DESC LIMIT %s OFFSET %s"
        return [QueuedRow(*row) for row in self._rows(sql, (*parameters, limit, offset))]

    def queued_one(self, queued_id: str) -> QueuedRow | None:
        """The request with this id, whole."""
        row = self._row(_ONE, (queued_id,))
        return None if row is None else QueuedRow(*row)

    def claim(self, holder: str, now_us: int, limit: int) -> list[QueuedRow]:
        """Up to ``limit`` requests that are due, at most one of each key, now run by ``holder``."""
        if self._row(_DUE, (now_us,)) is None:
            return []

        def work(connection: Connection) -> list[QueuedRow]:
            rows = connection.execute(_CLAIM.encode(), (now_us, limit, holder)).fetchall()
            return [QueuedRow(*row) for row in rows]

        return self._write(work)

    def put_back(self, queued_id: str, holder: str, not_before_us: int, *, counted: bool) -> bool:
        """It was not answered and waits again. ``counted``: as a try. False: ``holder`` does not have it."""
        return self._do(_PUT_BACK, (not_before_us, 0 if counted else 1, queued_id, holder)) == 1

    def finish(self, queued_id: str, holder: str, status_code: int, answer: bytes, now_us: int) -> bool:
        """Keep its answer and drop its body. False, and nothing done: ``holder`` does not have it."""
        return self._do(_FINISH, (now_us, status_code, answer, queued_id, holder)) == 1

    def cancel(self, queued_id: str, now_us: int) -> bool:
        """It is not run any more, or its answer not kept; False where it is finished or there is none."""
        return self._do(_CANCEL, (now_us, queued_id)) == 1

    def forget_queued(self, queued_id: str) -> bool:
        """Drop it with its answer; False where it is not finished or there is none."""
        return self._do("DELETE FROM queued WHERE id = %s AND finished_us IS NOT NULL", (queued_id,)) == 1

    def queue_holders(self, prefix: str) -> list[str]:
        """Those whose names begin with ``prefix`` and who run any, in order."""
        sql = "SELECT DISTINCT holder FROM queued WHERE status = 'running' AND starts_with(holder, %s)"
        return sorted(holder for (holder,) in self._rows(sql, (prefix,)))

    def release_queue(self, holder: str, but: Collection[str] = ()) -> int:
        """What ``holder`` runs waits again, except ``but`` these; how many. They count as tried."""
        sql = (
            "UPDATE queued SET status = 'queued', holder = ''"
            " WHERE status = 'running' AND holder = %s AND NOT id = ANY (%s)"
        )
        return self._do(sql, (holder, list(but)))

    def expire_queue(self, now_us: int, limit: int = 100) -> int:
        """End up to ``limit`` that have waited, and drop up to ``limit`` that were kept, for ``KEPT_US``.

        Returns how many of both.
        """
        ended = self._do(_EXPIRE, (now_us, now_us - KEPT_US, limit))
        return ended + self._do(_DROP, (now_us - KEPT_US, limit))
