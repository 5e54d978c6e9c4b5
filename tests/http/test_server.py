"""The listening side on real sockets: every request once, in order, and nothing doubtful let through."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from tokenworks.errors import RateLimited
from tokenworks.http import server as module
from tokenworks.http.server import MAX_PIPELINED, WRITE_HIGH_WATER, ClientConnection, Request

uvloop_only = pytest.mark.asyncio(loop_factories=["uvloop"])


class Book:
    """A handler that notes what it is asked and answers with it at once."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []

    def __call__(self, request: Request, reply: ClientConnection) -> None:
        self.requests.append(request)
        self.bodies.append(request.body)
        reply.send(200, b"x-target: %b\r\n" % request.target, request.body)


class Held(Book):
    """Notes the request and leaves the answer to the test."""

    def __init__(self) -> None:
        super().__init__()
        self.reply: ClientConnection | None = None
        self.gone = self.slow = self.ready = self.shut = 0

    def __call__(self, request: Request, reply: ClientConnection) -> None:
        self.requests.append(request)
        self.bodies.append(request.body)
        self.reply = reply
        reply.exchange = self

    def client_gone(self) -> None:
        self.gone += 1

    def client_slow(self) -> None:
        self.slow += 1

    def client_ready(self) -> None:
        self.ready += 1

    def shut_down(self) -> None:
        self.shut += 1
        self.reply.send(503, b"", b"cut")


class Later(Book):
    """Answers after a random moment."""

    def __call__(self, request: Request, reply: ClientConnection) -> None:
        self.requests.append(request)
        self.bodies.append(request.body)
        body = request.body
        asyncio.get_running_loop().call_later(
            random.random() / 500, lambda: reply.send(200, b"x-target: %b\r\n" % request.target, body)
        )


