"""What is particular to SQLite; what every engine does is in test_batch_tables.py."""

import time
from pathlib import Path

import pytest
from batching import batch_row, part_rows

from tokenworks.errors import StoreError
from tokenworks.ledger.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path):
    made = SqliteStore(str(tmp_path / "ledger.db"))
    made.migrate()
    yield made
    made.close()


def test_its_clock_is_the_machines_to_a_few_milliseconds(store: SqliteStore) -> None:
    ((now_us,),) = store._asked(f"SELECT {store._now_us_sql}")
    assert abs(now_us - time.time_ns() // 1000) < 50_000


def test_what_breaks_off_leaves_nothing(store: SqliteStore) -> None:
    row = batch_row()
    store.add_batch(row)

    def work(execute):
        execute("UPDATE batches SET total = 99")
        execute("no statement")

    with pytest.raises(StoreError, match="syntax"):
        store._changed(work)
    assert store.batch(row.id) == row


def test_parts_that_wait_are_found_without_reading_those_that_are_settled(store: SqliteStore) -> None:
    row = batch_row()
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, 5000))
    store._changed(lambda execute: execute("UPDATE batch_parts SET status = 'done' WHERE seq < 4990"))
    steps: list[int] = []
    connection = store._connection()
    connection.set_progress_handler(lambda: steps.append(1), 100)
    assert len(store.parts(row.id, status="waiting", until_seq=5000, limit=100)) == 10
    connection.set_progress_handler(None, 1)
    assert len(steps) < 20, "each is a hundred instructions"
