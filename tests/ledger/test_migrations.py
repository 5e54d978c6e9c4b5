import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import sqlite as module
from tokenworks.ledger.migrations import STEPS
from tokenworks.ledger.sqlite import SqliteStore

MIGRATE = "import sys; from tokenworks.ledger.sqlite import SqliteStore; SqliteStore(sys.argv[1]).migrate()"


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    starts = [subprocess.Popen([sys.executable, "-c", MIGRATE, str(path)]) for _ in range(4)]
    assert [start.wait() for start in starts] == [0, 0, 0, 0]
    assert version(path) == len(STEPS)


def test_migrating_again_changes_nothing(store, make, tmp_path: Path) -> None:
    store.append("w", 1, [make()])
    store.migrate()
    assert store.totals().requests == 1
    assert version(tmp_path / "ledger.db") == len(STEPS)


def test_a_newer_programs_store_is_refused_untouched(store, tmp_path: Path, make) -> None:
    store.close()
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    connection.close()
    for attempt in (store.migrate, store.totals, lambda: store.append("w", 1, [make()])):
        with pytest.raises(StoreError, match=r"newer Tokenworks.*upgrade"):
            attempt()
    assert version(path) == len(STEPS) + 1


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "ledger.db"
    store = SqliteStore(str(path))
    monkeypatch.setattr(module, "STEPS", (*STEPS, ("CREATE TABLE more (a INTEGER) STRICT", "NOT SQL")))
    with pytest.raises(StoreError, match="syntax error"):
        store.migrate()
    assert version(path) == 0
    monkeypatch.undo()
    store.migrate()
    assert store.keys() == []
    store.close()


def test_money_and_tokens_can_only_be_whole_numbers(store, make) -> None:
    store.append("w", 1, [make()])
    connection = store._connection()
    with pytest.raises(sqlite3.IntegrityError, match="cannot store"):
        connection.execute("UPDATE request_facts SET cost_nano_usd = 0.5")
    with pytest.raises(sqlite3.IntegrityError, match="cannot store"):
        connection.execute("UPDATE day_model SET cost_nano_usd = 'x'")
