"""What is particular to SQLite; what every engine does is in test_queued.py."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from queueing import queued_row

from tokenworks.ledger import sqlite_queue
from tokenworks.ledger.sqlite import SqliteStore


def test_the_first_of_each_key_is_found_without_reading_all(tmp_path: Path) -> None:
    """With very many waiting a claim must not hold up those who write."""
    store = SqliteStore(str(tmp_path / "ledger.db"))
    store.migrate()
    connection = store._connection()
    rows = [msgspec.structs.astuple(queued_row(f"k_{n % 50}")) for n in range(20_000)]
    with connection:
        connection.execute("BEGIN")
        connection.executemany(sqlite_queue._INSERT, rows)
    steps = []
    connection.set_progress_handler(lambda: steps.append(1), 100)
    assert len(store.claim("w", 100, 4)) == 4
    connection.set_progress_handler(None, 1)
    assert len(steps) < 100, "each is a hundred instructions"
    store.close()


KILLED = """
import sys
sys.path[:0] = sys.argv[2:]
from queueing import queued_row
from tokenworks.ledger.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
while True:
    row = queued_row("k_1", body=b"x" * 20_000)
    store.enqueue(row, 10**6, 10**12)
    print("kept", row.id, flush=True)
    (one,) = store.claim("dead", 100, 1)
    store.finish(one.id, "dead", 200, b"y" * 20_000, 5)
    print("done", one.id, flush=True)
"""


@pytest.mark.parametrize("turn", range(3))
def test_kill_nine_loses_nothing_that_was_promised(tmp_path: Path, turn: int) -> None:
    path = tmp_path / "ledger.db"
    store = SqliteStore(str(path))
    store.migrate()
    support = str(Path(__file__).parents[1] / "support")
    command = [sys.executable, "-c", KILLED, str(path), support]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20 + 7 * turn)]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()
    said = [line.split() for line in lines if len(line.split()) == 2 and line.endswith("\n")]
    assert len(said) >= 20
    for word, name in said:
        row = store.queued_one(name)
        assert row is not None
        if word == "done":
            assert (row.status, row.answer) == ("done", b"y" * 20_000)
    store.release_queue("dead")
    assert {row.status for row in store.queued(limit=10**6)} <= {"queued", "done"}
    store.close()
