"""Lines become parts: bad ones fail alone, and a file of which nothing can be made fails whole."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store

from tokenworks.batches import validating
from tokenworks.batches.lines import line_of
from tokenworks.batches.validating import validate
from tokenworks.ledger.batched import BatchRow, FileRow
from tokenworks.ledger.store import Store

CHAT = "/v1/chat/completions"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield made
    made.close()


def line(custom_id: Any, **more: Any) -> bytes:
    given = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {"model": "acme/fast"}, **more}
    return json.dumps(given).encode() + b"\n"


def ordered(store: Store, data: bytes, *, name: str = "1") -> BatchRow:
    """A batch of this file, not validated yet."""
    store.add_file(FileRow(f"file-{name}", "k", "in.jsonl", "batch", len(data), 1))
    for seq, at in enumerate(range(0, len(data), 1 << 20)):
        store.append_file(f"file-{name}", seq, data[at : at + (1 << 20)])
    store.finish_file(f"file-{name}", len(data))
    row = BatchRow(
        f"batch_{name}", "k", "requests", "validating", 1, 2**60, CHAT, input_files=(f"file-{name}",)
    )
    store.add_batch(row)
    return row


def test_good_lines(store: Store) -> None:
    row = validate(store, ordered(store, line("a") + b"\n" + line("b")))  # no part for a blank line
    assert row is not None
    assert (row.status, row.total, row.done, row.failed) == ("in_progress", 2, 0, 0)
    assert row.started_us
    parts = store.parts(row.id)
    assert [(part.seq, part.id, part.status) for part in parts] == [(0, "a", "waiting"), (1, "b", "waiting")]
    assert json.loads(parts[0].request) == {"model": "acme/fast"}


def test_a_bad_line_fails_alone_and_names_its_number(store: Store) -> None:
    data = line("a") + b"{oops\n" + line("a") + line("c", url="/v1/embeddings") + line("d")
    row = validate(store, ordered(store, data))
    assert row is not None
    assert (row.status, row.total, row.failed) == ("in_progress", 5, 3)
    told = [json.loads(line_of(part)) for part in store.parts(row.id, status="failed")]
    assert [each["custom_id"] for each in told] == [None, "a", "c"]
    messages = [each["error"]["message"] for each in told]
    assert messages[0].startswith("line 2: not a JSON object")
    assert messages[1] == "line 3: custom_id stands in line 1 as well; each needs its own"
    assert messages[2] == "line 4: url must be '/v1/chat/completions', as the batch has it"
    assert [part.id for part in store.parts(row.id, status="waiting")] == ["a", "d"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the input file is empty"),
        (b"\n \n", "the input file is empty"),
        (line("a") * 4, "4 lines; a batch takes 3"),
        (b"id,text\n1,x\n", "none of its 2 lines is a request; line 1: not a JSON object"),
    ],
)
def test_files_of_which_nothing_can_be_made(store: Store, data: bytes, told: str) -> None:
    row = validate(store, ordered(store, data), max_lines=3)
    assert row is not None
    assert row.status == "failed" and row.finished_us and row.note.startswith(told)
    assert all(part.status == "failed" for part in store.parts(row.id))


def test_a_file_that_is_gone(store: Store) -> None:
    batch = ordered(store, line("a"))
    store.remove_file("file-1")
    row = validate(store, batch)
    assert row is not None and row.status == "failed" and "upload it again" in row.note


def test_a_line_that_is_too_long(store: Store) -> None:
    row = validate(store, ordered(store, line("a") + line("b" * 300)), max_line=200)
    assert row is not None and (row.total, row.failed) == (2, 1)
    (part,) = store.parts(row.id, status="failed")
    assert b"line 2: longer than" in part.result


def test_begun_again_it_does_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after its first thousand lines, or between keeping a bad line and saying so."""
    monkeypatch.setattr(validating, "AT_ONCE", 2)
    data = line("a") + b"{\n" + line("b") + line("c") + b"}\n"
    batch = ordered(store, data)
    settle = store.settle_parts
    monkeypatch.setattr(store, "settle_parts", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        validate(store, batch)
    monkeypatch.setattr(store, "settle_parts", settle)
    row = validate(store, batch)
    assert row is not None
    assert (row.status, row.total, row.failed) == ("in_progress", 5, 2)
    assert validate(store, batch) is None  # it is under way already


@pytest.mark.parametrize("status", ["cancelling", "paused"])
def test_stopped_by_hand_it_stays_so(store: Store, status: str) -> None:
    batch = ordered(store, line("a"))
    store.update_batch(batch.id, status=status)
    assert validate(store, batch) is None
    now = store.batch(batch.id)
    assert now is not None and (now.status, now.total) == (status, 0)


def test_a_long_file_takes_little_memory(store: Store) -> None:
    data = b"".join(line(f"r{n}", body={"model": "m", "pad": "x" * 5000}) for n in range(3000))
    batch = ordered(store, data)
    tracemalloc.start()
    row = validate(store, batch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert row is not None and row.total == 3000
    assert peak < 10 << 20 < len(data)  # some of its lines, and a chunk
