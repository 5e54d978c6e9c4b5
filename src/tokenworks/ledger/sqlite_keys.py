"""API keys in SQLite."""

from __future__ import annotations

import time
from typing import Any

from msgspec import UNSET, UnsetType

from tokenworks.ledger import sqlite_audit
from tokenworks.ledger.rows import KeyRow, hash_of
from tokenworks.ledger.sqlite_file import SqliteFile, transaction

_COLUMNS = KeyRow.__struct_fields__
_KEY = f"SELECT {', '.join(_COLUMNS)} FROM keys"  # noqa: S608 (this package's own names)
_INSERT = f"INSERT INTO keys ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_UPDATE = """UPDATE keys SET
  name = coalesce(?, name),
  disabled = coalesce(?, disabled),
  expires_us = CASE WHEN ? THEN ? ELSE expires_us END,
  role = coalesce(?, role),
  team_id = coalesce(?, team_id),
  rules = coalesce(?, rules),
  updated_us = ?
WHERE id = ? AND revoked_us IS NULL"""
_ROTATE = """UPDATE keys SET
  old_digest = digest, old_until_us = ?, digest = ?, hint = ?, updated_us = ?
WHERE id = ? AND revoked_us IS NULL"""
_REVOKE = "UPDATE keys SET revoked_us = ?1, updated_us = ?1 WHERE id = ?2 AND revoked_us IS NULL"
_AUDITED = ("name", "role", "expires_us", "disabled", "team_id", "rules")


class SqliteKeys(SqliteFile):
    """See ``store.Store``."""

    def add_key(self, key: KeyRow, *, actor: str = "") -> None:
        """Keep a new key."""
        values = [getattr(key, column) for column in _COLUMNS]
        with self._errors(), transaction(self._connection()) as connection:
            connection.execute(_INSERT, values)
            detail = {name: getattr(key, name) for name in _AUDITED}
            sqlite_audit.write(connection, actor, "key.create", key.id, detail)

    def key(self, key_id: str) -> KeyRow | None:
        """The key with this id, revoked or not."""
        return self._one_key("id = ?", key_id)

    def key_by_digest(self, digest: bytes) -> KeyRow | None:
        """The key with this HMAC, of its secret or of the one before it, revoked or not."""
        return self._one_key("digest = ?", digest) or self._one_key("old_digest = ?", digest)

    def key_by_hash(self, key_hash: str) -> KeyRow | None:
        """The key with this ``KeyRow.hash``, revoked or not. Looks at every key, a microsecond each."""
        with self._errors():
            for (key_id,) in self._connection().execute("SELECT id FROM keys").fetchall():
                if hash_of(key_id) == key_hash:
                    return self._one_key("id = ?", key_id)
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
        role: str | None = None,
        team_id: str | None = None,
        rules: str | None = None,
        actor: str = "",
    ) -> KeyRow | None:
        """Change what is given and return the key; None where none has this id or it was revoked."""
        given = {"name": name, "disabled": disabled, "role": role, "team_id": team_id, "rules": rules}
        changed: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
        if expires_us is not UNSET:
            changed["expires_us"] = expires_us
        if not changed:
            return self._one_key("id = ? AND revoked_us IS NULL", key_id)
        ends = (expires_us is not UNSET, changed.get("expires_us"))
        values = (name, disabled, *ends, role, team_id, rules, _now_us(), key_id)
        return self._change(_UPDATE, values, key_id, actor, "key.update", changed)

    def rotate_key(
        self, key_id: str, digest: bytes, hint: str, old_until_us: int, *, actor: str = ""
    ) -> KeyRow | None:
        """Give the key another secret; the one it had is good until ``old_until_us``."""
        values = (old_until_us, digest, hint, _now_us(), key_id)
        return self._change(_ROTATE, values, key_id, actor, "key.rotate", {"old_until_us": old_until_us})

    def revoke_key(self, key_id: str, *, actor: str = "") -> bool:
        """Revoke now; False when there is no such key or it was revoked before."""
        now_us = _now_us()
        detail = {"revoked_us": now_us}
        return self._change(_REVOKE, (now_us, key_id), key_id, actor, "key.revoke", detail) is not None

    def delete_key(self, key_id: str, *, actor: str = "") -> bool:
        """The same: what a key did stays in the ledger, so the key stays in the store."""
        return self.revoke_key(key_id, actor=actor)

    def keys_version(self) -> int:
        """A number that changes whenever a key does."""
        with self._errors():
            sql = "SELECT value FROM meta WHERE name = 'keys_version'"
            return int(self._connection().execute(sql).fetchone()[0])

    def _one_key(self, where: str, value: str | bytes) -> KeyRow | None:
        with self._errors():
            row = self._connection().execute(f"{_KEY} WHERE {where}", (value,)).fetchone()
        return None if row is None else _key(row)

    def _change(
        self, sql: str, values: tuple[Any, ...], key_id: str, actor: str, action: str, detail: dict[str, Any]
    ) -> KeyRow | None:
        """Do ``sql`` to the key and note it; None, and nothing noted, when it met no key."""
        with self._errors(), transaction(self._connection()) as connection:
            if connection.execute(sql, values).rowcount == 0:
                return None
            sqlite_audit.write(connection, actor, action, key_id, detail)
            return _key(connection.execute(f"{_KEY} WHERE id = ?", (key_id,)).fetchone())


def _key(row: tuple[Any, ...]) -> KeyRow:
    values = dict(zip(_COLUMNS, row, strict=True))
    return KeyRow(**{**values, "disabled": bool(values["disabled"])})


def _now_us() -> int:
    return time.time_ns() // 1000
