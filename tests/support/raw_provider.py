"""A provider that takes anything and sends back exactly the bytes it is told to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple

JSON = "application/json"
EVENTS = "text/event-stream"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Sent(NamedTuple):
    """One answer; ``pieces`` go out one after the other, each in its own write."""

    pieces: tuple[bytes, ...]
    content_type: str = JSON
    status: int = 200


class Asked(NamedTuple):
    """One request as it arrived."""

    path: str
    body: bytes
    head: bytes = b""


Answer = Callable[[Asked], Sent]


class RawProvider:
    """``async with RawProvider(answer) as provider``: it listens at ``provider.origin``.

    ``requests`` holds what arrived. A provider that is asked with a malformed head or body is the
    gateway's fault, so nothing here is lenient about heads.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Asked] = []

    @property
    def base_url(self) -> str:
        """With the path under which the two protocols of one owner are served."""
        return f"{self.origin}/v1"

    async def __aenter__(self) -> RawProvider:
        self.server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self), "127.0.0.1", 0
        )
        self.origin = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, provider: RawProvider) -> None:
        self.provider = provider
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, blank, rest = self.data.partition(b"\r\n\r\n")
        if not blank:
            return
        length = _LENGTH.search(head)
        assert length is not None, head
        size = int(length[1])
        if len(rest) < size:
            return
        assert len(rest) == size, "the gateway sends nothing ahead of an answer"
        self.data = b""
        asked = Asked(head.split(b" ", 2)[1].decode(), rest, head)
        self.provider.requests.append(asked)
        self._send(self.provider.answer(asked))

    def _send(self, sent: Sent) -> None:
        head = f"HTTP/1.1 {sent.status} Told\r\ncontent-type: {sent.content_type}\r\n"
        self.transport.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        for piece in sent.pieces:
            if piece:
                self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.transport.write(b"0\r\n\r\n")
