"""One PostgreSQL database as every table's room: connections, transactions, and the schema's version."""

from __future__ import annotations

import contextlib
import os
import random
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.types.string import StrDumper

from tokenworks.errors import StoreError
from tokenworks.ledger.postgres.address import Address
from tokenworks.ledger.postgres.schema import STEPS

MIN_SERVER = 130_000  # 13
MAX_IDLE = 4  # connections kept for later
MAX_BUSY = 12  # at the same time in one process, of the 100 that a server allows unless told otherwise
BUSY_S = 10.0  # that one waits for a connection when all are in use
TRIES = 6  # of a transaction that met another one
_MIGRATING = 0x746F6B656E77  # of the advisory lock: "tokenw"
_CHANGING = 0x6368616E6765  # "change"

Row = tuple[Any, ...]
Connection = psycopg.Connection[Row]
Result = TypeVar("Result")

_STANDS = """SELECT current_schema(), current_setting('server_version_num')::int,
  current_setting('server_encoding'),
  EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = 'meta')"""
_VERSION = "SELECT value FROM meta WHERE name = 'schema_version'"


class Database:
    """What all tables share. Connections are taken for one piece of work each, from any thread."""

    def __init__(self, url: str) -> None:
        """Raises ``ConfigError`` for a URL that can't be read; connects to nothing yet."""
        self._address = Address(url)
        self._lock = threading.Lock()  # of the idle ones
        self._idle: list[Connection] = []
        self._busy = threading.BoundedSemaphore(MAX_BUSY)
        self._changing = threading.Lock()  # one turn at a time in this process
        self._life = 0  # connections of an earlier one are closed, not kept
        self._pid = os.getpid()

    # --- schema -------------------------------------------------------------------------------

    def migrate(self) -> None:
        """Bring the schema to this program's version; refuses one of a newer program.

        Others that do so at the same time wait for each other.
        """

        def work(connection: Connection) -> None:
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute("SET LOCAL lock_timeout = '10min'")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATING,))
            version = self._version(connection) or 0
            for step in STEPS[version:]:
                for statement in step:
                    connection.execute(statement.encode())
            if version < len(STEPS):
                connection.execute(
                    "INSERT INTO meta VALUES ('schema_version', %s)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (len(STEPS),),
                )

        self._write(work)

    def _version(self, connection: Connection) -> int | None:
        """The schema's version, None where there is no schema yet. Raises for what this program can't use."""
        found = connection.execute(_STANDS).fetchone()
        assert found is not None
        schema, server, encoding, there = found
        label = self._address.label
        if server < MIN_SERVER:
            raise StoreError(f"{label}: this server is too old; use PostgreSQL 13 or newer")
        if encoding != "UTF8":
            raise StoreError(
                f"{label}: is encoded in {encoding}; make it with CREATE DATABASE ... ENCODING 'UTF8'"
            )
        if schema is None:
            raise StoreError(f"{label}: no schema of the search_path is there; run CREATE SCHEMA first")
        if not there:
            return None
        try:
            row = connection.execute(_VERSION).fetchone()
        except (errors.UndefinedColumn, errors.UndefinedTable):
            row = None
        if row is None:
            raise StoreError(
                f"{label}: schema {schema} has tables of another program; give Tokenworks its own database"
            )
        if row[0] > len(STEPS):
            raise StoreError(
                f"{label} was written by a newer Tokenworks (schema {row[0]}, this program knows"
                f" {len(STEPS)}); upgrade Tokenworks or restore a backup"
            )
        return int(row[0])

    # --- work ---------------------------------------------------------------------------------

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of one statement that only reads."""
        with self._errors(), self._session() as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def _row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The first of them."""
        rows = self._rows(sql, parameters)
        return rows[0] if rows else None

    def _do(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement that is a transaction of its own; returns how many rows it met."""

        def work(connection: Connection) -> int:
            return connection.execute(sql.encode(), parameters).rowcount

        with self._errors():
            return self._again_if_met(work)

    def _write(self, work: Callable[[Connection], Result]) -> Result:
        """``work`` in one transaction; done anew when it met another one, so it has no other effect."""
        with self._errors():
            return self._transact(work)

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        """The same, raising what the driver raises."""

        def whole(connection: Connection) -> Result:
            with connection.transaction():
                return work(connection)

        return self._again_if_met(whole)

    def _again_if_met(self, work: Callable[[Connection], Result]) -> Result:
        for turn in range(1, TRIES):
            try:
                with self._session() as connection:
                    return work(connection)
            except (errors.DeadlockDetected, errors.SerializationFailure):
                time.sleep(random.uniform(0.001, 0.01) * 2**turn)  # noqa: S311 (no secret)
        with self._session() as connection:
            return work(connection)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """An advisory lock is held meanwhile, on a connection of its own."""
        with self._changing:
            with self._errors():
                connection = self._connect()
                connection.execute("SET statement_timeout = 0")
                connection.execute("SET lock_timeout = '10s'")
                connection.execute("SELECT pg_advisory_lock(%s)", (_CHANGING,))
            try:
                yield
            finally:
                connection.close()

    # --- connections --------------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection, one in use when it is given back; a later call opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._life += 1
        for connection in idle:
            connection.close()

    @contextlib.contextmanager
    def _session(self) -> Iterator[Connection]:
        """A connection for this thread alone, until the end of the block. Never one inside another."""
        if not self._busy.acquire(timeout=BUSY_S):
            raise StoreError(f"{self._address.label}: all {MAX_BUSY} connections are in use; try again later")
        try:
            life = self._life
            connection = self._take() or self._connect()
            try:
                yield connection
            finally:
                self._give_back(connection, life)
        finally:
            self._busy.release()

    def _take(self) -> Connection | None:
        """One that is idle and, as far as can be told without asking, not broken."""
        if self._pid != os.getpid():  # a child: these are its parent's
            with self._lock:
                self._idle, self._pid = [], os.getpid()
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None or not _is_stale(connection):
                return connection
            connection.close()

    def _give_back(self, connection: Connection, life: int) -> None:
        with self._lock:
            keep = (
                not connection.closed
                and connection.info.transaction_status == TransactionStatus.IDLE
                and life == self._life
                and len(self._idle) < MAX_IDLE
            )
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def _connect(self) -> Connection:
        connection = psycopg.connect(**self._address.parameters, autocommit=True)
        try:
            connection.adapters.register_dumper(str, _Text)
            self._version(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """What the driver says, in the program's own tree, without details, which may hold values of rows."""
        try:
            yield
        except (psycopg.Error, OSError) as error:
            said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
            hint = "; run migrate() first" if isinstance(error, errors.UndefinedTable) else ""
            told = self._address.told(said or str(error))
            raise StoreError(f"{self._address.label}: {told}{hint}") from error


class _Text(StrDumper):
    """Any string: what can't be kept, a NUL or half of a surrogate pair, becomes another character."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\ufffd").encode("utf-8", "replace")


def _is_stale(connection: Connection) -> bool:
    """Whether the server has hung up, or said something unasked, which it does before it hangs up."""
    if connection.closed:
        return True
    poll = select.poll()
    try:
        poll.register(connection.fileno(), select.POLLIN)
    except psycopg.OperationalError:
        return True
    return bool(poll.poll(0))
