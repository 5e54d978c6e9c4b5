import os
from pathlib import Path

import pytest

from tokenworks.ledger import tail as module
from tokenworks.ledger.claims import listed
from tokenworks.ledger.frames import HEADER_BYTES, frame
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.record import encode
from tokenworks.ledger.tail import Tail


@pytest.fixture
def journal(tmp_path: Path):
    made = Journal(tmp_path / "journal", "w", fsync="never")
    yield made
    made.close()


@pytest.fixture
def follow(tmp_path: Path, store):
    tails: list[Tail] = []

    def following() -> Tail:
        [file] = listed(tmp_path / "journal")
        tails.append(Tail(file, store))
        return tails[-1]

    yield following
    for tail in tails:
        tail.close()


def only(folder: Path) -> Path:
    [file] = listed(folder)
    return file.path


def test_it_goes_on_where_the_store_says(journal, follow, store, make) -> None:
    told: list[object] = []
    first, second = make(), make()
    journal.append(first)
    tail = follow()
    assert tail.drain(told.extend, finished=False) == 1
    assert tail.drain(told.extend, finished=False) == 0
    journal.append(second)
    assert follow().drain(told.extend, finished=False) == 1
    assert told == [first, second]
    assert store.totals().requests == 2


def test_a_frame_that_is_still_being_written_is_waited_for(journal, follow, make, tmp_path: Path) -> None:
    path = only(tmp_path / "journal")
    record = make()
    whole = frame(encode(record))
    told: list[object] = []
    tail = follow()
    for part in (whole[:5], whole[5:40], whole[40:]):
        assert told == []
        with path.open("ab") as file:
            file.write(part)
        tail.drain(told.extend, finished=False)
    assert told == [record]


def test_more_than_one_read_takes_more_than_one_transaction(
    journal, follow, store, make, monkeypatch
) -> None:
    monkeypatch.setattr(module, "READ_BYTES", 4096)
    batches: list[int] = []
    for _ in range(100):
        journal.append(make())
    assert follow().drain(lambda records: batches.append(len(records)), finished=False) == 100
    assert len(batches) > 3
    assert store.totals().requests == 100


def test_a_corrupt_frame_costs_itself_and_is_kept(
    journal, follow, store, make, tmp_path: Path, caplog
) -> None:
    records = [make() for _ in range(10)]
    sizes = [len(frame(encode(record))) for record in records]
    for record in records:
        journal.append(record)
    journal.close()
    path = only(tmp_path / "journal")
    data = bytearray(path.read_bytes())
    start = HEADER_BYTES + sum(sizes[:4])
    data[start + 60] ^= 0x55
    path.write_bytes(data)
    told: list[object] = []
    tail = follow()
    tail.drain(told.extend, finished=True)
    tail.finish()
    assert told == records[:4] + records[5:]
    [copy] = (tmp_path / "journal").glob("*.corrupt")
    assert copy.read_bytes() == data[start : start + sizes[4]]
    assert f"at offset {start}" in caplog.text
    assert not path.exists()


def test_a_corrupt_length_in_mid_file_is_no_unfinished_write(
    journal, follow, make, tmp_path: Path, caplog
) -> None:
    records = [make() for _ in range(5)]
    for record in records:
        journal.append(record)
    journal.close()
    path = only(tmp_path / "journal")
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES : HEADER_BYTES + 4] = (200_000).to_bytes(4, "little")
    path.write_bytes(data)
    told: list[object] = []
    follow().drain(told.extend, finished=True)
    assert told == records[1:]
    assert "are no record" in caplog.text


def test_a_living_workers_corrupt_frame_is_passed_after_a_while(
    journal, follow, make, tmp_path: Path, monkeypatch
) -> None:
    told: list[object] = []
    first, second, third = make(), make(), make()
    journal.append(first)
    journal.append(second)
    path = only(tmp_path / "journal")
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES + 50)
        file.write(b"?????")
    tail = follow()
    assert tail.drain(told.extend, finished=False) == 0, "it may be about to be replaced"
    monkeypatch.setattr(module, "_PATIENCE_S", 0.0)
    tail.drain(told.extend, finished=False)
    assert told == [second]
    journal.append(third)
    tail.drain(told.extend, finished=False)
    assert told == [second, third]


def test_zeros_that_power_loss_left_at_the_end_are_kept_aside(journal, follow, make, tmp_path: Path) -> None:
    record = make()
    journal.append(record)
    journal.close()
    path = only(tmp_path / "journal")
    with path.open("ab") as file:
        file.write(bytes(5000))
    told: list[object] = []
    tail = follow()
    tail.drain(told.extend, finished=True)
    tail.finish()
    assert told == [record]
    assert [copy.stat().st_size for copy in (tmp_path / "journal").iterdir()] == [5000]


def test_an_unfinished_write_at_the_end_is_reported(journal, follow, make, tmp_path: Path, caplog) -> None:
    journal.append(make())
    journal.close()
    path = only(tmp_path / "journal")
    os.truncate(path, path.stat().st_size - 3)
    tail = follow()
    assert tail.drain(lambda _: None, finished=True) == 0
    assert "unfinished write" in caplog.text
    tail.finish()
    assert not list((tmp_path / "journal").iterdir())


@pytest.mark.parametrize("content", [b"", b"TWJRNL1\nshort", b"TWJRNL9\n" + bytes(100)])
def test_a_file_with_another_header_is_moved_aside(follow, tmp_path: Path, content: bytes, caplog) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "w.000001.journal").write_bytes(content)
    tail = follow()
    assert tail.drain(lambda _: None, finished=True) == 0
    tail.finish()
    assert [path.name for path in folder.iterdir()] == ["w.000001.journal.corrupt"]
    assert "not a journal" in caplog.text


def test_a_journal_shorter_than_the_store_remembers_is_done(
    journal, follow, store, make, tmp_path: Path
) -> None:
    journal.append(make())
    tail = follow()
    tail.drain(lambda _: None, finished=False)
    journal.close()
    os.truncate(only(tmp_path / "journal"), HEADER_BYTES + 10)  # power loss took what was not flushed
    again = follow()
    assert again.drain(lambda _: None, finished=True) == 0
    again.finish()
    assert store.totals().requests == 1
