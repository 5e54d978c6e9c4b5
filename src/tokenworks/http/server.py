"""The listening side: one protocol object a connection, llhttp as the parser.

A request is handed to a handler when its last byte has arrived. While it is answered, later
(pipelined) requests of the same connection wait in order. The handler gets the connection as
its ``reply``: ``send`` for a whole answer, or ``start``/``write``/``finish`` for a stream.

The parser calls containers' own C methods for what needs no thought (``dict.setdefault`` for
headers, ``list.append`` for the body): a Python frame per header would cost more than the parsing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import cast

import httptools

from tokenworks.config.settings import ServerSettings
from tokenworks.errors import (
    BadRequest,
    HeadersTooLarge,
    RequestTimeout,
    TokenworksError,
    TooLarge,
    Unavailable,
)
from tokenworks.http.head import Head, Heads
from tokenworks.http.reply import Reply
from tokenworks.http.request import Exchange, Request, origin_form
from tokenworks.http.spool import Spool, Spools
from tokenworks.http.timers import NEVER, Sweeper

MAX_PIPELINED = 32
WRITE_HIGH_WATER = 64 * 1024
LINGER_S = 10.0  # for a client that is still sending to notice that it was refused
MANY_PARTS = 4096
SMALL_BODY = 64 * 1024  # smaller bodies, once whole, are not counted as held
_NOTHING: list[bytes] = []  # stand for what a connection without a parser does not have
_BETWEEN: list[None] = [None]
_SLASH = ord("/")

_SPECIAL = frozenset((b"expect", b"upgrade", b"transfer-encoding"))

Handler = Callable[[Request, "ClientConnection"], None]


class Listener:
    """What all connections of one worker share."""

    def __init__(
        self,
        settings: ServerSettings,
        sweeper: Sweeper,
        hot: Mapping[bytes, Handler],
        fallback: Handler,
        *,
        spools: Spools | None = None,
    ) -> None:
        self.settings = settings
        self.sweeper = sweeper
        self.hot = hot  # POST path → handler
        self.fallback = fallback
        self.spools = spools  # of uploads; None: every body is held in memory
        self.max_body = settings.max_body_mib << 20
        self.max_head = settings.max_header_kib << 10
        self.max_buffered = settings.max_buffered_mib << 20
        self.keepalive_s = settings.keepalive_s
        self.buffered = 0  # bytes of request bodies held, all connections together
        self.heads = Heads()
        self.connections: set[ClientConnection] = set()
        self.draining = False
        self.idle = asyncio.Event()

    def __call__(self) -> asyncio.BaseProtocol:
        return cast(asyncio.BaseProtocol, ClientConnection(self))  # by shape

    def drain(self) -> None:
        """Refuse new requests from now on; connections without an open answer are closed.

        ``idle`` is set once no connection is left.
        """
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()
        if not self.connections:
            self.idle.set()

    def cut(self) -> None:
        """End every answer still open, at once."""
        for connection in list(self.connections):
            if connection.exchange is not None:
                connection.exchange.shut_down()
            connection.transport.close()


class ClientConnection(Reply):
    """One client, as an asyncio protocol; its answering half is what handlers write to."""

    __slots__ = (
        "answering",
        "between",
        "closing",
        "deadline",
        "exchange",
        "fresh",
        "head",
        "headers",
        "held",
        "joined",
        "on_body",
        "on_header",
        "on_message_begin",
        "on_url",
        "parser",
        "parts",
        "pending",
        "queue",
        "raw_headers",
        "slow",
        "spool",
        "urls",
    )

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set before any other callback
        self.parser: httptools.HttpRequestParser | None = None  # made when it is needed first
        self.parts = _NOTHING
        self.between = _BETWEEN  # not empty: the parser stands between two requests
        self.headers: dict[bytes, bytes] | None = None  # of the request being read, once they are whole
        self.pending = 0  # bytes read of a request that is not whole yet
        self.held = 0  # of these, what counts as held by a body
        self.joined = 0  # parts that are many pieces in one
        self.spool: Spool | None = None  # where the body goes that is being read, if not into parts
        self.fresh = b""  # what was just read, where it began with a request
        self.head = listener.heads.last  # of the last request; here, as a guess, of anybody's
        self.exchange: Exchange | None = None
        self.request: Request | None = None  # the one being answered
        self.queue: deque[Request] | None = None  # pipelined behind it
        self.answering = False
        self.closing = False
        self.slow = False
        self.chunked = False
        self.deadline = NEVER

    # --- connection ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        listener = self.listener
        listener.connections.add(self)
        listener.sweeper.watch(self)
        self._arm(listener.settings.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        listener = self.listener
        listener.connections.discard(self)
        if listener.draining and not listener.connections:
            listener.idle.set()
        listener.sweeper.forget(self)
        self._drop_body()
        for request in self.queue or ():
            self.release_body(request)
        self.queue = None
        if self.request is not None:
            self.release_body(self.request)
            self.request = None
        self.parser = None  # breaks the reference cycle with its callbacks
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_gone()

    def _drop_body(self) -> None:
        """Forget what has come of a request that will never be whole."""
        self.listener.buffered -= self.held
        self.held = 0
        self.parts.clear()
        if self.spool is not None:
            self.spool.close()
            self.spool = None

    def eof_received(self) -> bool | None:
        """The client has closed its side: as good as gone, the transport closes."""
        return None

    def pause_writing(self) -> None:
        self.slow = True
        self._arm(self.listener.settings.write_timeout_s)
        if self.exchange is not None:
            self.exchange.client_slow()

    def resume_writing(self) -> None:
        self.slow = False
        if self.answering:
            self.deadline = NEVER
            if self.exchange is not None:
                self.exchange.client_ready()
        elif self.closing:
            self._arm(LINGER_S)
        elif self.queue:
            self._soon()
        else:
            self._arm(self.listener.keepalive_s)

    def expire(self) -> None:
        """Timer: a client that stalls in its headers, its body, between requests or in reading."""
        if self.slow or (self.closing and not self.answering):
            self.transport.abort()
        elif self.answering:
            return
        elif self.pending:
            self._refuse(RequestTimeout("the request did not arrive in time; send it faster or in one piece"))
        else:
            self._close(LINGER_S)

    def close_if_idle(self) -> None:
        if not self.answering and not self.pending and not self.queue:
            self._close(LINGER_S)

    def _close(self, within_s: float) -> None:
        """Close once everything written has left, by force if the client does not take it in time."""
        self.closing = True
        self._arm(within_s)
        self.transport.close()

    def _arm(self, seconds: float) -> None:
        self.deadline = self.listener.sweeper.now + seconds

    # --- parsing ------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return
        if self.between and not self.pending and not self.answering:
            head = self.head
            if head is not None and not self.slow and not self.listener.draining:
                body = head.body_of(data)
                if body is not None and len(body) <= SMALL_BODY:
                    self._again(head, body)
                    return
            self.fresh = data
        parser = self.parser or self._make_parser()
        self.pending += len(data)
        rest: bytes | memoryview = data
        try:
            while True:
                try:
                    parser.feed_data(rest)
                    break
                except httptools.HttpParserUpgrade as upgrade:
                    rest = memoryview(rest)[upgrade.args[0] :]
                    parser = self._ignore_upgrade(parser)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, TokenworksError):
                raise
            self._refuse(cause)
        except TokenworksError as error:
            self._refuse(error)
        except httptools.HttpParserError as error:
            self._refuse(BadRequest(f"malformed HTTP request: {error}"))
        else:
            self.fresh = b""
            if self.pending:
                self._partly(len(data))

    def _make_parser(self) -> httptools.HttpRequestParser:
        """A connection that brings nothing but heads known before needs none, and saves its memory."""
        self.raw_headers: dict[bytes, bytes] = {}
        self.urls: list[bytes] = []
        self.parts = []
        self.between = [None]
        self.on_message_begin = self.between.clear
        self.on_header = self.raw_headers.setdefault
        self.on_url = self.urls.append
        self.on_body = self.parts.append
        self.parser = parser = httptools.HttpRequestParser(self)
        return parser

    def _again(self, head: Head, body: bytes) -> None:
        """A whole request whose head the parser has judged before."""
        self.request = request = Request(b"POST", head.target, head.headers, body, True, False, head)
        self.answering = True
        self.deadline = NEVER
        try:
            head.handler(request, self)
        except BaseException:
            self.transport.abort()  # nobody would ever answer it
            raise

    def _learn(self, request: Request, handler: Handler) -> None:
        """Remember the head of ``request`` where it came in one piece and asks for nothing special."""
        data, self.fresh = self.fresh, b""
        if data and request.keep_alive and not request.http10 and _SPECIAL.isdisjoint(request.headers):
            head = self.listener.heads.learn(data, request.body, request.target, request.headers)
            if head is not None:
                head.handler = handler
            self.head = request.head = self.listener.heads.last = head

    def _partly(self, size: int) -> None:
        """Part of a request has come: limits and timeouts that a whole one needs no longer."""
        listener = self.listener
        if self.headers is None:
            if self.pending > listener.max_head:
                self._refuse(self._head_too_large())
            elif self.pending == size and not self.answering:
                self._arm(listener.settings.header_timeout_s)
            return
        if self.spool is not None:
            self._to_disk(self.spool, size)
            return
        self.held += size
        listener.buffered += size
        if self.held > listener.max_body + listener.max_head:
            self._refuse(self._body_too_large())
        elif listener.buffered > listener.max_buffered:
            self._refuse(Unavailable("too many request bodies at once; try again shortly", retry_after_s=1))
        elif not self.answering:
            self._arm(listener.settings.body_timeout_s)
        parts = self.parts
        if len(parts) - self.joined > MANY_PARTS:  # tiny chunks: an object for each takes far more room
            parts[self.joined :] = [b"".join(parts[self.joined :])]
            self.joined += 1

    def _to_disk(self, spool: Spool, size: int) -> None:
        """The same of an upload, of which nothing is held."""
        spool.silent = 0 if self.parts else spool.silent + size
        try:
            spool.write(self.parts)
            if spool.silent > self.listener.max_head:  # such as trailers without an end
                raise self._head_too_large()
        except TokenworksError as error:
            self._refuse(error)
        else:
            if not self.answering:
                self._arm(self.listener.settings.body_timeout_s)

    def _head_too_large(self) -> HeadersTooLarge:
        return HeadersTooLarge(f"request headers exceed {self.listener.max_head} bytes")

    def _body_too_large(self) -> TooLarge:
        limit = self.listener.settings.max_body_mib
        return TooLarge(f"request body exceeds {limit} MiB; send less or raise server.max_body_mib")

    def on_headers_complete(self) -> None:
        listener, parser = self.listener, self.parser
        assert parser is not None
        raw = self.raw_headers
        self.headers = headers = {name.lower(): value for name, value in raw.items()}
        if self.pending > listener.max_head:  # rarely: mostly it is the body that makes it long
            size = sum(len(n) + len(v) + 4 for n, v in raw.items()) + sum(map(len, self.urls))
            if size > listener.max_head:
                raise self._head_too_large()
        if listener.spools is not None and self.spool is None and parser.get_method() == b"POST":
            self.spool = listener.spools.open(b"".join(self.urls), headers)
        length = headers.get(b"content-length")
        if length is not None and int(length) > listener.max_body and self.spool is None:
            raise self._body_too_large()
        version = parser.get_http_version()
        if version != "1.1" and version != "1.0":
            raise BadRequest(f"HTTP version {version} is not supported here; use HTTP/1.1")
        if b"transfer-encoding" in headers and (
            headers[b"transfer-encoding"].lower() != b"chunked"
            or version == "1.0"
            or len(headers) < len(raw)  # a name in two spellings: perhaps this one
        ):
            raise BadRequest("only the transfer encoding 'chunked' is supported, once and on HTTP/1.1")
        if b"upgrade" in headers and parser.should_upgrade():
            return  # llhttp stops here, see _ignore_upgrade
        if b"expect" in headers:
            if headers[b"expect"].lower() != b"100-continue":
                raise BadRequest("unknown expectation in header 'expect'")
            if version == "1.1" and not self.answering:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_message_complete(self) -> None:
        parser, parts, urls, headers = self.parser, self.parts, self.urls, self.headers
        assert parser is not None and headers is not None
        if self.closing or (b"upgrade" in headers and parser.should_upgrade()):
            return  # nobody would read an answer any more, or not the end of the message: see _ignore_upgrade
        spool = self.spool
        if spool is not None:
            spool.write(parts)
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        target = urls[0] if len(urls) == 1 else b"".join(urls)
        request = Request(parser.get_method(), target, headers, body, parser.should_keep_alive())
        request.spool, self.spool = spool, None
        parts.clear()
        urls.clear()
        self.raw_headers.clear()
        self.headers = None
        self.pending = 0
        self.between.append(None)
        if self.held or len(body) > SMALL_BODY:
            if len(body) > self.listener.max_body:
                raise self._body_too_large()
            self.listener.buffered += len(body) - self.held
            self.held, request.held, self.joined = 0, len(body), 0
        if not request.keep_alive or b"connection" in headers:
            request.http10 = parser.get_http_version() == "1.0"
        if self.answering or self.slow:
            if self.queue is None:
                self.queue = deque()
            self.queue.append(request)
            if len(self.queue) > MAX_PIPELINED:
                self.transport.pause_reading()
        else:
            self._dispatch(request)

    def _ignore_upgrade(self, parser: httptools.HttpRequestParser) -> httptools.HttpRequestParser:
        """Go on in HTTP/1.1 when a client offers an upgrade (Java's client offers h2c by default).

        llhttp stops behind the head of such a request, without its body; a fresh parser is fed the
        same head without the offer.
        """
        headers, method, version = self.headers, parser.get_method(), parser.get_http_version()
        if headers is None or method == b"CONNECT":
            raise BadRequest("CONNECT and what follows it is not supported")
        lines = [b"%b %b HTTP/%b" % (method, b"".join(self.urls), version.encode())]
        lines += [b"%b: %b" % h for h in headers.items() if h[0] not in (b"upgrade", b"http2-settings")]
        self.raw_headers.clear()
        self.urls.clear()
        self.headers = None
        self.parser = fresh = httptools.HttpRequestParser(self)
        fresh.feed_data(b"\r\n".join([*lines, b"", b""]))
        return fresh

    def _dispatch(self, request: Request) -> None:
        self.request = request
        self.answering = True
        self.deadline = NEVER
        listener = self.listener
        if listener.draining:
            self.fail(Unavailable("the server is shutting down; try again shortly", retry_after_s=1))
            return
        if request.target[0] != _SLASH:
            if request.method == b"CONNECT":
                request.keep_alive = False
                self.fail(BadRequest("CONNECT is not supported: this server is no proxy"))
                return
            request.target = origin_form(request.target)
        handler = listener.fallback
        if request.method == b"POST":
            hot = listener.hot.get(request.target)
            if hot is None and b"?" in request.target:
                hot = listener.hot.get(request.target.partition(b"?")[0])
            if hot is not None:
                handler = hot
                self._learn(request, hot)
        try:
            handler(request, self)
        except BaseException:
            self.transport.abort()  # nobody would ever answer it
            raise

    def _refuse(self, error: TokenworksError) -> None:
        """Answer a request that could not be read, then close: what follows it can't be trusted."""
        if self.closing:
            return
        self.closing = True
        self._drop_body()
        if self.answering or self.queue:  # earlier requests are answered first
            last = self.queue[-1] if self.queue else self.request
            if last is not None:
                last.keep_alive = False
            return
        self.request = Request(b"", b"", {}, keep_alive=False)
        self.answering = True
        self.fail(error)

    def _linger(self) -> None:
        """Close so that the answer survives: with unread input a plain close resets the connection."""
        self._arm(self.listener.settings.write_timeout_s if self.slow else LINGER_S)
        self.transport.write_eof()

    # --- the end of an answer -----------------------------------------------------------------

    def abort(self) -> None:
        """Cut the connection: the only honest end of an answer whose length was promised."""
        self.exchange = None
        self.transport.abort()

    def release_body(self, request: Request) -> None:
        """Forget the body of ``request``: it is no longer needed (idempotent)."""
        if request.held:
            self.listener.buffered -= request.held
            request.held = 0
        if request.spool is not None:
            request.spool.close()
            request.spool = None
        request.body = b""

    def _done(self) -> None:
        request = self.request
        if request is None:
            return
        self.request = self.exchange = None
        self.answering = False
        if request.held or request.spool is not None:
            self.release_body(request)
        queue = self.queue
        if not request.keep_alive or (self.listener.draining and not queue):
            if self.closing:
                self._linger()
            else:
                self._close(self.listener.settings.write_timeout_s)
        elif self.slow:
            pass  # the next one waits until this client has read
        elif queue:
            self._soon()
        else:
            self.deadline = self.listener.sweeper.now + self.listener.keepalive_s

    def _soon(self) -> None:
        """The next in the queue; not called directly, a long pipeline of immediate answers would recurse."""
        self.answering = True
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        if not self.queue:  # the connection was lost meanwhile
            self.answering = False
            return
        request = self.queue.popleft()
        if len(self.queue) == MAX_PIPELINED:
            self.transport.resume_reading()
        self._dispatch(request)
