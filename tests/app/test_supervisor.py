"""The server as a whole: every request has one record, whatever clients, providers and kill -9 do."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from gone import gone
from raw_caller import RawCaller
from serving import Server, acme, chat, serving

from tokenworks.app import supervisor as module
from tokenworks.app.doors import back_door, front_doors
from tokenworks.app.supervisor import BACK, Supervisor
from tokenworks.config.settings import ServerSettings, Settings
from tokenworks.providers.scripted import Fault, Reply, Script, When, running

REAL_PYTHON = sys.executable
TENTH_FAILS = Script(
    reply=(
        Reply(when=When(model="fast-1", every=10), fault=Fault(kind="status", status=500)),
        Reply(when=When(stream=True), tokens=20, chunk_delay_s=0.002),
        Reply(tokens=20),
    )
)


def rows(server: Server) -> list[dict[str, Any]]:
    """Every record in the store."""
    with sqlite3.connect(server.home / "tokenworks.db") as store:
        store.row_factory = sqlite3.Row
        return [dict(row) for row in store.execute("SELECT * FROM requests")]


def until_recorded(server: Server, count: int, timeout_s: float = 5.0) -> list[dict[str, Any]]:
    deadline = time.monotonic() + timeout_s
    while True:
        found = rows(server)
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def until_it_holds(condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def one(caller: RawCaller, dice: random.Random, number: int, seen: dict[str, Any]) -> None:
    """One request of a rough crowd: a fifth streams, and now and then somebody walks away."""
    stream = dice.random() < 0.2
    leaves = dice.random() < 0.15
    body = json.dumps(chat(f"request {number}", stream=stream)).encode()
    if leaves:
        assert await caller.leave("/v1/chat/completions", body) in (200, 502)
        seen["left"] += 1
        return
    heard = await caller.post("/v1/chat/completions", body)
    assert heard.status in (200, 502), heard
    seen["ok" if heard.status == 200 else "failed"] += 1
    if heard.status == 200:
        seen["ids"].add(heard.headers["x-generation-id"])
        if stream:
            assert heard.body.rstrip().endswith(b"data: [DONE]"), heard.body[-200:]


def test_thousand_requests_one_record_each(tmp_path: Path) -> None:
    with running(TENTH_FAILS) as provider, serving(tmp_path / "home", acme(provider.base_url)) as server:
        dice = random.Random(7)
        seen: dict[str, Any] = {"ok": 0, "failed": 0, "left": 0, "ids": set()}
        numbers = iter(range(1000))

        async def customer() -> None:
            caller = RawCaller(server.port, server.key, 60)
            for number in numbers:
                await one(caller, dice, number, seen)
            await caller.close()

        async def crowd() -> None:
            await asyncio.gather(*(customer() for _ in range(64)))

        asyncio.run(crowd())
        assert seen["ok"] + seen["failed"] + seen["left"] == 1000
        found = until_recorded(server, 1000)
        assert len(found) == 1000
        assert len({row["id"] for row in found}) == 1000
        assert len(seen["ids"]) == seen["ok"] and seen["ids"] <= {row["id"] for row in found}
        assert seen["failed"] > 50
        provider.until(lambda p: p.totals().open_requests == 0)
        claimed = provider.totals().usage
        told = [row for row in found if not row["estimated"]]
        gone = [row for row in found if row["outcome"] == "client_gone"]
        assert gone and all(row["estimated"] or row["output_tokens"] for row in gone)
        # What the provider counted and we could not know: its last bytes crossed our cancellation.
        unknown = claimed.output_tokens - sum(r["output_tokens"] for r in told)
        assert unknown % 20 == 0
        assert 0 <= unknown <= 20 * sum(row["estimated"] for row in gone)
        if unknown == 0:
            assert sum(r["uncached_input_tokens"] for r in told) == claimed.uncached_input_tokens
        assert not [row for row in found if row["estimated"] and row["outcome"] == "ok"]
        assert {row["outcome"] for row in found} <= {"ok", "client_gone", "upstream_error"}
        usage = server.usage()
        assert usage["requests"] == 1000
        assert usage["output_tokens"] == sum(row["output_tokens"] for row in found)


def test_worker_killed_is_replaced_without_a_refused_connection(tmp_path: Path) -> None:
    with running() as provider, serving(tmp_path / "home", acme(provider.base_url)) as server:
        for _ in range(2):  # also the one that took a killed one's place
            killed = server.worker_pids()
            os.kill(killed[0], signal.SIGKILL)
            until_it_holds(lambda killed=killed: gone(killed[0]))  # until then it may take a connection along
            answer = httpx.post(
                f"{server.url}/v1/chat/completions", json=chat(), headers=server.headers, timeout=20
            )
            assert answer.status_code == 200, answer.text
            until_it_holds(lambda killed=killed: server.worker_pids() != killed)
        assert len(until_recorded(server, 2)) == 2


def refusal(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Of a server that stops; asked again where the worker that had the connection ended just then."""
    found: list[httpx.Response] = []

    def refused() -> bool:
        with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            found[:] = [ask()]
            return found[0].status_code == 503
        return False

    until_it_holds(refused)
    return found[0]


