"""A caller that sends any bytes as a body and hears everything that comes back, on one open connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

PATIENCE_S = 3.0
_T = TypeVar("_T")


class Heard(NamedTuple):
    """One answer. ``status`` is 0 where none came to its end; ``body`` then says how it broke off."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def streamed(self) -> bool:
        """Whether it is a stream of events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")


class RawCaller:
    """Keeps its connection from request to request, so that what belongs to one can't hide in the next."""

    def __init__(self, port: int, key: str, patience_s: float = PATIENCE_S) -> None:
        self.port = port
        self.key = key
        self.patience_s = patience_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, *lines: str) -> Heard:
        """Send ``body`` with further header ``lines``, and hear the answer to its end."""
        try:
            heard = await asyncio.wait_for(self._asked(path, body, lines, _read), self.patience_s)
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, ValueError) as error:
            await self.close()
            return Heard(0, {}, repr(error).encode())
        if heard.headers.get("connection") == "close":
            await self.close()
        return heard

    async def leave(self, path: str, body: bytes) -> int:
        """Send ``body`` and go away as soon as the answer begins; its status. Raises what went wrong."""
        try:
            status, _ = await asyncio.wait_for(self._asked(path, body, (), _head), self.patience_s)
        finally:
            await self.close()
        return status

    async def _asked(
        self,
        path: str,
        body: bytes,
        lines: Sequence[str],
        hear: Callable[[asyncio.StreamReader], Awaitable[_T]],
    ) -> _T:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        head = [
            f"POST {path} HTTP/1.1",
            "host: 127.0.0.1",
            f"authorization: Bearer {self.key}",
            f"content-length: {len(body)}",
            *lines,
        ]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        return await hear(reader)

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    named = (line.split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value for name, value in named}


async def _read(reader: asyncio.StreamReader) -> Heard:
    status, headers = await _head(reader)
    if "content-length" in headers:
        return Heard(status, headers, await reader.readexactly(int(headers["content-length"])))
    body = []
    while True:
        size = int(await reader.readline(), 16)
        piece = await reader.readexactly(size + 2)
        if not size:
            return Heard(status, headers, b"".join(body))
        body.append(piece[:-2])
