"""The thread beside the drainer: goes on whatever happens, stops when told, drops what is old."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tokenworks.app import caretaker as module
from tokenworks.app.caretaker import Caretaker
from tokenworks.errors import StoreError
from tokenworks.ledger.limit_rows import Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import open_store

DAY_US = 86_400_000_000


def test_old_counts_are_dropped_each_hour(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    store.migrate()
    now_us = time.time_ns() // 1000
    old_s = now_us // 1_000_000 - 600
    store.lease("w", [Want(1, "l_1", "k", 100, 0, 10, 1, span_s=60)], {}, (), now_us)
    store.append("w.1.x", 1, [Record("gen-1-a", now_us, charges=(1, old_s, 3))])
    care = Caretaker(store)
    care.work(now_us)
    assert [row.spent for row in store.standings()] == [3]
    care._prune_at = 0.0
    care.work(now_us)
    assert [row.spent for row in store.standings()] == [0]
    store.close()


def test_it_outlives_a_store_that_is_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = 0

    class Down:
        def plans_version(self) -> int:
            nonlocal rounds
            rounds += 1
            raise StoreError("down") if rounds % 2 else RuntimeError("a mistake")

    monkeypatch.setattr(module, "EVERY_S", 0.01)
    stop = threading.Event()
    thread = threading.Thread(target=Caretaker(Down()).run, args=(stop,))  # type: ignore[arg-type]
    thread.start()
    deadline = time.monotonic() + 5
    while rounds < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    thread.join(5)
    assert not thread.is_alive() and rounds >= 4
    assert "caretaker: down" in caplog.text and "a mistake" in caplog.text


def test_old_batches_and_files_go_when_their_days_are_over(tmp_path: Path) -> None:
    from batching import batch_row, file_row

    store = open_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    store.migrate()
    now_us = time.time_ns() // 1000
    rows = [batch_row(status="completed", finished_us=now_us - days * DAY_US - 1) for days in (0, 1, 2)]
    for row in rows:
        store.add_batch(row)
    files = [file_row(expires_us=now_us + offset) for offset in (-1, 10**9)]
    for file in files:
        store.add_file(file)
        store.finish_file(file.id, 0)
    Caretaker(store, keep_batches_days=2).work(now_us)
    assert [store.batch(row.id) is not None for row in rows] == [True, True, False]
    assert [store.file(file.id) is not None for file in files] == [False, True]
    store.close()
