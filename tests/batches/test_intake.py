"""A job handed in: files and a batch in the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from fresh_store import fresh_store

from tokenworks.batches.control import RECIPE_US
from tokenworks.batches.cookbook import recipe
from tokenworks.batches.intake import hand_in
from tokenworks.errors import BadRequest
from tokenworks.ledger.batched import CHUNK
from tokenworks.ledger.store import Store

MAP = recipe("map")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield store
    store.close()


def test_files_are_copied_and_the_batch_waits(tmp_path: Path, store: Store) -> None:
    body = b"text\n" + b"0123456789\n" * (CHUNK // 8)
    (tmp_path / "rows.csv").write_bytes(body)
    options = {"template": "Say {text}"}
    row = hand_in(
        store, "k_1", MAP, [tmp_path / "rows.csv"], options, model="me/a", max_cost_nano_usd=5, actor="cli:me"
    )
    assert store.batch(row.id) == row
    assert (row.kind, row.status, row.model, row.key_id) == ("map", "validating", "me/a", "k_1")
    assert row.expires_us == row.created_us + RECIPE_US and row.max_cost_nano_usd == 5
    assert msgspec.json.decode(row.options) == options
    (file_id,) = row.input_files
    file = store.file(file_id)
    assert file is not None and (file.name, file.purpose, file.bytes, file.done) == (
        *("rows.csv", "recipe"),
        *(len(body), True),
    )
    assert b"".join(store.read_file(file_id)) == body
    assert [each.actor for each in store.audit(limit=1)] == ["cli:me"]


def test_files_of_one_name_are_told_apart(tmp_path: Path, store: Store) -> None:
    paths = [tmp_path / folder / "rows.csv" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_text("text\nx\n")
    row = hand_in(store, "k_1", MAP, paths, {})
    named = [store.file(each) for each in row.input_files]
    assert [each.name for each in named if each is not None] == ["rows.csv", "b-rows.csv"]


def test_a_file_of_an_option_goes_along_and_so_does_the_stronger_model(tmp_path: Path, store: Store) -> None:
    (tmp_path / "rows.csv").write_text("text\nx\n")
    (tmp_path / "prompt.txt").write_text("Say {text}")
    options = {"template": str(tmp_path / "prompt.txt"), "column": "said"}
    row = hand_in(store, "k_1", MAP, [tmp_path / "rows.csv"], options, strong="me/large")
    kept = msgspec.json.decode(row.options)
    assert kept["column"] == "said" and kept["stronger_model"] == "me/large"
    assert b"".join(store.read_file(kept["template"])) == b"Say {text}"
    assert len(row.input_files) == 1


def test_nothing_stays_where_a_file_can_not_be_read(tmp_path: Path, store: Store) -> None:
    (tmp_path / "rows.csv").write_text("text\nx\n")
    with pytest.raises(OSError, match="gone"):
        hand_in(store, "k_1", MAP, [tmp_path / "rows.csv", tmp_path / "gone.csv"], {})
    assert store.files() == [] and store.batches() == []


def test_a_job_needs_a_file(store: Store) -> None:
    with pytest.raises(BadRequest, match="map takes 1 to 1000 files, not 0"):
        hand_in(store, "k_1", MAP, [], {})
