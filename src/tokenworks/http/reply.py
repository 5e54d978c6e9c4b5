"""What a handler writes to: a whole answer by ``send`` or ``fail``, or a stream piece by piece."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from tokenworks.errors import TokenworksError
from tokenworks.errors import render as render_error
from tokenworks.http.request import Request

if TYPE_CHECKING:
    from tokenworks.http.server import Listener

STATUS_LINES = {status: b"HTTP/1.1 %d \r\n" % status for status in range(200, 600)}
STATUS_LINES |= {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
JSON_TYPE = b"content-type: application/json\r\n"


class Reply:
    """The answering half of a client's connection."""

    __slots__ = ("chunked", "listener", "request", "transport")

    listener: Listener
    transport: asyncio.Transport
    request: Request | None  # the one being answered
    chunked: bool

    def _done(self) -> None:
        """The answer is complete: on to what comes next on this connection."""
        raise NotImplementedError

    def fail(self, error: TokenworksError, render: Callable[[TokenworksError], bytes] = render_error) -> None:
        """Send ``error`` as the whole answer, its body made by ``render``."""
        extra = error.head_lines
        if error.retry_after_s is not None:
            extra += b"retry-after: %d\r\n" % max(1, math.ceil(error.retry_after_s))
        self.send(error.status, JSON_TYPE + extra, render(error))

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer. ``headers`` are complete lines without content-length."""
        request = self.request
        if request is None:
            return
        if request.method == b"HEAD" or status == 204 or status == 304:
            body, length = b"", b""
        else:
            length = b"content-length: %d\r\n" % len(body)
        if request.keep_alive and not self.listener.draining:
            end = b"connection: keep-alive\r\n\r\n" if request.http10 else b"\r\n"
        else:
            request.keep_alive = False
            end = b"connection: close\r\n\r\n"
        self.transport.write(b"".join((STATUS_LINES[status], headers, length, end, body)))
        self._done()

    def start(self, status: int, headers: bytes) -> None:
        """Begin a streamed answer; ``write`` and ``finish`` follow."""
        request = self.request
        if request is None:
            return
        self.chunked = not request.http10
        if request.http10 or self.listener.draining:
            request.keep_alive = False
        framing = b"transfer-encoding: chunked\r\n" if self.chunked else b""
        close = b"" if request.keep_alive else b"connection: close\r\n"
        self.transport.write(b"".join((STATUS_LINES[status], headers, framing, close, b"\r\n")))

    def write(self, data: bytes) -> None:
        """One piece of a streamed answer."""
        if self.chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self.transport.write(data)

    def finish(self, data: bytes = b"") -> None:
        """The last piece (may be empty) and the end of a streamed answer."""
        if self.chunked:
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        if data:
            self.transport.write(data)
        self._done()
