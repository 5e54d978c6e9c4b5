"""``used_up = "queue"`` on a running server: whoever is killed, what was promised is done."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from limiting import subscribe
from queueing import one_credit
from serving import Server, acme, chat, serving

from tokenworks.ledger.store import Store, open_store
from tokenworks.providers.scripted import Reply, Script, When, running


def until(condition: Callable[[], Any], at_most_s: float = 20.0) -> Any:
    deadline = time.monotonic() + at_most_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def store_of(server: Server) -> Store:
    return open_store(f"sqlite:///{server.home / 'tokenworks.db'}")


def plan(server: Server, credits: float) -> None:
    """What the subscriber has in each hour; taken up within half a second."""
    store = store_of(server)
    subscribe(store, server.key_id, one_credit(credits=credits))
    store.close()
    time.sleep(0.8)


def post(server: Server, text: str, **more: Any) -> httpx.Response:
    url = f"{server.url}/v1/chat/completions"
    return httpx.post(url, json=chat(text, **more), headers=server.headers, timeout=20)


def read(server: Server, name: str) -> dict[str, Any]:
    while True:
        try:
            answer = httpx.get(f"{server.url}/v1/queued/{name}", headers=server.headers, timeout=20)
        except httpx.TransportError:  # the worker that was asked has just been killed
            continue
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def look_now(server: Server) -> None:
    """Else what waits is looked at when its hour is over, or after ten minutes."""
    store: Any = store_of(server)
    with store._connection() as connection:
        connection.execute("UPDATE queued SET not_before_us = 0 WHERE status = 'queued'")
    store.close()


def outcomes(server: Server) -> Counter[str]:
    store: Any = store_of(server)
    rows = store._connection().execute("SELECT outcome FROM requests").fetchall()
    store.close()
    return Counter(outcome for (outcome,) in rows)


@pytest.mark.parametrize("whom", ["worker", "everybody"])
def test_what_runs_when_its_worker_is_killed_is_run_again(tmp_path: Path, whom: str) -> None:
    # Of the two workers each may take one: whichever comes first, it is this that hangs.
    slow = Reply(when=When(says="later 0", nth=1), text="too slow", first_byte_delay_s=30.0)
    script = Script(reply=(slow, Reply(text="here it is")))
    with (
        running(script) as upstream,
        serving(tmp_path / "home", acme(upstream.base_url), workers=2) as server,
    ):
        plan(server, 1)
        assert post(server, "first").status_code == 200
        names = []
        for number in range(3):
            answer = until(lambda n=number: (a := post(server, f"later {n}")).status_code == 202 and a)
            names.append(answer.json()["id"])
        plan(server, 1000)
        look_now(server)
        until(lambda: any("later 0" in str(each.body) for each in upstream.requests))
        assert read(server, names[0])["status"] == "running"
        if whom == "worker":
            for pid in server.worker_pids():
                os.kill(pid, signal.SIGKILL)
        else:
            server.kill()
            server.start()
        for name in names:
            told = until(lambda n=name: (t := read(server, n))["status"] == "done" and t)
            assert told["response"]["status_code"] == 200
            assert told["response"]["body"]["choices"][0]["message"]["content"] == "here it is"
        times = Counter(
            text
            for each in upstream.requests
            if (text := each.body["messages"][0]["content"]).startswith("later")
        )
        assert times["later 0"] == 2, "at least once: that it was begun is all that anybody knew"
        runs = sum(times.values())
        # Exactly one record for each run, one for each that was queued, one for the first.
        until(lambda: sum(outcomes(server).values()) == runs + 4)
        assert outcomes(server)["queued"] == 3, outcomes(server)
        # A run that was answered and recorded, but killed before its end was stored, is run again too.
        ended = outcomes(server)
        assert ended["killed"] >= 1 and ended["ok"] >= 4, ended
        assert ended["killed"] + ended["ok"] == runs + 1, ended
        assert server.stop() == 0


def test_a_server_that_stops_finishes_what_it_has_begun(tmp_path: Path) -> None:
    script = Script(
        reply=(Reply(when=When(says="later"), text="in time", first_byte_delay_s=1.5), Reply(text="1"))
    )
    with (
        running(script) as upstream,
        serving(tmp_path / "home", acme(upstream.base_url)) as server,
    ):
        plan(server, 1)
        assert post(server, "first").status_code == 200
        name = post(server, "later").json()["id"]
        plan(server, 1000)
        look_now(server)
        until(lambda: len(upstream.requests) == 2)
        assert server.stop() == 0
        store = store_of(server)
        row = store.queued_one(name)
        store.close()
        assert row is not None and (row.status, row.status_code) == ("done", 200)
        assert len(upstream.requests) == 2
        assert outcomes(server) == {"ok": 2, "queued": 1}
