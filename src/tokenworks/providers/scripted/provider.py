"""The provider as an object: starts, stops, starts again on the same port, and tells what it saw."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tokenworks.errors import ConfigError
from tokenworks.providers.scripted.book import KEEP_RECORDS, Book, Received, Totals
from tokenworks.providers.scripted.connection import Connection
from tokenworks.providers.scripted.script import Script, load
from tokenworks.providers.scripted.stage import Stage

BACKLOG = 4096
POLL_S = 0.002


class Seen:
    """What a provider has seen. Safe to read from another thread than the one that serves."""

    def __init__(self, script: Script, *, host: str, port: int, tls: bool, keep: int) -> None:
        self.host = host
        self.port = port  # 0 until the first start, where any free one will do
        self.book = Book(keep)
        self.stage = Stage(script, self.book)
        self._scheme = "https" if tls else "http"

    @property
    def origin(self) -> str:
        """Scheme, host and port; what Anthropic's client takes for a base URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self._scheme}://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """The origin with ``/v1``; what OpenAI's client and a provider's ``base_url`` take."""
        return f"{self.origin}/v1"

    @property
    def requests(self) -> list[Received]:
        """The records so far, oldest first: those of answers under way are still changing."""
        return list(self.book.records)

    @property
    def open_streams(self) -> int:
        """Streams whose answer is under way."""
        return self.book.totals.open_streams

    def totals(self) -> Totals:
        """The sums now, as a copy."""
        return msgspec.convert(msgspec.to_builtins(self.book.totals), Totals, strict=False)

    def play(self, script: Script | Path | str | None) -> None:
        """Goes on with another script. Raises ConfigError."""
        self.stage.play(load(script))

    def reset(self) -> None:
        """Forgets all requests; ``nth`` and the dice start anew."""
        self.stage.reset()


class ScriptedProvider(Seen):
    """A provider in the running event loop: ``async with ScriptedProvider(script) as provider: …``.

    ``script`` is a Script, a path, a TOML text, or None for the echo. Raises ConfigError for a script
    that can't be used and for a host that is not loopback; OSError when the port is taken.
    """

    def __init__(
        self,
        script: Script | Path | str | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl: ssl.SSLContext | None = None,
        keep: int = KEEP_RECORDS,
    ) -> None:
        if host != "localhost" and not _is_loopback(host):
            raise ConfigError(f"the scripted provider serves on loopback only, not on {host!r}")
        super().__init__(load(script), host=host, port=port, tls=ssl is not None, keep=keep)
        self.connections: set[Connection] = set()
        self._ssl = ssl
        self._server: asyncio.Server | None = None
        self._empty: asyncio.Event | None = None  # present while stopping

    async def start(self) -> None:
        """Serves, on the port of the last time if there was one."""
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), self.host, self.port, ssl=self._ssl, backlog=BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and drops every connection at once; the book stays."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        tasks = [connection.task for connection in self.connections if connection.task is not None]
        for connection in list(self.connections):
            connection.abort()
        if self.connections:
            self._empty = asyncio.Event()
            await self._empty.wait()
            self._empty = None
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()

    def joined(self, connection: Connection) -> None:
        """A client has connected."""
        self.connections.add(connection)

    def left(self, connection: Connection) -> None:
        """A connection is closed."""
        self.connections.discard(connection)
        if self._empty is not None and not self.connections:
            self._empty.set()

    async def until(self, condition: Callable[[Self], bool], timeout_s: float = 5.0) -> None:
        """Returns once ``condition(provider)`` holds. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while not condition(self):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still not so after {timeout_s:g} s: {self.book.totals}")
            await asyncio.sleep(POLL_S)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
