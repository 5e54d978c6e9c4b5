"""The log of who changed what, in SQLite. Entries are added and never changed."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import msgspec

from tokenworks.ledger.limit_rows import AuditRow
from tokenworks.ledger.sqlite_file import SqliteFile, transaction

_COLUMNS = ", ".join(AuditRow.__struct_fields__)
_INSERT = f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 (this package's own names)
_FOREVER_US = 2**63 - 1


class SqliteAudit(SqliteFile):
    """See ``store.Store``."""

    def note(self, entry: AuditRow) -> None:
        """Write into the audit log what no other method does."""
        with self._errors(), transaction(self._connection()) as connection:
            connection.execute(_INSERT, msgspec.structs.astuple(entry))

    def audit(
        self, since_us: int | None = None, until_us: int | None = None, target: str = "", limit: int = 100
    ) -> list[AuditRow]:
        """The latest ``limit`` entries of the span, newest first; with ``target``, of that alone."""
        since_us, until_us = since_us or 0, _FOREVER_US if until_us is None else until_us
        where, values = "time_us >= ? AND time_us < ?", [since_us, until_us]
        parameters: list[Any] = [target, *values] if target else values
        sql = (
            f"SELECT {_COLUMNS} FROM audit WHERE {'target = ? AND ' if target else ''}{where}"  # noqa: S608
            " ORDER BY time_us DESC, seq DESC LIMIT ?"
        )
        with self._errors():
            rows = self._connection().execute(sql, (*parameters, max(limit, 0))).fetchall()
        return [AuditRow(*row) for row in rows]


def write(
    connection: sqlite3.Connection, actor: str, action: str, target: str, detail: dict[str, Any] | None = None
) -> None:
    """Note, in the transaction that changes it, that ``actor`` did ``action`` to ``target``.

    ``detail`` is what changed, as it is now; secrets, digests and ciphertexts never belong in it.
    """
    text = msgspec.json.encode(detail).decode() if detail else ""
    connection.execute(_INSERT, (time.time_ns() // 1000, actor, action, target, text))
