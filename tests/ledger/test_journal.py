import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tokenworks.ledger.claims import listed
from tokenworks.ledger.drainer import Drainer
from tokenworks.ledger.frames import HEADER_BYTES, scan
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.record import Record

# Forks a worker for each round and kills it at a random moment. What a worker had entered and settled
# stands in memory it shares with this process, so it is exact however the worker ended.
KILLED = """
import json, mmap, os, random, signal, sys, time
from pathlib import Path
from tokenworks.ledger.inflight import InFlight
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.record import Record

folder, rounds, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
result = {}
for number in range(rounds):
    worker = f"w{number}"
    shared = memoryview(mmap.mmap(-1, 4096)).cast("Q")
    pid = os.fork()
    if pid == 0:
        journal = Journal(folder, worker, fsync="interval", max_bytes=20_000)
        slots = InFlight(folder, worker, slots=16)
        for i in range(10**9):
            record = Record(f"gen-{1764000000 + i // 1000}-{worker}-{i}", 1764000000_000000 + i * 1000)
            record.app = "x" * (i % 300)
            slot = slots.open(record)
            shared[0] = i + 1
            slots.touch(slot, 7)
            record.outcome, record.status, record.output_tokens = "ok", 200, 7
            journal.append(record)
            shared[1] = i + 1
            slots.release(slot)
    while shared[1] < 3:
        time.sleep(0.0005)
    time.sleep(rng.random() * 0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    result[worker] = [shared[0], shared[1]]
print(json.dumps(result))
"""

# The file size limit stands for a full disk: writes fall short, then fail with EFBIG.
FULL = """
import json, resource, signal, sys
from pathlib import Path
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.record import Record

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
journal = Journal(Path(sys.argv[1]), "w", fsync=sys.argv[2])
seen = []
for i in range(300):
    if i == 100:
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal._size + 1111, hard))
    journal.append(Record(f"gen-1764000000-{i}", 1764000000_000000 + i))
    if i == 200:
        seen += [journal.healthy, journal.retry(), journal.pending > 50]
    if i == 250:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        seen += [journal.retry(), journal.healthy, journal.pending == 0]
journal.close()
print(json.dumps(seen))
"""


