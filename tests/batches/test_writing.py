import msgspec
import pytest
from batching import lines_of, part_rows, submitted
from fresh_store import fresh_store

from tokenworks.batches import writing
from tokenworks.batches.lines import answered, refused
from tokenworks.ledger.batched import CHUNK


@pytest.fixture
def store(tmp_path):
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def test_a_file_written_again_is_the_same_file(store) -> None:
    batch = submitted(store, 1)
    pieces = [b"x" * 700_000, b"y" * 700_000, b"z" * 10]
    first = writing.put(store, batch, "out/a.txt", pieces, 10**17)
    again = writing.put(store, batch, "out/a.txt", iter(pieces), 10**17)
    other = writing.put(store, batch, "out/b.txt", [], None)
    assert first == again != other
    chunks = list(store.read_file(first))
    assert b"".join(chunks) == b"".join(pieces) and len(chunks[0]) == CHUNK
    row = store.file(first)
    assert (row.name, row.bytes, row.key_id, row.done, row.expires_us) == (
        "out/a.txt",
        1_400_010,
        "k_1",
        True,
        10**17,
    )
    assert store.file(other).bytes == 0
    later = msgspec.structs.replace(batch, run=2)
    assert writing.put(store, later, "out/a.txt", [], None) != first, "another run writes its own"


def test_each_request_has_its_line_in_one_of_two_files(store) -> None:
    batch = submitted(store, 3)
    parts = part_rows(batch.id, 3)
    store.settle_parts(
        batch.id,
        [
            msgspec.structs.replace(parts[0], status="done", result=answered(200, "gen-1", b'{"ok":\ntrue}')),
            msgspec.structs.replace(parts[1], status="failed", result=refused("bad", "line 2: no")),
        ],
    )
    output, error = writing.requests(store, store.batch(batch.id), "expired", None)
    assert [line["custom_id"] for line in lines_of(store, output)] == ["p0"]
    wrong = lines_of(store, error)
    assert [(line["custom_id"], line["error"]["code"]) for line in wrong] == [
        ("p1", "bad"),
        ("p2", "batch_expired"),
    ]
    empty = submitted(store, 2)
    output, error = writing.requests(store, store.batch(empty.id), "cancelled", None)
    assert output == "" and len(lines_of(store, error)) == 2


def test_pages_of_parts_are_one_row_of_them(store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PAGE", 3)
    batch = submitted(store, 8)
    assert [part.seq for part in writing.parts(store, batch.id)] == list(range(8))


def test_a_file_on_the_disk_is_read_in_pieces(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (CHUNK + 1))
    assert [len(piece) for piece in writing.of_file(tmp_path / "a")] == [CHUNK, 1]
