import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import sqlite_file as module
from tokenworks.ledger.sqlite import SqliteStore


def test_connections_of_threads_that_ended_are_closed(store) -> None:
    for _ in range(5):
        thread = threading.Thread(target=store.keys_version)
        thread.start()
        thread.join()
    assert len(store._connections) <= 3


def test_a_locked_store_says_so_and_works_again(store, make, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "BUSY_S", 0.05)
    impatient = SqliteStore(str(tmp_path / "ledger.db"))
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        impatient.append("w", 1, [make()])
    assert impatient.totals().requests == 0, "readers do not wait"
    other.execute("ROLLBACK")
    other.close()
    impatient.append("w", 1, [make()])
    assert impatient.totals().requests == 1
    impatient.close()


def test_a_file_that_is_no_store_is_reported(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database, " * 100)
    with pytest.raises(StoreError, match=r"text\.db: file is not a database"):
        SqliteStore(str(tmp_path / "text.db")).migrate()
    with pytest.raises(StoreError, match=r"missing.*ledger\.db"):
        SqliteStore(str(tmp_path / "missing" / "ledger.db")).migrate()
    fresh = SqliteStore(str(tmp_path / "fresh.db"))
    with pytest.raises(StoreError, match=r"run migrate\(\) first"):
        fresh.totals()
    fresh.close()


def test_the_file_is_its_owners_alone_and_in_wal_mode(store, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o600
    assert store._connection().execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._connection().execute("PRAGMA synchronous").fetchone() == (1,)
    durable = SqliteStore(str(tmp_path / "ledger.db"), durable=True)
    assert durable._connection().execute("PRAGMA synchronous").fetchone() == (2,)
    durable.close()
