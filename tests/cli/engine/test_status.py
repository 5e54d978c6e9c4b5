"""How engines are, with a server and without."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from model_server import ModelServer, model_server

from tokenworks.cli import main
from tokenworks.cli.engine import status
from tokenworks.engines.board import Board
from tokenworks.engines.load import Load
from tokenworks.engines.state import EngineState

CONFIG = """
[engines.small]
model = "me/small"
path = "/srv/small.gguf"
[engines.big]
runtime = "openai_server"
model = "acme/big"
url = "{url}"
served_as = "Qwen/Qwen3-32B"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ModelServer]:
    with model_server("vllm") as server:
        (tmp_path / "tokenworks.toml").write_text(CONFIG.format(url=server.url))
        yield server


def run(home: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "engine", "status", *args])


def told(home: Path, *args: str) -> dict[str, Any]:
    got = run(home, *args, "--json")
    assert got.exit_code == 0, got.output
    found = json.loads(got.stdout)
    assert isinstance(found, dict)
    return found


def test_without_a_server_servers_are_asked_now(tmp_path: Path, server: ModelServer) -> None:
    found = told(tmp_path)
    big, small = found["engines"]
    assert found["server"] is False
    assert (small["state"], small["slots"], small["running"]) == ("stopped", 4, None)
    assert (big["state"], big["running"], big["kv_free_tokens"], big["cached"]) == ("ready", 12, 200_000, 0.3)
    assert big["output_per_s"] is None
    server.down()
    got = run(tmp_path, "big")
    assert got.exit_code == 0
    assert "unreachable" in got.stdout and "small" not in got.stdout
    assert got.stderr == "big: refuses connections\n"


def test_the_running_server_is_believed(tmp_path: Path, server: ModelServer) -> None:
    (tmp_path / "run").mkdir()
    load = Load(2, 1, 0.25, 1000, 0.5, 300.0, 40.0)
    states = [
        EngineState("big", "ready", kind="vllm", load=load),
        EngineState("small", "ready", load=Load(3)),
    ]
    Board(tmp_path).write(states, 1)
    with (tmp_path / "run" / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = run(tmp_path).stdout
        found = told(tmp_path)
    assert not server.asked
    big, small = text.splitlines()[1:]
    assert big.split() == [
        "big",
        "ready",
        "vLLM",
        "acme/big",
        "2",
        "1",
        "25.0%",
        "750",
        "50.0%",
        "300.0",
        "40.0",
    ]
    assert "3 of 4" in small
    assert found["server"] is True and found["engines"][0]["kv_free_tokens"] == 750


def test_it_can_be_watched(tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", sleep)
    got = run(tmp_path, "big", "--watch", "--json")
    assert naps == [status.EVERY_S] * 2
    assert [
        json.loads(line)["engines"][0]["state"] for line in got.stdout.split("\n") if line[:1] == "{"
    ] == [
        "ready",
        "ready",
    ]


def test_unknown_names_and_none(tmp_path: Path, server: ModelServer) -> None:
    got = run(tmp_path, "huge")
    assert got.exit_code == 2 and 'no engine is called "huge"; there are: big, small' in got.stderr
    (tmp_path / "tokenworks.toml").write_text("")
    assert "no engines yet" in run(tmp_path).stdout