def post(body: bytes, *, chunks: int = 0, target: bytes = b"/x", extra: bytes = b"") -> bytes:
    """A request; its body in ``chunks`` chunks, or with a length where that is 0."""
    head = b"POST %b HTTP/1.1\r\nHost: a\r\n%b" % (target, extra)
    if not chunks:
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
    size = max(1, -(-len(body) // chunks))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"


GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"


# --- requests -----------------------------------------------------------------------------------


async def test_one_connection_serves_many_requests_and_routes_hot_paths(house: Any) -> None:
    hot, rest = Book(), Book()
    place = await house(rest, hot={b"/hot": hot})
    client = await place.client()
    for target in (b"/hot", b"/hot?a=1", b"/cold", b"/hot/", b"http://a:1/hot", b"HTTPS://a/hot?x=/y"):
        client.send(post(b"1", target=target))
        assert (await client.answer()).status == 200
    client.send(GET % b"hot")
    assert "connection" not in (await client.answer()).headers
    assert [r.target for r in hot.requests] == [b"/hot", b"/hot?a=1", b"/hot", b"/hot?x=/y"]
    assert [(r.method, r.target) for r in rest.requests] == [
        (b"POST", b"/cold"),
        (b"POST", b"/hot/"),
        (b"GET", b"/hot"),
    ]
    assert len(place.listener.connections) == 1


@pytest.mark.parametrize("target", [b"http://a", b"http://a?q=1", b"http://[::1]:8?q", b"*"])
async def test_targets_in_other_forms(house: Any, target: bytes) -> None:
    book = Book()
    client = await (await house(book)).client()
    client.send(b"OPTIONS %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
    assert (await client.answer()).status == 200
    query = target.partition(b"?")[2]
    assert book.requests[0].target == (b"*" if target == b"*" else b"/?" + query if query else b"/")


@uvloop_only
@pytest.mark.parametrize("chunks", [0, 1, 7])
@pytest.mark.parametrize("step", [1, 3, 10_000])
async def test_bodies_arrive_whole_whatever_their_coding_and_pieces(
    house: Any, chunks: int, step: int
) -> None:
    book = Book()
    client = await (await house(book)).client()
    bodies = [b'{"a": "\xc3\xa9\r\n\r\n0\r\n"}' * 20, b"", b"x"]
    await client.send_slowly(b"".join(post(b, chunks=chunks) for b in bodies), step)
    for body in bodies:
        assert (await client.answer()).body == body
    assert book.bodies == bodies


async def test_header_names_are_lower_case_and_values_as_sent(house: Any) -> None:
    book = Book()
    client = await (await house(book)).client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Title:  M\xfc \xe2\x82\xac\r\nEMPTY:\r\n\r\n")
    await client.answer()
    headers = dict(book.requests[0].headers)
    assert headers[b"x-title"] == b"M\xfc \xe2\x82\xac"
    assert headers[b"empty"] == b""
    assert headers[b"host"] == b"a"


async def test_nothing_of_one_request_shows_in_the_next(house: Any) -> None:
    book = Book()
    client = await (await house(book)).client()
    client.send(post(b"body", chunks=2, extra=b"X-One: 1\r\nConnection: keep-alive\r\n") + GET % b"2")
    await client.answer()
    assert (await client.answer()).body == b""
    assert dict(book.requests[1].headers) == {b"host": b"a"}


async def test_trailers_of_a_request_are_dropped(house: Any) -> None:
    book = Book()
    client = await (await house(book)).client()
    head = post(b"hello", chunks=1)[:-2]
    client.send(head + b"Host: evil\r\nAuthorization: x\r\n\r\n" + GET % b"2")
    assert (await client.answer()).body == b"hello"
    assert dict(book.requests[0].headers) == {b"host": b"a", b"transfer-encoding": b"chunked"}
    await client.answer()
    assert dict(book.requests[1].headers) == {b"host": b"a"}


@uvloop_only
@pytest.mark.parametrize("kind", [Book, Later])
@pytest.mark.parametrize("step", [50, 1 << 20])
async def test_pipelined_requests_are_answered_in_order(house: Any, kind: type[Book], step: int) -> None:
    book = kind()
    place = await house(book)
    client = await place.client()
    count = 8 * MAX_PIPELINED
    data = b"".join(post(b"%d" % i * (i % 50), chunks=i % 3, target=b"/%d" % i) for i in range(count))
    sending = asyncio.create_task(client.send_slowly(data, step))
    for i in range(count):
        got = await client.answer()
        assert (got.headers["x-target"], got.body) == (f"/{i}", b"%d" % i * (i % 50))
    await sending


async def test_a_pipeline_is_read_only_as_far_as_needed(house: Any, until: Any) -> None:
    """A client can't make the server keep any number of requests by never waiting."""
    book = Held()
    place = await house(book)
    client = await place.client()
    body = bytes(20_000)
    sending = asyncio.create_task(client.send_slowly(post(body) * 2_000, 200_000))
    connection = await place.connection()
    await until(lambda: connection.queue and len(connection.queue) > MAX_PIPELINED)
    await asyncio.sleep(0.1)
    assert len(connection.queue) < 4 * MAX_PIPELINED
    assert not sending.done()
    sending.cancel()
    await asyncio.wait([sending])
    connection.transport.abort()


# --- refusals -----------------------------------------------------------------------------------

DOUBTFUL = {
    "length and coding": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal lengths": b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths, other case": b"Content-Length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "list of lengths": b"Content-Length: 3, 3\r\n\r\nabc",
    "empty length": b"Content-Length:\r\n\r\n",
    "signed length": b"Content-Length: +3\r\n\r\nabc",
    "negative length": b"Content-Length: -3\r\n\r\nabc",
    "underscored length": b"Content-Length: 1_0\r\n\r\n0123456789",
    "hexadecimal length": b"Content-Length: 0x3\r\n\r\nabc",
    "huge length": b"Content-Length: 99999999999999999999\r\n\r\n",
    "folded header": b"X: a\r\n Content-Length: 3\r\n\r\nabc",
    "folded first header": b"\r\n",
    "bare line feed": b"X: a\nContent-Length: 3\r\n\r\nabc",
    "bare line feed at the end": b"X: a\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare carriage return": b"X: a\rContent-Length: 3\r\n\r\nabc",
    "zero byte": b"X: a\0b\r\n\r\n",
    "zero byte in a name": b"X\0: a\r\n\r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "tab before the colon": b"Content-Length\t: 3\r\n\r\nabc",
    "no colon": b"Content-Length\r\n\r\n",
    "no name": b": a\r\n\r\n",
    "coding identity": b"Transfer-Encoding: identity\r\n\r\n",
    "coding gzip, chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding xchunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "coding in two headers": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding in two headers, other case": (
        b"Transfer-Encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "coding in two headers, chunked first": (
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
    ),
    "coding behind a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "empty coding": b"Transfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc",
    "chunk 0x": b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "huge chunk": b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "chunk ended by line feed": b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "chunk longer than told": b"Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
    "chunk without a size": b"Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n",
    "chunk size with a space": b"Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
    "bare CR in a chunk extension": b"Transfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n",
    "length in trailers": b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n",
    "unknown expectation": b"Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc",
}


@uvloop_only
@pytest.mark.parametrize("headers", DOUBTFUL.values(), ids=DOUBTFUL)
@pytest.mark.parametrize("step", [1, 1 << 20])
async def test_requests_that_others_might_read_differently_are_refused(
    house: Any, headers: bytes, step: int
) -> None:
    book = Book()
    client = await (await house(book)).client()
    head = b"POST /x HTTP/1.1\r\n Host: a\r\n" if headers == b"\r\n" else b"POST /x HTTP/1.1\r\nHost: a\r\n"
    await client.send_slowly(head + headers + GET % b"smuggled", step)
    got = await client.answer()
    assert got.status == 400
    assert got.headers["connection"] == "close"
    assert json.loads(got.body)["error"]["code"] == 400
    assert await client.closed()
    assert book.requests == []


FIRST_LINES = {
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "the start of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "no version digit": b"GET / HTTP/1.\r\nHost: a\r\n\r\n",
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "lower case method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no slash": b"GET x HTTP/1.1\r\nHost: a\r\n\r\n",
    "control byte in the target": b"GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare line feed": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "CONNECT": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT with an offer": (
        b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    ),
}


@uvloop_only
@pytest.mark.parametrize("data", FIRST_LINES.values(), ids=FIRST_LINES)
async def test_first_lines_that_are_refused(house: Any, data: bytes) -> None:
    book = Book()
    client = await (await house(book)).client()
    client.send(data + GET % b"smuggled")
    assert (await client.answer()).status in (400, 405, 501, 505)
    assert await client.closed()
    assert book.requests == []


@pytest.mark.parametrize("kind", [Book, Later])
async def test_good_requests_before_a_bad_one_are_answered(house: Any, kind: type[Book]) -> None:
    book = kind()
    client = await (await house(book)).client()
    client.send(post(b"1") + post(b"2") + post(b"3") + b"BREW / HTTP/1.1\r\n\r\n" + GET % b"smuggled")
    answers = [await client.answer() for _ in range(3)]
    assert [a.body for a in answers] == [b"1", b"2", b"3"]
    left = await client.rest()
    assert left == b"" or left.startswith(b"HTTP/1.1 400 ")
    assert len(book.requests) == 3


async def test_nothing_after_connection_close_is_read(house: Any) -> None:
    for book in (Book(), Later()):
        client = await (await house(book)).client()
        client.send(post(b"1", extra=b"Connection: close\r\n") + GET % b"smuggled")
        got = await client.answer()
        assert (got.body, got.headers["connection"]) == (b"1", "close")
        await client.rest()
        assert len(book.requests) == 1


async def test_a_handler_that_raises_costs_its_own_connection_only(house: Any, errors: list[Any]) -> None:
    def broken(request: Request, reply: ClientConnection) -> None:
        if request.target == b"/now" or request.body == b"later":
            raise RuntimeError("bug")
        Later()(request, reply)

    place = await house(broken)
    first, second, third = await place.client(), await place.client(), await place.client()
    first.send(GET % b"now")
    second.send(post(b"fine") + post(b"later"))
    third.send(post(b"fine"))
    assert await first.closed()
    assert (await second.answer()).body == b"fine"
    assert await second.closed()
    assert (await third.answer()).body == b"fine"
    assert {str(e["exception"].__context__ or e["exception"]) for e in errors} == {"bug"}
    errors.clear()


# --- expectations, sizes and times --------------------------------------------------------------


async def test_expect_100_continue(house: Any) -> None:
    book = Book()
    client = await (await house(book)).client()
    head, _, body = post(b"hello", extra=b"Expect: 100-Continue\r\n").partition(b"\r\n\r\n")
    for _ in range(2):
        client.send(head + b"\r\n\r\n")
        assert await client.head() == (100, {})
        assert book.bodies.count(b"hello") == len(book.requests)
        client.send(body)
        assert (await client.answer()).body == b"hello"
    client.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
    assert (await client.answer()).body == b"hi"


async def test_expecting_too_much_is_refused_before_it_is_sent(house: Any) -> None:
    client = await (await house(Book(), max_body_mib=1)).client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n")
    assert (await client.answer()).status == 413
    assert await client.closed()


@pytest.mark.parametrize("chunks", [0, 3, 40])
async def test_the_largest_body_is_taken(house: Any, chunks: int) -> None:
    book = Book()
    place = await house(book, max_body_mib=1)
    client = await place.client()
    body = random.randbytes(1 << 20)
    client.send(post(body, chunks=chunks))
    assert (await client.answer()).body == body
    assert place.listener.buffered == 0


@uvloop_only
@pytest.mark.parametrize("chunks", [0, 4, 60])
async def test_a_larger_body_gets_its_413_though_the_client_is_still_sending(house: Any, chunks: int) -> None:
    """Like a client that writes everything before it reads: closing at once would reset its connection."""
    book = Book()
    place = await house(book, max_body_mib=1)
    client = await place.client()
    data = post(bytes(6 << 20), chunks=chunks)
    for at in range(0, len(data), 1 << 20):
        client.send(data[at : at + (1 << 20)])
        await client.writer.drain()
        await asyncio.sleep(0.01)
    got = await client.answer()
    assert got.status == 413
    assert "1 MiB" in json.loads(got.body)["error"]["message"]
    assert await client.closed()
    assert book.requests == []
    assert place.listener.buffered == 0


async def test_one_byte_too_many_in_chunks(house: Any) -> None:
    book = Book()
    client = await (await house(book, max_body_mib=1)).client()
    client.send(post(bytes((1 << 20) + 1), chunks=1))
    assert (await client.answer()).status == 413
    assert book.requests == []


@uvloop_only
@pytest.mark.parametrize("step", [700, 1 << 20])
@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 5000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(1000)) + b"\r\n",
        b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000,
    ],
    ids=["long", "many", "target", "endless"],
)
async def test_headers_too_large(house: Any, head: bytes, step: int) -> None:
    book = Book()
    client = await (await house(book, max_header_kib=4)).client()
    client.send(GET % b"fine")
    assert (await client.answer()).status == 200
    await client.send_slowly(head, step)
    assert (await client.answer()).status == 431
    assert await client.closed()
    assert len(book.requests) == 1


