"""Encrypted keys of providers in SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.ledger import sqlite_audit
from tokenworks.ledger.rows import ProviderKeyRow
from tokenworks.ledger.sqlite_file import SqliteFile, transaction

_COLUMNS = ProviderKeyRow.__struct_fields__
_KEYS = f"SELECT {', '.join(_COLUMNS)} FROM provider_keys"  # noqa: S608 (this package's own names)
_INSERT = (
    f"INSERT INTO provider_keys ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
    " ON CONFLICT (provider, name) DO NOTHING"
)
_UPDATE = (
    "UPDATE provider_keys SET weight = coalesce(?, weight), disabled = coalesce(?, disabled) WHERE id = ?"
)


class SqliteVault(SqliteFile):
    """See ``store.Store``."""

    def add_provider_key(self, key: ProviderKeyRow, *, actor: str = "") -> bool:
        """Keep a new key; False, and nothing done, when its provider has one of that name."""
        values = [getattr(key, column) for column in _COLUMNS]
        with self._errors(), transaction(self._connection()) as connection:
            if connection.execute(_INSERT, values).rowcount == 0:
                return False
            detail = {name: getattr(key, name) for name in ("provider", "name", "weight", "disabled")}
            sqlite_audit.write(connection, actor, "provider_key.create", key.id, detail)
        return True

    def provider_keys(self) -> list[ProviderKeyRow]:
        """Every key by provider, each provider's oldest first."""
        with self._errors():
            rows = self._connection().execute(f"{_KEYS} ORDER BY provider, created_us, id").fetchall()
        return [_key(row) for row in rows]

    def update_provider_key(
        self, key_id: str, *, weight: float | None = None, disabled: bool | None = None, actor: str = ""
    ) -> ProviderKeyRow | None:
        """Change what is given and return the key; None where none has this id."""
        given = {"weight": weight, "disabled": disabled}
        changed = {name: value for name, value in given.items() if value is not None}
        with self._errors(), transaction(self._connection()) as connection:
            found = connection.execute(_UPDATE, (weight, disabled, key_id)).rowcount == 1
            if found and changed:
                sqlite_audit.write(connection, actor, "provider_key.update", key_id, changed)
            row = connection.execute(f"{_KEYS} WHERE id = ?", (key_id,)).fetchone()
        return None if row is None else _key(row)

    def remove_provider_key(self, key_id: str, *, actor: str = "") -> bool:
        """Forget the key; False where none has this id."""
        with self._errors(), transaction(self._connection()) as connection:
            if connection.execute("DELETE FROM provider_keys WHERE id = ?", (key_id,)).rowcount == 0:
                return False
            sqlite_audit.write(connection, actor, "provider_key.remove", key_id)
        return True

    def reseal_provider_keys(self, ciphertexts: Mapping[str, bytes]) -> int:
        """Replace the ciphertexts of these ids, all or none; returns how many there still were."""
        rows = [(ciphertext, key_id) for key_id, ciphertext in ciphertexts.items()]
        with self._errors(), transaction(self._connection()) as connection:
            sql = "UPDATE provider_keys SET ciphertext = ? WHERE id = ?"
            return connection.executemany(sql, rows).rowcount if rows else 0


def _key(row: tuple[Any, ...]) -> ProviderKeyRow:
    values = dict(zip(_COLUMNS, row, strict=True))
    return ProviderKeyRow(**{**values, "disabled": bool(values["disabled"])})
