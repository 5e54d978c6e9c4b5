"""Where the ledger lives, whatever engine keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import UNSET, UnsetType

from tokenworks.errors import ConfigError
from tokenworks.ledger.journal import Fsync
from tokenworks.ledger.record import Record
from tokenworks.ledger.rows import ActivityRow, KeyRow, ProviderKeyRow, UsageRow
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

    def key(self, key_id: str) -> KeyRow | None:
        """The key with this id, revoked or not."""

    def key_by_digest(self, digest: bytes) -> KeyRow | None:
        """The key with this HMAC, revoked or not."""

    def key_by_hash(self, key_hash: str) -> KeyRow | None:
        """The key with this ``KeyRow.hash``, revoked or not; not cheap with very many keys."""

    def keys(self) -> list[KeyRow]:
        """Every key, oldest first, revoked ones too."""

    def update_key(
        self,
        key_id: str,
        *,
        name: str | None = None,
        disabled: bool | None = None,
        expires_us: int | UnsetType | None = UNSET,
    ) -> KeyRow | None:
        """Change what is given and return the key; None where none has this id or it was revoked.

        ``expires_us=None`` takes the end away.
        """

    def revoke_key(self, key_id: str) -> bool:
        """Revoke now; False when there is no such key or it was revoked before."""

    def delete_key(self, key_id: str) -> bool:
        """The same as ``revoke_key``: what a key did stays in the ledger, so the key stays too."""

    def keys_version(self) -> int:
        """A number that changes whenever a key does; cheap."""

    def add_provider_key(self, key: ProviderKeyRow) -> bool:
        """Keep a new key; False, and nothing done, when its provider has one of that name."""

    def provider_keys(self) -> list[ProviderKeyRow]:
        """Every key of a provider, by provider, each provider's oldest first."""

    def update_provider_key(
        self, key_id: str, *, weight: float | None = None, disabled: bool | None = None
    ) -> ProviderKeyRow | None:
        """Change what is given and return the key; None where none has this id."""

    def remove_provider_key(self, key_id: str) -> bool:
        """Forget the key; False where none has this id."""

    def reseal_provider_keys(self, ciphertexts: Mapping[str, bytes]) -> int:
        """Replace the ciphertexts of these ids, all or none; returns how many there still were."""

    def keep_state(self, scope: str, state_id: str, body: bytes, expires_us: int) -> None:
        """Keep ``body`` under ``scope`` and ``state_id`` until ``expires_us``, in place of what was there."""

    def state(self, scope: str, state_id: str, now_us: int) -> bytes | None:
        """What is kept there, None where there is nothing or its time has come."""

    def forget_state(self, scope: str, state_id: str) -> bool:
        """Drop it; False where there was none."""

    def expire_states(self, now_us: int, limit: int = 1000) -> int:
        """Drop up to ``limit`` of those whose time has come, the oldest first; returns how many."""

    def usage(
        self, by: str | None, since_us: int | None = None, until_us: int | None = None
    ) -> list[UsageRow]:
        """Sums for each of ``by`` (one of ``BY``), or of all together for None; exact at both bounds.

        The dearest first, days in order. Whole hours or days come from roll-ups, edges from rows.
        """

    def key_usage(self, key_id: str, since_us: int | None = None, until_us: int | None = None) -> UsageRow:
        """Sums of one key, zeros for one that did nothing; exact at both bounds.

        A span from or to the middle of a UTC day reads that day's requests of everybody.
        """

    def activity(
        self, since_us: int | None, until_us: int | None, key_id: str | None = None
    ) -> list[ActivityRow]:
        """Sums for each UTC day, model and provider, days in order, then the dearest first.

        With ``key_id`` that key's alone, for which every request of the span is read.
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
