"""A server starts a worker of batches when there is one to do, and not otherwise."""

import asyncio
import errno
import os
import sqlite3
import sys
import time
from pathlib import Path

import psutil
import pytest
from batching import batch_row, lines_of, over, submitted, until
from fresh_store import fresh_store
from serving import Server, acme

from tokenworks.app import batch_keeper
from tokenworks.app.batch_keeper import BatchKeeper
from tokenworks.config.load import load
from tokenworks.config.settings import BatchSettings, Settings
from tokenworks.ledger.batched import SHORT_OF_MONEY, SHORT_OF_ROOM
from tokenworks.ledger.store import open_store
from tokenworks.providers.scripted import Reply, Script, running


def gateways(server: Server) -> list[psutil.Process]:
    """Workers of this server that answer requests."""
    assert server.process is not None
    children = psutil.Process(server.process.pid).children()
    return [child for child in children if "tokenworks.app.worker" in child.cmdline()]


SLOW = Script(reply=(Reply(first_byte_delay_s=0.1),))


def workers(server: Server) -> list[int]:
    """Processes of workers of batches that this server has started."""
    assert server.process is not None
    children = psutil.Process(server.process.pid).children()
    return [child.pid for child in children if "tokenworks.app.batch_worker" in " ".join(child.cmdline())]


def test_a_server_that_is_killed_goes_on_with_its_batch_when_it_is_back(tmp_path: Path) -> None:
    with running(SLOW) as provider:
        server = Server(tmp_path / "home", acme(provider.base_url)).start()
        store = open_store(load(server.home, require_secrets=False).store_url)
        try:
            assert workers(server) == [], "there is nothing to do"
            batch = submitted(store, 60, key_id=server.key_id)
            until(store, batch.id, lambda row: row.done >= 10)
            (orphan,) = workers(server)
            front, behind = sorted(gateways(server), key=lambda process: process.nice())
            assert (front.nice(), behind.nice()) == (os.nice(0), os.nice(0) + 10), "batches come second"
            asked = {link.raddr.port for link in psutil.Process(orphan).net_connections() if link.raddr}
            ours = {link.laddr.port for link in behind.net_connections() if link.status == "LISTEN"}
            assert asked == ours and server.port not in asked, "and go through a worker of their own"
            server.kill()
            psutil.wait_procs([psutil.Process(orphan)] if psutil.pid_exists(orphan) else [], timeout=10)
            assert not psutil.pid_exists(orphan), "it ends with its server"
            server.start()
            row = until(store, batch.id, over, timeout_s=60)
            assert (row.status, row.done, row.failed) == ("completed", 60, 0), server.log()
            assert len({line["custom_id"] for line in lines_of(store, row.output_file_id)}) == 60
            assert 60 <= len(provider.requests) <= 60 + 2 * 16
            assert row.cost_nano_usd > 0
            (kept,) = workers(server)
            assert server.stop() == 0 and not psutil.pid_exists(kept)
            with sqlite3.connect(server.home / "tokenworks.db") as ledger:
                sql = "SELECT DISTINCT key_id, app, session FROM requests WHERE status = 200"
                assert ledger.execute(sql).fetchall() == [(server.key_id, "batch", batch.id)]
            ledger.close()
        finally:
            store.close()
            server.close()


@pytest.fixture
def store(tmp_path: Path):
    made = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield made
    made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_keeper, "LOOK_S", 0.05)
    monkeypatch.setattr(batch_keeper, "IDLE_S", 0.2)


def keeper(store, tmp_path: Path, **batches: object) -> BatchKeeper:
    settings = Settings(home=tmp_path, source=None, batches=BatchSettings(**batches))  # type: ignore[arg-type]

    told: list[str] = []

    async def opening() -> None:
        told.append("open")

    async def closing() -> None:
        told.append("close")

    made = BatchKeeper(settings, store, "g", "http://127.0.0.1:1", opening, closing)
    made.told = told  # type: ignore[attr-defined]
    return made


