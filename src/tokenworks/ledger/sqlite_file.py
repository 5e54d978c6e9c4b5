"""One SQLite file as every table's room: WAL, a connection for each thread, and the schema's version."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tokenworks.errors import StoreError
from tokenworks.ledger.migrations import STEPS

MIN_SQLITE = (3, 37, 0)  # STRICT tables
BUSY_S = 5.0


class SqliteFile:
    """What all tables share. A connection for each thread; do not carry one across a fork."""

    def __init__(self, path: str, *, durable: bool = False) -> None:
        """``durable``: every commit also survives power loss (else the journals make up for it)."""
        if sqlite3.sqlite_version_info < MIN_SQLITE:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed")
        self._path = path
        self._synchronous = "FULL" if durable else "NORMAL"
        self._local = threading.local()
        self._lock = threading.Lock()  # of the set of connections
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}

    # --- schema -------------------------------------------------------------------------------

    def migrate(self) -> None:
        """Bring the schema to this program's version; refuses one of a newer program."""
        with self._errors():
            Path(self._path).touch(mode=0o600)
            connection = self._connection()
            self._wal(connection)
            with transaction(connection):
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
    def turn(self) -> Iterator[None]:
        """A file beside the store is locked meanwhile, by one thread of one process."""
        with self._errors():
            held = os.open(f"{self._path}.changes", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """What SQLite says, in the program's own tree."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            older = str(error).startswith(("no such table", "no such column", "table keys has no column"))
            hint = "; run migrate() first" if older else ""
            raise StoreError(f"{self._path}: {error}{hint}") from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing, holding the writer's lock from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