def run(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def content(folder: Path) -> list[Record]:
    found = []
    for file in listed(folder):
        if file.suffix == "journal":
            records, end, corrupt = scan(file.path.read_bytes()[HEADER_BYTES:])
            assert not corrupt
            assert end == file.path.stat().st_size - HEADER_BYTES
            found += records
    return found


def test_workers_killed_at_random_moments_lose_nothing_and_nothing_counts_twice(tmp_path, store) -> None:
    seed = random.randrange(10**9)
    folder = tmp_path / "journal"
    lives = json.loads(run(KILLED, folder, 40, seed))
    told: list[Record] = []
    drainer = Drainer(folder, store, told.extend)
    drainer.drain_once()  # some while they may be thought alive, the rest at recovery
    drainer.recover()
    assert not [file.path.name for file in listed(folder)]
    by_id = {record.id: record for record in told}
    assert len(by_id) == len(told) == store.totals().requests
    for worker, (entered, settled) in lives.items():
        mine = {int(r.id.rsplit("-", 1)[1]): r for r in told if f"-{worker}-" in r.id}
        assert set(mine) >= set(range(entered)), (worker, seed)
        assert len(mine) <= entered + 1, (worker, seed)
        assert all(mine[i].outcome == "ok" for i in range(settled)), (worker, seed)
        for record in mine.values():
            assert (record.outcome, record.estimated) in {("ok", False), ("killed", True)}
    assert drainer.recover() == 0


@pytest.mark.parametrize("fsync", ["never", "interval", "always"])
def test_a_full_disk_loses_nothing_and_keeps_the_order(tmp_path: Path, fsync: str) -> None:
    assert json.loads(run(FULL, tmp_path, fsync)) == [False, False, True, True, True, True]
    assert [record.id for record in content(tmp_path)] == [f"gen-1764000000-{i}" for i in range(300)]


@pytest.mark.parametrize("fsync", ["never", "interval", "always"])
def test_what_was_appended_is_there_before_anything_is_closed(tmp_path: Path, make, fsync) -> None:
    journal = Journal(tmp_path, "w", fsync=fsync)
    records = [make() for _ in range(50)]
    for record in records:
        journal.append(record)
    assert content(tmp_path) == records
    journal.close()
    journal.close()
    with pytest.raises(ValueError, match="closed"):
        journal.append(make())


def test_one_append_is_one_write(tmp_path: Path, make, monkeypatch) -> None:
    writes: list[int] = []
    journal = Journal(tmp_path, "w", fsync="never")
    real = os.write
    monkeypatch.setattr(
        "tokenworks.ledger.journal._write", lambda fd, data: (writes.append(fd), real(fd, data))[1]
    )
    for _ in range(5):
        journal.append(make())
    assert len(writes) == 5
    journal.close()


@pytest.mark.parametrize("fsync", ["never", "interval"])
def test_it_goes_on_to_a_new_file_when_one_is_full(tmp_path: Path, make, fsync) -> None:
    journal = Journal(tmp_path, "w", fsync=fsync, max_bytes=2_000)
    records = [make() for _ in range(100)]
    for record in records:
        journal.append(record)
    journal.close()
    assert len(listed(tmp_path)) > 5
    assert content(tmp_path) == records


def test_when_no_new_file_can_be_made_the_old_one_goes_on(tmp_path: Path, make, monkeypatch, caplog) -> None:
    journal = Journal(tmp_path, "w", fsync="never", max_bytes=1_000)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tokenworks.ledger.journal.claim", refuse)
    records = [make() for _ in range(50)]
    for record in records:
        journal.append(record)
    assert journal.healthy
    assert "No space left" in caplog.text
    journal.close()
    assert content(tmp_path) == records


def test_a_short_write_leaves_no_torn_frame(tmp_path: Path, make, monkeypatch) -> None:
    journal = Journal(tmp_path, "w", fsync="never")
    first, second, third = make(), make(), make()
    journal.append(first)
    monkeypatch.setattr(
        "tokenworks.ledger.journal._write", lambda fd, data: os.write(fd, data[: len(data) // 2])
    )
    journal.append(second)
    assert not journal.healthy
    assert content(tmp_path) == [first]
    assert not journal.retry()
    assert content(tmp_path) == [first]
    monkeypatch.undo()
    journal.append(third)
    assert content(tmp_path) == [first], "nothing overtakes what waits"
    assert journal.retry()
    assert content(tmp_path) == [first, second, third]
    journal.close()


def test_records_that_can_never_be_written_are_told_at_close(
    tmp_path: Path, make, monkeypatch, caplog
) -> None:
    journal = Journal(tmp_path, "w", fsync="never")
    monkeypatch.setattr("tokenworks.ledger.journal._write", lambda fd, data: 0)
    journal.append(make())
    journal.close()
    assert "1 records could not be written" in caplog.text


@pytest.mark.parametrize("fsync", ["always", "interval"])
def test_a_failed_fsync_moves_to_a_new_file_and_doubles_nothing(
    tmp_path: Path, make, monkeypatch, wait_for, fsync
) -> None:
    monkeypatch.setattr("tokenworks.ledger.journal.SYNC_EVERY_S", 0.01)
    journal = Journal(tmp_path, "w", fsync=fsync)
    real, failures = os.fdatasync, [1]

    def fail_once(fd: int) -> None:
        if failures:
            failures.pop()
            raise OSError(5, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fail_once)
    first, second = make(), make()
    journal.append(first)
    wait_for(lambda: not journal.healthy)
    assert journal.retry()
    journal.append(second)
    assert journal.healthy
    journal.close()
    assert content(tmp_path) == [first, second]
    assert len(listed(tmp_path)) == 2


def test_interval_flushes_in_the_background(tmp_path: Path, make, monkeypatch, wait_for) -> None:
    monkeypatch.setattr("tokenworks.ledger.journal.SYNC_EVERY_S", 0.01)
    flushed: list[float] = []
    real = os.fdatasync
    journal = Journal(tmp_path, "w")
    monkeypatch.setattr(os, "fdatasync", lambda fd: (flushed.append(time.monotonic()), real(fd))[1])
    journal.append(make())
    wait_for(lambda: bool(flushed))
    time.sleep(0.05)
    assert len(flushed) == 1, "an idle journal is left alone"
    journal.close()


def test_hostile_values_do_not_stop_the_journal(tmp_path: Path, make) -> None:
    journal = Journal(tmp_path, "w", fsync="never")
    journal.append(make(output_tokens=2**80, app="\ud800", user="u" * 3_000_000))
    journal.close()
    [record] = content(tmp_path)
    assert record.output_tokens == 10**12
