"""Encrypted keys of providers in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tokenworks.ledger.postgres import audit
from tokenworks.ledger.postgres.database import Connection, Database
from tokenworks.ledger.rows import ProviderKeyRow

_FIELDS = ProviderKeyRow.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_KEYS = f"SELECT {_COLUMNS} FROM provider_keys"  # noqa: S608 (this package's own names)
_INSERT = (
    f"INSERT INTO provider_keys ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(_FIELDS))})"  # noqa: S608
    " ON CONFLICT (provider, name) DO NOTHING"
)
_RESEAL = """UPDATE provider_keys AS k SET ciphertext = n.ciphertext
FROM unnest(%s::text[], %s::bytea[]) AS n (id, ciphertext) WHERE k.id = n.id"""


class PostgresVault(Database):
    """See ``store.Store``."""

    def add_provider_key(self, key: ProviderKeyRow, *, actor: str = "") -> bool:
        """Keep a new key; False, and nothing done, when its provider has one of that name."""

        def work(connection: Connection) -> bool:
            if connection.execute(_INSERT.encode(), msgspec.structs.astuple(key)).rowcount == 0:
                return False
            detail = {name: getattr(key, name) for name in ("provider", "name", "weight", "disabled")}
            audit.write(connection, actor, "provider_key.create", key.id, detail)
            return True

        return self._write(work)

    def provider_keys(self) -> list[ProviderKeyRow]:
        """Every key by provider, each provider's oldest first."""
        return [ProviderKeyRow(*row) for row in self._rows(f"{_KEYS} ORDER BY provider, created_us, id")]

    def update_provider_key(
        self, key_id: str, *, weight: float | None = None, disabled: bool | None = None, actor: str = ""
    ) -> ProviderKeyRow | None:
        """Change what is given and return the key; None where none has this id."""
        given = {"weight": weight, "disabled": disabled}
        changed = {name: value for name, value in given.items() if value is not None}
        sets = ", ".join(f"{name} = %s" for name in changed)

        def work(connection: Connection) -> ProviderKeyRow | None:
            if changed:
                sql = f"UPDATE provider_keys SET {sets} WHERE id = %s"  # noqa: S608
                if connection.execute(sql.encode(), (*changed.values(), key_id)).rowcount == 1:
                    audit.write(connection, actor, "provider_key.update", key_id, changed)
            row = connection.execute(f"{_KEYS} WHERE id = %s".encode(), (key_id,)).fetchone()
            return None if row is None else ProviderKeyRow(*row)

        return self._write(work)

    def remove_provider_key(self, key_id: str, *, actor: str = "") -> bool:
        """Forget the key; False where none has this id."""

        def work(connection: Connection) -> bool:
            if connection.execute("DELETE FROM provider_keys WHERE id = %s", (key_id,)).rowcount == 0:
                return False
            audit.write(connection, actor, "provider_key.remove", key_id)
            return True

        return self._write(work)

    def reseal_provider_keys(self, ciphertexts: Mapping[str, bytes]) -> int:
        """Replace the ciphertexts of these ids, all or none; returns how many there still were."""
        return self._do(_RESEAL, (list(ciphertexts), list(ciphertexts.values()))) if ciphertexts else 0
