"""What is particular to PostgreSQL; what every engine does is in ledger/test_batch_tables.py."""

import time

import pytest
from batching import batch_row

from tokenworks.errors import StoreError


def test_its_clock_goes_on_within_a_transaction(store) -> None:
    def work(execute):
        ((first,),), _ = execute(f"SELECT {store._now_us_sql}")
        time.sleep(0.02)
        ((second,),), _ = execute(f"SELECT {store._now_us_sql}")
        return first, second

    first, second = store._changed(work)
    assert second - first >= 20_000 and abs(second - time.time_ns() // 1000) < 5_000_000


def test_what_breaks_off_leaves_nothing(store) -> None:
    row = batch_row()
    store.add_batch(row)

    def work(execute):
        execute("UPDATE batches SET total = 99")
        execute("SELECT nothing_like_it")

    with pytest.raises(StoreError):
        store._changed(work)
    assert store.batch(row.id) == row
