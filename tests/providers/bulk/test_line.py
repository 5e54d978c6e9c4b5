"""Plain requests to a provider: what is a refusal, and what is not known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from handing_in import lined

from tokenworks.config.settings import UpstreamSettings
from tokenworks.errors import ConfigError
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool
from tokenworks.providers.bulk.line import IN_MEMORY, Line, lines
from tokenworks.providers.bulk.way import Refused, Unsure
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedProvider]:
    async with ScriptedProvider() as made:
        yield made


async def test_json_and_headers(provider: ScriptedProvider) -> None:
    async with lined(provider.base_url, authorization="Bearer k") as line:
        assert (await line.json("POST", "/chat/completions", BODY))["choices"]
        assert (await line.json("GET", "/models"))["object"] == "list"
    assert [(each.method, each.path) for each in provider.requests] == [
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
    ]
    assert provider.requests[0].headers["authorization"] == "Bearer k"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (401, Unsure),
        (403, Unsure),
        (404, Refused),
        (408, Unsure),
        (429, Unsure),
        (500, Unsure),
    ],
)
async def test_errors(provider: ScriptedProvider, status: int, error: type[Exception]) -> None:
    provider.play(Script(reply=(Reply(fault=Fault(kind="status", status=status, message="so it is")),)))
    async with lined(provider.base_url) as line:
        with pytest.raises(error, match=f"HTTP {status}: .*so it is"):
            await line.json("POST", "/chat/completions", BODY)


@pytest.mark.parametrize("fault", [Fault(kind="close"), Fault(kind="garbage"), Fault(kind="early_close")])
async def test_what_broke_is_not_known(provider: ScriptedProvider, fault: Fault) -> None:
    provider.play(Script(reply=(Reply(fault=fault),)))
    async with lined(provider.base_url) as line:
        with pytest.raises(Unsure):
            await line.json("POST", "/chat/completions", BODY)


async def test_a_large_answer_lies_in_a_file(provider: ScriptedProvider) -> None:
    provider.play(Script(reply=(Reply(text="x" * (IN_MEMORY + 1000)),)))
    async with lined(provider.base_url) as line:
        with await line.fetch("POST", "/chat/completions", [BODY], "application/json") as file:
            (found,) = lines(file)
            assert len(found["choices"][0]["message"]["content"]) == IN_MEMORY + 1000
            assert file._rolled  # type: ignore[attr-defined]


async def test_an_address_must_be_one() -> None:
    loop = asyncio.get_running_loop()
    pool = Pool(loop, UpstreamSettings(), Sweeper(loop))
    with pytest.raises(ConfigError, match="no http"):
        Line(pool, "ftp://x", {})
