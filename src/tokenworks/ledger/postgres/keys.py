"""API keys in PostgreSQL."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from tokenworks.ledger.postgres import audit
from tokenworks.ledger.postgres.database import Connection, Database
from tokenworks.ledger.rows import KeyRow

_COLUMNS = ", ".join(KeyRow.__struct_fields__)
_KEY = f"SELECT {_COLUMNS} FROM keys"  # noqa: S608 (this package's own names)
_INSERT = f"INSERT INTO keys ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(KeyRow.__struct_fields__))})"  # noqa: S608
_AUDITED = ("name", "role", "expires_us", "disabled", "team_id", "rules")


class PostgresKeys(Database):
    """See ``store.Store``."""

    def add_key(self, key: KeyRow, *, actor: str = "") -> None:
        """Keep a new key."""

        def work(connection: Connection) -> None:
            connection.execute(_INSERT.encode(), msgspec.structs.astuple(key))
            audit.write(
                connection, actor, "key.create", key.id, {name: getattr(key, name) for name in _AUDITED}
            )

        self._write(work)

    def key(self, key_id: str) -> KeyRow | None:
        """The key with this id, revoked or not."""
        return self._one_key("id = %s", key_id)

    def key_by_digest(self, digest: bytes) -> KeyRow | None:
        """The key with this HMAC, of its secret or of the one before it, revoked or not."""
        return self._one_key("digest = %s", digest) or self._one_key("old_digest = %s", digest)

    def key_by_hash(self, key_hash: str) -> KeyRow | None:
        """The key with this ``KeyRow.hash``, revoked or not. Looks at every key."""
        return self._one_key("encode(sha256(convert_to(id, 'UTF8')), 'hex') = %s", key_hash)

    def keys(self) -> list[KeyRow]:
        """Every key, oldest first."""
        return [KeyRow(*row) for row in self._rows(f"{_KEY} ORDER BY created_us, id")]

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
            return self._one_key("id = %s AND revoked_us IS NULL", key_id)
        sets = ", ".join(f"{field} = %s" for field in changed)
        return self._change(sets, tuple(changed.values()), key_id, actor, "key.update", changed)

    def rotate_key(
        self, key_id: str, digest: bytes, hint: str, old_until_us: int, *, actor: str = ""
    ) -> KeyRow | None:
        """Give the key another secret; the one it had is good until ``old_until_us``."""
        sets = "old_digest = digest, old_until_us = %s, digest = %s, hint = %s"
        detail = {"old_until_us": old_until_us}
        return self._change(sets, (old_until_us, digest, hint), key_id, actor, "key.rotate", detail)

    def revoke_key(self, key_id: str, *, actor: str = "") -> bool:
        """Revoke now; False when there is no such key or it was revoked before."""
        now_us = _now_us()
        detail = {"revoked_us": now_us}
        return self._change("revoked_us = %s", (now_us,), key_id, actor, "key.revoke", detail) is not None

    def delete_key(self, key_id: str, *, actor: str = "") -> bool:
        """The same: what a key did stays in the ledger, so the key stays in the store."""
        return self.revoke_key(key_id, actor=actor)

    def keys_version(self) -> int:
        """A number that changes whenever a key does."""
        row = self._row("SELECT value FROM meta WHERE name = 'keys_version'")
        assert row is not None
        return int(row[0])

    def _one_key(self, where: str, value: str | bytes) -> KeyRow | None:
        row = self._row(f"{_KEY} WHERE {where}", (value,))
        return None if row is None else KeyRow(*row)

    def _change(
        self, sets: str, values: tuple[Any, ...], key_id: str, actor: str, action: str, detail: dict[str, Any]
    ) -> KeyRow | None:
        """Do ``sets`` to the key and note it; None, and nothing noted, when it met no key."""
        sql = (
            f"UPDATE keys SET {sets}, updated_us = %s WHERE id = %s AND revoked_us IS NULL"  # noqa: S608
            f" RETURNING {_COLUMNS}"
        )

        def work(connection: Connection) -> KeyRow | None:
            row = connection.execute(sql.encode(), (*values, _now_us(), key_id)).fetchone()
            if row is None:
                return None
            audit.write(connection, actor, action, key_id, detail)
            return KeyRow(*row)

        return self._write(work)


def _now_us() -> int:
    return time.time_ns() // 1000
