"""Faults under a batch, by real processes: bad files, a full disk, a store that goes away.

A clear line each, and the rest completes.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from batching import WorkerProcess, asked_for, handed_in, lines_of, over, submitted, until
from fresh_store import fresh_store
from made_pdfs import pdf
from made_statement import filing, perfect
from making_books import page
from nasty_files import nasty_book
from postgres import Postgres
from small_disk import fill, make_room, small_disk
from toy_provider import translating

from tokenworks.batches.outputs import outputs
from tokenworks.ledger.batched import SHORT_OF_ROOM
from tokenworks.ledger.store import Store, open_store
from tokenworks.providers.scripted import Reply, Script, ThreadedProvider, running

SLOW = Script(reply=(Reply(first_byte_delay_s=0.03),))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    WorkerProcess.kill_all()


@pytest.fixture
def provider() -> Iterator[ThreadedProvider]:
    with running(SLOW) as made:
        yield made


def completed(store: Store, batch_id: str, count: int, provider: ThreadedProvider) -> None:
    """Each request is answered, and was asked for once."""
    row = until(store, batch_id, over)
    assert (row.status, row.done, row.failed) == ("completed", count, 0), row
    assert [line["custom_id"] for line in lines_of(store, row.output_file_id)] == [
        f"p{n}" for n in range(count)
    ]
    calls = Counter(asked_for(provider))
    assert len(calls) == calls.total() == count, "what was answered waited until it could be kept"


def wait(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- files


def piled(folder: Path) -> dict[str, bytes]:
    """Reports and books, whole and broken: name → what it holds."""
    good = filing()
    files = {
        "good.pdf": good,
        "none.pdf": b"",
        "locked.pdf": pdf([[(72, 700, "Net income")]], password="secret"),
        "scan.pdf": pdf([[], [], []]),
        "cut.pdf": good[: len(good) // 3],
        "good.txt": b"It was a fine day, and they went out.\n\nThey came home late.\n",
        "none.epub": b"",
        "noise.epub": b"PK\x03\x04 this is no archive",
    }
    for name, body in files.items():
        (folder / name).write_bytes(body)
    nasty_book(folder / "good.epub")
    broken = page("<p>An open <b>tag &nosuch; and <i>crossed</b> ones</i>.<p>And this one is fine.")
    nasty_book(folder / "broken.epub", **{"OEBPS/one.xhtml": broken.replace("</body>", "<div>")})
    with zipfile.ZipFile(folder / "hollow.epub", "w") as made:
        made.writestr("mimetype", "application/epub+zip")
    return {each.name: each.read_bytes() for each in sorted(folder.iterdir()) if each.is_file()}


def test_bad_files_are_named_and_the_others_are_done(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    files = piled(tmp_path / "in")
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    store = fresh_store(url)
    reports = {name: body for name, body in files.items() if name.endswith(".pdf")}
    books = {name: body for name, body in files.items() if name not in reports}
    figures = handed_in(store, reports, kind="extract")
    russian = handed_in(store, books, kind="translate", options=b'{"to":"ru"}')
    with translating(other=json.dumps(perfect())) as provider:
        worker = WorkerProcess(url, provider.origin, "w", tmp_path / "log")
        made = {}
        for batch in (figures, russian):
            row = until(store, batch.id, over)
            assert row.status == "completed", row
            for each in outputs(store, row):
                made[each.name] = b"".join(store.read_file(each.id)).decode("utf-8", "replace")
        skipped = {row["file"]: row["reason"] for row in csv.DictReader(io.StringIO(made["skipped.csv"]))}
        assert set(skipped) == {"none.pdf", "locked.pdf", "scan.pdf", "cut.pdf"}
        assert "0 bytes" in skipped["none.pdf"] and "encrypted" in skipped["locked.pdf"]
        assert "scan" in skipped["scan.pdf"] and skipped["cut.pdf"]
        told = list(csv.DictReader(io.StringIO(made["figures.csv"])))
        assert {row["file"] for row in told} == {"good.pdf"}
        assert all(row["accepted"] == "true" for row in told if row["field"] == "revenue")
        assert {"good.ru.txt", "good.ru.epub", "broken.ru.epub"} <= set(made)
        report = next(text for name, text in made.items() if name.endswith(".md"))
        for name in ("none.epub", "noise.epub", "hollow.epub"):
            assert f"- {name}: " in report
        assert worker.stop() == 0
    store.close()


def test_a_document_that_kills_takes_nothing_with_it(tmp_path: Path, provider: ThreadedProvider) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    store = fresh_store(url)
    files = {"a.txt": "one\ntwo", "b.txt": "three\ncrash", "c.txt": "four", "d.txt": "raise"}
    batch = handed_in(store, files, kind="deadly")
    worker = WorkerProcess(url, provider.origin, "w", tmp_path / "log")
    row = until(store, batch.id, over)
    assert (row.status, row.total, row.done, row.run) == ("completed", 3, 3, 1)
    assert row.note.startswith("2 of 4 files were left out; b.txt: crashes what reads it (SIGSEGV)")
    said = b"".join(store.read_file(row.output_file_id)).decode()
    assert "d.txt can't be read (KeyError: 'page 7')" in said
    hopeless = handed_in(store, {"a.txt": "crash"}, kind="deadly")
    row = until(store, hopeless.id, over)
    assert row.status == "failed" and row.note.startswith("its file crashes what reads it (SIGSEGV)")
    assert worker.stop() == 0, "the worker has lived through it"
    store.close()


# --- a full disk


def test_a_store_without_room_is_waited_for(tmp_path: Path, provider: ThreadedProvider) -> None:
    """The disk of store and engine fills up in the middle; answers wait until there is room again."""
    count = 120
    with small_disk(tmp_path / "small", 24_576) as disk:
        url = f"sqlite:///{disk / 'ledger.db'}"
        store = fresh_store(url)
        batch = submitted(store, count, texts="nr {} " + "word " * 400)
        log = tmp_path / "log"
        worker = WorkerProcess(url, provider.origin, "w", log)
        until(store, batch.id, lambda row: row.done >= 30)
        fill(disk)
        wait(lambda: "full" in log.read_text())
        time.sleep(0.4)
        seen = len(provider.requests)
        time.sleep(0.4)
        assert len(provider.requests) == seen < count, "nothing is asked for that can't be kept"
        assert worker.process.poll() is None
        make_room(disk)
        completed(store, batch.id, count, provider)
        assert "trying again until it works" in log.read_text()
        assert worker.stop() == 0
        store.close()


def test_what_the_engine_notes_waits_for_room_too(tmp_path: Path, provider: ThreadedProvider) -> None:
    """The store has room in what it wrote ahead, the engine has none: its work must come to its end."""
    with small_disk(tmp_path / "small", 24_576) as disk:
        url = f"sqlite:///{disk / 'ledger.db'}"
        store = fresh_store(url)
        log = tmp_path / "log"
        WorkerProcess(url, provider.origin, "w", log)
        until(store, submitted(store, 40).id, over)
        batch = submitted(store, 40)
        until(store, batch.id, lambda row: row.done >= 5)
        for name, how in (("ledger.db", "RESTART"), ("ledger.db.batches", "TRUNCATE")):
            asked = sqlite3.connect(disk / name)
            asked.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
            asked.close()
        fill(disk)
        wait(lambda: "full (so: database is locked)" in log.read_text())
        make_room(disk)
        row = until(store, batch.id, over)
        assert (row.status, row.done, len(provider.requests)) == ("completed", 40, 80)
        engine = sqlite3.connect(disk / "ledger.db.batches")
        left = "SELECT count(*) FROM workflow_status WHERE status = 'PENDING'"
        wait(lambda: engine.execute(left).fetchone() == (0,))
        engine.close()
        store.close()


def test_without_room_for_files_a_batch_is_paused_and_resumed(
    tmp_path: Path, provider: ThreadedProvider
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    store = fresh_store(url)
    with small_disk(tmp_path / "small", 512) as disk:
        WorkerProcess(url, provider.origin, "w", tmp_path / "log", scratch=disk)
        wait(lambda: bool(store.batch_workers()))
        fill(disk)
        text = "\n".join(f"line {n} " + "word " * 60 for n in range(40))
        batch = handed_in(store, {"a.txt": text})
        row = until(store, batch.id, lambda row: row.status == "paused")
        assert row.note.startswith(SHORT_OF_ROOM) and "No space left on device" in row.note
        make_room(disk)
        store.run_again(batch.id)
        until(store, batch.id, lambda row: row.done >= 5)
        fill(disk)
        row = until(store, batch.id, lambda row: row.status == "paused")
        assert row.note.startswith(SHORT_OF_ROOM) and row.done == row.total == 40
        make_room(disk)
        store.run_again(batch.id)
        row = until(store, batch.id, over)
        assert (row.status, row.done, row.note) == ("completed", 40, "")
        assert len(outputs(store, row)) == 1 and len(provider.requests) == 40
    store.close()


# --- a store that goes away


def test_a_postgres_that_is_stopped_is_waited_for(
    tmp_path: Path, provider: ThreadedProvider, postgres: Postgres
) -> None:
    count = 120
    url = postgres.database()
    store = open_store(url)
    store.migrate()
    batch = submitted(store, count)
    worker = WorkerProcess(url, provider.origin, "w", tmp_path / "log")
    until(store, batch.id, lambda row: row.done >= 30)
    store.close()  # it is the worker that has to live through it
    postgres.stop()
    time.sleep(1.2)
    assert worker.process.poll() is None
    postgres.start()
    store = open_store(url)
    completed(store, batch.id, count, provider)
    assert worker.stop() == 0
    store.close()


def test_a_file_that_is_locked_is_waited_for(
    tmp_path: Path, provider: ThreadedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than SQLite waits by itself, and both its files: ours and the engine's."""
    monkeypatch.setenv("BUSY_S", "1")
    count = 120
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    store = fresh_store(url)
    batch = submitted(store, count)
    worker = WorkerProcess(url, provider.origin, "w", tmp_path / "log")
    until(store, batch.id, lambda row: row.done >= 30)
    locks = [sqlite3.connect(tmp_path / name) for name in ("ledger.db", "ledger.db.batches")]
    for each in locks:
        each.execute("BEGIN IMMEDIATE")
    time.sleep(2.0)
    for each in locks:
        each.close()
    completed(store, batch.id, count, provider)
    assert "locked; trying again until it works" in (tmp_path / "log").read_text()
    assert worker.stop() == 0
    store.close()
