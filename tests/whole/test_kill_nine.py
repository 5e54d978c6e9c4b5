"""Servers killed with SIGKILL under load: what was answered to its end is counted, and counted once."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from raw_caller import RawCaller
from serving import Server, acme, chat

from tokenworks.providers.scripted import Reply, Script, When, running


def recorded(server: Server) -> list[str]:
    """The ids of all requests in the store."""
    with sqlite3.connect(server.home / "tokenworks.db") as store:
        return [str(row[0]) for row in store.execute("SELECT id FROM requests")]


async def customer(server: Server, number: int, stop: threading.Event, finished: set[str]) -> None:
    """Asks again and again; ``finished`` gets the id of each answer that came to its end."""
    dice, caller = random.Random(number), RawCaller(server.port, server.key, 10)
    while not stop.is_set():
        body = json.dumps(chat("hello", stream=dice.random() < 0.3)).encode()
        heard = await caller.post("/v1/chat/completions", body)
        if heard.status == 200:
            finished.add(heard.headers["x-generation-id"])
        else:
            await asyncio.sleep(0.1)  # a crowd that never rests keeps the server from starting
    await caller.close()


@pytest.mark.parametrize(("workers", "rounds"), [(1, 3), (2, 5)])
def test_kill_nine_loses_and_doubles_nothing(tmp_path: Path, workers: int, rounds: int) -> None:
    """Again and again: SIGKILL under load; whoever read an answer to its end finds it counted once."""
    script = Script(reply=(Reply(when=When(stream=True), tokens=8, chunk_delay_s=0.001), Reply(tokens=8)))
    finished: set[str] = set()
    with running(script) as provider:
        server = Server(tmp_path / "home", acme(provider.base_url), workers)
        stop = threading.Event()

        async def customers() -> None:
            await asyncio.gather(*(customer(server, number, stop, finished) for number in range(6)))

        crowd = threading.Thread(target=asyncio.run, args=(customers(),))
        try:
            crowd.start()
            for round_ in range(rounds):
                server.start()
                time.sleep(0.3 + 0.08 * (round_ % 3))
                server.kill()
        finally:
            stop.set()
            crowd.join()
            server.close()
        server.start()
        server.stop()
        ids = recorded(server)
        assert len(finished) > 16 * rounds
        assert finished <= set(ids), f"{len(finished - set(ids))} finished answers are not in the ledger"
        assert len(ids) == len(set(ids))
        assert server.usage()["requests"] == len(ids)
