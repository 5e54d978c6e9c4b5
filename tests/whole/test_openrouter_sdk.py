"""Both generations of OpenRouter's own SDK, unchanged but for base URL and key, against a real server.

The old one (0.11) is what LangChain's package uses. Two versions of one package can't be installed beside
each other, so it stands in a folder of its own and all calls are made by a process that is given the one
or the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from serving import Server, acme

from tokenworks.providers.scripted import Fault, Reply, Script, When, running

CALLS = Path(__file__).with_name("openrouter_calls.py")
OLD = Path(sys.prefix) / "openrouter-0.11"  # made by `make test`
SCRIPT = Script(
    reply=(Reply(when=When(model="limited"), fault=Fault(kind="status", status=429, retry_after_s=7)),)
)
LIMITED = """
[[providers.acme.models]]
id = "acme/limited"
upstream_id = "limited"
context_length = 4096
input_mtok = 1.0
output_mtok = 1.0
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(SCRIPT) as provider:
        one = Server(tmp_path_factory.mktemp("openrouter") / "home", acme(provider.base_url) + LIMITED)
        try:
            yield one.start()
        finally:
            one.close()


@pytest.fixture(scope="module", params=["1.3", "0.11"])
def read(request: pytest.FixtureRequest, server: Server) -> dict[str, Any]:
    """What one generation of the SDK read, and ``asked`` with which keys."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if request.param == "0.11":
        if not OLD.is_dir():
            pytest.skip(f"{OLD} is not there; make test installs it")
        environment["PYTHONPATH"] = str(OLD)
    key_id, key = server.new_key(f"sdk {request.param}")
    _, admin = server.new_key("boss", "--admin")
    done = subprocess.run(
        [sys.executable, str(CALLS), f"{server.url}/api/v1", key, admin],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["version"].startswith(request.param)
    return {**found, "asked": {"id": key_id, "key": key}}


def test_chat(read: dict[str, Any]) -> None:
    chat = read["chat"]
    assert chat["id"].startswith("gen-")
    assert chat["model"] == "acme/fast"
    assert chat["content"].strip()
    assert chat["finish_reason"] in ("stop", "length")
    assert chat["usage"]["prompt_tokens"] > 0
    assert chat["usage"]["cost"] > 0


def test_stream(read: dict[str, Any]) -> None:
    stream = read["stream"]
    assert len(stream["ids"]) == 1
    assert stream["content"] == read["chat"]["content"]
    assert stream["finish_reasons"] == [read["chat"]["finish_reason"]]


def test_generation(read: dict[str, Any]) -> None:
    """What is told afterwards is what the answer said."""
    told, usage = read["generation"], read["chat"]["usage"]
    assert told["id"] == read["chat"]["id"]
    assert (told["model"], told["provider_name"]) == ("acme/fast", "acme")
    assert told["total_cost"] == told["usage"] == pytest.approx(usage["cost"])
    assert told["native_tokens_prompt"] == told["tokens_prompt"] == usage["prompt_tokens"]
    assert told["native_tokens_completion"] == usage["completion_tokens"]
    assert (told["streamed"], told["cancelled"]) == (False, False)
    assert told["finish_reason"] == read["chat"]["finish_reason"]
    assert told["latency"] > 0
    assert datetime.fromisoformat(told["created_at"]).tzinfo is not None
    assert [each["status"] for each in told["provider_responses"]] == [200]
    streamed = read["streamed_generation"]
    assert [streamed["id"]] == read["stream"]["ids"]
    assert streamed["streamed"] is True
    assert streamed["generation_time"] <= streamed["latency"]


def test_models(read: dict[str, Any]) -> None:
    assert [each["id"] for each in read["models"]] == ["acme/fast", "acme/limited"]
    assert read["total_count"] == read["count"] == 2
    assert read["paged"] == read["own"] == ["acme/fast", "acme/limited"]
    assert read["one"] == "acme/fast"
    fast = read["models"][0]
    assert (fast["context_length"], fast["pricing"]["prompt"]) == (131072, "0.0000001")
    assert fast["pricing"]["input_cache_read"] == "0.00000001"


def test_endpoints_and_providers(read: dict[str, Any]) -> None:
    (endpoint,) = read["endpoints"]
    assert (endpoint["tag"], endpoint["provider_name"], endpoint["model_id"]) == ("acme", "acme", "acme/fast")
    assert endpoint["pricing"]["completion"] == "0.0000004"
    assert read["zdr"] == []
    assert [(each["slug"], each["name"]) for each in read["providers"]] == [("acme", "acme")]


def test_key_and_credits(read: dict[str, Any]) -> None:
    key = read["key"]
    assert key["label"].endswith(read["asked"]["key"][-4:])
    assert (key["limit"], key["is_management_key"], key["is_free_tier"]) == (None, False, False)
    spent = read["chat"]["usage"]["cost"] + read["streamed_generation"]["total_cost"]
    assert key["usage"] == key["usage_daily"] == key["usage_monthly"] == pytest.approx(spent)
    assert read["credits"]["total_usage"] == pytest.approx(spent)


def test_keys(read: dict[str, Any]) -> None:
    assert read["secret"].startswith("tw-")
    assert (read["made"]["name"], read["made"]["disabled"]) == ("made", False)
    assert read["made"]["expires_at"] is not None
    assert (read["changed"]["name"], read["changed"]["disabled"]) == ("renamed", True)
    assert read["changed"]["hash"] == read["made"]["hash"]
    assert "renamed" in read["listed"] and read["shown"] == "renamed"
    assert set(read["deleted"].values()) == {True}
    assert "renamed" not in read["listed_after"]
    assert read["activity"] == []  # no day of this server's is over


def test_refusals_become_the_errors_of_the_sdk(read: dict[str, Any]) -> None:
    refused = read["refusals"]
    kinds = {name: said.partition(":")[0] for name, said in refused.items()}
    assert kinds["wrong key"] == kinds["wrong key, chat"] == "UnauthorizedResponseError 401"
    assert kinds["unknown model"] == "BadRequestResponseError 400"
    assert kinds["no such generation"] == "NotFoundResponseError 404"
    assert kinds["limit"] == "TooManyRequestsResponseError 429"
    assert kinds["member"].endswith(" 403")
    assert "nobody/none" in refused["unknown model"]
    assert "--admin" in refused["member"]
