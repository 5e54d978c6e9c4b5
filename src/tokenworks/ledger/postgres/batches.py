"""Batches in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tokenworks.ledger.batch_tables import BatchTables, Execute, Result, Row
from tokenworks.ledger.postgres.database import Connection, Database


class PostgresBatches(BatchTables, Database):
    """See ``store.Store``."""

    _now_us_sql = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"

    def _asked(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._rows(sql.replace("?", "%s"), parameters)

    def _changed(self, work: Callable[[Execute], Result]) -> Result:
        def whole(connection: Connection) -> Result:
            def execute(sql: str, parameters: Sequence[Any] = ()) -> tuple[list[Row], int]:
                cursor = connection.execute(sql.replace("?", "%s").encode(), parameters)
                return (cursor.fetchall() if cursor.description else []), cursor.rowcount

            return work(execute)

        return self._write(whole)
