"""Workers as processes: nothing is lost, doubled or paid twice, whoever is killed and whenever."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from batching import WorkerProcess, asked_for, handed_in, lines_of, over, submitted, until
from fresh_store import fresh_store

from tokenworks.ledger.store import Store, open_store
from tokenworks.providers.scripted import Reply, Script, ThreadedProvider, running

IN_FLIGHT = 8  # of one worker, see batch_process.py
SLOW = Script(reply=(Reply(first_byte_delay_s=0.04, jitter_s=0.04),))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    WorkerProcess.kill_all()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    made = fresh_store(url)
    yield made
    made.close()


@pytest.fixture
def provider() -> Iterator[ThreadedProvider]:
    with running(SLOW) as made:
        yield made


def settled(store: Store, batch_id: str) -> set[str]:
    return {f"{batch_id}/{p.seq}" for p in store.parts(batch_id) if p.status != "waiting"}


def check_whole(store: Store, batch_id: str, count: int) -> None:
    """Every request has its one line, and its answer is its own."""
    row = store.batch(batch_id)
    assert row is not None and (row.status, row.done, row.failed) == ("completed", count, 0), row
    lines = lines_of(store, row.output_file_id)
    assert [line["custom_id"] for line in lines] == [f"p{n}" for n in range(count)]
    said = [line["response"]["body"]["choices"][0]["message"]["content"] for line in lines]
    assert said == [f"You said: nr {n}" for n in range(count)]


def test_kill_nine_at_any_moment_loses_nothing_and_pays_nothing_twice(
    store: Store, url: str, provider: ThreadedProvider, tmp_path: Path
) -> None:
    count, kills, dice = 120, 2, random.Random(7)
    batch = submitted(store, count)
    log = tmp_path / "log"
    worker = WorkerProcess(url, provider.origin, "w", log)
    for turn in range(kills):
        until(store, batch.id, lambda row, least=20 + 40 * turn: row.done >= least)
        time.sleep(dice.random() * 0.1)
        worker.kill()
        before, seen = settled(store, batch.id), len(provider.requests)
        assert len(before) < count, "it was killed too late to say anything"
        worker = WorkerProcess(url, provider.origin, "w", log)
        until(store, batch.id, lambda row, before=before: row.done > len(before))
        again = asked_for(provider)[seen:]
        assert not before.intersection(again), "what is settled is not asked again"
    until(store, batch.id, over)
    check_whole(store, batch.id, count)
    calls = Counter(asked_for(provider))
    assert len(calls) == count
    # what was under way, and as many answers that were not kept yet
    assert calls.total() - count < 2 * kills * IN_FLIGHT
    assert worker.stop() == 0, log.read_text()


def test_a_lane_remembers_after_a_kill_what_it_had_learnt(
    store: Store, url: str, provider: ThreadedProvider, tmp_path: Path
) -> None:
    names = [f"f{n}.txt" for n in range(3)]
    text = "\n".join(["one", "two", "a bad one", *(f"line {n}" for n in range(12))])
    batch = handed_in(store, dict.fromkeys(names, text))
    worker = WorkerProcess(url, provider.origin, "w", tmp_path / "log")
    until(store, batch.id, lambda row: row.done >= 14)
    worker.kill()
    before, seen = settled(store, batch.id), len(provider.requests)
    worker = WorkerProcess(url, provider.origin, "w", tmp_path / "log")
    row = until(store, batch.id, over)
    worker.kill()
    assert (row.status, row.total, row.done) == ("completed", 45, 45)
    assert not before.intersection(asked_for(provider)[seen:])
    for part in store.parts(batch.id):
        checked = msgspec.json.decode(part.result)["checked"]
        line, place = text.split("\n")[part.seq % 15], part.seq % 15
        attempt = 1 if "bad" in line else 0
        assert checked["value"]["text"] == f"You said: {line} after {place} try {attempt}"


def test_a_worker_that_dies_is_replaced_by_another_one(tmp_path: Path, provider: ThreadedProvider) -> None:
    import postgres

    server = postgres.shared()
    url = server.database()
    store = open_store(url)
    store.migrate()
    count = 240
    quick = {"dead_s": 2.0, "beat_s": 0.2}
    try:
        workers = [WorkerProcess(url, provider.origin, f"w{n}", tmp_path / "log", **quick) for n in range(2)]
        deadline = time.monotonic() + 30
        while len(store.batch_workers()) < 2:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
        batch = submitted(store, count)
        until(store, batch.id, lambda row: row.done >= 60)
        workers[0].kill()
        before = settled(store, batch.id)
        until(store, batch.id, over)
        check_whole(store, batch.id, count)
        calls = Counter(asked_for(provider))
        assert len(calls) == count and calls.total() - count < 2 * IN_FLIGHT
        assert all(calls[name] == 1 for name in before)
        deadline = time.monotonic() + 30
        while store.batch_workers() != ["w1"]:  # the other one is found dead, if only after the batch
            assert time.monotonic() < deadline, store.batch_workers()
            time.sleep(0.05)
        assert workers[1].stop() == 0
        assert store.batch_workers() == [], "one that ends by itself is not waited for"
    finally:
        WorkerProcess.kill_all()
        store.close()
        server.drop(url)
