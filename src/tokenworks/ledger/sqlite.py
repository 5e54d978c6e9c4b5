"""The ledger in one SQLite file: WAL, one writer at a time, readers never wait."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.errors import StoreError
from tokenworks.ledger import spans
from tokenworks.ledger.migrations import STEPS
from tokenworks.ledger.record import FIELDS, Record, scrubbed
from tokenworks.ledger.rollups import FACT, GRAINS, MEASURES, SHAPE, Batcher, Row
from tokenworks.ledger.rows import KeyRow, UsageRow

log = logging.getLogger(__name__)
MIN_SQLITE = (3, 37, 0)  # STRICT tables
BUSY_S = 5.0
_ID_SLACK_S = 1  # between the second in an id and the record's time
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
_KEY = "SELECT id, name, role, hint, created_us, revoked_us, digest FROM keys"


class SqliteStore:
    """See ``store.Store``. A connection for each thread; do not carry one across a fork."""

    def __init__(self, path: str, *, durable: bool = False) -> None:
        """``durable``: every commit also survives power loss (else the journals make up for it)."""
        if sqlite3.sqlite_version_info < MIN_SQLITE:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed")
        self._path = path
        self._synchronous = "FULL" if durable else "NORMAL"
        self._local = threading.local()
        self._lock = threading.Lock()  # of the set of connections
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        self._writing = threading.Lock()  # of the batcher
        self._batcher = Batcher()

    # --- schema -------------------------------------------------------------------------------

    def migrate(self) -> None:
        """Bring the schema to this program's version; refuses one of a newer program."""
        with self._errors():
            Path(self._path).touch(mode=0o600)
            connection = self._connection()
            self._wal(connection)
            with _transaction(connection):
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                self._refuse_newer(version)
                for step in STEPS[version:]:
                    for statement in step:
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {len(STEPS)}")

    def _wal(self, connection: sqlite3.Connection) -> None:
        """SQLite does not wait for a busy file here, so this does."""
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _refuse_newer(self, version: int) -> None:
        if version > len(STEPS):
            raise StoreError(
                f"{self._path} was written by a newer Tokenworks (schema {version}, this program knows"
                f" {len(STEPS)}); upgrade Tokenworks or restore a backup"
            )

    # --- writing ------------------------------------------------------------------------------

    def append(
        self, journal: str, offset: int, records: Sequence[Record], *, since: int | None = None
    ) -> None:
        """Rows, roll-ups and the journal's offset in one transaction."""
        with self._writing, self._errors():
            connection = self._connection()
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
            with _transaction(connection):
                if since is not None and (stands := _offset(connection, journal)) != since:
                    raise StoreError(f"{journal} was read up to {stands} already, not {since}")

                def shape_id(shape: Row) -> int:
                    digest = hashlib.sha256(msgspec.msgpack.encode(shape)).digest()
                    return int(connection.execute(_INSERT_SHAPE, (digest, *shape)).fetchone()[0])

                facts = batcher.facts(records, shape_id)
                added = connection.executemany(_INSERT_FACT, facts).rowcount if facts else 0
                if added != len(facts):
                    raise _SomeThere
                for statement, rows in zip(_UPSERTS, batcher.sums(), strict=True):
                    connection.executemany(statement, rows)
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
        with self._errors(), _transaction(self._connection()) as connection:
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

    # --- keys ---------------------------------------------------------------------------------

    def add_key(self, key: KeyRow) -> None:
        """Keep a new key."""
        with self._errors(), _transaction(self._connection()) as connection:
            connection.execute(
                "INSERT INTO keys (id, name, role, hint, created_us, revoked_us, digest)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                msgspec.structs.astuple(key),
            )

    def key_by_digest(self, digest: bytes) -> KeyRow | None:
        """The key with this HMAC, revoked or not."""
        with self._errors():
            row = self._connection().execute(f"{_KEY} WHERE digest = ?", (digest,)).fetchone()
            return None if row is None else KeyRow(*row)

    def keys(self) -> list[KeyRow]:
        """Every key, oldest first."""
        with self._errors():
            rows = self._connection().execute(f"{_KEY} ORDER BY created_us, id").fetchall()
            return [KeyRow(*row) for row in rows]

    def revoke_key(self, key_id: str) -> bool:
        """Revoke now; False when there is no such key or it was revoked before."""
        with self._errors(), _transaction(self._connection()) as connection:
            sql = "UPDATE keys SET revoked_us = ? WHERE id = ? AND revoked_us IS NULL"
            return connection.execute(sql, (time.time_ns() // 1000, key_id)).rowcount == 1

    def keys_version(self) -> int:
        """A number that changes whenever a key does."""
        with self._errors():
            sql = "SELECT value FROM meta WHERE name = 'keys_version'"
            return int(self._connection().execute(sql).fetchone()[0])

    # --- reading ------------------------------------------------------------------------------

    def usage(
        self, by: str | None, since_us: int | None = None, until_us: int | None = None
    ) -> list[UsageRow]:
        """Sums for each of ``by``, the dearest first, days in order."""
        sql, parameters = spans.query(by, since_us, until_us)
        with self._errors():
            rows = self._connection().execute(sql, parameters).fetchall()
        return [UsageRow(str(group), *rest) for group, *rest in rows]

    def totals(self, since_us: int | None = None, until_us: int | None = None) -> UsageRow:
        """Sums of everything in the span."""
        rows = self.usage(None, since_us, until_us)
        return rows[0] if rows else UsageRow()

    def generation(self, record_id: str) -> Record | None:
        """The request with this id, found by the second that its id names."""
        second = record_id.split("-")[1] if record_id.startswith("gen-") else ""
        if not (second.isascii() and second.isdigit() and len(second) <= 11):
            return None
        since, until = int(second) - _ID_SLACK_S, int(second) + _ID_SLACK_S + 1
        with self._errors():
            parameters = (since * 1_000_000, until * 1_000_000, record_id)
            row = self._connection().execute(_GENERATION, parameters).fetchone()
        if row is None:
            return None
        values: dict[str, Any] = dict(zip(FIELDS, row, strict=True))
        values["stream"], values["estimated"] = bool(values["stream"]), bool(values["estimated"])
        return Record(**values)

    # --- connections --------------------------------------------------------------------------

    def close(self) -> None:
        """Close every thread's connection; a later call opens new ones."""
        with self._lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        return self._connect() if found is None else found

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            self._refuse_newer(connection.execute("PRAGMA user_version").fetchone()[0])
        except BaseException:
            connection.close()
            raise
        with self._lock:
            for thread in [t for t in self._connections if not t.is_alive()]:
                self._connections.pop(thread).close()
            self._connections[threading.current_thread()] = connection
            self._local.connection = connection
        return connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """What SQLite says, in the program's own tree."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            hint = "; run migrate() first" if "no such table" in str(error) else ""
            raise StoreError(f"{self._path}: {error}{hint}") from error


class _SomeThere(Exception):
    """Some of a batch's ids are in the table already."""


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing, holding the writer's lock from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _offset(connection: sqlite3.Connection, journal: str) -> int:
    row = connection.execute("SELECT byte_offset FROM journals WHERE journal = ?", (journal,)).fetchone()
    return 0 if row is None else int(row[0])
