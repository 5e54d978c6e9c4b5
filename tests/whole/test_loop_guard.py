"""Sessions that run away, against the running program with four workers: stopped; honest ones never.

What counts as running away is tested for every request of every session in ``tests/plans/loops``.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from agents import CHAT, MESSAGES, RESPONSES, SESSIONS, WIRES, bodies, body, runaways
from serving import Server, acme, chat, serving

from tokenworks.providers.scripted import running

REPEATS, STALE = 5, 10
PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages", RESPONSES: "/v1/responses"}
MORE = {CHAT: {}, MESSAGES: {"max_tokens": 20}, RESPONSES: {"max_output_tokens": 20}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home: Path = tmp_path_factory.mktemp("loops") / "home"
    with running() as upstream, serving(home, acme(upstream.base_url), workers=4) as one:
        yield one


@pytest.fixture(scope="module")
def guarded(server: Server) -> str:
    return server.new_key("guarded", "--max-repeats", str(REPEATS), "--max-stale-turns", str(STALE))[1]


def ask(server: Server, key: str, wire: str, fields: dict[str, msgspec.Raw]) -> httpx.Response:
    given: dict[str, Any] = {name: json.loads(bytes(value)) for name, value in fields.items()}
    sent = {"model": "acme/fast", **MORE[wire], **given}
    return httpx.post(
        server.url + PATHS[wire], json=sent, headers={"authorization": f"Bearer {key}"}, timeout=30
    )


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("shape", runaways(REPEATS, STALE))
def test_a_runaway_is_warned_and_stopped(server: Server, guarded: str, shape: str, wire: str) -> None:
    runaway = runaways(REPEATS, STALE)[shape]
    warned, stops = 0, runaway.honest + runaway.stopped
    for number, fields in enumerate(bodies(wire, runaway.turns)):
        if number < stops - 4:
            continue  # nothing is remembered between requests, so the beginning may be left out
        answer = ask(server, guarded, wire, fields)
        if answer.status_code == 400:
            error = answer.json()["error"]
            assert error["type"] in ("loop_stopped", "invalid_request_error"), error
            assert number <= stops + 2
            assert warned or number < stops
            return
        assert answer.status_code == 200, answer.text
        warned += "x-tokenworks-warning" in answer.headers
    pytest.fail("never stopped")


@pytest.mark.parametrize("name", SESSIONS)
def test_an_honest_session_goes_on_to_its_end(server: Server, guarded: str, name: str) -> None:
    turns = SESSIONS[name]
    for wire, share in zip(WIRES, (0.4, 0.7, 1.0), strict=True):
        answer = ask(server, guarded, wire, body(wire, turns[: int(len(turns) * share)]))
        assert answer.status_code == 200, answer.text
        assert "x-tokenworks-warning" not in answer.headers


def test_parallel_turns_on_four_workers_make_exactly_as_many_requests_as_one_may(server: Server) -> None:
    _, key = server.new_key("capped", "--max-iterations", "50")

    async def burst(session: str) -> Counter[int]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            headers = {"authorization": f"Bearer {key}", "x-session-id": session}
            sent = [client.post(server.url + PATHS[CHAT], json=chat(), headers=headers) for _ in range(200)]
            return Counter(answer.status_code for answer in await asyncio.gather(*sent))

    for session in ("one", "another"):
        assert asyncio.run(burst(session)) == {200: 50, 400: 150}


def test_the_kill_switch_stops_a_session_within_a_second_and_lets_it_go_on(server: Server) -> None:
    _, key = server.new_key("free")

    def status(session: str) -> int:
        headers = {"authorization": f"Bearer {key}", "x-session-id": session}
        return httpx.post(server.url + PATHS[CHAT], json=chat(), headers=headers, timeout=20).status_code

    def until(session: str, wanted: int) -> None:
        give_up = time.monotonic() + 5
        while time.monotonic() < give_up:
            if all(status(session) == wanted for _ in range(8)):  # whichever worker it meets
                return
            time.sleep(0.05)
        pytest.fail(f"never {wanted}")

    assert status("s-1") == 200
    server.cli("session", "stop", "s-1")
    until("s-1", 400)
    assert status("s-2") == 200
    server.cli("session", "resume", "s-1")
    until("s-1", 200)
