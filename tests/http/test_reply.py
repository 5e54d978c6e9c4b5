"""The bytes of answers, whole and streamed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tokenworks.errors import RateLimited
from tokenworks.http.reply import Reply
from tokenworks.http.request import Request


class Written(Reply):
    """A reply whose transport keeps what is written."""

    def __init__(self, request: Request, draining: bool = False) -> None:
        self.data = b""
        self.done = 0
        self.request = request
        self.listener = SimpleNamespace(draining=draining)  # type: ignore[assignment]
        self.transport = SimpleNamespace(write=self.take)  # type: ignore[assignment]

    def take(self, data: bytes) -> None:
        self.data += data

    def _done(self) -> None:
        self.done += 1


def request(method: bytes = b"POST", **more: bool) -> Request:
    return Request(method, b"/", {}, **more)


@pytest.mark.parametrize(
    ("asked", "status", "line", "end"),
    [
        (request(), 200, b"HTTP/1.1 200 OK", b"content-length: 2\r\n\r\nhi"),
        (request(), 204, b"HTTP/1.1 204 No Content", b"x: y\r\n\r\n"),
        (request(b"HEAD"), 200, b"HTTP/1.1 200 OK", b"x: y\r\n\r\n"),
        (request(), 529, b"HTTP/1.1 529 ", b"content-length: 2\r\n\r\nhi"),
        (request(keep_alive=False), 200, b"HTTP/1.1 200 OK", b"connection: close\r\n\r\nhi"),
        (request(http10=True), 200, b"HTTP/1.1 200 OK", b"connection: keep-alive\r\n\r\nhi"),
    ],
)
def test_whole_answer(asked: Request, status: int, line: bytes, end: bytes) -> None:
    reply = Written(asked)
    reply.send(status, b"x: y\r\n", b"hi")
    assert reply.data.startswith(line + b"\r\nx: y\r\n")
    assert reply.data.endswith(end)
    assert reply.done == 1


def test_stream_is_chunked_and_ends() -> None:
    reply = Written(request())
    reply.start(200, b"")
    reply.write(b"a" * 17)
    reply.finish(b"b")
    assert b"transfer-encoding: chunked\r\n\r\n11\r\n" + b"a" * 17 in reply.data
    assert reply.data.endswith(b"1\r\nb\r\n0\r\n\r\n")
    assert reply.done == 1


def test_stream_on_http_1_0_has_no_chunks_and_closes() -> None:
    reply = Written(request(http10=True))
    reply.start(200, b"")
    reply.write(b"a")
    reply.finish()
    assert reply.data.endswith(b"connection: close\r\n\r\na")
    assert reply.request is not None and not reply.request.keep_alive


def test_draining_closes_after_the_answer() -> None:
    reply = Written(request(), draining=True)
    reply.fail(RateLimited("slow down", retry_after_s=2.4))
    assert b"retry-after: 3\r\n" in reply.data and b"connection: close\r\n" in reply.data
    assert b'"code":429' in reply.data