def test_sigterm_finishes_open_streams_and_refuses_new_requests(tmp_path: Path) -> None:
    script = Script(reply=(Reply(tokens=40, chunk_delay_s=0.05),))
    with running(script) as provider, serving(tmp_path / "home", acme(provider.base_url)) as server:
        with httpx.Client(base_url=server.url, headers=server.headers, timeout=30) as client:
            with client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as response:
                lines = response.iter_lines()
                next(lines)
                assert server.process is not None
                server.process.send_signal(signal.SIGTERM)
                refusal(lambda: httpx.get(f"{server.url}/healthz"))
                asked = f"{server.url}/v1/chat/completions"
                late = refusal(lambda: httpx.post(asked, json=chat(), headers=server.headers))
                assert late.headers["retry-after"]
                assert late.json()["error"]["code"] == 503
                rest = list(lines)
            assert rest[-2:] == ["data: [DONE]", ""] or rest[-1] == "data: [DONE]"
        assert server.process.wait(20) == 0
        server.process = None
        (row,) = rows(server)
        assert row["outcome"] == "ok"


def test_second_server_on_the_same_home_or_port_is_refused(tmp_path: Path) -> None:
    with running() as provider, serving(tmp_path / "home", acme(provider.base_url)) as server:
        other = Server(tmp_path / "other", acme(provider.base_url))
        other.port = server.port
        twin = Server(server.home, acme(provider.base_url))
        with ThreadPoolExecutor(2) as both:  # each waits for a while whether the other one leaves
            of_the_port, of_the_home = both.map(Server.refusal, (other, twin))
        assert "use --port" in of_the_port
        assert "another server runs" in of_the_home
        assert httpx.get(f"{server.url}/healthz").status_code == 200


# --- the worker behind the others -------------------------------------------------------------

# What a worker is to its supervisor: it reads its birth, and ends when it is told to drain.
STANDS_IN = """
import os, socket, sys, time
sys.stdin.buffer.read()
time.sleep({born_s})
for fd in sorted(int(name) for name in os.listdir("/proc/self/fd")):
    try:
        control = socket.socket(fileno=fd)
        control.getpeername()
        break
    except OSError:
        pass
while b"drain" not in (said := control.recv(4096)):
    if not said:
        sys.exit(1)
{then}
"""


@pytest.fixture
async def supervised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Supervisor]]:
    """``supervised(born_s, then)``: one whose workers take so long to be born, and at their end do that."""
    made: list[Supervisor] = []
    with contextlib.ExitStack() as stack:

        def make(born_s: float = 0.0, then: str = "") -> Supervisor:
            program = tmp_path / "worker"
            program.write_text(f"#!{REAL_PYTHON}\n{STANDS_IN.format(born_s=born_s, then=then)}")
            program.chmod(0o755)
            monkeypatch.setattr(module.sys, "executable", str(program))
            settings = Settings(home=tmp_path, source=None, server=ServerSettings(host="127.0.0.1", port=0))
            settings.journal_dir.mkdir(exist_ok=True)
            sockets = [stack.enter_context(each) for each in front_doors(settings.server)]
            supervisor = Supervisor(settings, sockets, stack.enter_context(back_door()))
            supervisor.store.migrate()
            made.append(supervisor)
            return supervisor

        yield make
        for each in made:
            each.store.close()


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


async def until(condition: Callable[[], Any]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_a_back_worker_that_is_closed_while_it_is_born_ends(
    supervised: Callable[..., Supervisor],
) -> None:
    supervisor = supervised()
    before = children()
    await supervisor._open_back()
    await supervisor._open_back()  # twice is once
    await asyncio.wait_for(supervisor._close_back(), 5)
    await supervisor._open_back()
    await asyncio.sleep(0)  # its process is not there yet, and not known
    await asyncio.wait_for(supervisor._close_back(), 5)
    assert children() == before and supervisor.workers == {} and supervisor.back_keeper is None
    await supervisor._open_back()
    await until(lambda: BACK in supervisor.workers)
    assert len(children()) == len(before) + 1
    await supervisor._close_back()
    await supervisor._close_back()
    assert children() == before


async def test_a_back_worker_that_does_not_end_is_killed_also_when_its_closing_was_cut_short(
    supervised: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACK_STOP_S", 0.3)
    supervisor = supervised(then="time.sleep(60)")
    before = children()
    await supervisor._open_back()
    await until(lambda: BACK in supervisor.workers)
    closing = asyncio.create_task(supervisor._close_back())
    await asyncio.sleep(0.1)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    assert len(children()) == len(before) + 1
    await asyncio.wait_for(supervisor._close_back(), 5)
    assert children() == before


async def test_a_back_worker_that_is_buried_slowly_is_not_killed_once_more(
    supervised: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACK_STOP_S", 0.2)
    supervisor = supervised()
    monkeypatch.setattr(supervisor.drainer, "bury", lambda name: time.sleep(0.6))  # the store is busy
    await supervisor._open_back()
    await until(lambda: BACK in supervisor.workers)
    await asyncio.wait_for(supervisor._close_back(), 5)
    assert supervisor.back_keeper is None


async def test_without_room_for_a_process_it_is_tried_again(
    supervised: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = supervised()
    real, failures = asyncio.create_subprocess_exec, iter([OSError(errno.EAGAIN, "no more processes")])

    async def once(*args: Any, **more: Any) -> Any:
        for error in failures:
            raise error
        return await real(*args, **more)

    monkeypatch.setattr(module.asyncio, "create_subprocess_exec", once)
    await supervisor._open_back()
    await until(lambda: BACK in supervisor.workers)
    assert "worker -1 ended (no process: no more processes)" in caplog.text
    await supervisor._close_back()


async def test_a_worker_that_is_born_while_the_server_stops_ends_too(
    supervised: Callable[..., Supervisor],
) -> None:
    supervisor = supervised()
    before = children()
    keeper = asyncio.create_task(supervisor._keep(0, supervisor.stopping))
    await asyncio.sleep(0)
    assert supervisor.workers == {}
    supervisor.stopping.set()
    await asyncio.wait_for(supervisor._stop_workers([keeper]), 5)
    assert keeper.done() and children() == before
