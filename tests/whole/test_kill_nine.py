"""Servers killed with SIGKILL under load: what was answered to its end is counted, and counted once."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from pathlib import Path

import httpx
import pytest
from serving import Server, acme, chat

from tokenworks.providers.scripted import Reply, Script, When, running


def recorded(server: Server) -> list[str]:
    """The ids of all requests in the store."""
    with sqlite3.connect(server.home / "tokenworks.db") as store:
        return [str(row[0]) for row in store.execute("SELECT id FROM requests")]


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_nine_loses_and_doubles_nothing(tmp_path: Path, workers: int) -> None:
    """Ten times each: SIGKILL under load; whoever read an answer to its end finds it counted once."""
    script = Script(reply=(Reply(when=When(stream=True), tokens=8, chunk_delay_s=0.001), Reply(tokens=8)))
    finished: set[str] = set()
    with running(script) as provider:
        server = Server(tmp_path / "home", acme(provider.base_url), workers)
        stop = threading.Event()

        def customer(number: int) -> None:
            dice = random.Random(number)
            while not stop.is_set():
                with httpx.Client(base_url=server.url, headers=server.headers, timeout=10) as client:
                    try:
                        while not stop.is_set():
                            body = chat("hello", stream=dice.random() < 0.3)
                            with client.stream("POST", "/v1/chat/completions", json=body) as response:
                                response.read()
                                if response.status_code == 200:
                                    finished.add(response.headers["x-generation-id"])
                    except httpx.HTTPError:
                        time.sleep(0.1)  # a crowd that never rests keeps the server from starting

        crowd = [threading.Thread(target=customer, args=(n,)) for n in range(6)]
        try:
            for thread in crowd:
                thread.start()
            for round_ in range(6):
                server.start()
                time.sleep(0.3 + 0.08 * (round_ % 3))
                server.kill()
        finally:
            stop.set()
            for thread in crowd:
                thread.join()
            server.close()
        server.start()
        server.stop()
        ids = recorded(server)
        assert len(finished) > 100
        assert finished <= set(ids), f"{len(finished - set(ids))} finished answers are not in the ledger"
        assert len(ids) == len(set(ids))
        assert server.usage()["requests"] == len(ids)