async def test_a_long_body_is_no_long_head(house: Any) -> None:
    book = Book()
    client = await (await house(book, max_header_kib=4)).client()
    client.send(post(bytes(50_000)) + GET % b"2")
    assert len((await client.answer()).body) == 50_000
    assert (await client.answer()).status == 200


@uvloop_only
@pytest.mark.parametrize("endless", [b"X: " + b"x" * 200, b"X: y\r\n" * 40], ids=["one", "many"])
async def test_trailers_do_not_go_on_for_ever(house: Any, until: Any, endless: bytes) -> None:
    place = await house(Book(), max_header_kib=4, max_body_mib=1)
    client = await place.client()
    client.send(post(b"hello", chunks=1)[:-2])
    for _ in range(8000):
        client.send(endless)
        await asyncio.sleep(0)
        if client.reader._buffer:
            break
    assert (await client.answer()).status in (400, 413, 431)
    assert await client.closed()


@uvloop_only
async def test_a_body_in_tiny_chunks_does_not_take_many_times_its_size(house: Any, rss: Any) -> None:
    place = await house(Held(), max_body_mib=8)
    client = await place.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    before = rss()
    sent = 0
    connection = await place.connection()
    for _ in range(100):
        client.send(b"2\r\nab\r\n" * 9_000)
        sent += 63_000
        await client.writer.drain()
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    assert not connection.closing
    assert rss() - before < 2.5 * sent


