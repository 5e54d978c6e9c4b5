"""One client connection: HTTP/1.1 in, answers out, one after the other."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from typing import Protocol, cast

import httptools
import msgspec

from tokenworks.providers.scripted.answer import Answer, failure
from tokenworks.providers.scripted.book import Book, Received
from tokenworks.providers.scripted.player import play, play_at_once
from tokenworks.providers.scripted.rules import dice
from tokenworks.providers.scripted.stage import Stage

WRITE_HIGH_WATER = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HANG_UP = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST


class House(Protocol):
    """What all connections share."""

    stage: Stage
    book: Book

    def joined(self, connection: Connection) -> None:
        """A client has connected."""

    def left(self, connection: Connection) -> None:
        """The connection is closed, by whomever."""


class _Request(msgspec.Struct, gc=False):
    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    keep_alive: bool


class Connection(asyncio.Protocol):
    """Requests are answered in order; a client that leaves cancels the answer under way at once."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.book = house.book
        self.number = 0
        self.keep_alive = True
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[_Request] = deque()
        self.task: asyncio.Task[None] | None = None  # plays the answer under way
        self._record: Received | None = None
        self._dropped = False
        self._room: asyncio.Future[None] | None = None  # present while the client reads too slowly
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER, low=0)
        self.house.joined(self)
        totals = self.book.totals
        totals.connections += 1
        totals.open_connections += 1
        self.number = totals.connections

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._refuse(str(error))

    def eof_received(self) -> bool:
        if self.task is not None and self._transport is not None:
            self._transport.abort()  # a plain close would first wait for a client that reads no more
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.house.left(self)
        self.book.totals.open_connections -= 1
        self._waiting.clear()
        if self._record is not None:
            self.book.end(self._record, complete=False, cancelled=not self._dropped)
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    # --- httptools ---

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", [], []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if any(name.lower() == b"expect" for name, _ in self._headers):
            self.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if not self._open:
            return
        request = _Request(
            self._parser.get_method().decode("latin-1"),
            self._url.decode("latin-1"),
            self._headers,
            b"".join(self._body),
            self._parser.should_keep_alive(),
        )
        if self.task is None:
            self._serve(request)
        else:
            self._waiting.append(request)

    # --- Link ---

    @property
    def _open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if self._transport is not None and self._open:
            self._transport.write(data)

    async def drained(self) -> None:
        if self._room is not None:
            await asyncio.shield(self._room)
        else:
            await asyncio.sleep(0)

    def end(self, *, reset: bool = False) -> None:
        if self._transport is None:
            return
        if not reset:
            self._transport.close()
            return
        fd = os.dup(self._transport.get_extra_info("socket").fileno())
        with socket.socket(fileno=fd) as same:  # the loop's own object may not let us set options
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HANG_UP)
        self._transport.abort()

    def abort(self) -> None:
        """Drops the connection as a machine that is switched off does."""
        self._dropped = True
        if self._transport is not None:
            self._transport.abort()

    # --- one request after the other ---

    def _serve(self, request: _Request) -> None:
        self.keep_alive = request.keep_alive
        answer, record = self.house.stage.enter(
            self.number, request.method, request.path, request.headers, request.body
        )
        self._record = record
        kept = record or Received(number=0, connection=0, method="", path="", headers={}, ended=True)
        if answer.instant and play_at_once(self, answer, kept, self.book):
            self._record = None
            if not self.keep_alive:
                self.end()
            return
        self._start(answer, kept)

    def _start(self, answer: Answer, record: Received) -> None:
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(play(self, answer, record, self.book))
        self.task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.task = None
        record, self._record = self._record, None
        if record is not None:  # a task that ended without settling was cancelled or failed
            self.book.end(record, complete=False, cancelled=task.cancelled())
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "the scripted provider failed to play an answer", "exception": error}
            )
            self.abort()
            return
        if not self.keep_alive:
            self.end()
        while self._waiting and self.task is None and self._open:
            self._serve(self._waiting.popleft())

    def _refuse(self, why: str) -> None:
        """Answers bytes that are no HTTP, and closes."""
        self.keep_alive = False
        record = Received(number=0, connection=0, method="", path="", headers={}, ended=True)
        play_at_once(self, failure(400, f"not HTTP/1.1: {why}", None, dice(0, 0)), record, self.book)
        self.end()
