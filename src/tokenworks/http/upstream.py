"""The calling side: one pool per origin, last in first out, llhttp as the parser.

A call is written whole to an idle connection or to a fresh one; its answer comes back as
callbacks. A connection goes back to the pool only after an answer that ended cleanly. Before an
idle connection is used again the socket is asked whether the peer has closed it meanwhile, so a
stale one is replaced while nothing has been sent; once bytes are out, nothing is sent twice here.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Protocol, cast

import httptools

from tokenworks.config.settings import UpstreamSettings
from tokenworks.http.addresses import is_public, tls_context
from tokenworks.http.timers import NEVER, TICK_S, Sweeper

MAX_HEAD = 256 * 1024


class Call(Protocol):
    """Who called. Every call ends with exactly one ``answer_data(…, True)`` or ``call_failed``."""

    upstream: UpstreamConnection | None  # set when the request is sent: can be paused or cancelled

    @property
    def abandoned(self) -> bool:
        """True once no answer is wanted any more (asked before anything is sent)."""

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        """Status and headers have arrived; ``connection.header(name)`` looks one up."""

    def answer_data(self, data: bytes, end: bool) -> None:
        """A piece of the body, without transfer coding; ``end`` marks the last, which may be empty."""

    def call_failed(self, kind: str, detail: str) -> None:
        """No (further) answer will come.

        ``kind`` is one of connect, tls, refused_address, timeout, closed, garbage.
        """


class Origin:
    """One provider address: where to connect, and the connections kept open to it."""

    __slots__ = (
        "allow_private",
        "checker",
        "host",
        "idle",
        "open",
        "pool",
        "port",
        "tls",
        "waiting",
    )

    def __init__(
        self,
        pool: Pool,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        allow_private: bool,
    ) -> None:
        self.pool = pool
        self.host = host
        self.port = port
        self.tls = tls
        self.allow_private = allow_private
        self.idle: list[UpstreamConnection] = []
        self.open = 0
        self.waiting: deque[tuple[Call, Sequence[bytes | memoryview]]] = deque()

    def send(self, call: Call, parts: Sequence[bytes | memoryview]) -> None:
        """Send a request (``parts`` are written one after the other) on behalf of ``call``."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if connection.transport.is_closing():
                continue
            # The event loop has already told of a peer that closed before its last look at the
            # socket, so only a connection that was idle for a while is worth a system call.
            if self.pool.sweeper.now - connection.idle_since < TICK_S or connection.open_still():
                connection.send(call, parts)
                return
            connection.close()
        if self.open >= self.pool.settings.max_connections:
            self.waiting.append((call, parts))
            return
        self.open += 1
        task = self.pool.loop.create_task(self._connect(call, parts))
        self.pool.tasks.add(task)
        task.add_done_callback(self.pool.tasks.discard)

    def forget(self, call: Call) -> None:
        """``call`` no longer wants its turn in the queue for a connection."""
        for entry in self.waiting:
            if entry[0] is call:
                self.waiting.remove(entry)
                return

    async def _connect(self, call: Call, parts: Sequence[bytes | memoryview]) -> None:
        try:
            async with asyncio.timeout(self.pool.settings.connect_timeout_s):
                connection = await self._open()
        except TimeoutError:
            self._closed()
            call.call_failed("timeout", f"no connection within {self.pool.settings.connect_timeout_s:g} s")
        except PermissionError as error:
            self._closed()
            call.call_failed("refused_address", str(error))
        except ssl.SSLError as error:  # an OSError too: must come first
            self._closed()
            call.call_failed("tls", getattr(error, "verify_message", "") or error.reason or str(error))
        except (OSError, UnicodeError) as error:  # the latter: a host that can't be a name
            self._closed()
            call.call_failed("connect", getattr(error, "strerror", None) or str(error))
        else:
            if call.abandoned:
                self._free(connection)
            elif connection.transport.is_closing():
                call.call_failed("connect", "the connection was closed as soon as it was made")
            else:
                connection.send(call, parts)

    async def _open(self) -> UpstreamConnection:
        """Resolve, refuse private addresses unless allowed, connect to the first that answers.

        The address that was checked is the address that is connected to (no second look-up, so a
        name that changes its mind in between gains nothing).
        """
        loop = self.pool.loop
        infos = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [info[4][0] for info in infos]
        allowed = [a for a in addresses if self.allow_private or is_public(str(a))]
        if not allowed:
            raise PermissionError(
                f"{self.host} resolves to a private address ({addresses[0]}); "
                "set allow_private = true for this provider if that is meant"
            )
        error: OSError | None = None
        for address in allowed:
            try:
                _, protocol = await loop.create_connection(
                    lambda: UpstreamConnection(self),  # type: ignore[type-var]  # by shape, not by base class
                    str(address),
                    self.port,
                    ssl=self.tls,
                    server_hostname=self.host if self.tls else None,
                )
            except ssl.SSLError:
                raise
            except OSError as failure:
                error = failure
            else:
                return protocol
        raise error or OSError("no address")

    def _closed(self) -> None:
        """One connection fewer: the next in the queue may open its own."""
        self.open -= 1
        if self.waiting and self.open < self.pool.settings.max_connections:
            waiting = self._next()
            if waiting is not None:
                self.send(*waiting)

    def _next(self) -> tuple[Call, Sequence[bytes | memoryview]] | None:
        """The first in the queue who still wants an answer."""
        while self.waiting:
            waiting = self.waiting.popleft()
            if not waiting[0].abandoned:
                return waiting
        return None

    def _free(self, connection: UpstreamConnection) -> None:
        """``connection`` is ready for another call."""
        waiting = self._next() if self.waiting else None
        if waiting is not None:
            connection.send(*waiting)
            return
        pool = self.pool
        connection.idle_since = now = pool.sweeper.now
        connection.deadline = now + pool.idle_connection_s
        self.idle.append(connection)


