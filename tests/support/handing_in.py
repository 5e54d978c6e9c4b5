"""Batch APIs of a scripted provider for tests: lines to it, and requests for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tokenworks.config.settings import UpstreamSettings
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool
from tokenworks.providers.bulk.files import Files
from tokenworks.providers.bulk.line import Line
from tokenworks.providers.bulk.messages import Messages
from tokenworks.providers.bulk.way import Outcome, Request

PATHS = {"files": "/v1/chat/completions", "messages": "/v1/messages"}


@asynccontextmanager
async def lined(base_url: str, **headers: str) -> AsyncIterator[Line]:
    """A line to a provider on this machine."""
    loop = asyncio.get_running_loop()
    sweeper = Sweeper(loop)
    pool = Pool(loop, UpstreamSettings(first_byte_timeout_s=10, max_connections=4), sweeper)
    try:
        yield Line(pool, base_url, headers, allow_private=True)
    finally:
        pool.close()
        sweeper.stop()


@asynccontextmanager
async def way_to(origin: str, kind: str) -> AsyncIterator[Any]:
    """One of both ways: "files" or "messages"."""
    async with lined(f"{origin}/v1" if kind == "files" else origin) as line:
        yield Files(line) if kind == "files" else Messages(line)


def requests(tag: str, count: int, says: str = "nr {}") -> list[Request]:
    """Chat requests, or messages: the words are the same."""
    return [
        Request(
            f"{tag}-{n}",
            json.dumps(
                {
                    "model": "m",
                    "max_tokens": 20,
                    "messages": [{"role": "user", "content": says.format(n)}],
                }
            ).encode(),
        )
        for n in range(count)
    ]


def said(outcome: Outcome) -> str:
    """The text of an answer of either way."""
    body = json.loads(outcome.body)
    if "choices" in body:
        return str(body["choices"][0]["message"]["content"])
    return str(body["content"][0]["text"])