async def test_max_buffered_is_for_all_connections_together(house: Any, until: Any) -> None:
    book = Book()
    place = await house(book, max_buffered_mib=1)
    first, second = await place.client(), await place.client()
    head, _, body = post(bytes(800_000)).partition(b"\r\n\r\n")
    first.send(head + b"\r\n\r\n" + body[:700_000])
    await until(lambda: place.listener.buffered >= 600_000)
    second.send(post(bytes(700_000)))
    got = await second.answer()
    assert got.status == 503
    assert got.headers["retry-after"] == "1"
    assert await second.closed()
    first.send(body[700_000:])
    assert (await first.answer()).status == 200
    third = await place.client()
    third.send(post(bytes(700_000)))
    assert (await third.answer()).status == 200
    assert place.listener.buffered == 0


async def test_bodies_waiting_behind_a_refused_request_are_not_held_for_ever(house: Any, until: Any) -> None:
    book = Held()
    place = await house(book)
    client = await place.client()
    client.send(post(b"1") + post(bytes(200_000)) + b"BREW")
    connection = await place.connection()
    await until(lambda: connection.closing)
    client.reset()
    await until(lambda: book.gone)
    await place.emptied()
    assert place.listener.buffered == 0


async def test_a_body_stays_held_until_released(house: Any, until: Any) -> None:
    book = Held()
    place = await house(book)
    client = await place.client()
    client.send(post(bytes(200_000)))
    await until(lambda: book.reply)
    assert place.listener.buffered >= 200_000
    book.reply.release_body(book.requests[0])
    book.reply.release_body(book.requests[0])
    assert place.listener.buffered == 0
    book.reply.send(200, b"", b"")
    assert (await client.answer()).status == 200


