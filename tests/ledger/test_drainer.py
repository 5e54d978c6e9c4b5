import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from queueing import queued_row

from tokenworks.ledger import sqlite_file
from tokenworks.ledger.claims import listed
from tokenworks.ledger.drainer import Drainer
from tokenworks.ledger.gateway_id import gateway_id
from tokenworks.ledger.inflight import InFlight
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.limit_rows import Want
from tokenworks.ledger.sqlite import SqliteStore

# Forks drainers one after the other and kills each at a random moment, until one ends by itself.
KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from tokenworks.ledger import tail
from tokenworks.ledger.drainer import Drainer
from tokenworks.ledger.sqlite import SqliteStore

folder, path, rng = Path(sys.argv[1]), sys.argv[2], random.Random(int(sys.argv[3]))
tail.READ_BYTES = 2048
kills = 0
while True:
    pid = os.fork()
    if pid == 0:
        drainer = Drainer(folder, SqliteStore(path))
        drainer.drain_once()
        drainer.recover()
        os._exit(0)
    deadline = time.monotonic() + rng.random() * 0.03
    while time.monotonic() < deadline and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        break
    kills += 1
print(kills)
"""


class Dying(BaseException):
    """Stands for SIGKILL between two steps."""


class Mortal:
    """A store and a file system whose user dies before or after the n-th step."""

    def __init__(self, store, monkeypatch, dies_at: int) -> None:
        self._store, self._left = store, dies_at
        for name in ("unlink", "rename"):
            real = getattr(Path, name)
            monkeypatch.setattr(Path, name, self._stepping(real))

    def _stepping(self, real):
        def step(*arguments, **named):
            self._count()
            result = real(*arguments, **named)
            self._count()
            return result

        return step

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Dying

    def __getattr__(self, name: str):
        return self._stepping(getattr(self._store, name))


def dead_worker(folder: Path, make, worker: str, *, settled: int, open_: int) -> list[str]:
    """Files of a worker that ended: rotated journals, slots that are settled, open or being replaced.

    A request reserves 10 of account 1 and is charged 7 of it; one that is being replaced reserves 12.
    """
    journal = Journal(folder, worker, fsync="never", max_bytes=1500)
    slots = InFlight(folder, worker, slots=8)
    ids = []
    for number in range(settled + open_):
        record = make(outcome="", output_tokens=0, charges=(1, 0, 10))
        ids.append(record.id)
        slot = slots.open(record)
        slots.touch(slot, 3)
        if number < settled:
            record.outcome, record.charges = "ok", (1, 0, 7)
            journal.append(record)
            if number != settled - 1:  # killed between the append and the release
                slots.release(slot)
        elif number == settled:  # killed while replacing
            record.provider, record.charges = "beta", (1, 0, 12)
            slots.open(record)
    journal.close()
    slots.close()
    return ids


def charged(settled: int, open_: int) -> int:
    """What the requests of such a ``dead_worker`` count."""
    return 7 * settled + 10 * open_ + (2 if open_ else 0)


def leased(store, *holders: str, amount: int = 500) -> None:
    """Each of ``holders`` holds ``amount`` of account 1."""
    for holder in holders:
        want = Want(1, "l_1", "k_1", 10**9, 0, amount, amount)
        assert store.lease(holder, [want], {}, (), 1).given[0].amount == amount


def stands(store) -> tuple[int, int]:
    """What is spent and what is leased of account 1."""
    [row] = store.standings()
    return row.spent, row.leased


def recount(path: Path) -> None:
    """The roll-ups say what the rows say."""
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT model, count(*), sum(output_tokens) FROM requests GROUP BY model"
    ).fetchall()
    sums = connection.execute("SELECT model, sum(requests), sum(output_tokens) FROM day_model GROUP BY model")
    assert sorted(rows) == sorted(sums.fetchall())
    connection.close()


def ids_in(path: Path) -> Counter[str]:
    connection = sqlite3.connect(path)
    found = Counter(row[0] for row in connection.execute("SELECT id FROM requests"))
    connection.close()
    return found


def test_dying_between_any_two_steps_neither_loses_nor_doubles(tmp_path: Path, make, caplog) -> None:
    pristine = tmp_path / "pristine"
    gateway = gateway_id(pristine)
    ids = dead_worker(pristine, make, f"{gateway}-w0", settled=12, open_=3)
    ids += dead_worker(pristine, make, f"{gateway}-w1", settled=0, open_=2)
    gone = f"{gateway}-w9"  # who died before the drainer released its leases
    spent = charged(12, 3) + charged(0, 2)
    deaths = 0
    for dies_at in range(1, 300):
        home = tmp_path / str(dies_at)
        folder, path = home / "journal", home / "ledger.db"
        shutil.copytree(pristine, folder)
        store = SqliteStore(str(path))
        store.migrate()
        leased(store, f"{gateway}-w0", f"{gateway}-w1", gone, "other-w0")
        with pytest.MonkeyPatch.context() as patch:
            drainer = Drainer(folder, Mortal(store, patch, dies_at))
            try:
                drainer.drain_once()
                drainer.recover()
                alive = True
            except Dying:
                deaths, alive = deaths + 1, False
        drainer.close()
        names = {file.worker for file in listed(folder)}
        assert names <= set(store.lease_holders("")), "nobody is released of whom there are files"
        assert sum(stands(store)) <= 2000, "and nothing is free that might still be charged"
        after = Drainer(folder, store)
        after.drain_once()
        after.recover()
        after.close()
        assert stands(store) == (spent, 500), f"died at step {dies_at}"
        assert store.lease_holders("") == ["other-w0"]
        store.close()
        assert ids_in(path) == Counter(ids), f"died at step {dies_at}"
        recount(path)
        assert listed(folder) == []
        shutil.rmtree(home)
        if alive:
            break
    assert alive
    assert "already" not in caplog.text, "the store's own guard against doubles had nothing to do"
    assert deaths > 30


def test_drainers_killed_at_random_neither_lose_nor_double(tmp_path: Path, make, store) -> None:
    folder, path = tmp_path / "journal", tmp_path / "ledger.db"
    gateway = gateway_id(folder)
    names = [f"{gateway}-w{number}" for number in range(12)]
    leased(store, *names, "other-w0")
    ids = [i for name in names for i in dead_worker(folder, make, name, settled=60, open_=5)]
    seed = random.randrange(10**9)
    command = [sys.executable, "-c", KILLED, str(folder), str(path), str(seed)]
    kills = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout
    assert ids_in(path) == Counter(ids), seed
    recount(path)
    assert listed(folder) == []
    assert stands(store) == (12 * charged(60, 5), 500)
    assert store.lease_holders("") == ["other-w0"]
    assert int(kills) > 0


def test_what_was_cut_short_is_recorded_as_killed(tmp_path: Path, make, store) -> None:
    folder = tmp_path / "journal"
    slots = InFlight(folder, "w", slots=8)
    plain, priced, final = make(outcome="", status=0), make(outcome="", cost_nano_usd=77), make(outcome="ok")
    slot = slots.open(plain)
    slots.touch(slot, 42)
    slots.open(priced)
    slots.update(slots.open(final), final)  # settled, but the journal's disk was full to the end
    slots.close()
    told: list[object] = []
    assert Drainer(folder, store, told.extend).bury("w") == 3
    found = store.generation(plain.id)
    assert found is not None
    assert (found.outcome, found.status, found.estimated, found.output_tokens) == ("killed", 0, True, 42)
    assert store.generation(priced.id).cost_nano_usd == 77  # type: ignore[union-attr]
    assert store.generation(final.id) == final
    assert len(told) == 3
    assert listed(folder) == []


def test_what_a_killed_request_had_reserved_is_spent_and_then_all_else_is_free(
    tmp_path: Path, make, store, monkeypatch
) -> None:
    folder = tmp_path / "journal"
    leased(store, "w")
    dead_worker(folder, make, "w", settled=3, open_=2)
    seen: list[tuple[list[object], tuple[int, int], int]] = []
    real = store.release_leases

    def release(holder: str) -> int:
        seen.append((listed(folder), stands(store), store.totals().requests))
        return real(holder)

    monkeypatch.setattr(store, "release_leases", release)
    drainer = Drainer(folder, store)
    assert drainer.bury("w") == 2
    assert seen == [([], (charged(3, 2), 500 - charged(3, 2)), 5)], "the release comes last"
    assert stands(store) == (charged(3, 2), 0)
    assert drainer.bury("w") == drainer.recover() == 0
    assert stands(store) == (charged(3, 2), 0)


def test_a_request_settled_and_still_in_its_slot_is_charged_what_it_used(tmp_path: Path, make, store) -> None:
    folder = tmp_path / "journal"
    leased(store, "w")
    dead_worker(folder, make, "w", settled=1, open_=0)
    assert Drainer(folder, store).recover() == 0
    assert stands(store) == (7, 0)


def test_only_the_dead_of_this_folder_lose_their_leases(tmp_path: Path, make, store) -> None:
    folder = tmp_path / "journal"
    gateway = gateway_id(folder)
    living, dead, gone = (f"{gateway}-w{number}" for number in range(3))
    other = [f"{int(gateway, 16) ^ 1:08x}-w0", gateway, f"{gateway}0-w1", "w0"]
    leased(store, living, dead, gone, *other)
    journal, slots = Journal(folder, living, fsync="never"), InFlight(folder, living, slots=4)
    dead_worker(folder, make, dead, settled=1, open_=0)
    drainer = Drainer(folder, store)
    drainer.bury(living)
    drainer.drain_once()
    assert len(store.lease_holders("")) == 7
    drainer.recover()
    assert store.lease_holders("") == sorted([living, *other])
    assert store.leases_of(living) == {1: 500}
    journal.close()
    slots.close()
    drainer.bury(living)
    assert store.lease_holders("") == sorted(other)


def test_a_worker_that_starts_meanwhile_keeps_its_lease(tmp_path: Path, make, store, monkeypatch) -> None:
    folder = tmp_path / "journal"
    name = f"{gateway_id(folder)}-w1"
    files: list[InFlight] = []
    real = store.lease_holders

    def starts(prefix: str) -> list[str]:
        if not files:
            files.append(InFlight(folder, name, slots=4))
            leased(store, name)
        return real(prefix)

    monkeypatch.setattr(store, "lease_holders", starts)
    drainer = Drainer(folder, store)
    drainer.recover()
    assert store.leases_of(name) == {1: 500}
    files[0].close()
    drainer.recover()
    assert store.leases_of(name) == {}


def test_leases_wait_for_journals_that_can_not_be_drained(tmp_path: Path, make, store, monkeypatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.01)
    folder = tmp_path / "journal"
    name = f"{gateway_id(folder)}-w1"
    leased(store, name)
    dead_worker(folder, make, name, settled=3, open_=1)
    impatient = SqliteStore(str(tmp_path / "ledger.db"))
    drainer = Drainer(folder, impatient)
    locker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    drainer.recover()
    drainer.bury(name)
    assert stands(store) == (0, 500)
    locker.execute("ROLLBACK")
    locker.close()
    drainer.recover()
    assert stands(store) == (charged(3, 1), 0)
    impatient.close()


def test_a_living_worker_is_drained_but_never_buried(tmp_path: Path, make, store) -> None:
    folder = tmp_path / "journal"
    journal, slots = Journal(folder, "w", fsync="never"), InFlight(folder, "w", slots=4)
    drainer = Drainer(folder, store)
    record = make()
    slot = slots.open(record)
    assert drainer.recover() == drainer.bury("w") == 0
    journal.append(record)
    assert drainer.drain_once() == 1
    slots.release(slot)
    assert drainer.bury("w") == 0
    assert len(listed(folder)) == 2
    journal.append(make())
    assert drainer.drain_once() == 1
    journal.close()
    slots.close()
    drainer.recover()
    assert listed(folder) == []
    assert store.totals().requests == 2


def test_a_new_life_under_the_same_name_is_not_the_old_one(tmp_path: Path, make, store) -> None:
    folder = tmp_path / "journal"
    old = dead_worker(folder, make, "w", settled=3, open_=1)
    journal, slots = Journal(folder, "w", fsync="never"), InFlight(folder, "w", slots=4)
    record = make()
    slots.open(record)
    journal.append(make())
    drainer = Drainer(folder, store)
    assert drainer.bury("w") == 1
    drainer.drain_once()
    assert store.totals().requests == len(old) + 1
    assert store.generation(record.id) is None
    journal.close()
    slots.close()
    assert drainer.recover() == 1


def test_rotated_files_go_while_their_worker_lives(tmp_path: Path, make, store) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, "w", fsync="never", max_bytes=1000)
    drainer = Drainer(folder, store)
    for _ in range(50):
        journal.append(make())
    assert drainer.drain_once() == 50
    assert len(listed(folder)) == 1
    journal.append(make())
    assert drainer.drain_once() == 1
    assert store._connection().execute("SELECT count(*) FROM journals").fetchone()[0] == 1
    journal.close()


def test_trouble_is_told_once_and_everything_catches_up(
    tmp_path: Path, make, store, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.01)
    folder, path = tmp_path / "journal", tmp_path / "ledger.db"
    impatient = SqliteStore(str(path))
    journal = Journal(folder, "w", fsync="never")
    drainer = Drainer(folder, impatient)
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    for _ in range(5):
        journal.append(make())
        assert drainer.drain_once() == 0
    assert drainer.recover() == 0
    assert caplog.text.count("records wait in the journals") == 1
    locker.execute("ROLLBACK")
    locker.close()
    assert drainer.drain_once() == 5
    assert drainer.drain_once() == 0
    assert caplog.text.count("works again") == 1
    journal.close()
    impatient.close()


def test_a_full_store_catches_up_and_the_journals_stay(tmp_path: Path, make, store) -> None:
    folder = tmp_path / "journal"
    ids = dead_worker(folder, make, "w", settled=200, open_=2)
    connection = store._connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    drainer = Drainer(folder, store)
    drainer.drain_once()
    drainer.recover()
    assert listed(folder) != []
    connection.execute("PRAGMA max_page_count = 1000000")
    drainer.recover()
    assert ids_in(tmp_path / "ledger.db") == Counter(ids)
    assert listed(folder) == []


def test_a_listener_that_fails_costs_nothing(tmp_path: Path, make, store, caplog) -> None:
    journal = Journal(tmp_path / "journal", "w", fsync="never")

    def listener(_: object) -> None:
        raise RuntimeError("no ears")

    drainer = Drainer(tmp_path / "journal", store, listener)
    journal.append(make())
    assert drainer.drain_once() == 1
    assert "no ears" in caplog.text
    assert drainer.drain_once() == 0
    journal.close()


def test_it_runs_until_told_to_stop_and_leaves_nothing(tmp_path: Path, make, store, wait_for) -> None:
    folder = tmp_path / "journal"
    dead = dead_worker(folder, make, "dead", settled=2, open_=1)
    journal = Journal(folder, "w", fsync="never")
    stop = threading.Event()
    drainer = Drainer(folder, store)
    thread = threading.Thread(target=drainer.run, args=(stop, 0.01))
    thread.start()
    journal.append(make())
    wait_for(lambda: store.totals().requests == len(dead) + 1)
    journal.append(make())  # before it is told: what comes later may find nobody
    stop.set()
    thread.join()
    assert store.totals().requests == len(dead) + 2
    journal.close()


def test_two_drainers_take_turns(tmp_path: Path, make, store) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, "w", fsync="never", max_bytes=3000)
    stop = threading.Event()
    threads = [threading.Thread(target=Drainer(folder, store).run, args=(stop, 0.001)) for _ in range(3)]
    for thread in threads:
        thread.start()
    ids = []
    for _ in range(500):
        record = make()
        ids.append(record.id)
        journal.append(record)
    stop.set()
    for thread in threads:
        thread.join()
    journal.close()
    assert ids_in(tmp_path / "ledger.db") == Counter(ids)
    recount(tmp_path / "ledger.db")


def test_unreadable_slots_are_moved_aside(tmp_path: Path, store, caplog) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "w.000001.inflight").write_bytes(b"what is this")
    assert Drainer(folder, store).recover() == 0
    assert (folder / "w.000001.inflight.corrupt").exists()
    assert "not an in-flight file" in caplog.text


def test_many_slots_at_once(tmp_path: Path, make, store) -> None:
    slots = InFlight(tmp_path / "journal", "w", slots=16)
    for _ in range(3000):
        slots.open(make(outcome=""))
    slots.close()
    assert Drainer(tmp_path / "journal", store).recover() == 3000
    assert store.totals().errors == 3000


def test_no_folder_is_no_trouble(tmp_path: Path, store, caplog) -> None:
    drainer = Drainer(tmp_path / "journal", store)
    assert drainer.drain_once() == drainer.recover() == drainer.bury("w") == 0
    assert caplog.text == ""
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["drainer.lock"]


def test_what_the_dead_ran_of_the_queue_is_run_again(tmp_path: Path, make, store) -> None:
    """Of workers that hold no lease and left no file, too; when all their records are in the store."""
    folder = tmp_path / "journal"
    gateway = gateway_id(folder)
    living, dead, gone = (f"{gateway}-w{number}" for number in range(3))
    other = f"{int(gateway, 16) ^ 1:08x}-w0"
    names = {}
    for holder in (living, dead, gone, other):
        row = queued_row(f"k_{holder}")
        store.enqueue(row, 10, 10**6)
        assert [each.id for each in store.claim(holder, 100, 1)] == [row.id]
        names[holder] = row.id
    slots = InFlight(folder, living, slots=4)
    dead_worker(folder, make, dead, settled=1, open_=0)
    drainer = Drainer(folder, store)
    drainer.recover()
    stands = {holder: store.queued_one(name).status for holder, name in names.items()}
    assert stands == {living: "running", dead: "queued", gone: "queued", other: "running"}
    slots.close()
    drainer.bury(living)
    assert store.queued_one(names[living]).status == "queued"
