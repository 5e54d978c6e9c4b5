"""Batches in SQLite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tokenworks.ledger.batch_tables import BatchTables, Execute, Result, Row
from tokenworks.ledger.sqlite_file import SqliteFile, transaction


class SqliteBatches(BatchTables, SqliteFile):
    """See ``store.Store``."""

    _now_us_sql = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"

    def _asked(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with self._errors():
            return self._connection().execute(sql, parameters).fetchall()

    def _changed(self, work: Callable[[Execute], Result]) -> Result:
        with self._errors(), transaction(self._connection()) as connection:

            def execute(sql: str, parameters: Sequence[Any] = ()) -> tuple[list[Row], int]:
                cursor = connection.execute(sql, parameters)
                return cursor.fetchall(), cursor.rowcount

            return work(execute)
