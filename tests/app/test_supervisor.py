"""The server as a whole: every request has one record, whatever clients, providers and kill -9 do."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
from serving import Server, acme, chat, serving

from tokenworks.providers.scripted import Fault, Reply, Script, When, running

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


async def one(client: httpx.AsyncClient, dice: random.Random, number: int, seen: dict[str, Any]) -> None:
    """One request of a rough crowd: a fifth streams, and now and then somebody walks away."""
    stream = dice.random() < 0.2
    leaves = dice.random() < 0.15
    body = chat(f"request {number}", stream=stream)
    try:
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            seen["reached"] += 1
            if leaves:
                async for _ in response.aiter_bytes():
                    return
            data = await response.aread()
            if response.status_code == 200:
                seen["ok"] += 1
                if stream:
                    assert data.rstrip().endswith(b"data: [DONE]"), data[-200:]
            else:
                assert response.status_code == 502, data
                seen["failed"] += 1
            seen["ids"].add(response.headers.get("x-generation-id", f"failed-{number}"))
    except httpx.HTTPError as error:
        seen["errors"].append(repr(error))


def test_thousand_requests_one_record_each(tmp_path: Path) -> None:
    with running(TENTH_FAILS) as provider, serving(tmp_path / "home", acme(provider.base_url)) as server:
        dice = random.Random(7)
        seen: dict[str, Any] = {"reached": 0, "ok": 0, "failed": 0, "ids": set(), "errors": []}

        async def crowd() -> None:
            limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
            async with httpx.AsyncClient(
                base_url=server.url, headers=server.headers, limits=limits, timeout=60
            ) as client:
                await asyncio.gather(*(one(client, dice, n, seen) for n in range(1000)))

        asyncio.run(crowd())
        assert seen["errors"] == []
        assert seen["reached"] == 1000
        found = until_recorded(server, 1000)
        assert len(found) == 1000
        assert len({row["id"] for row in found}) == 1000
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
        for _ in range(3):
            os.kill(server.worker_pids()[0], signal.SIGKILL)
            answer = httpx.post(
                f"{server.url}/v1/chat/completions", json=chat(), headers=server.headers, timeout=20
            )
            assert answer.status_code == 200, answer.text
            time.sleep(0.2)
        assert len(until_recorded(server, 3)) == 3


def test_sigterm_finishes_open_streams_and_refuses_new_requests(tmp_path: Path) -> None:
    script = Script(reply=(Reply(tokens=30, chunk_delay_s=0.05),))
    with running(script) as provider, serving(tmp_path / "home", acme(provider.base_url)) as server:
        with httpx.Client(base_url=server.url, headers=server.headers, timeout=30) as client:
            with client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as response:
                lines = response.iter_lines()
                next(lines)
                assert server.process is not None
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
                late = httpx.post(f"{server.url}/v1/chat/completions", json=chat(), headers=server.headers)
                assert late.status_code == 503
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
        assert "use --port" in other.refusal()
        twin = Server(server.home, acme(provider.base_url))
        assert "another server runs" in twin.refusal()
        assert httpx.get(f"{server.url}/healthz").status_code == 200
