"""The whole store with the real drainer and journals, while PostgreSQL is killed under it."""

import contextlib
import os
import random
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger.claims import listed
from tokenworks.ledger.drainer import Drainer
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.limit_rows import Want
from tokenworks.ledger.postgres import PostgresStore


@pytest.fixture
def server() -> Iterator[postgres.Postgres]:
    """One that may be killed."""
    made = postgres.Postgres().start()
    yield made
    made.remove()


def test_a_server_killed_again_and_again_loses_and_doubles_nothing(
    server: postgres.Postgres, tmp_path: Path, make
) -> None:
    """Two gateways drain into it while their workers write; it is killed at random moments."""
    url, seed = server.database(), random.randrange(10**9)
    rng = random.Random(seed)
    stores = [PostgresStore(url) for _ in range(2)]
    stores[0].migrate()
    journals, drainers, threads, stop = [], [], [], threading.Event()
    for number, store in enumerate(stores):
        folder = tmp_path / f"gateway{number}"
        journals.append(Journal(folder, f"g{number}-w", fsync="never", max_bytes=40_000))
        store.lease(f"g{number}-w", [Want(a, "l_1", "s", 10**9, 0, 10**6, 1) for a in range(3)], {}, [], 1)
        drainers.append(Drainer(folder, store))
        threads.append(threading.Thread(target=drainers[-1].run, args=(stop, 0.002)))
        threads[-1].start()
    ids: list[str] = []
    spent = Counter[int]()
    for _ in range(5):
        until = time.monotonic() + rng.uniform(0.05, 0.25)
        while time.monotonic() < until:
            for journal in journals:
                account, amount = rng.randrange(3), rng.randrange(1, 9)
                record = make(charges=(account, rng.choice([0, 60]), amount), app=f"app{rng.randrange(9)}")
                ids.append(record.id)
                spent[account] += amount
                journal.append(record)
            time.sleep(0.0005)
        server.kill9()
        began = time.monotonic()
        with pytest.raises(StoreError):
            stores[0].totals()
        assert time.monotonic() - began < 2
        server.start()
    stop.set()
    for thread in threads:
        thread.join()
    for journal, drainer in zip(journals, drainers, strict=True):
        journal.close()
        drainer.drain_once()
    drained = stores[0]._rows("SELECT account, sum(drained)::bigint FROM leases GROUP BY 1 ORDER BY 1")
    assert drained == sorted(spent.items())
    for drainer in drainers:
        drainer.recover()
        drainer.close()
    found = stores[0]._rows("SELECT id, model FROM requests")
    assert Counter(row[0] for row in found) == Counter(ids), seed
    assert stores[1].totals().requests == len(ids)
    assert stores[0]._rows("SELECT sum(requests)::bigint FROM day_app_model") == [(len(ids),)]
    counted = Counter[int]()
    for row in stores[0].standings():
        counted[row.account] += row.spent
    assert counted == spent, seed
    for number, store in enumerate(stores):
        assert listed(tmp_path / f"gateway{number}") == []
        store.close()
    assert len(ids) > 200


def test_a_store_that_is_down_fails_at_once_and_works_again_by_itself(
    server: postgres.Postgres, make
) -> None:
    store = PostgresStore(server.database())
    store.migrate()
    store.append("w", 1, [make()], since=0)
    server.stop()
    calls = (
        lambda: store.append("w", 2, [make()], since=1),
        store.totals,
        store.keys,
        store.plans_version,
        lambda: store.lease("w", [Want(1, "l_1", "s", 10, 0, 1, 1)], {}, [], 1),
        lambda: store.state("s", "i", 1),
        store.migrate,
    )
    for call in calls:
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"^postgresql:///.*(socket|connection)"):
            call()
        assert time.monotonic() - began < 1
    server.start()
    store.append("w", 2, [make()], since=1)
    server.restart()
    store.append("w", 3, [make()], since=2)
    assert store.totals().requests == 3
    store.close()


class Cable:
    """Between a store and its server; cut at the COMMIT of a batch, before or after the server got it."""

    def __init__(self, folder: Path, server: postgres.Postgres) -> None:
        self.cut = ""  # "before" | "after"; once
        self.cuts = 0
        self._to = str(server.home / ".s.PGSQL.5432")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far, contextlib.suppress(OSError):
            far.connect(self._to)
            batch = False
            while True:
                ready, _, _ = select.select([near, far], [], [])
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    batch = batch or b"COPY request_facts" in data
                    if end is near and self.cut and batch and b"COMMIT" in data:
                        how, self.cut = self.cut, ""
                        self.cuts += 1
                        if how == "after":
                            far.sendall(data)
                            far.recv(65536)  # it is done; nobody hears of it
                        return
                    (far if end is near else near).sendall(data)


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_connection_that_dies_while_it_commits_is_made_good(
    how: str, url: str, tmp_path: Path, make
) -> None:
    folder = Path(os.path.relpath(tmp_path))  # a socket's path is short
    cable = Cable(folder, postgres.shared())
    direct, store = PostgresStore(url), PostgresStore(f"{url.split('?')[0]}?host={tmp_path}")
    direct.migrate()
    direct.lease("w", [Want(1, "l_1", "s", 10**6, 0, 1000, 1)], {}, [], 1)
    journal = Journal(tmp_path / "journal", "w", fsync="never")
    drainer = Drainer(tmp_path / "journal", store)
    ids = []

    def written(count: int) -> None:
        for _ in range(count):
            record = make(charges=(1, 0, 10))
            ids.append(record.id)
            journal.append(record)

    for _ in range(4):
        written(1)
        assert drainer.drain_once() == 1
        written(3)
        cable.cut = how
        assert drainer.drain_once() == 0
        there = direct.totals().requests
        assert there == (len(ids) if how == "after" else len(ids) - 3)
        assert drainer.drain_once() == (0 if how == "after" else 3)
    assert cable.cuts == 4
    (row,) = direct.standings()
    assert (row.spent, row.leased) == (160, 840)
    journal.close()
    drainer.recover()
    drainer.close()
    assert Counter(row[0] for row in direct._rows("SELECT id FROM requests")) == Counter(ids)
    assert direct._rows("SELECT * FROM journals") == []
    store.close()
    direct.close()
    cable.close()
