"""The ledger in one SQLite file: WAL, one writer at a time, readers never wait."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tokenworks.errors import StoreError
from tokenworks.ledger import spans
from tokenworks.ledger.record import FIELDS, Record, scrubbed
from tokenworks.ledger.rollups import FACT, GRAINS, MEASURES, SHAPE, Batcher, Row
from tokenworks.ledger.rows import ActivityRow, UsageRow
from tokenworks.ledger.sqlite_audit import SqliteAudit
from tokenworks.ledger.sqlite_batches import SqliteBatches
from tokenworks.ledger.sqlite_captures import SqliteCaptures
from tokenworks.ledger.sqlite_feedback import SqliteFeedback
from tokenworks.ledger.sqlite_file import transaction
from tokenworks.ledger.sqlite_keys import SqliteKeys
from tokenworks.ledger.sqlite_leases import SqliteLeases, spend
from tokenworks.ledger.sqlite_limits import SqliteLimits
from tokenworks.ledger.sqlite_queue import SqliteQueue
from tokenworks.ledger.sqlite_rankings import SqliteRankings, of_row, tally
from tokenworks.ledger.sqlite_routing import SqliteRouting, decide
from tokenworks.ledger.sqlite_states import SqliteStates
from tokenworks.ledger.sqlite_vault import SqliteVault

log = logging.getLogger(__name__)
CACHE_KIB = 64 * 1024  # of the thread that adds records; SQLite takes what it needs of it
# What a value that fits no column raises, by the way it does not fit.
_UNFIT = (OverflowError, UnicodeEncodeError, TypeError, sqlite3.IntegrityError, sqlite3.ProgrammingError)


def _marks(count: int) -> str:
    return ",".join("?" * count)


def _upsert(table: str, keys: Sequence[str]) -> str:
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in MEASURES)
    columns = ", ".join((*keys, *MEASURES))
    marks = _marks(len(keys) + len(MEASURES))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO UPDATE SET {sums}"  # noqa: S608


# Statements are made of this package's own names only; everything from outside is a parameter.
_INSERT_FACT = f"INSERT OR IGNORE INTO request_facts ({', '.join(FACT)}) VALUES ({_marks(len(FACT))})"  # noqa: S608
_INSERT_SHAPE = (
    f"INSERT INTO request_shapes (digest, {', '.join(SHAPE)}) VALUES ({_marks(len(SHAPE) + 1)})"  # noqa: S608
    " ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING shape_id"
)
_UPSERTS = [_upsert(grain.table, (grain.bucket, *grain.dimensions)) for grain in GRAINS]
_GENERATION = f"SELECT {', '.join(FIELDS)} FROM requests WHERE time_us >= ? AND time_us < ? AND id = ?"  # noqa: S608
_REQUESTS = (
    f"SELECT {', '.join(FIELDS)} FROM requests WHERE time_us >= ? AND time_us < ?"  # noqa: S608
    " AND (time_us, id) > (?, ?) ORDER BY time_us, id LIMIT ?"
)


class SqliteStore(
    SqliteKeys,
    SqliteLimits,
    SqliteLeases,
    SqliteVault,
    SqliteStates,
    SqliteQueue,
    SqliteAudit,
    SqliteRouting,
    SqliteCaptures,
    SqliteFeedback,
    SqliteRankings,
    SqliteBatches,
):
    """See ``store.Store``. A connection for each thread; do not carry one across a fork."""

    def __init__(self, path: str, *, durable: bool = False) -> None:
        """``durable``: every commit also survives power loss (else the journals make up for it)."""
        super().__init__(path, durable=durable)
        self._writing = threading.Lock()  # of the batcher
        self._batcher = Batcher()

    # --- writing ------------------------------------------------------------------------------

    def append(
        self, journal: str, offset: int, records: Sequence[Record], *, since: int | None = None
    ) -> None:
        """Rows, roll-ups, what is spent of accounts and the journal's offset in one transaction."""
        with self._writing, self._errors():
            connection = self._roomy()
            try:
                done = self._append(connection, journal, offset, records, since)
            except _UNFIT:
                # A value no column can hold; the drainer never sends one, but nothing may block it.
                self._batcher.forget()
                clean = [scrubbed(record) for record in records]
                done = self._append(connection, journal, offset, clean, since)
            except BaseException:
                self._batcher.forget()
                raise
            if not done:
                new = self._only_new(records)
                log.error("%d records were in the ledger already; left out", len(records) - len(new))
                self._append(connection, journal, offset, new, since)

    def _roomy(self) -> sqlite3.Connection:
        """This thread's connection, with room for what a batch meets in a dozen tables."""
        connection = self._connection()
        if getattr(self._local, "roomy", None) is not connection:
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._local.roomy = connection
        return connection

    def _append(
        self,
        connection: sqlite3.Connection,
        journal: str,
        offset: int,
        records: Sequence[Record],
        since: int | None,
    ) -> bool:
        """False when some id is there already; nothing was done then."""
        batcher = self._batcher
        try:
            with transaction(connection):
                if since is not None and (stands := _offset(connection, journal)) != since:
                    raise StoreError(f"{journal} was read up to {stands} already, not {since}")

                def shape_id(shape: Row) -> int:
                    digest = hashlib.sha256(msgspec.msgpack.encode(shape)).digest()
                    return int(connection.execute(_INSERT_SHAPE, (digest, *shape)).fetchone()[0])

                facts = batcher.facts(records, shape_id)
                added = connection.executemany(_INSERT_FACT, facts).rowcount if facts else 0
                if added != len(facts):
                    raise _SomeThere
                sums = batcher.sums()
                for statement, rows in zip(_UPSERTS, sums, strict=True):
                    connection.executemany(statement, rows)
                spend(connection, journal.split(".", 1)[0], records)
                decide(connection, records)
                tally(connection, records, sums)
                connection.execute(
                    "INSERT INTO journals VALUES (?, ?)"
                    " ON CONFLICT DO UPDATE SET byte_offset = excluded.byte_offset",
                    (journal, offset),
                )
        except _SomeThere:
            batcher.forget()
            return False
        return True

    def _only_new(self, records: Sequence[Record]) -> list[Record]:
        seen = self.recorded(records)
        new = []
        for record in records:
            if record.id not in seen:
                seen.add(record.id)
                new.append(record)
        return new

    def recorded(self, records: Sequence[Record]) -> set[str]:
        """The ids of those ``records`` that are in the ledger already."""
        with self._errors():
            execute = self._connection().execute
            sql = "SELECT 1 FROM request_facts WHERE time_us = ? AND id = ?"
            return {r.id for r in records if execute(sql, (r.time_us, r.id)).fetchone() is not None}

    def journal_offset(self, journal: str) -> int:
        """How far ``journal`` has been read, in bytes; 0 for one never seen."""
        with self._errors():
            return _offset(self._connection(), journal)

    def forget_journal(self, journal: str) -> None:
        """Drop the offset of a journal whose file is gone."""
        with self._errors(), transaction(self._connection()) as connection:
            connection.execute("DELETE FROM journals WHERE journal = ?", (journal,))

    def sync(self) -> None:
        """Flush the write-ahead log. (No lock of SQLite's is on that file, so closing it frees none.)"""
        with self._errors():
            for path in (Path(self._path + "-wal"), Path(self._path).absolute().parent):
                with contextlib.suppress(FileNotFoundError):
                    fd = os.open(path, os.O_RDONLY)
                    try:
                        os.fsync(fd)
                    finally:
                        os.close(fd)

    # --- reading ------------------------------------------------------------------------------

    def usage(
        self, by: str | None, since_us: int | None = None, until_us: int | None = None
    ) -> list[UsageRow]:
        """Sums for each of ``by``, the dearest first, days in order."""
        sql, parameters = spans.query(by, since_us, until_us)
        with self._errors():
            rows = self._connection().execute(sql, parameters).fetchall()
        return [UsageRow(str(group), *rest) for group, *rest in rows]

    def key_usage(self, key_id: str, since_us: int | None = None, until_us: int | None = None) -> UsageRow:
        """Sums of one key in the span; zeros for one that did nothing."""
        sql, parameters = spans.query("key", since_us, until_us, key_id)
        with self._errors():
            row = self._connection().execute(sql, parameters).fetchone()
        if row is not None:
            return UsageRow(*row)
        key = self.key(key_id)
        return UsageRow(key_id, key.name if key else key_id)

    def activity(
        self, since_us: int | None, until_us: int | None, key_id: str | None = None
    ) -> list[ActivityRow]:
        """Sums for each day, model and provider, days in order."""
        sql, parameters = spans.activity(since_us, until_us, key_id)
        with self._errors():
            rows = self._connection().execute(sql, parameters).fetchall()
        return [ActivityRow(*row) for row in rows]

    def totals(self, since_us: int | None = None, until_us: int | None = None) -> UsageRow:
        """Sums of everything in the span."""
        rows = self.usage(None, since_us, until_us)
        return rows[0] if rows else UsageRow()

    def generation(self, record_id: str) -> Record | None:
        """The request with this id, found by the second that its id names."""
        span = spans.of_id(record_id)
        if span is None:
            return None
        with self._errors():
            row = self._connection().execute(_GENERATION, (*span, record_id)).fetchone()
        return None if row is None else of_row(row)

    def requests(
        self, since_us: int, until_us: int, after: Record | None = None, limit: int = 5000
    ) -> list[Record]:
        """Up to ``limit`` requests of the span in order of time and id, those after ``after`` only."""
        last_us, last_id = (-1, "") if after is None else (after.time_us, after.id)
        parameters = (max(since_us, last_us), until_us, last_us, last_id, limit)
        with self._errors():
            rows = self._connection().execute(_REQUESTS, parameters).fetchall()
        return [of_row(row) for row in rows]


class _SomeThere(Exception):
    """Some of a batch's ids are in the table already."""


def _offset(connection: sqlite3.Connection, journal: str) -> int:
    row = connection.execute("SELECT byte_offset FROM journals WHERE journal = ?", (journal,)).fetchone()
    return 0 if row is None else int(row[0])
