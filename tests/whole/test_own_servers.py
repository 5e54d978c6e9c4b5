"""Servers that somebody runs behind a real gateway: asked, watched, lost and found again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from model_server import NAME, USAGE, ModelServer, model_server
from serving import Server, serving

from tokenworks.engines.board import Board
from tokenworks.engines.load import Load
from tokenworks.engines.state import EngineState

CONFIG = """
[server]
keyless_local = true
[engines.one]
runtime = "openai_server"
model = "qwen/qwen3-32b"
url = "{one}"
served_as = "Qwen/Qwen3-32B"
watch_s = 0.2
[engines.two]
runtime = "openai_server"
model = "qwen/qwen3-32b"
url = "{two}/v1"
served_as = "Qwen/Qwen3-32B"
api_key = "k-two"
watch_s = 0.2
"""


def load(state: EngineState) -> Load:
    return state.load or Load()


class Room:
    """A gateway before two servers of one model."""

    def __init__(self, one: ModelServer, two: ModelServer, gateway: Server) -> None:
        self.one, self.two, self.gateway = one, two, gateway

    def ask(self, text: str = "hello", **more: Any) -> httpx.Response:
        body = {"model": "qwen/qwen3-32b", "messages": [{"role": "user", "content": text}], **more}
        return httpx.post(f"{self.gateway.url}/v1/chat/completions", json=body, timeout=20)

    def until(self, condition: Callable[[dict[str, EngineState]], bool]) -> dict[str, EngineState]:
        board, deadline = Board(self.gateway.home), time.monotonic() + 15
        while not (found := board.read()) or not condition(found):
            assert time.monotonic() < deadline, (found, self.gateway.log())
            time.sleep(0.05)
        return found


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    home = tmp_path_factory.mktemp("own") / "home"
    with (
        model_server("vllm") as one,
        model_server("sglang", key="k-two") as two,
        serving(home, CONFIG.format(one=one.url, two=two.url)) as gateway,
    ):
        yield Room(one, two, gateway)


def test_requests_go_there_under_the_servers_own_name_and_cost_nothing(room: Room) -> None:
    texts = [f"{number}" for number in range(12)]
    for text in texts:
        answer = room.ask(text)
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"] == "hello"
        assert answer.json()["usage"]["prompt_tokens"] == USAGE["prompt_tokens"]
    streamed = room.ask("streamed", stream=True)
    assert "data: [DONE]" in streamed.text and "hello" in streamed.text
    bodies = room.one.bodies + room.two.bodies
    assert sorted(each["messages"][0]["content"] for each in bodies) == sorted([*texts, "streamed"])
    assert {each["model"] for each in bodies} == {NAME}
    assert {each["authorization"] for each in room.two.bodies} <= {"Bearer k-two"}
    assert {each["authorization"] for each in room.one.bodies} <= {None}
    deadline = time.monotonic() + 5
    while not (rows := room.gateway.usage("provider")["rows"]) or rows[0]["requests"] < 13:
        assert time.monotonic() < deadline, rows
    assert [(each["provider"], each["requests"], each["cost_usd"]) for each in rows] == [("local", 13, 0.0)]


def test_load_is_known_and_follows_what_the_servers_tell(room: Room) -> None:
    room.until(lambda states: all(each.load for each in states.values()))
    told = room.gateway.cli("engine", "status", "--json")
    assert told["server"] is True
    one, two = told["engines"]
    assert (one["kind"], one["running"], one["waiting"], one["kv_free_tokens"]) == ("vllm", 12, 3, 200_000)
    assert (two["kind"], two["running"], two["waiting"], two["kv_tokens"]) == ("sglang", 4, 2, 471_258)
    assert one["cached"] == 0.3
    room.two.metric("sglang:num_queue_reqs", 9)
    room.until(lambda states: load(states["two"]).waiting == 9)
    room.two.metric("sglang:generation_tokens_total", 756_000)
    room.until(lambda states: bool(load(states["two"]).output_per_s))
    assert "k-two" not in (room.gateway.home / "run" / "engines.json").read_text()


def test_a_server_that_dies_gets_nothing_until_it_is_back(room: Room) -> None:
    room.two.down()
    assert room.ask("just after").status_code == 200, "the other one answers"
    found = room.until(lambda states: states["two"].state == "unreachable")
    assert found["two"].reason == "refuses connections" and found["one"].state == "ready"
    assert found["two"].load is None
    had = len(room.one.bodies)
    for number in range(8):
        assert room.ask(f"while away {number}").status_code == 200
    assert len(room.one.bodies) == had + 8
    room.one.down()
    room.until(lambda states: states["one"].state == "unreachable")
    answer = room.ask("nobody is there")
    assert answer.status_code == 503
    assert "is not there: refuses connections" in answer.json()["error"]["message"]
    listed = room.two.routes["/v1/models"]
    room.two.routes["/v1/models"] = 200, '{"object":"list","data":[{"id":"other/model","object":"model"}]}'
    room.one.up()
    room.two.up()
    found = room.until(lambda states: "serves" in states["two"].reason and states["one"].state == "ready")
    assert found["two"].state == "unreachable", "it came back with another model"
    assert found["two"].reason == f"serves other/model and not {NAME}"
    room.two.routes["/v1/models"] = listed
    room.until(lambda states: states["two"].state == "ready")
    assert room.ask("back").status_code == 200


def test_what_is_not_the_gateways_goes_on_when_it_stops(room: Room) -> None:
    assert room.gateway.stop() == 0
    assert httpx.get(f"{room.one.url}/health").status_code == 200
    assert not (room.gateway.home / "run" / "engines.json").exists()
    told = room.gateway.cli("engine", "status", "one", "--json")
    assert told["server"] is False and told["engines"][0]["state"] == "ready"


def test_the_key_may_be_in_the_environment_only(room: Room, tmp_path: Path) -> None:
    name = "TOKENWORKS_TEST_SERVER_KEY"
    os.environ[name] = "k-two"
    try:
        room.gateway.cli("engine", "add", "three", "--url", room.two.url, "--key-env", name)
    finally:
        del os.environ[name]
    written = (room.gateway.home / "engines" / "three.toml").read_text()
    assert f'api_key_env = "{name}"' in written and "k-two" not in written
    assert f"environment variable {name} is not set" in room.gateway.refusal()
