"""The command that adds a server; what it asks is tested with ``engines.server_shelf``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result
from model_server import model_server

from tokenworks.cli import main


def run(home: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "engine", "add", *args])


def test_it_tells_what_the_server_is(tmp_path: Path) -> None:
    with model_server("vllm") as server:
        got = run(tmp_path, "big", "--url", server.url)
        again = run(tmp_path, "big", "--url", server.url, "--json")
    assert got.exit_code == 0, got.output
    for line in (
        "engine   big (added)",
        "model    qwen/qwen3-32b",
        f"server   {server.url}, vLLM 0.11.2",
        "serves   Qwen/Qwen3-32B, 40,960 tokens of context",
        "metrics  yes",
    ):
        assert line in got.stdout
    told = json.loads(again.stdout)
    assert (told["kind"], told["metrics"], told["replaced"]) == ("vllm", True, True)


def test_without_metrics_it_says_how_they_are_had(tmp_path: Path) -> None:
    with model_server("sglang") as server:
        server.routes["/metrics"] = 404, "Not Found"
        got = run(tmp_path, "big", "--url", server.url)
    assert "metrics  none" in got.stdout and "start it with --enable-metrics" in got.stderr
    with model_server("other") as server:
        got = run(tmp_path, "other", "--url", server.url)
    assert "of a kind that is not known" in got.stdout


def test_what_can_not_be_is_one_line(tmp_path: Path) -> None:
    got = run(tmp_path, "big", "--url", "http://127.0.0.1:1")
    assert got.exit_code == 2
    assert got.stderr.count("\n") == 1 and "is the server running" in got.stderr
