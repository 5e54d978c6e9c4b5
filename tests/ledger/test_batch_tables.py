"""What every engine does for batches."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from batching import FAR_US, batch_row, file_row, part_rows

from tokenworks.ledger.batched import CHUNK, OVER, LaneRow
from tokenworks.ledger.store import open_store


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    server = None
    if request.param == "postgres":
        import postgres

        server = postgres.shared()
    url = server.database() if server else f"sqlite:///{tmp_path_factory.mktemp('store') / 'ledger.db'}"
    made = open_store(url)
    made.migrate()
    yield made
    made.close()
    if server:
        server.drop(url)


@pytest.fixture
def store(whole) -> Any:
    """One store for all tests here: each leaves it empty."""
    yield whole
    for batch in whole.batches(limit=1000):
        whole.update_batch(batch.id, finished_us=0)
    whole.expire_batches(0, limit=1000)
    whole.expire_files(2**62, limit=1000)
    for worker in whole.dead_workers(-1000):
        whole.forget_worker(worker)


def begun(store, count: int = 3, **fields: Any):
    row = batch_row(**fields)
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, count))
    return store.batch(row.id)


def settled(part, status: str = "done", **fields: Any):
    return msgspec.structs.replace(part, status=status, tries=1, result=b"{}", **fields)


def test_a_file_is_kept_in_chunks_and_listed_when_it_is_whole(store) -> None:
    row = file_row(name="ä\u0001.jsonl")
    store.add_file(row)
    chunks = [b"a" * CHUNK, bytes(range(256)), b""]
    for seq, chunk in enumerate(chunks):
        store.append_file(row.id, seq, chunk)
    assert store.files("k_1") == [] and store.file(row.id) == row
    store.finish_file(row.id, CHUNK + 256)
    assert store.files("k_1") == [msgspec.structs.replace(row, done=True, bytes=CHUNK + 256)]
    assert list(store.read_file(row.id)) == chunks
    store.append_file(row.id, 2, b"once more")
    assert list(store.read_file(row.id))[2:] == [b"once more"], "the same chunk again takes its place"
    with pytest.raises(ValueError, match="at most"):
        store.append_file(row.id, 3, b"x" * (CHUNK + 1))
    assert store.remove_file(row.id, actor="k_1") and not store.remove_file(row.id)
    assert store.file(row.id) is None and list(store.read_file(row.id)) == []
    assert store.audit(target=row.id)[0].action == "file.remove"


def test_files_are_listed_of_one_key_and_purpose_page_by_page(store) -> None:
    rows = [file_row(purpose="batch" if n % 2 else "recipe") for n in range(6)]
    other = file_row(key_id="k_2")
    for row in (*rows, other):
        store.add_file(row)
        store.finish_file(row.id, 1)
    ids = [row.id for row in rows]
    assert [row.id for row in store.files("k_1")] == ids[::-1]
    assert [row.id for row in store.files(None, limit=1)] == [other.id]
    assert [row.id for row in store.files("k_1", "recipe", after=ids[4], limit=1)] == [ids[2]]
    assert store.files("k_1", after="file-none") == []


def test_files_whose_time_has_come_go_and_those_never_finished(store) -> None:
    now = time.time_ns() // 1000
    kept, old, torn, fresh = (
        file_row(expires_us=now + 10**9),
        file_row(expires_us=now),
        file_row(created_us=now - 2 * 86_400 * 10**6),
        file_row(),
    )
    for row in (kept, old, torn, fresh):
        store.add_file(row)
        store.append_file(row.id, 0, b"x")
    for row in (kept, old):
        store.finish_file(row.id, 1)
    assert store.expire_files(now) == 2 and store.expire_files(now) == 0
    assert [store.file(row.id) is not None for row in (kept, old, torn, fresh)] == [True, False, False, True]
    assert list(store.read_file(old.id)) == []


def test_a_batch_is_kept_whole(store) -> None:
    row = batch_row(
        kind="map",
        status="validating",
        model="m\U0001f600",
        input_files=("file-1", "file-ä"),
        options=b'{"to":"de"}',
        metadata=bytes(range(256)),
        started_us=1,
        not_before_us=2,
        not_after_us=3,
        max_cost_nano_usd=4,
        note="why",
        actor="cli:me",
    )
    store.add_batch(row, actor="cli:me")
    assert store.batch(row.id) == row and store.batch("batch_none") is None
    assert [(e.actor, e.action) for e in store.audit(target=row.id)] == [("cli:me", "batch.create")]


def test_batches_are_listed_newest_first_page_by_page(store) -> None:
    rows = [batch_row(status="paused" if n % 2 else "in_progress") for n in range(4)]
    rows.append(batch_row(key_id="k_2", kind="map"))
    for row in rows:
        store.add_batch(row)
    ids = [row.id for row in rows]
    assert [row.id for row in store.batches()] == ids[::-1]
    assert [row.id for row in store.batches("k_1", after=ids[3], limit=2)] == [ids[2], ids[1]]
    assert [row.id for row in store.batches(statuses=("paused",))] == [ids[3], ids[1]]
    assert [row.id for row in store.batches(kind="map")] == [ids[4]]


def test_a_batch_is_changed_only_from_where_it_is_expected(store) -> None:
    row = begun(store)
    assert store.update_batch(row.id, expected=("paused",), status="cancelled") is None
    changed = store.update_batch(
        row.id, expected=("in_progress", "paused"), status="paused", note="no money", actor="k_1"
    )
    assert (changed.status, changed.note) == ("paused", "no money") and changed == store.batch(row.id)
    assert (
        store.update_batch(row.id, note="").note == "" and store.update_batch("batch_none", note="") is None
    )
    assert store.update_batch(row.id).status == "paused", "nothing is given, nothing is changed"
    assert [e.action for e in store.audit(target=row.id)] == ["batch.paused", "batch.create"]


def test_parts_added_again_are_left_as_they_are(store) -> None:
    row = begun(store, 3)
    assert row.total == 3 and row.waiting == 3
    parts = store.parts(row.id)
    assert store.settle_part(settled(parts[1]))
    store.add_parts(row.id, part_rows(row.id, 5, request=b"other"))
    now = store.parts(row.id)
    assert [(p.seq, p.status, p.request) for p in now[:3]] == [
        (0, "waiting", b""),
        (1, "done", b""),
        (2, "waiting", b""),
    ]
    assert len(now) == 5 and store.batch(row.id).total == 5


def test_a_part_is_settled_once_and_counted_once(store) -> None:
    row = begun(store, 3)
    first, second, third = store.parts(row.id)
    done = settled(first, model="m", input_tokens=10, output_tokens=5, cost_nano_usd=7, generation_id="gen-1")
    assert store.settle_part(done)
    assert not store.settle_part(settled(first, "failed", cost_nano_usd=99)), "what is known stays"
    assert store.parts(row.id, limit=1) == [done]
    assert store.settle_parts(row.id, [done, settled(second, "failed", cost_nano_usd=1), settled(third)]) == 2
    now = store.batch(row.id)
    assert (now.done, now.failed, now.waiting) == (2, 1, 0)
    assert (now.input_tokens, now.output_tokens, now.cost_nano_usd) == (10, 5, 8)


def test_many_who_settle_the_same_parts_count_each_once(store) -> None:
    row = begun(store, 40)
    parts = store.parts(row.id)
    wins = []

    def settle() -> None:
        wins.extend(store.settle_parts(row.id, [settled(part, output_tokens=1)]) for part in parts)

    threads = [threading.Thread(target=settle) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = store.batch(row.id)
    assert sum(wins) == now.done == now.output_tokens == 40


def test_parts_are_found_by_number_status_and_lane(store) -> None:
    row = batch_row()
    store.add_batch(row)
    parts = [msgspec.structs.replace(p, lane=f"l{p.seq % 3}") for p in part_rows(row.id, 9)]
    store.add_parts(row.id, parts)
    store.settle_parts(row.id, [settled(parts[0]), settled(parts[4])])

    def seqs(**wanted: Any) -> list[int]:
        return [p.seq for p in store.parts(row.id, **wanted)]

    assert seqs(after_seq=2, until_seq=6) == [3, 4, 5]
    assert seqs(status="done") == [0, 4] and seqs(lanes=("l0", "l1"), limit=3) == [0, 1, 3]
    assert seqs(status="waiting", lanes=("l1",)) == [1, 7]
    assert store.batch_lanes(row.id) == [LaneRow("l0", 0, 2), LaneRow("l1", 1, 2), LaneRow("l2", 2, 3)]


def test_what_failed_is_tried_again_and_what_is_done_stays(store) -> None:
    row = begun(store, 3)
    parts = store.parts(row.id)
    store.settle_parts(row.id, [settled(parts[0]), settled(parts[1], "failed", cost_nano_usd=5)])
    assert store.retry_batch(row.id, expires_us=FAR_US) is None, "it is not over"
    for status in OVER:
        store.update_batch(row.id, status=status, finished_us=9, note="why", error_file_id="file-1")
        again = store.retry_batch(row.id, expires_us=77, actor="k_1")
        assert again == store.batch(row.id)
        assert (again.status, again.finished_us, again.note) == ("in_progress", None, "")
        assert (again.done, again.failed, again.waiting, again.expires_us) == (1, 0, 2, 77)
        assert again.cost_nano_usd == 5 and again.error_file_id == ""
    assert again.run == 1 + len(OVER)
    assert [p.status for p in store.parts(row.id)] == ["done", "waiting", "waiting"]


def test_what_was_never_begun_begins_anew(store) -> None:
    row = begun(store, 0, kind="map", status="failed", input_files=("file-1",))
    assert store.retry_batch(row.id, expires_us=1).status == "validating"
    store.update_batch(row.id, status="failed", started_us=5)
    assert store.retry_batch(row.id, expires_us=1).status == "in_progress"
    inline = begun(store, 2, status="failed")
    assert store.retry_batch(inline.id, expires_us=1).status == "in_progress", "its parts came with it"


def test_a_paused_batch_goes_on_as_another_run(store) -> None:
    row = begun(store, status="paused", note="no money")
    assert store.run_again(row.id, run=2) is None, "it is in its first"
    again = store.run_again(row.id, run=1, actor="k_1")
    assert (again.status, again.run, again.note) == ("in_progress", 2, "") and again == store.batch(row.id)
    assert store.run_again(row.id) is None and store.run_again("batch_none") is None
    assert store.run_again(row.id, status="in_progress", run=2).run == 3
    assert store.run_again(row.id, status="in_progress", run=2) is None
    assert store.audit(target=row.id)[0].action == "batch.resume"


def test_what_all_parts_need_is_kept(store) -> None:
    row = begun(store, 0)
    assert store.shared(row.id) is None
    store.keep_shared(row.id, b'{"a":1}')
    store.keep_shared(row.id, b'{"a":2}')
    assert store.shared(row.id) == b'{"a":2}'


def test_batches_that_were_over_long_ago_go_with_their_parts(store) -> None:
    old, late, running = begun(store), begun(store), begun(store)
    store.keep_shared(old.id, b"x")
    store.update_batch(old.id, status="completed", finished_us=10)
    store.update_batch(late.id, status="completed", finished_us=11)
    assert store.expire_batches(10) == 1 and store.expire_batches(10) == 0
    assert store.batch(old.id) is None and store.parts(old.id) == [] and store.shared(old.id) is None
    assert len(store.parts(late.id)) == len(store.parts(running.id)) == 3


def test_workers_not_heard_of_are_dead_by_the_databases_clock(store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not store.beat("w1"), "nobody knows it"
    assert store.beat("w1", first=True) and store.beat("w2", first=True) and store.beat("w1")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert store.dead_workers(60) == []
    time.sleep(0.2)
    assert store.beat("w2")
    assert store.dead_workers(0.15) == ["w1"]
    assert not store.give_up_worker("w2", 0.15), "it was heard of"
    assert store.give_up_worker("w1", 0.15) and not store.give_up_worker("w1", 0.15)
    assert not store.beat("w1") and store.batch_workers() == ["w2"]
    store.forget_worker("w2")
    assert store.batch_workers() == []
