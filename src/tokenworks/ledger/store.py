"""Where the ledger lives, whatever engine keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tokenworks.errors import ConfigError
from tokenworks.ledger.journal import Fsync
from tokenworks.ledger.record import Record
from tokenworks.ledger.rows import KeyRow, UsageRow
from tokenworks.ledger.sqlite import SqliteStore

BY = ("model", "key", "app", "provider", "day")


class Store(Protocol):
    """Synchronous; every method may be called from any thread and raises ``StoreError`` when it can't."""

    def migrate(self) -> None:
        """Bring the schema to this program's version, once, whoever else tries at the same time."""

    def append(
        self, journal: str, offset: int, records: Sequence[Record], *, since: int | None = None
    ) -> None:
        """Rows, roll-ups and ``journal``'s new offset in one transaction.

        Refused when ``since`` is given and is not the journal's offset now. Records whose id is there
        already are left out and reported in the log.
        """

    def journal_offset(self, journal: str) -> int:
        """How far ``journal`` has been read, in bytes; 0 for one never seen."""

    def forget_journal(self, journal: str) -> None:
        """Its file is gone: drop its offset."""

    def recorded(self, records: Sequence[Record]) -> set[str]:
        """The ids of those ``records`` that are in the ledger already."""

    def sync(self) -> None:
        """Make everything committed so far survive power loss, before its only other copy is deleted."""

    def add_key(self, key: KeyRow) -> None:
        """Keep a new key."""

    def key_by_digest(self, digest: bytes) -> KeyRow | None:
        """The key with this HMAC, revoked or not."""

    def keys(self) -> list[KeyRow]:
        """Every key, oldest first, revoked ones too."""

    def revoke_key(self, key_id: str) -> bool:
        """Revoke now; False when there is no such key or it was revoked before."""

    def keys_version(self) -> int:
        """A number that changes whenever a key does; cheap."""

    def usage(
        self, by: str | None, since_us: int | None = None, until_us: int | None = None
    ) -> list[UsageRow]:
        """Sums for each of ``by`` (one of ``BY``), or of all together for None; exact at both bounds.

        The dearest first, days in order. Whole hours or days come from roll-ups, edges from rows.
        """

    def totals(self, since_us: int | None = None, until_us: int | None = None) -> UsageRow:
        """Sums of everything from ``since_us`` up to but not including ``until_us``."""

    def generation(self, record_id: str) -> Record | None:
        """The request with this id."""

    def close(self) -> None:
        """Close every thread's connection."""


def open_store(url: str, *, fsync: Fsync = "interval") -> Store:
    """The store at ``url``; nothing is read or written yet, see ``Store.migrate``.

    Raises ``ConfigError`` for a URL of no engine that this version has.
    """
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        if not path or path.startswith(":memory:"):
            raise ConfigError(f"ledger.store = {url!r}: name a file, as in sqlite:////var/lib/tokenworks.db")
        return SqliteStore(path, durable=fsync == "always")
    if url.startswith(("postgresql://", "postgres://")):
        raise ConfigError("ledger.store: PostgreSQL is not built yet in this version; use sqlite:///PATH")
    raise ConfigError(f"ledger.store = {url!r}: use sqlite:///PATH")
