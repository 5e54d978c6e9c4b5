"""What is particular to PostgreSQL; what every engine does is in test_queued.py."""

import threading

from queueing import queued_row

from tokenworks.ledger.postgres import queue


def test_a_claim_under_way_is_passed_over(store) -> None:
    """Two workers ask at the same moment: neither waits for the other, and neither gets the same."""
    rows = [queued_row(f"k_{number}") for number in range(3)]
    for row in rows:
        store.enqueue(row, 10, 10**6)
    claimed, may_commit, other = threading.Event(), threading.Event(), []

    def slowly() -> None:
        def work(connection) -> None:
            connection.execute(queue._CLAIM.encode(), (100, 2, "slow"))
            claimed.set()
            assert may_commit.wait(5)

        store._write(work)

    thread = threading.Thread(target=slowly)
    thread.start()
    try:
        assert claimed.wait(5)
        other = store.claim("quick", 100, 3)
    finally:
        may_commit.set()
        thread.join()
    assert [row.id for row in other] == [rows[2].id]
    assert {store.queued_one(row.id).holder for row in rows[:2]} == {"slow"}
    assert store.claim("quick", 100, 3) == []


def test_the_first_of_each_key_is_found_by_its_index(store, sql) -> None:
    sql("SET LOCAL enable_seqscan = off")
    plan = "\n".join(row[0] for row in sql(f"EXPLAIN {queue._CLAIM}", 100, 4, "w"))
    assert "queued_first" in plan