async def ran(made: BatchKeeper, command: str, monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[int]:
    """The pids that it had as its worker, which is ``command`` for a while."""
    program = Path(made._settings.home) / "program"
    program.write_text(f"#!{sys.executable}\n{command}\n")
    program.chmod(0o755)
    monkeypatch.setattr(batch_keeper.sys, "executable", str(program))
    task = asyncio.create_task(made.run())
    seen: list[int] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if made.pid is not None and made.pid not in seen:
            seen.append(made.pid)
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await made.stop()
    return seen


SLEEPS = "import time; time.sleep(60)"


async def test_a_worker_is_started_for_a_batch_and_stopped_without(
    store, tmp_path, quick, monkeypatch
) -> None:
    row = batch_row()
    store.add_batch(row)
    made = keeper(store, tmp_path)

    async def later() -> None:
        await asyncio.sleep(0.5)
        assert made.pid is not None
        store.update_batch(row.id, status="completed", finished_us=1)
        await asyncio.sleep(0.8)
        assert made.pid is None, "it is stopped"

    ending = asyncio.create_task(later())
    (pid,) = await ran(made, SLEEPS, monkeypatch, 1.5)
    await ending
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("note", "wanted"),
    [
        (f"{SHORT_OF_MONEY}the budget is used up", True),
        (f"{SHORT_OF_ROOM}No space left on device", True),
        ("paused by hand", False),
    ],
)
async def test_a_batch_that_will_go_on_by_itself_keeps_one(
    store, tmp_path, quick, monkeypatch, note: str, wanted: bool
) -> None:
    store.add_batch(batch_row(status="paused", note=note))
    assert bool(await ran(keeper(store, tmp_path), SLEEPS, monkeypatch, 0.4)) == wanted


async def test_one_that_dies_is_replaced_ever_more_slowly(
    store, tmp_path, quick, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(batch_keeper, "RESTART_S", (0.05, 0.1, 30.0))
    store.add_batch(batch_row())
    assert await ran(keeper(store, tmp_path), "raise SystemExit(3)", monkeypatch, 1.5)
    said = [record.message for record in caplog.records if "ended" in record.message]
    assert len(said) == 3 and "exit status 3" in said[0] and "another in 30.0 s" in said[2]


async def test_where_batches_are_switched_off_nothing_is_started(store, tmp_path, quick, monkeypatch) -> None:
    store.add_batch(batch_row())
    assert await ran(keeper(store, tmp_path, enabled=False), SLEEPS, monkeypatch, 0.3) == []


async def test_its_gateway_is_closed_too_when_it_died_and_its_batch_is_gone(
    store, tmp_path, quick, monkeypatch
) -> None:
    monkeypatch.setattr(batch_keeper, "RESTART_S", (30.0,))
    row = batch_row()
    store.add_batch(row)
    made = keeper(store, tmp_path)

    async def later() -> None:
        await asyncio.sleep(0.4)
        assert (made.pid, made.told) == (None, ["open"])
        store.update_batch(row.id, status="cancelled", finished_us=1)
        await asyncio.sleep(0.5)
        assert made.told == ["open", "close"]

    ending = asyncio.create_task(later())
    await ran(made, "raise SystemExit(3)", monkeypatch, 1.0)
    await ending


async def test_without_room_for_a_process_it_tries_again(store, tmp_path, quick, monkeypatch, caplog) -> None:
    store.add_batch(batch_row())
    real, failures = asyncio.create_subprocess_exec, iter([OSError(errno.EAGAIN, "no more processes")])

    async def once(*args: object, **more: object) -> object:
        for error in failures:
            raise error
        return await real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_keeper.asyncio, "create_subprocess_exec", once)
    assert await ran(keeper(store, tmp_path), SLEEPS, monkeypatch, 0.8)
    assert "can't be started (no more processes)" in caplog.text


async def test_stopped_while_it_stops_it_is_not_left_behind(store, tmp_path, quick, monkeypatch) -> None:
    """The server is told to stop while a worker that is not needed any more takes its time to end."""
    row = batch_row()
    store.add_batch(row)
    made = keeper(store, tmp_path)
    slow = "import signal, time; signal.signal(15, lambda *_: (time.sleep(0.8), exit(0))); time.sleep(60)"

    async def later() -> None:
        await asyncio.sleep(0.5)
        store.update_batch(row.id, status="completed", finished_us=1)

    ending = asyncio.create_task(later())
    (pid,) = await ran(made, slow, monkeypatch, 1.1)  # which ends amid the stop
    await ending
    assert not psutil.pid_exists(pid) and made.told == ["open", "close"]
