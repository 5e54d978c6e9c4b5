"""What every engine does for queued requests."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queueing import queued_row

from tokenworks.ledger.queued import BRIEF, CANCELLED, COLUMNS, DONE, EXPIRED, KEPT_US, QUEUED, RUNNING
from tokenworks.ledger.store import open_store

MOST, BYTES = 1000, 10**9


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    server = None
    if request.param == "postgres":
        import postgres

        server = postgres.shared()
    url = server.database() if server else f"sqlite:///{tmp_path / 'ledger.db'}"
    made = open_store(url)
    made.migrate()
    yield made
    made.close()
    if server:
        server.drop(url)


def test_what_may_still_be_run() -> None:
    rows = [queued_row(status=status) for status in (QUEUED, RUNNING, DONE, CANCELLED, EXPIRED)]
    assert [row.status for row in rows if row.open] == [QUEUED, RUNNING]


def test_lists_leave_out_what_may_be_long() -> None:
    assert set(COLUMNS) - set(BRIEF) == {"body", "answer"}
    assert COLUMNS[: len(BRIEF)] == BRIEF, "a row can be made of it"


def put(store, *rows) -> list[str]:
    for row in rows:
        assert store.enqueue(row, MOST, BYTES)
    return [row.id for row in rows]


def ids(rows) -> list[str]:
    return [row.id for row in rows]


def test_what_is_kept_is_there_whole(store) -> None:
    row = queued_row(body=bytes(range(256)) * 400, caller='{"app":"ä\\u0000"}', model="m\U0001f600")
    put(store, row)
    assert store.queued_one(row.id) == row
    assert store.queued_one("q_other") is None


def test_a_key_may_have_only_so_many_open(store) -> None:
    first, *_ = put(store, *(queued_row() for _ in range(3)))
    assert not store.enqueue(queued_row(), 3, BYTES)
    assert store.enqueue(queued_row("k_2"), 3, BYTES), "another key's don't count"
    (one,) = store.claim("w", 100, 1)
    assert not store.enqueue(queued_row(), 3, BYTES), "one that is run is open too"
    assert one.id == first and store.finish(first, "w", 200, b"{}", 5)
    assert store.enqueue(queued_row(), 3, BYTES)
    assert len(store.queued("k_1")) == 4


def test_a_keys_bodies_may_be_only_so_long(store) -> None:
    first = queued_row(body=b"x" * 600)
    assert store.enqueue(first, MOST, 1000)
    assert not store.enqueue(queued_row(body=b"x" * 401), MOST, 1000)
    assert store.enqueue(queued_row(body=b"x" * 400), MOST, 1000)
    assert store.cancel(first.id, 5)
    assert store.enqueue(queued_row(body=b"x" * 600), MOST, 1000), "what is finished has no body any more"


def test_lists_are_of_one_key_or_all_the_latest_first_and_brief(store) -> None:
    mine = put(store, *(queued_row(body=b"long") for _ in range(3)))
    (other,) = put(store, queued_row("k_2"))
    assert ids(store.queued("k_1")) == mine[::-1]
    assert ids(store.queued()) == [other, *mine[::-1]]
    assert ids(store.queued("k_1", limit=1, offset=1)) == [mine[1]]
    assert store.queued("k_3") == []
    assert {row.body for row in store.queued()} == {b""}


def test_the_first_of_each_key_is_claimed_when_it_is_due(store) -> None:
    mine = put(store, *(queued_row() for _ in range(3)))
    (other,) = put(store, queued_row("k_2"))
    assert store.claim("w1", 99, 9) == []
    claimed = store.claim("w1", 100, 9)
    assert sorted(ids(claimed)) == sorted([mine[0], other])
    for row in claimed:
        assert (row.status, row.holder, row.tries) == ("running", "w1", 1)
        assert row == store.queued_one(row.id) and row.body
    assert ids(store.claim("w2", 100, 9)) == [mine[1]]
    assert ids(store.claim("w1", 100, 9)) == [mine[2]]
    assert store.claim("w1", 10**9, 9) == []


def test_one_that_is_not_due_keeps_back_those_behind_it(store) -> None:
    first, second = put(store, queued_row(), queued_row())
    assert ids(store.claim("w", 100, 1)) == [first]
    assert store.put_back(first, "w", 5000, counted=False)
    assert store.claim("w", 4999, 9) == [], "the second is due, but not its turn"
    assert ids(store.claim("w", 5000, 9)) == [first]
    assert ids(store.claim("w", 5000, 9)) == [second]


def test_a_key_with_less_under_way_comes_first(store) -> None:
    mine = put(store, *(queued_row("k_busy") for _ in range(5)))
    assert ids(store.claim("w", 100, 1)) == [mine[0]]
    (other,) = put(store, queued_row("k_idle"))
    assert ids(store.claim("w", 100, 1)) == [other]
    assert ids(store.claim("w", 100, 1)) == [mine[1]]


def test_tries_are_counted_unless_said_otherwise(store) -> None:
    (one,) = put(store, queued_row())
    for counted, tries in ((True, 1), (False, 1), (True, 2), (False, 2)):
        (row,) = store.claim("w", 100, 1)
        assert row.tries == tries + (not counted)
        assert store.put_back(one, "w", 100, counted=counted)
        assert store.queued_one(one).tries == tries
        assert (store.queued_one(one).status, store.queued_one(one).holder) == ("queued", "")


def test_only_who_has_it_may_end_it(store) -> None:
    (one,) = put(store, queued_row())
    assert not store.finish(one, "w1", 200, b"{}", 5), "nobody has it"
    assert not store.put_back(one, "w1", 5, counted=True)
    store.claim("w1", 100, 1)
    assert not store.finish(one, "w2", 200, b"{}", 5)
    assert not store.put_back(one, "w2", 5, counted=True)
    assert store.finish(one, "w1", 201, b"answer\x00\xff", 777)
    assert not store.finish(one, "w1", 500, b"again", 888)
    assert not store.put_back(one, "w1", 5, counted=True)
    row = store.queued_one(one)
    assert (row.status, row.status_code, row.answer, row.finished_us) == ("done", 201, b"answer\x00\xff", 777)
    assert (row.holder, row.body) == ("", b"")


def test_a_cancelled_one_is_not_run_and_its_answer_not_kept(store) -> None:
    waits, runs = put(store, queued_row("k_1"), queued_row("k_2"))
    assert store.cancel(waits, 5) and not store.cancel(waits, 6)
    assert ids(store.claim("w", 100, 9)) == [runs]
    assert store.cancel(runs, 7)
    assert not store.finish(runs, "w", 200, b"too late", 8)
    assert not store.put_back(runs, "w", 8, counted=True)
    for name, ended in ((waits, 5), (runs, 7)):
        row = store.queued_one(name)
        assert (row.status, row.finished_us, row.body, row.answer) == ("cancelled", ended, b"", b"")
    assert not store.cancel("q_other", 5)


def test_only_what_is_finished_can_be_forgotten(store) -> None:
    waits, done = put(store, queued_row("k_1", not_before_us=10**9), queued_row("k_2"))
    store.claim("w", 100, 1)
    assert not store.forget_queued(waits) and not store.forget_queued(done)
    store.finish(done, "w", 200, b"", 5)
    assert store.forget_queued(done) and not store.forget_queued(done)
    assert store.queued_one(done) is None


def test_what_a_dead_worker_ran_waits_again(store) -> None:
    first, second = put(store, queued_row("k_1"), queued_row("k_2"))
    put(store, queued_row("k_3", not_before_us=10**9))
    assert store.queue_holders("g1-") == []
    store.claim("g1-w0", 100, 1)
    store.claim("g1-w1", 100, 1)
    assert store.queue_holders("g1-") == ["g1-w0", "g1-w1"]
    assert store.queue_holders("g2-") == []
    assert store.release_queue("g1-w0") == 1
    assert store.release_queue("g1-w0") == 0
    assert store.queue_holders("g1-") == ["g1-w1"]
    assert not store.finish(first, "g1-w0", 200, b"from beyond the grave", 5)
    (again,) = store.claim("g1-w2", 100, 9)
    assert (again.id, again.tries) == (first, 2)
    assert store.queued_one(second).holder == "g1-w1"


def test_what_a_worker_knows_it_runs_is_left_to_it(store) -> None:
    """After a failure it can't know what it was given: all but what it has waits again."""
    put(store, queued_row("k_1"), queued_row("k_2"), queued_row("k_3"))
    has, lost, lost_too = ids(store.claim("w", 100, 3))
    assert store.release_queue("w", [has]) == 2
    assert store.queued_one(has).status == "running"
    assert {store.queued_one(each).status for each in (lost, lost_too)} == {"queued"}
    assert store.release_queue("w", [has]) == 0


