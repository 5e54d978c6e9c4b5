"""One data-plane process: what it does beside serving, and when it must go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gone import gone
from serving import Server, acme, chat

from tokenworks.api import hot_paths
from tokenworks.api.entry import PREFIXES
from tokenworks.app import worker as module
from tokenworks.app.handover import Birth, Message
from tokenworks.app.worker import Worker
from tokenworks.config.settings import EngineSettings, ProviderSettings, Settings
from tokenworks.engines.manager import EngineState
from tokenworks.errors import StoreError
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import open_store
from tokenworks.plans import keys
from tokenworks.providers.scripted import running

PEPPER = b"p" * 32
TIMED = "deepseek/deepseek-v4.1-flash"  # its price depends on the hour


# --- as a process -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running() as provider:
        server = Server(tmp_path_factory.mktemp("worker") / "home", acme(provider.base_url))
        try:
            yield server
        finally:
            server.close()


@pytest.fixture
def server(home: Server) -> Server:
    """Running, whatever the test before did to it."""
    return home if home.process is not None else home.start()


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_ctrl_c_of_the_terminal_is_not_for_workers(server: Server) -> None:
    (pid,) = server.worker_pids()
    for _ in range(3):
        os.kill(pid, signal.SIGINT)
        answer = httpx.post(f"{server.url}/v1/chat/completions", json=chat(), headers=server.headers)
        assert answer.status_code == 200
    assert server.worker_pids() == [pid]


def test_a_revoked_key_stops_working_on_open_connections(server: Server) -> None:
    key_id, key = server.new_key("leaving")
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}) as client:

        def status() -> int:
            return client.post("/v1/chat/completions", json=chat()).status_code

        assert status() == 200  # a key works the moment it is made
        server.cli("key", "revoke", key_id)
        assert within(2.0, lambda: status() == 401)


def test_a_worker_does_not_outlive_its_supervisor(server: Server) -> None:
    """Nobody would move its journal or start it again, and it would keep the port."""
    (pid,) = server.worker_pids()
    server.kill()
    assert within(2.0, lambda: gone(pid))

    def refused() -> bool:
        try:
            httpx.get(f"{server.url}/healthz")
        except httpx.TransportError as error:  # what is about to be closed may still take a connection
            return isinstance(error, httpx.ConnectError)
        return False

    assert within(2.0, refused)


@pytest.mark.parametrize("said", [b"", b"\x85\xa8settings"])
def test_a_worker_that_is_told_nothing_whole_ends(said: bytes) -> None:
    """Its supervisor was killed between starting it and telling it what to do."""
    done = subprocess.run(
        [sys.executable, "-m", module.__name__], input=said, capture_output=True, timeout=20
    )
    assert done.returncode != 0


# --- its parts --------------------------------------------------------------------------------


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[Callable[..., Worker]]:
    """``built(**settings)``: a worker that keeps house but does not listen."""
    workers: list[Worker] = []

    def make(states: list[EngineState] | None = None, *, behind: bool = False, **given: Any) -> Worker:
        settings = Settings(home=tmp_path, source=None, pepper=PEPPER, **given)
        settings.journal_dir.mkdir(exist_ok=True)
        with contextlib.closing(open_store(settings.store_url)) as store:
            store.migrate()
        birth = Birth(settings, "w0", listen_fd=-1, control_fd=-1, engines=states or [], behind=behind)
        workers.append(Worker(birth, asyncio.get_running_loop()))
        return workers[-1]

    yield make
    for worker in workers:
        worker.pool.close()
        worker.sweeper.stop()
        worker.journal.close()
        worker.inflight.close()
        # Their threads are at the store: a connection that is closed under one takes the process with it.
        for part in (worker.queue, worker.states, worker.leases, worker.learner):
            part.close()
        worker.store.close()


@contextlib.asynccontextmanager
async def kept(worker: Worker) -> AsyncIterator[Callable[[Callable[[], Any]], Any]]:
    """Its housekeeping at work; yields a function that waits for a condition."""
    task = asyncio.create_task(worker._keep_house())

    async def until(condition: Callable[[], Any]) -> None:
        for _ in range(1000):
            if condition():
                return
            assert not task.done(), task.exception()
            await asyncio.sleep(0.005)
        raise TimeoutError

    try:
        yield until
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOUSEKEEPING_S", 0.005)
    monkeypatch.setattr(module, "PRICES_EVERY_S", 0.0)


async def test_every_hot_path_is_described_at_both_addresses(built: Callable[..., Worker]) -> None:
    described = {prefix + path for prefix in PREFIXES for path in hot_paths.PATHS}
    assert {path.decode() for path in built().listener.hot} == described


async def test_engines_known_at_birth_are_ready_at_once(built: Callable[..., Worker]) -> None:
    tiny = EngineSettings(model="local/tiny", path="/m/tiny.gguf")
    state = EngineState("tiny", "ready", port=1234, api_key="k")
    worker = built([state], engines={"tiny": tiny})
    assert worker.engines.ready("tiny") == state
    worker.control.on_message(Message(engine=EngineState("tiny", "restarting")))
    assert worker.engines.ready("tiny") is None


async def test_it_is_told_to_drain(built: Callable[..., Worker]) -> None:
    worker = built()
    worker.control.on_message(Message(inflight=1))
    assert not worker.stop.is_set()
    worker.control.on_message(Message(drain=True))
    assert worker.stop.is_set()


@pytest.mark.usefixtures("often")
async def test_prices_follow_the_clock(built: Callable[..., Worker]) -> None:
    worker = built(providers={"deepseek": ProviderSettings()}, secrets={"deepseek": "sk"})
    catalog = worker.catalog
    now = catalog.find(TIMED)[0].price
    for _ in range(100):  # to a moment at which it costs something else
        moment = catalog.prices_change_at
        if moment is None:
            pytest.skip("no known price depends on time any more")
        catalog.move_to(moment)
        if catalog.find(TIMED)[0].price != now:
            break
    before = worker.targets.of(catalog.find(TIMED)[0], "openai_chat")
    async with kept(worker) as until:
        await until(lambda: catalog.find(TIMED)[0].price == now)
        await until(lambda: worker.targets.of(catalog.find(TIMED)[0], "openai_chat") is not before)


@pytest.mark.usefixtures("often")
async def test_keys_are_read_again_when_they_change(
    built: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = built()
    key_id, secret = keys.create(worker.store, "one", PEPPER)
    key = worker.keys.check(secret.encode())
    assert key is not None and key.id == key_id
    async with kept(worker) as until:
        with monkeypatch.context() as trouble:

            def locked() -> int:
                raise StoreError("the store is locked")

            trouble.setattr(worker.store, "keys_version", locked)
            await until(lambda: "the store is locked" in caplog.text)
            worker.store.revoke_key(key_id)
            assert worker.keys.check(secret.encode()) is key  # what is known stays valid meanwhile
        await until(lambda: not key.active)
    assert worker.keys.check(secret.encode()) is None


@pytest.mark.usefixtures("often")
async def test_requests_in_flight_are_told_when_their_number_changes(
    built: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = built()
    told: list[int | None] = []
    monkeypatch.setattr(worker.control, "send", lambda message: told.append(message.inflight))
    async with kept(worker) as until:
        slot = worker.inflight.open(Record(id="gen-1-a", time_us=1))
        await until(lambda: told == [1])
        await asyncio.sleep(0.03)
        worker.inflight.release(slot)
        await until(lambda: len(told) > 1)
    assert told == [1, 0]


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("behind", [False, True])
async def test_what_people_have_queued_is_no_business_of_the_one_behind(
    built: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, behind: bool
) -> None:
    worker = built(behind=behind)
    claimed: list[str] = []
    rounds: list[None] = []
    monkeypatch.setattr(worker.store, "claim", lambda holder, now_us, room: claimed.append(holder) or [])
    monkeypatch.setattr(worker.gateway, "set_clock", lambda: rounds.append(None))
    async with kept(worker) as until:
        await until(lambda: len(rounds) > 5 and (behind or claimed))
    assert bool(claimed) != behind


@pytest.mark.usefixtures("often")
async def test_the_journal_is_tried_again_until_it_can_be_written(
    built: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = built()

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("tokenworks.ledger.journal._write", full)
        worker.journal.append(Record(id="gen-1-a", time_us=1))
        assert not worker.journal.healthy
    async with kept(worker) as until:
        await until(lambda: worker.journal.healthy)