class Pool:
    """All origins of one worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: UpstreamSettings, sweeper: Sweeper) -> None:
        self.loop = loop
        self.settings = settings
        self.sweeper = sweeper
        self.first_byte_timeout_s = settings.first_byte_timeout_s
        self.idle_timeout_s = settings.idle_timeout_s
        self.idle_connection_s = settings.idle_connection_s
        self.connections: set[UpstreamConnection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.origins: dict[tuple[str, int, bool, str], Origin] = {}

    def origin(
        self, host: str, port: int, *, tls: bool, allow_private: bool, ca_file: str | None = None
    ) -> Origin:
        """The origin for this address, made on first use. ``ca_file`` adds trust roots (PEM)."""
        key = (host, port, tls, f"{ca_file or ''}|{allow_private}")
        origin = self.origins.get(key)
        if origin is None:
            context = tls_context(ca_file) if tls else None
            origin = self.origins[key] = Origin(self, host, port, context, allow_private)
        return origin

    def close(self) -> None:
        for connection in list(self.connections):
            connection.close()
        for task in self.tasks:
            task.cancel()


class UpstreamConnection:
    """One connection to a provider, as an asyncio protocol, carrying one call at a time."""

    __slots__ = (
        "call",
        "complete",
        "deadline",
        "head_seen",
        "idle_since",
        "on_body",
        "on_header",
        "origin",
        "parser",
        "paused",
        "pieces",
        "raw_headers",
        "reusable",
        "skipped",
        "status",
        "transport",
        "until_close",
    )

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set before any other callback
        self.raw_headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.on_header = self.raw_headers.__setitem__  # C methods: no Python frame per header or piece
        self.on_body = self.pieces.append
        self.parser = httptools.HttpResponseParser(self)
        self.call: Call | None = None
        self.deadline = NEVER
        self.idle_since = NEVER
        self.paused = False
        self.status = 0
        self.skipped = 0  # bytes since the last of a body
        self.head_seen = False
        self.complete = False
        self.reusable = False
        self.until_close = False

    # --- use ----------------------------------------------------------------------------------

    def open_still(self) -> bool:
        """Whether the kernel knows, at this moment, of nothing to read: a close, or bytes nobody wants."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def send(self, call: Call, parts: Sequence[bytes | memoryview]) -> None:
        self.call = call
        call.upstream = self
        pool = self.origin.pool
        self.deadline = pool.sweeper.now + pool.first_byte_timeout_s
        write = self.transport.write
        for part in parts:
            write(part)

    def pause(self) -> None:
        """Stop reading: our caller's client is slow."""
        if self.call is None or self.transport.is_closing():
            return
        self.paused = True
        self.deadline = NEVER
        self.transport.pause_reading()

    def resume(self) -> None:
        if self.call is None or self.transport.is_closing():
            return
        self.paused = False
        pool = self.origin.pool
        self.deadline = pool.sweeper.now + pool.idle_timeout_s
        self.transport.resume_reading()

    def cancel(self) -> None:
        """The caller wants no (more) answer: close at once, so that the provider stops working."""
        self.call = None
        self.reusable = False
        self.transport.abort()

    def close(self) -> None:
        self.transport.close()

    def header(self, name: bytes) -> bytes:
        """A header of the answer (``name`` in lower case); empty when it has none."""
        for key, value in self.raw_headers.items():
            if key.lower() == name:
                return value
        return b""

    # --- asyncio ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        pool = self.origin.pool
        pool.connections.add(self)
        pool.sweeper.watch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        origin = self.origin
        origin.pool.connections.discard(self)
        origin.pool.sweeper.forget(self)
        if self in origin.idle:
            origin.idle.remove(self)
        self.parser = None  # type: ignore[assignment]  # breaks the reference cycle with its callbacks
        call, self.call = self.call, None
        origin._closed()
        if call is None:
            return
        if exc is None and self.until_close:
            call.answer_data(b"", True)
        else:
            when = "in the middle of its answer" if self.head_seen else "before answering"
            detail = f"connection closed {when}" + (f" ({exc})" if exc else "")
            call.call_failed("closed", detail)

    def eof_received(self) -> bool | None:
        """The provider has closed its side: the transport closes."""
        return None

    def pause_writing(self) -> None:
        """A request is written whole: there is nothing to hold back."""

    def resume_writing(self) -> None:
        """See ``pause_writing``."""

    def expire(self) -> None:
        call, self.call = self.call, None
        self.transport.abort()
        if call is not None:
            pool = self.origin.pool
            if self.head_seen:
                call.call_failed("timeout", f"silent for {pool.idle_timeout_s:g} s in its answer")
            else:
                call.call_failed("timeout", f"no answer within {pool.first_byte_timeout_s:g} s")

    def data_received(self, data: bytes) -> None:
        call = self.call
        if call is None:  # nothing was asked: whatever this is, the connection can't be used again
            self.transport.close()
            return
        had_head = self.head_seen
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.reusable = False
            if not self.complete:
                self.call = None
                self.transport.abort()
                call.call_failed("garbage", f"invalid HTTP answer: {error}")
                return
        if not self.head_seen:
            self._skip(call, len(data))
            return
        if not had_head:
            call.answer_head(self.status, self)
            if self.call is not call:
                return
            self.raw_headers.clear()  # who wanted one has looked
        pieces = self.pieces
        if self.complete:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self.call = None
            self.complete = self.head_seen = self.until_close = False
            self.skipped = 0
            pieces.clear()
            self.raw_headers.clear()
            # First told, then free: who is told may still cancel, and must not hit the next call.
            call.answer_data(body, True)
            if self.reusable:
                self.origin._free(self)
            else:
                self.transport.close()
            return
        pool = self.origin.pool
        self.deadline = pool.sweeper.now + pool.idle_timeout_s
        if pieces:
            self.skipped = 0
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            call.answer_data(body, False)
        else:
            self._skip(call, len(data))

    def _skip(self, call: Call, size: int) -> None:
        """More of an answer without any of its body: a head, chunk sizes or trailers have an end."""
        self.skipped += size
        if self.skipped > MAX_HEAD:
            self.call = None
            self.transport.abort()
            call.call_failed("garbage", f"more than {MAX_HEAD >> 10} KiB of headers")

    # --- parsing ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:  # the start of an answer nobody asked for
            self.reusable = False

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200:
            if status < 100:
                raise ValueError(f"status {status}")
            self.raw_headers.clear()
            return
        if self.complete:
            raise ValueError("an answer nobody asked for")
        self.status = status
        self.head_seen = True
        if not self.parser.should_keep_alive():  # also so when only the end of the connection ends the body
            self.until_close = (
                status != 204
                and status != 304
                and not self.header(b"content-length")
                and not self.header(b"transfer-encoding")
            )

    def on_message_complete(self) -> None:
        if self.head_seen:
            self.complete = True
            self.reusable = self.parser.should_keep_alive() and not self.until_close