def test_waiting_ends_and_what_was_kept_is_dropped(store) -> None:
    (runs,) = put(store, queued_row("k_2", created_us=1))
    store.claim("w", 100, 1)
    old, older, young = put(store, *(queued_row(created_us=created) for created in (10, 5, 11)))
    now_us = 10 + KEPT_US
    assert store.expire_queue(now_us, 1) == 1
    assert store.queued_one(older).status == "expired", "the oldest first"
    assert store.queued_one(old).status == "queued"
    assert store.expire_queue(now_us + 0) == 1
    row = store.queued_one(old)
    assert (row.status, row.body, row.finished_us) == ("expired", b"", now_us)
    assert (store.queued_one(young).status, store.queued_one(runs).status) == ("queued", "running")
    assert store.expire_queue(now_us) == 0
    store.cancel(young, now_us + 5)
    assert store.expire_queue(now_us - 1 + KEPT_US) == 0
    assert store.expire_queue(now_us + KEPT_US) == 2
    assert sorted(ids(store.queued())) == sorted([young, runs])


def test_workers_never_get_the_same_one(store) -> None:
    """Many at once, that finish and put back in between: every request is finished once."""
    names = put(store, *(queued_row(f"k_{number % 7}") for number in range(84)))
    finished: Counter[str] = Counter()
    both: list[str] = []
    held: set[str] = set()
    lock = threading.Lock()

    def work(worker: str) -> None:
        idle = 0
        while idle < 50:
            rows = store.claim(worker, 100, 3)
            idle = 0 if rows else idle + 1
            with lock:
                both.extend(row.id for row in rows if row.id in held)
                held.update(row.id for row in rows)
            for number, row in enumerate(rows):
                with lock:
                    held.discard(row.id)
                if number == 2 and row.tries < 3:
                    assert store.put_back(row.id, worker, 100, counted=True)
                else:
                    finished[row.id] += store.finish(row.id, worker, 200, b"{}", 5)
            if not rows:
                time.sleep(0.001)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert both == []
    assert finished == Counter(names)


def test_each_keys_are_begun_in_order(store) -> None:
    names = {key: put(store, *(queued_row(key) for _ in range(5))) for key in ("k_b", "k_a", "k_c")}
    begun: dict[str, list[str]] = {key: [] for key in names}
    while rows := store.claim("w", 100, 2):
        for row in rows:
            begun[row.key_id].append(row.id)
    assert begun == names
