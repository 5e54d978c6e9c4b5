"""API keys in SQLite."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from msgspec import UNSET, UnsetType

from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.sqlite_file import SqliteFile, transaction

_COLUMNS = KeyRow.__struct_fields__
_KEY = f"SELECT {', '.join(_COLUMNS)} FROM keys"  # noqa: S608 (this package's own names)
_INSERT = f"INSERT INTO keys ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_UPDATE = """UPDATE keys SET
  name = coalesce(?, name),
  disabled = coalesce(?, disabled),
  expires_us = CASE WHEN ? THEN ? ELSE expires_us END,
  updated_us = ?
WHERE id = ? AND revoked_us IS NULL"""
_REVOKE = "UPDATE keys SET revoked_us = ?1, updated_us = ?1 WHERE id = ?2 AND revoked_us IS NULL"


class SqliteKeys(SqliteFile):
    """See ``store.Store``."""

    def add_key(self, key: KeyRow) -> None:
        """Keep a new key."""
        values = [getattr(key, column) for column in _COLUMNS]
        with self._errors(), transaction(self._connection()) as connection:
            connection.execute(_INSERT, values)

    def key(self, key_id: str) -> KeyRow | None:
        """The key with this id, revoked or not."""
        return self._one_key("id = ?", key_id)

    def key_by_digest(self, digest: bytes) -> KeyRow | None:
        """The key with this HMAC, revoked or not."""
        return self._one_key("digest = ?", digest)

    def key_by_hash(self, key_hash: str) -> KeyRow | None:
        """The key with this ``KeyRow.hash``, revoked or not. Looks at every key, a microsecond each."""
        with self._errors():
            for (digest,) in self._connection().execute("SELECT digest FROM keys").fetchall():
                if hashlib.sha256(digest).hexdigest() == key_hash:
                    return self._one_key("digest = ?", digest)
        return None

    def keys(self) -> list[KeyRow]:
        """Every key, oldest first."""
        with self._errors():
            rows = self._connection().execute(f"{_KEY} ORDER BY created_us, id").fetchall()
        return [_key(row) for row in rows]

    def update_key(
        self,
        key_id: str,
        *,
        name: str | None = None,
        disabled: bool | None = None,
        expires_us: int | UnsetType | None = UNSET,
    ) -> KeyRow | None:
        """Change what is given and return the key; None where none has this id or it was revoked."""
        expires = expires_us is not UNSET
        if name is not None or disabled is not None or expires:
            values = (name, disabled, expires, expires_us if expires else None, _now_us(), key_id)
            with self._errors(), transaction(self._connection()) as connection:
                connection.execute(_UPDATE, values)
        return self._one_key("id = ? AND revoked_us IS NULL", key_id)

    def revoke_key(self, key_id: str) -> bool:
        """Revoke now; False when there is no such key or it was revoked before."""
        with self._errors(), transaction(self._connection()) as connection:
            return connection.execute(_REVOKE, (_now_us(), key_id)).rowcount == 1

    def delete_key(self, key_id: str) -> bool:
        """The same: what a key did stays in the ledger, so the key stays in the store."""
        return self.revoke_key(key_id)

    def keys_version(self) -> int:
        """A number that changes whenever a key does."""
        with self._errors():
            sql = "SELECT value FROM meta WHERE name = 'keys_version'"
            return int(self._connection().execute(sql).fetchone()[0])

    def _one_key(self, where: str, value: str | bytes) -> KeyRow | None:
        with self._errors():
            row = self._connection().execute(f"{_KEY} WHERE {where}", (value,)).fetchone()
        return None if row is None else _key(row)


def _key(row: tuple[Any, ...]) -> KeyRow:
    values = dict(zip(_COLUMNS, row, strict=True))
    return KeyRow(**{**values, "disabled": bool(values["disabled"])})


def _now_us() -> int:
    return time.time_ns() // 1000
