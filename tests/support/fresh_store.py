"""An empty SQLite store with today's schema, as ``migrate`` makes it but without its hundred statements."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenworks.ledger.store import Store, open_store


def fresh_store(url: str) -> Store:
    """A store at ``url`` of the latest schema; what ``url`` has already stays."""
    store = open_store(url)
    file = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(_migrated())
    else:
        store.migrate()
    return store


@cache
def _migrated() -> bytes:
    """The file of a store that nothing was written to yet."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        store = open_store(f"sqlite:///{file}")
        store.migrate()
        store.close()
        return file.read_bytes()
