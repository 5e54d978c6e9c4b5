from pathlib import Path

import pytest
from batching import batch_row, submitted
from fresh_store import fresh_store

from tokenworks.batches import writing
from tokenworks.batches.kept import Kept, Made, keep
from tokenworks.batches.outputs import JSONL, Result, inside, outputs, write


@pytest.fixture
def store(tmp_path):
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def test_a_batch_of_requests_has_up_to_two_files(store) -> None:
    batch = submitted(store, 1)
    assert outputs(store, batch) == []
    file_id = writing.put(store, batch, "b_output.jsonl", [b"{}\n"], None)
    row = store.update_batch(batch.id, output_file_id=file_id, error_file_id="file-gone")
    assert outputs(store, row) == [Result(file_id, "b_output.jsonl", JSONL, 3)]


def test_a_recipes_files_are_told_with_their_notes_as_long_as_they_are_kept(store, tmp_path: Path) -> None:
    batch = batch_row(kind="tiny")
    store.add_batch(batch)
    assert outputs(store, batch) == []
    ids = [writing.put(store, batch, name, [name.encode()], None) for name in ("sub/a.txt", "b.txt")]
    made = (Made(ids[0], "sub/a.txt", "text/plain", "note"), Made(ids[1], "b.txt", "text/plain"))
    keep(store, batch.id, Kept(outputs=made))
    files = outputs(store, batch)
    assert files[0] == Result(ids[0], "sub/a.txt", "text/plain", 9, "note")
    paths = write(store, files, tmp_path / "out")
    assert paths == [tmp_path / "out/sub/a.txt", tmp_path / "out/b.txt"]
    assert [path.read_text() for path in paths] == ["sub/a.txt", "b.txt"]
    store.remove_file(ids[0])
    assert [file.id for file in outputs(store, batch)] == [ids[1]]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/b.txt", "a/b.txt"),
        ("/etc/x", "etc/x"),
        ("../../x", "x"),
        ("a\\..\\b", "a/b"),
        ("..", "file"),
        ("", "file"),
    ],
)
def test_a_name_never_leaves_its_folder(name: str, path: str) -> None:
    assert inside(name) == Path(path)
