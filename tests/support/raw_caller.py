"""A caller that sends any bytes as a body and hears everything that comes back, on one open connection."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

PATIENCE_S = 3.0


class Heard(NamedTuple):
    """One answer. ``status`` is 0 where none came to its end; ``body`` then says how it broke off."""

    status: int
    headers: dict[str, str]  # names and values in lower case
    body: bytes

    @property
    def streamed(self) -> bool:
        """Whether it is a stream of events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")


class RawCaller:
    """Keeps its connection from request to request, so that what belongs to one can't hide in the next."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, *lines: str) -> Heard:
        """Send ``body`` with further header ``lines``."""
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
        try:
            heard = await asyncio.wait_for(_read(reader), PATIENCE_S)
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, ValueError) as error:
            await self.close()
            return Heard(0, {}, repr(error).encode())
        if heard.headers.get("connection") == "close":
            await self.close()
        return heard

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read(reader: asyncio.StreamReader) -> Heard:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    status = int(lines[0].removeprefix("http/1.1 ").split()[0])
    if "content-length" in headers:
        return Heard(status, headers, await reader.readexactly(int(headers["content-length"])))
    body = []
    while True:
        size = int(await reader.readline(), 16)
        piece = await reader.readexactly(size + 2)
        if not size:
            return Heard(status, headers, b"".join(body))
        body.append(piece[:-2])
