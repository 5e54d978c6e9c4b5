"""Both event loops, a server on a real socket, and a client that shows every byte of its answers."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import pytest
import uvloop

from tokenworks.config.settings import ServerSettings, UpstreamSettings
from tokenworks.http import timers, upstream
from tokenworks.http.server import ClientConnection, Listener
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], Any]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
def tick(monkeypatch: pytest.MonkeyPatch) -> float:
    """Timers look every few milliseconds, so that tests of timeouts need not wait."""
    monkeypatch.setattr(timers, "TICK_S", 0.01)
    monkeypatch.setattr(upstream, "TICK_S", 0.01)
    return 0.01


@pytest.fixture
async def sweeper(tick: float) -> AsyncIterator[Sweeper]:
    made = Sweeper(asyncio.get_running_loop())
    yield made
    made.stop()


@pytest.fixture
async def errors() -> AsyncIterator[list[dict[str, Any]]]:
    """What was raised where nobody catches it; a test that expects something clears it."""
    caught: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context))
    yield caught
    assert not caught, caught


async def poll(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Waits for ``condition`` to become true, for seconds at most."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event to wait for
            await asyncio.sleep(0.002)


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with a reset."""
    if not writer.transport.is_closing():
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A client of a server under test. Every wait of it ends after seconds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def send_slowly(self, data: bytes, step: int = 1) -> None:
        for at in range(0, len(data), step):
            self.writer.write(data[at : at + step])
            await self.writer.drain()
            await asyncio.sleep(0)

    async def line(self) -> bytes:
        async with asyncio.timeout(10):
            return (await self.reader.readuntil(b"\r\n"))[:-2]

    async def head(self) -> tuple[int, dict[str, str]]:
        version, status, _ = (await self.line()).split(b" ", 2)
        assert version == b"HTTP/1.1"
        headers: dict[str, str] = {}
        while line := await self.line():
            name, _, value = line.decode("latin-1").partition(": ")
            assert name not in headers, f"header {name} twice"
            headers[name] = value
        return int(status), headers

    async def chunk(self) -> bytes:
        async with asyncio.timeout(10):
            size = int(await self.line(), 16)
            data = await self.reader.readexactly(size)
            assert await self.line() == b""
            return data

    async def answer(self, *, head_only: bool = False) -> Answer:
        status, headers = await self.head()
        assert not ("content-length" in headers and "transfer-encoding" in headers)
        if head_only or status in (204, 304):
            return Answer(status, headers, b"")
        async with asyncio.timeout(10):
            if "content-length" in headers:
                return Answer(status, headers, await self.reader.readexactly(int(headers["content-length"])))
            if "transfer-encoding" not in headers:
                return Answer(status, headers, await self.reader.read())
            pieces = []
            while piece := await self.chunk():
                pieces.append(piece)
            return Answer(status, headers, b"".join(pieces))

    async def rest(self) -> bytes:
        """Everything until the server closes; a reset counts as a close."""
        pieces = []
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(1 << 16):
                    pieces.append(piece)
        return b"".join(pieces)

    async def closed(self) -> bool:
        """True when the server closes without another byte."""
        return await self.rest() == b""

    async def quiet(self, seconds: float = 0.05) -> bool:
        """True when neither a byte nor a close comes for a while."""
        await asyncio.sleep(seconds)
        return not self.reader._buffer and not self.reader.at_eof()  # type: ignore[attr-defined]

    def reset(self) -> None:
        reset(self.writer)


class House:
    """A listener on a loopback port, what it was asked, and its clients."""

    def __init__(self, listener: Listener, server: asyncio.Server) -> None:
        self.listener, self.server = listener, server
        self.port: int = server.sockets[0].getsockname()[1]
        self.clients: list[Client] = []

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def connection(self) -> ClientConnection:
        """The server's side of the only connection."""
        await poll(lambda: self.listener.connections)
        (connection,) = self.listener.connections
        return connection

    async def emptied(self) -> None:
        """Waits for the last connection to be gone."""
        await poll(lambda: not self.listener.connections)


@pytest.fixture
async def house(sweeper: Sweeper, errors: list[dict[str, Any]]) -> AsyncIterator[Callable[..., Any]]:
    """``await house(fallback, hot=…, **settings)`` serves; at the end nothing may be held any more."""
    open_houses: list[House] = []

    async def build(fallback: Any, *, hot: dict[bytes, Any] | None = None, **settings: Any) -> House:
        listener = Listener(ServerSettings(**settings), sweeper, hot or {}, fallback)
        server = await asyncio.get_running_loop().create_server(listener, "127.0.0.1", 0)
        made = House(listener, server)
        open_houses.append(made)
        return made

    yield build
    for made in open_houses:
        made.server.close()
        for client in made.clients:
            client.reset()
        await made.emptied()
        assert made.listener.buffered == 0, "bytes of bodies that nobody holds are still counted"


@pytest.fixture
def until() -> Callable[..., Any]:
    """``await until(condition)`` waits for it to become true, for seconds at most."""

    return poll


@pytest.fixture
def rss() -> Iterator[Callable[[], int]]:
    """Bytes of memory this process holds now."""

    def read() -> int:
        with open("/proc/self/statm") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * 4096

    yield read


class Guest:
    """One connection to a scripted peer, as the script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: list[bytes]) -> None:
        self.reader, self.writer, self.log = reader, writer, log

    async def request(self) -> bytes:
        """The next request, whole; it is also noted in the peer's log."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head).group(1))  # type: ignore[union-attr]
        whole = head + await self.reader.readexactly(length)
        self.log.append(whole)
        return whole

    async def send(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause_s)

    async def gone(self) -> bool:
        """Waits until the other side has closed, in whichever way."""
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(1 << 16):
                    pass
        return True

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        reset(self.writer)


class Peer:
    """An upstream that does what its script says: ``script(guest)`` runs once a connection."""

    def __init__(self, script: Callable[[Guest], Any]) -> None:
        self.script = script
        self.log: list[bytes] = []  # every request that was read
        self.guests: list[Guest] = []
        self.server: asyncio.Server
        self.port = 0
        self.faults: list[BaseException] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        guest = Guest(reader, writer, self.log)
        self.guests.append(guest)
        try:
            await self.script(guest)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            raise
        except BaseException as fault:
            self.faults.append(fault)
        finally:
            writer.close()


@pytest.fixture
async def peer(errors: list[dict[str, Any]]) -> AsyncIterator[Callable[..., Any]]:
    """``await peer(script, ssl=…)`` listens on a loopback port."""
    peers: list[Peer] = []

    async def build(script: Callable[[Guest], Any], **options: Any) -> Peer:
        made = Peer(script)
        made.server = await asyncio.start_server(made, "127.0.0.1", 0, **options)
        made.port = made.server.sockets[0].getsockname()[1]
        peers.append(made)
        return made

    yield build
    for made in peers:
        made.server.close()
        for guest in made.guests:
            guest.reset()
        assert not made.faults, made.faults
    await asyncio.sleep(0.01)


@pytest.fixture
async def pool(sweeper: Sweeper) -> AsyncIterator[Callable[..., Pool]]:
    """``pool(**settings)`` makes a pool; at the end no connection of it may be left over."""
    pools: list[Pool] = []

    def build(loop: Any = None, **settings: Any) -> Pool:
        made = Pool(loop or asyncio.get_running_loop(), UpstreamSettings(**settings), sweeper)
        pools.append(made)
        return made

    yield build
    for made in pools:
        made.close()
        for origin in made.origins.values():
            origin.waiting.clear()
            await poll(lambda origin=origin: not origin.open)
            assert origin.idle == []
