"""What servers of three kinds say that they are, and what is no server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import llama_server
import pytest
from model_server import NAME, ModelServer, model_server

from tokenworks.engines.load import Looks
from tokenworks.engines.server_client import ServerClient
from tokenworks.engines.server_probe import Probed, health, metrics, probe
from tokenworks.errors import ConfigError


def probed(server: ModelServer, key: str = "") -> Probed:
    client = ServerClient(server.url, key)
    try:
        return probe(client, server.url)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("kind", "version", "context"),
    [("vllm", "0.11.2", 40960), ("sglang", "0.5.5", 40960), ("llama_cpp", "b7100-1", 8192), ("", "", 0)],
)
def test_three_kinds_and_one_that_nobody_knows(kind: str, version: str, context: int) -> None:
    with model_server(kind) as server:
        found = probed(server)
    assert (found.kind, found.version) == (kind, version)
    assert [(each.id, each.context_length) for each in found.models] == [(NAME, context)]
    assert (found.page is None) == (kind == "")


def test_its_kind_is_known_without_metrics_too() -> None:
    with model_server("llama_cpp") as server:
        server.routes["/metrics"] = 501, '{"error":{"code":501,"message":"does not support metrics"}}'
        found = probed(server)
    assert (found.kind, found.page) == ("llama_cpp", None)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, "no", r"has no list of models at /v1/models \(404\)"),
        (200, "<html>", "has no list of models"),
        (200, '{"models":["x"]}', "has no list of models"),
        (200, '["x"]', "has no list of models"),
        (200, '{"data":[]}', "serves no model at the moment"),
        (200, '{"data":[{"name":"x"},7]}', "serves no model at the moment"),
        (403, "", r"wants a key, or another one \(403\); name its variable with --key-env"),
    ],
)
def test_what_is_no_such_server_is_told_in_one_line(status: int, body: str, said: str) -> None:
    with model_server() as server:
        server.routes["/v1/models"] = status, body
        with pytest.raises(ConfigError, match=said) as caught:
            probed(server)
    assert "\n" not in caught.value.message and server.url in caught.value.message


def test_a_key_is_needed_where_it_is() -> None:
    with model_server(key="k") as server:
        assert probed(server, "k").models
        with pytest.raises(ConfigError, match="wants a key"):
            probed(server)
    with pytest.raises(ConfigError, match="refuses connections; is the server running"):
        probed(server, "k")


def test_health_is_what_it_says_or_that_it_lists_its_models() -> None:
    with model_server("llama_cpp") as server:
        client = ServerClient(server.url)
        assert health(client) == ""
        loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
        server.routes["/health"] = 503, json.dumps(loading)
        assert health(client) == "answers 503: Loading model"
        del server.routes["/health"]
        assert health(client) == ""
        server.routes["/v1/models"] = 500, "x"
        assert health(client) == "answers 500"
        client.close()


def test_the_real_server_of_llama_cpp(smollm2: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, llama_server.__file__, str(smollm2), "sk-l"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        client = ServerClient(url, "sk-l")
        assert health(client) == ""
        found = probe(client, url)
        assert (found.kind, [each.id for each in found.models]) == ("llama_cpp", ["smol"])
        assert found.models[0].context_length == 512, "of one of two slots"
        assert found.page is not None
        looks = Looks()
        assert looks.see(0.0, found.page).under_way == 0
        body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 5}
        headers = {"authorization": "Bearer sk-l"}
        for _ in range(2):
            answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)
            assert answer.status_code == 200
        usage = answer.json()["usage"]
        page = metrics(client)
        assert page is not None
        load = looks.see(5.0, page)
        assert load.output_per_s == 2 * usage["completion_tokens"] / 5
        assert load.prompt_per_s == 2 * usage["prompt_tokens"] / 5
        assert load.cached is not None and 0.3 < load.cached < 0.5, "nearly all of the second prompt"
        client.close()
        stranger = ServerClient(url, "no")
        with pytest.raises(ConfigError, match="wants a key"):
            probe(stranger, url)
        stranger.close()
    finally:
        process.kill()
        process.communicate()
