"""Batches and parts as pages show them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from batching import batch_row, part_rows
from fresh_store import fresh_store

from tokenworks.batches.kept import Kept, Made, Outcome, keep
from tokenworks.batches.recipes.recipe import Checked, Skipped
from tokenworks.console.batch_lines import PAGE, PARTS, detail, files, look
from tokenworks.ledger.store import Store
from tokenworks.plans import keys


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield store
    store.close()


def test_a_line_says_whose_and_what_can_be_done(store: Store) -> None:
    key_id, _ = keys.create(store, "ci", b"p")
    store.add_batch(batch_row(key_id=key_id, total=4, done=2, failed=1, started_us=0))
    store.add_batch(batch_row(key_id="k_gone", status="completed"))
    over, running = look(store, 3_000_000).lines
    assert (running.name, running.settled, running.running) == ("ci", 3, True)
    assert running.actions == ("pause", "cancel")
    assert running.forecast.left_s == 1
    assert (over.name, over.running) == ("", False)


def test_pages_follow_each_other(store: Store) -> None:
    rows = [batch_row() for _ in range(PAGE + 1)]
    for row in rows:
        store.add_batch(row)
    first = look(store, 0)
    assert len(first.lines) == PAGE and first.older == rows[1].id
    second = look(store, 0, first.older)
    assert [line.row.id for line in second.lines] == [rows[0].id] and second.older == ""


def test_parts_are_paged_and_say_what_is_wrong(store: Store) -> None:
    row = batch_row(kind="translate")
    store.add_batch(row)
    parts = part_rows(row.id, PARTS + 2)
    store.add_parts(row.id, parts)
    flagged = msgspec.json.encode(Outcome(Checked("x", ("too short",))))
    store.settle_parts(
        row.id,
        [
            msgspec.structs.replace(parts[0], status="done", result=flagged),
            msgspec.structs.replace(parts[1], status="failed", result=b'{"error":"HTTP 500"}'),
        ],
    )
    found = detail(store, row.id, 0)
    assert found is not None and len(found.parts) == PARTS and found.older == PARTS - 1
    assert [(part.reason, part.flagged) for part in found.parts[:3]] == [
        *(("too short", True), ("HTTP 500", False)),
        ("", False),
    ]
    rest = detail(store, row.id, 0, after=found.older)
    assert rest is not None and len(rest.parts) == 2 and rest.older is None
    failed = detail(store, row.id, 0, "failed")
    assert failed is not None and [part.row.seq for part in failed.parts] == [1]
    assert detail(store, "batch_none", 0) is None


def test_what_was_made_and_left_out(store: Store) -> None:
    row = batch_row(kind="translate")
    store.add_batch(row)
    assert files(row, None) == []
    made = (Made("file-1", "a/b.txt", "text/plain", "2 flagged"),)
    keep(store, row.id, Kept({}, (Skipped("x.txt", "empty"),), made))
    found = detail(store, row.id, 0)
    assert found is not None and found.files == list(made) and found.skipped == [("x.txt", "empty")]
    row = batch_row(output_file_id="file-2", error_file_id="file-3")
    assert [(each.file_id, each.name) for each in files(row, None)] == [
        *(("file-2", "output.jsonl"), ("file-3", "errors.jsonl")),
    ]
