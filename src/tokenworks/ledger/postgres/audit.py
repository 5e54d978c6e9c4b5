"""The log of who changed what, in PostgreSQL. Entries are added and never changed."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from tokenworks.ledger.limit_rows import AuditRow
from tokenworks.ledger.postgres.database import Connection, Database

_COLUMNS = ", ".join(AuditRow.__struct_fields__)
_INSERT = f"INSERT INTO audit ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s)"  # noqa: S608 (this package's own names)
_FOREVER_US = 2**63 - 1


class PostgresAudit(Database):
    """See ``store.Store``."""

    def note(self, entry: AuditRow) -> None:
        """Write into the audit log what no other method does."""
        self._do(_INSERT, msgspec.structs.astuple(entry))

    def audit(
        self, since_us: int | None = None, until_us: int | None = None, target: str = "", limit: int = 100
    ) -> list[AuditRow]:
        """The latest ``limit`` entries of the span, newest first; with ``target``, of that alone."""
        values: list[Any] = [target] if target else []
        values += [since_us or 0, _FOREVER_US if until_us is None else until_us, max(limit, 0)]
        sql = (
            f"SELECT {_COLUMNS} FROM audit WHERE {'target = %s AND ' if target else ''}"  # noqa: S608
            "time_us >= %s AND time_us < %s ORDER BY time_us DESC, seq DESC LIMIT %s"
        )
        return [AuditRow(*row) for row in self._rows(sql, values)]


def write(
    connection: Connection, actor: str, action: str, target: str, detail: dict[str, Any] | None = None
) -> None:
    """Note, in the transaction that changes it, that ``actor`` did ``action`` to ``target``.

    ``detail`` is what changed, as it is now; secrets, digests and ciphertexts never belong in it.
    """
    text = msgspec.json.encode(detail).decode() if detail else ""
    connection.execute(_INSERT.encode(), (time.time_ns() // 1000, actor, action, target, text))