@uvloop_only
@pytest.mark.parametrize("part", [b"G", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: a\r\n"])
async def test_headers_must_arrive_in_time(house: Any, part: bytes) -> None:
    place = await house(Book(), header_timeout_s=0.15, body_timeout_s=5, keepalive_s=5)
    loop = asyncio.get_running_loop()
    for first in (b"", GET % b""):
        client = await place.client()
        if first:
            client.send(first)
            await client.answer()
        started = loop.time()
        for byte in part:  # a byte now and then does not help
            client.send(bytes([byte]))
            await asyncio.sleep(0.001)
        assert (await client.answer()).status == 408
        assert 0.14 < loop.time() - started < 0.6
        assert await client.closed()


async def test_a_connection_that_never_sends_is_closed(house: Any) -> None:
    place = await house(Book(), header_timeout_s=0.1, keepalive_s=5)
    assert await (await place.client()).closed()


@uvloop_only
@pytest.mark.parametrize("chunks", [0, 2])
@pytest.mark.parametrize("cut", [2, 30])
async def test_a_body_must_go_on(house: Any, chunks: int, cut: int) -> None:
    place = await house(Book(), header_timeout_s=5, body_timeout_s=0.15, keepalive_s=5)
    client = await place.client()
    data = post(b"x" * 38, chunks=chunks)
    for at in range(0, len(data) - cut, 12):  # slow, but never silent for too long
        client.send(data[at : min(at + 12, len(data) - cut)])
        await asyncio.sleep(0.03)
    assert (await client.answer()).status == 408
    assert await client.closed()


async def test_a_slow_body_has_its_own_time(house: Any) -> None:
    """The time for headers ends with the headers."""
    place = await house(Book(), header_timeout_s=0.1, body_timeout_s=5)
    client = await place.client()
    data = post(b"hello")
    client.send(data[:-5])
    await asyncio.sleep(0.25)
    client.send(data[-5:])
    assert (await client.answer()).body == b"hello"


@uvloop_only
async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(house: Any) -> None:
    book = Held()
    place = await house(book, keepalive_s=0.1, header_timeout_s=0.1)
    client = await place.client()
    client.send(GET % b"")
    assert await client.quiet(0.3)
    book.reply.send(200, b"", b"ok")
    assert (await client.answer()).body == b"ok"
    started = asyncio.get_running_loop().time()
    assert await client.closed()
    assert 0.09 < asyncio.get_running_loop().time() - started < 0.6


# --- slow and vanishing clients -----------------------------------------------------------------


class Faucet(Held):
    """Streams a given number of bytes for as long as the client takes them."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.left = total
        self.open = True
        self.most = 0

    def __call__(self, request: Request, reply: ClientConnection) -> None:
        super().__call__(request, reply)
        reply.start(200, b"")
        self.run()

    def run(self) -> None:
        while self.open and self.left:
            size = min(self.left, 32_000)
            self.left -= size
            self.reply.write(bytes(size))
            self.most = max(self.most, self.reply.transport.get_write_buffer_size())
        if self.open and not self.left:
            self.open = False
            self.reply.finish()

    def client_slow(self) -> None:
        super().client_slow()
        self.open = False

    def client_ready(self) -> None:
        super().client_ready()
        self.open = True
        asyncio.get_running_loop().call_soon(self.run)


@uvloop_only
async def test_a_client_that_does_not_read_stops_the_producer(house: Any, until: Any, rss: Any) -> None:
    faucet = Faucet(60 << 20)
    client = await (await house(faucet)).client()
    client.writer.transport.pause_reading()
    before = rss()
    client.send(GET % b"")
    await until(lambda: faucet.slow)
    await asyncio.sleep(0.1)
    assert faucet.left > 40 << 20
    assert faucet.most < WRITE_HIGH_WATER + 40_000
    assert rss() - before < 16 << 20
    client.writer.transport.resume_reading()
    assert (await client.head())[0] == 200
    total = 0
    while piece := await client.chunk():
        total += len(piece)
    assert total == 60 << 20
    assert faucet.slow == faucet.ready > 1
    assert faucet.gone == 0
    client.send(GET % b"again")  # as good as new
    assert (await client.head())[0] == 200


async def test_a_client_that_never_reads_is_cut_off(house: Any, until: Any) -> None:
    faucet = Faucet(60 << 20)
    place = await house(faucet, write_timeout_s=0.15)
    client = await place.client()
    client.writer.transport.pause_reading()
    client.send(GET % b"")
    await until(lambda: faucet.gone)
    assert faucet.gone == 1
    await place.emptied()


@uvloop_only
@pytest.mark.parametrize("last", [False, True], ids=["kept", "closed"])
async def test_an_answer_that_is_never_taken_does_not_keep_its_connection(
    house: Any, until: Any, last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole answers too, and also where less than the high-water mark is left in our buffer."""
    monkeypatch.setattr(module, "LINGER_S", 0.15)
    settings = {"write_timeout_s": 0.15, "keepalive_s": 0.15}
    for size in (8 << 20, 60_000):

        def big(request: Request, reply: ClientConnection, size: int = size) -> None:
            reply.send(200, b"", bytes(size))

        place = await house(big, **settings)
        client = await place.client()
        client.writer.transport.pause_reading()
        connection = await place.connection()
        transport = connection.transport
        while not transport.is_closing() and not transport.get_write_buffer_size():
            client.send(GET % b"")
            await asyncio.sleep(0.001)
        if last:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(3):
            await place.emptied()


@uvloop_only
async def test_pipelining_without_reading_does_not_fill_the_memory(house: Any, until: Any) -> None:
    answered = 0

    def big(request: Request, reply: ClientConnection) -> None:
        nonlocal answered
        answered += 1
        reply.send(200, b"", bytes(32_000))

    place = await house(big)
    client = await place.client()
    client.writer.transport.pause_reading()
    count = 1_000
    client.send((GET % b"") * count)
    connection = await place.connection()
    await until(lambda: connection.slow)
    await asyncio.sleep(0.2)
    assert connection.transport.get_write_buffer_size() < WRITE_HIGH_WATER + 40_000
    assert answered < count / 2
    client.writer.transport.resume_reading()
    for _ in range(count):
        assert len((await client.answer()).body) == 32_000
    assert answered == count


async def test_pipelining_without_reading_is_cut_off_too(house: Any, until: Any) -> None:
    def big(request: Request, reply: ClientConnection) -> None:
        asyncio.get_running_loop().call_soon(reply.send, 200, b"", bytes(1 << 20))

    place = await house(big, write_timeout_s=0.15, keepalive_s=60, body_timeout_s=60)
    client = await place.client()
    client.writer.transport.pause_reading()
    client.send((GET % b"") * 20)
    await place.connection()
    async with asyncio.timeout(3):
        await place.emptied()


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_client_that_leaves_is_noticed_at_once(house: Any, until: Any, streaming: bool) -> None:
    book = Held()
    place = await house(book)
    for leave in (lambda c: c.writer.close(), lambda c: c.reset()):
        book.gone, book.reply = 0, None
        client = await place.client()
        client.send(GET % b"")
        await until(lambda: book.reply)
        if streaming:
            book.reply.start(200, b"")
            book.reply.write(b"some")
            await client.head()
        started = asyncio.get_running_loop().time()
        leave(client)
        await until(lambda: book.gone)
        assert asyncio.get_running_loop().time() - started < 0.2
        await asyncio.sleep(0.02)
        assert book.gone == 1
        assert place.listener.buffered == 0


async def test_a_client_that_leaves_a_slow_answer_is_noticed(house: Any, until: Any) -> None:
    faucet = Faucet(60 << 20)
    client = await (await house(faucet)).client()
    client.writer.transport.pause_reading()
    client.send(GET % b"")
    await until(lambda: faucet.slow)
    client.reset()
    await until(lambda: faucet.gone)


async def test_leaving_while_sending_is_no_request(house: Any) -> None:
    book = Book()
    place = await house(book)
    client = await place.client()
    client.send(post(bytes(300_000))[:-1])
    await asyncio.sleep(0.05)
    client.reset()
    await place.emptied()
    assert book.requests == []
    assert place.listener.buffered == 0


# --- upgrades, versions, methods ----------------------------------------------------------------

OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"


@uvloop_only
@pytest.mark.parametrize("chunks", [0, 3])
@pytest.mark.parametrize("step", [1, 100, 1 << 20])
@pytest.mark.parametrize("kind", [Book, Later])
async def test_an_offered_upgrade_is_ignored(house: Any, kind: type[Book], chunks: int, step: int) -> None:
    """Java's client offers h2c with its first request, body and all."""
    book = kind()
    place = await house(book)
    client = await place.client()
    body = b'{"a":1}\r\n\r\n' * 9
    data = post(body, chunks=chunks, extra=OFFER) + post(b"2") + b"GET /3 HTTP/1.1\r\nHost: a\r\n" + OFFER
    sending = asyncio.create_task(client.send_slowly(data + b"\r\n", step))
    assert (await client.answer()).body == body
    assert (await client.answer()).body == b"2"
    await sending
    got = await client.answer()
    assert got.status in (200, 400)  # a second offer may be refused, but must be answered
    assert book.bodies[:2] == [body, b"2"]
    assert len(book.requests) == (3 if got.status == 200 else 2)


async def test_an_upgrade_with_a_body_still_to_come(house: Any) -> None:
    book = Book()
    client = await (await house(book)).client()
    data = post(bytes(300_000), extra=OFFER)
    client.send(data[:400])
    await asyncio.sleep(0.02)
    assert book.requests == []
    client.send(data[400:])
    assert (await client.answer()).body == bytes(300_000)
    client.send(post(b"2"))
    assert (await client.answer()).body == b"2"


async def test_an_upgrade_to_come_after_close(house: Any) -> None:
    client = await (await house(Book())).client()
    client.send(post(b"1", extra=b"Connection: upgrade, close\r\nUpgrade: h2c\r\n"))
    got = await client.answer()
    assert (got.body, got.headers["connection"]) == (b"1", "close")
    assert await client.closed()


async def test_a_connection_full_of_upgrades(house: Any) -> None:
    book = Book()
    client = await (await house(book)).client()
    client.send((b"GET / HTTP/1.1\r\nHost: a\r\n" + OFFER + b"\r\n") * 2_000)
    client.writer.write_eof()
    left = await client.rest()
    assert left.startswith(b"HTTP/1.1 200 ")
    assert left.count(b"HTTP/1.1 200 ") == len(book.requests)


async def test_head_and_statuses_without_a_body(house: Any) -> None:
    def answer(request: Request, reply: ClientConnection) -> None:
        reply.send(int(request.target[1:]), b"x: y\r\n", b"not to be sent")

    client = await (await house(answer)).client()
    for method, status in ((b"HEAD", 200), (b"GET", 204), (b"GET", 304), (b"HEAD", 404)):
        client.send(b"%b /%d HTTP/1.1\r\nHost: a\r\n\r\n" % (method, status))
        got = await client.answer(head_only=True)
        assert (got.status, got.headers["x"]) == (status, "y")
    client.send(GET % b"200")
    assert (await client.answer()).body == b"not to be sent"


async def test_http_1_0(house: Any) -> None:
    place = await house(Book())
    client = await place.client()
    for _ in range(2):
        client.send(b"POST / HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi")
        got = await client.answer()
        assert (got.body, got.headers["connection"]) == (b"hi", "keep-alive")
    client.send(b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi")
    got = await client.answer()
    assert (got.body, got.headers["connection"]) == (b"hi", "close")
    assert await client.closed()


@pytest.mark.parametrize("keep", [b"", b"Connection: keep-alive\r\n"])
async def test_a_stream_in_http_1_0_ends_with_the_connection(house: Any, keep: bytes) -> None:
    client = await (await house(Faucet(100_000))).client()
    client.send(b"GET / HTTP/1.0\r\n%b\r\n" % keep)
    got = await client.answer()
    assert (got.headers, got.body) == ({"connection": "close"}, bytes(100_000))


async def test_a_stream_in_chunks(house: Any, until: Any) -> None:
    book = Held()
    client = await (await house(book)).client()
    for last in (b"", b"end"):
        book.reply = None
        client.send(GET % b"")
        await until(lambda: book.reply)
        book.reply.start(200, b"content-type: text/event-stream\r\n")
        assert (await client.head())[1] == {
            "content-type": "text/event-stream",
            "transfer-encoding": "chunked",
        }
        for piece in (b"a", b"b" * 300):
            book.reply.write(piece)
            assert await client.chunk() == piece
        book.reply.finish(last)
        assert [await client.chunk() for _ in range(1 + bool(last))] == ([last] if last else []) + [b""]
    client.send(GET % b"")
    await until(lambda: len(book.requests) == 3)


async def test_an_aborted_stream_is_seen_as_cut(house: Any, until: Any) -> None:
    book = Held()
    client = await (await house(book)).client()
    client.send(GET % b"")
    await until(lambda: book.reply)
    book.reply.start(200, b"")
    book.reply.write(b"half")
    await client.head()
    book.reply.abort()
    assert b"0\r\n\r\n" not in await client.rest()
    assert book.gone == 0  # who aborts knows


async def test_errors_are_answered_in_the_usual_shape(house: Any) -> None:
    def refuse(request: Request, reply: ClientConnection) -> None:
        reply.fail(RateLimited("slow down", retry_after_s=2.4, provider_name="acme"))

    client = await (await house(refuse)).client()
    client.send(GET % b"")
    got = await client.answer()
    assert (got.status, got.headers["retry-after"]) == (429, "3")
    error = json.loads(got.body)["error"]
    assert error["code"] == 429
    assert error["metadata"] == {"provider_name": "acme"}


# --- the end ------------------------------------------------------------------------------------


async def test_drain_refuses_what_is_new_and_finishes_what_is_open(house: Any, until: Any) -> None:
    book = Held()
    place = await house(book)
    idle, busy, half = await place.client(), await place.client(), await place.client()
    idle.send(GET % b"")
    await until(lambda: book.reply)
    book.reply.send(200, b"", b"")
    await idle.answer()
    busy.send(GET % b"busy")
    half.send(post(b"hello")[:-1])
    await until(lambda: len(book.requests) == 2)
    book.reply.start(200, b"")
    book.reply.write(b"first")
    place.listener.drain()
    assert await idle.closed()
    assert not place.listener.idle.is_set()

    half.send(b"o")
    fresh = await place.client()
    fresh.send(GET % b"fresh" + GET % b"more")
    for client in (half, fresh):
        got = await client.answer()
        assert (got.status, got.headers["retry-after"], got.headers["connection"]) == (503, "1", "close")
        assert await client.closed()

    book.reply.finish(b"last")
    assert (await busy.answer()).body == b"firstlast"
    assert await busy.closed(), "its connection must not keep the server from stopping"
    async with asyncio.timeout(1):
        await place.listener.idle.wait()
    assert len(book.requests) == 2


async def test_drain_answers_pipelined_requests(house: Any, until: Any) -> None:
    book = Held()
    place = await house(book)
    client = await place.client()
    client.send(GET % b"1" + GET % b"2" + GET % b"3")
    await until(lambda: book.reply)
    await asyncio.sleep(0.01)
    place.listener.drain()
    book.reply.send(200, b"", b"one")
    got = await client.answer()
    assert got.body == b"one"
    if got.headers.get("connection") != "close":
        assert (await client.answer()).status == 503
    assert await client.closed()
    assert len(book.requests) == 1
    await asyncio.wait_for(place.listener.idle.wait(), 1)


async def test_drain_of_an_empty_house(house: Any) -> None:
    place = await house(Book())
    place.listener.drain()
    assert place.listener.idle.is_set()


async def test_cut_ends_open_answers(house: Any, until: Any) -> None:
    book = Held()
    place = await house(book)
    client = await place.client()
    client.send(GET % b"")
    await until(lambda: book.reply)
    place.listener.drain()
    place.listener.cut()
    assert book.shut == 1
    got = await client.answer()
    assert (got.status, got.body) == (503, b"cut")
    assert await client.closed()
    assert book.gone == 0
    await asyncio.wait_for(place.listener.idle.wait(), 1)


@uvloop_only
async def test_a_thousand_connections_leave_nothing_behind(house: Any, sweeper: Any) -> None:
    place = await house(Book())
    for _ in range(10):
        clients = await asyncio.gather(*(place.client() for _ in range(100)))
        for client in clients:
            client.send(post(b"x" * 100))
        for number, client in enumerate(clients):
            if number % 3:
                await client.answer()
            client.reset()
        place.clients.clear()
    await place.emptied()
    assert not place.listener.connections
    assert not sweeper._watched


@uvloop_only
async def test_a_garbage_collected_connection(house: Any) -> None:
    """Connections free themselves: the parser and its callbacks must not be a cycle for the collector."""
    import gc

    place = await house(Book())
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(o, ClientConnection) for o in gc.get_objects())
        for _ in range(20):
            client = await place.client()
            client.send(GET % b"")
            await client.answer()
            client.reset()
        place.clients.clear()
        await place.emptied()
        await asyncio.sleep(0.05)
        assert sum(isinstance(o, ClientConnection) for o in gc.get_objects()) <= before + 1
    finally:
        gc.enable()
