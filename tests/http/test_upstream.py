"""The calling side on real sockets: every call ends once, nothing is sent twice, answers keep apart."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from tokenworks.http.server import ClientConnection, Request
from tokenworks.http.upstream import Origin, Pool, UpstreamConnection

uvloop_only = pytest.mark.asyncio(loop_factories=["uvloop"])

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Caller:
    """A call that notes all it is told, and that it is told only what it may be."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.upstream: UpstreamConnection | None = None
        self.abandoned = False
        self.status = 0
        self.type = b""
        self.body = b""
        self.pieces = 0
        self.failure: tuple[str, str] | None = None
        self.done = asyncio.Event()
        self.on_end: Any = None

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        assert not self.status and not self.done.is_set()
        self.status = status
        self.type = connection.header(b"content-type")

    def answer_data(self, data: bytes, end: bool) -> None:
        assert self.status and not self.done.is_set()
        assert data or end
        self.body += data
        self.pieces += 1
        if end:
            self.done.set()
            if self.on_end:
                self.on_end()

    def call_failed(self, kind: str, detail: str) -> None:
        assert not self.done.is_set()
        self.failure = (kind, detail)
        self.done.set()

    async def over(self) -> Caller:
        async with asyncio.timeout(8):
            await self.done.wait()
        return self


def request(name: str = "", body: bytes = b"") -> tuple[bytes, ...]:
    head = f"POST /{name} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
    return (head.encode(), memoryview(body)) if body else (head.encode(),)


def near(pool: Pool, port: int, **options: Any) -> Origin:
    return pool.origin("127.0.0.1", port, **{"tls": False, "allow_private": True, **options})


async def ask(origin: Origin, name: str = "", body: bytes = b"") -> Caller:
    caller = Caller(name)
    origin.send(caller, request(name, body))
    return await caller.over()


async def polite(guest: Any) -> None:
    """Answers every request with its target."""
    while True:
        target = (await guest.request()).split(b" ")[1]
        await guest.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))


# --- answers ------------------------------------------------------------------------------------

TEXT = b"content-type: text/event-stream\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n" % TEXT
ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\n%bContent-Length: 11\r\n\r\nhello world" % TEXT, b"hello world", True),
    "chunks": (CHUNKED + b"6\r\nhello \r\n5;x=y\r\nworld\r\n0\r\n\r\n", b"hello world", True),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\nContent-Type: a/b\r\nX-Sum: 1\r\n\r\n", b"x", True),
    "empty": (b"HTTP/1.1 200 OK\r\n%bContent-Length: 0\r\n\r\n" % TEXT, b"", True),
    "no chunk": (CHUNKED + b"0\r\n\r\n", b"", True),
    "204": (b"HTTP/1.1 204 No Content\r\n%b\r\n" % TEXT, b"", True),
    "304": (b"HTTP/1.1 304 Not Modified\r\n%bContent-Length: 5\r\n\r\n" % TEXT, b"", True),
    "informational": (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\ncontent-type: no/such\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\nok" % TEXT,
        b"ok",
        True,
    ),
    "no reason": (b"HTTP/1.1 200\r\n%bContent-Length: 2\r\n\r\nok" % TEXT, b"ok", True),
    "close": (b"HTTP/1.1 200 OK\r\n%bConnection: close\r\nContent-Length: 2\r\n\r\nok" % TEXT, b"ok", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n%bContent-Length: 2\r\n\r\nok" % TEXT, b"ok", False),
    "HTTP/1.0 kept": (
        b"HTTP/1.0 200 OK\r\n%bConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok" % TEXT,
        b"ok",
        True,
    ),
    "until close": (b"HTTP/1.1 200 OK\r\n%b\r\nhello world" % TEXT, b"hello world", False),
    "until close, empty": (b"HTTP/1.1 200 OK\r\n%b\r\n" % TEXT, b"", False),
    "an upgrade offered": (
        b"HTTP/1.1 200 OK\r\n%bUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nok" % TEXT,
        b"ok",
        True,
    ),
    "an error": (b"HTTP/1.1 500 No\r\n%bContent-Length: 2\r\n\r\nno" % TEXT, b"no", True),
}


@pytest.mark.parametrize(("data", "body", "kept"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("step", [1, 1 << 20])
async def test_answers(peer: Any, pool: Any, data: bytes, body: bytes, kept: bool, step: int) -> None:
    async def script(guest: Any) -> None:
        while True:
            await guest.request()
            await guest.send(*(data[at : at + step] for at in range(0, len(data), step)))
            if not kept:
                return

    place = await peer(script)
    origin = near(pool(), place.port)
    for number in range(3):
        caller = await ask(origin, str(number))
        assert caller.failure is None
        assert (caller.body, caller.type) == (body, b"text/event-stream")
        assert caller.status == int(data.rpartition(b"content-type")[0].rpartition(b"HTTP/1.")[2][2:5])
    assert len(place.guests) == (1 if kept else 3)
    assert len(place.log) == 3


@uvloop_only
@pytest.mark.parametrize("data", [CHUNKED + b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"], ids=["chunks"])
async def test_an_answer_cut_anywhere(peer: Any, pool: Any, data: bytes) -> None:
    async def script(guest: Any) -> None:
        for cut in range(1, len(data)):
            await guest.request()
            await guest.send(data[:cut], data[cut:], pause_s=0.001)

    place = await peer(script)
    origin = near(pool(), place.port)
    for _ in range(1, len(data)):
        assert (await ask(origin)).body == b"hello world"
    assert len(place.guests) == 1


async def test_a_stream_is_passed_on_as_it_comes(peer: Any, pool: Any, until: Any) -> None:
    go = asyncio.Event()

    async def script(guest: Any) -> None:
        await guest.request()
        await guest.send(CHUNKED)
        await go.wait()
        await guest.send(b"3\r\nab\n\r\n2\r\nc\n\r\n")
        await guest.request()

    origin = near(pool(), (await peer(script)).port)
    caller = Caller()
    origin.send(caller, request())
    await until(lambda: caller.status)
    assert (caller.status, caller.body) == (200, b"")
    go.set()
    await until(lambda: caller.body)
    assert (caller.body, caller.pieces) == (b"ab\nc\n", 1)
    caller.upstream.cancel()


async def test_requests_arrive_as_they_were_given(peer: Any, pool: Any) -> None:
    place = await peer(polite)
    origin = near(pool(), place.port)
    big = bytes(range(256)) * 20_000
    assert (await ask(origin, "big", big)).body == b"/big"
    assert place.log == [b"".join(request("big", big))]


# --- the pool -----------------------------------------------------------------------------------


async def test_the_last_connection_used_is_used_again_first(peer: Any, pool: Any) -> None:
    async def script(guest: Any) -> None:
        number = b"%d" % len(place.guests)
        while True:
            await guest.request()
            await asyncio.sleep(0.02)
            await guest.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + number)

    place = await peer(script)
    origin = near(pool(), place.port)
    both = await asyncio.gather(ask(origin), ask(origin))
    assert sorted(c.body for c in both) == [b"1", b"2"]
    last = origin.idle[-1]
    for _ in range(3):
        caller = await ask(origin)
        assert caller.upstream is last
    assert len(place.guests) == 2


async def test_a_connection_that_the_peer_closed_is_not_used(peer: Any, pool: Any, until: Any) -> None:
    async def script(guest: Any) -> None:
        await guest.request()
        await guest.send(OK)

    place = await peer(script)
    origin = near(pool(), place.port)
    for number in range(4):
        assert (await ask(origin, str(number))).body == b"ok"
        await until(lambda: not origin.idle)
    assert [r[6:7] for r in place.log] == [b"0", b"1", b"2", b"3"]


class Blocking(threading.Thread):
    """A peer in a thread of its own, so that things happen while the event loop does not look."""

    def __init__(self, after_first: bytes | None) -> None:
        super().__init__(daemon=True)
        self.after_first = after_first  # bytes nobody asked for; None: a close
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.act, self.acted = threading.Event(), threading.Event()
        self.seen: list[bytes] = []

    def run(self) -> None:
        first, _ = self.listening.accept()
        self.seen.append(first.recv(65536))
        first.sendall(OK)
        self.act.wait(5)
        if self.after_first is None:
            first.close()
        else:
            first.sendall(self.after_first)
        self.acted.set()
        second, _ = self.listening.accept()
        self.seen.append(second.recv(65536))
        second.sendall(OK)
        if self.after_first is not None:
            first.settimeout(5)
            with contextlib.suppress(ConnectionResetError):
                self.seen.append(first.recv(65536))  # nothing but its end
        second.close()
        first.close()
        self.listening.close()


@uvloop_only
@pytest.mark.parametrize("extra", [None, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b"?"])
async def test_what_the_loop_has_not_seen_yet_is_asked_of_the_kernel(pool: Any, extra: bytes | None) -> None:
    thread = Blocking(extra)
    thread.start()
    origin = near(pool(), thread.port)
    assert (await ask(origin, "1")).body == b"ok"
    await asyncio.sleep(0.1)  # idle for a while
    thread.act.set()
    thread.acted.wait(5)
    time.sleep(0.01)  # noqa: ASYNC251  # the loop must not look meanwhile
    assert origin.idle
    caller = await ask(origin, "2")
    assert (caller.failure, caller.body) == (None, b"ok")
    thread.join(5)
    assert [seen.split(b" ")[1] for seen in thread.seen if seen] == [b"/1", b"/2"]


@pytest.mark.parametrize("reset", [False, True])
async def test_a_request_that_was_read_is_never_sent_again(peer: Any, pool: Any, reset: bool) -> None:
    """The peer may have worked on it (and charged for it): failing is ours, repeating is not."""

    async def script(guest: Any) -> None:
        await guest.request()
        await guest.send(OK)
        await guest.request()
        if reset:
            guest.reset()

    place = await peer(script)
    origin = near(pool(), place.port)
    assert (await ask(origin, "1")).body == b"ok"
    caller = await ask(origin, "2")
    assert caller.failure is not None
    assert caller.failure[0] == "closed"
    assert "before answering" in caller.failure[1]
    await asyncio.sleep(0.05)
    assert [r.split(b" ")[1] for r in place.log] == [b"/1", b"/2"]
    assert len(place.guests) == 1


@uvloop_only
@pytest.mark.parametrize("data", [b"HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n", b"x", b"\r\n"])
async def test_bytes_on_an_idle_connection_end_it(peer: Any, pool: Any, data: bytes) -> None:
    async def script(guest: Any) -> None:
        target = (await guest.request()).split(b" ")[1]
        await guest.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))
        await asyncio.sleep(0.02)
        await guest.send(data)
        await guest.gone()

    place = await peer(script)
    origin = near(pool(), place.port)
    for number in range(3):
        assert (await ask(origin, str(number))).body == b"/%d" % number
        await asyncio.sleep(0.06)
        assert origin.idle == []
    assert len(place.guests) == 3


EXTRA = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nev",
    b"HTTP/1.1 200 OK\r\nContent-Len",
    b"HTTP/1.1 200",
    b"HTT",
    b"H",
    b"evil",
    b"0\r\n\r\n",
]


@uvloop_only
@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("step", [1, 1 << 20])
async def test_bytes_behind_an_answer_never_reach_another_call(
    peer: Any, pool: Any, extra: bytes, step: int
) -> None:
    async def script(guest: Any) -> None:
        target = (await guest.request()).split(b" ")[1]
        data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b%b" % (len(target), target, extra)
        await guest.send(*(data[at : at + step] for at in range(0, len(data), step)))
        target = (await guest.request()).split(b" ")[1]
        await guest.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nshould")

    place = await peer(script)
    origin = near(pool(), place.port)
    for number in range(3):
        caller = await ask(origin, str(number))
        assert (caller.failure, caller.body) == (None, b"/%d" % number)
        if step == 1:
            await asyncio.sleep(0.05)
    assert len(place.guests) == 3


async def test_a_line_end_behind_an_answer_does_no_harm(peer: Any, pool: Any) -> None:
    async def script(guest: Any) -> None:
        while True:
            await guest.request()
            await guest.send(OK + b"\r\n")

    place = await peer(script)
    origin = near(pool(), place.port)
    for _ in range(3):
        assert (await ask(origin)).body == b"ok"


async def test_idle_connections_are_closed_after_a_while(peer: Any, pool: Any, until: Any) -> None:
    place = await peer(polite)
    origin = near(pool(idle_connection_s=0.1), place.port)
    await ask(origin)
    await asyncio.sleep(0.05)
    assert len(origin.idle) == 1
    await until(lambda: not origin.open)
    assert (await ask(origin)).body == b"/"


async def test_no_more_connections_than_allowed(peer: Any, pool: Any) -> None:
    most = 0

    async def script(guest: Any) -> None:
        nonlocal most
        while True:
            target = (await guest.request()).split(b" ")[1]
            most = max(most, origin.open)
            await asyncio.sleep(0.005)
            end = b"Connection: close\r\n" if target.endswith(b"3") else b""
            await guest.send(
                b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (end, len(target), target)
            )
            if end:
                return

    place = await peer(script)
    origin = near(pool(max_connections=3), place.port)
    order: list[str] = []
    callers = []
    for number in range(30):
        caller = Caller(str(number))
        caller.on_end = lambda name=caller.name: order.append(name)
        origin.send(caller, request(caller.name))
        callers.append(caller)
    for caller in callers:
        await caller.over()
        assert (caller.failure, caller.body) == (None, b"/" + caller.name.encode())
    assert most == 3
    assert all(abs(order.index(name) - int(name)) < 6 for name in order), "first come, first served"
    assert not origin.waiting


async def test_who_leaves_the_queue_is_not_sent(peer: Any, pool: Any) -> None:
    place = await peer(polite)
    origin = near(pool(max_connections=1), place.port)
    callers = [Caller(str(n)) for n in range(5)]
    for caller in callers:
        origin.send(caller, request(caller.name))
    origin.forget(callers[1])
    origin.forget(callers[1])
    origin.forget(Caller())
    callers[3].abandoned = True
    for number in (0, 2, 4):
        await callers[number].over()
    assert [r.split(b" ")[1] for r in place.log] == [b"/0", b"/2", b"/4"]
    assert len(place.guests) == 1


async def test_the_queue_moves_on_when_connections_fail(peer: Any, pool: Any) -> None:
    async def script(guest: Any) -> None:
        while True:
            target = (await guest.request()).split(b" ")[1]
            if int(target[1:]) % 2:
                guest.reset()
                return
            await guest.send(OK)

    place = await peer(script)
    origin = near(pool(max_connections=2), place.port)
    callers = await asyncio.gather(*(ask(origin, str(n)) for n in range(10)))
    assert sum(c.failure is None for c in callers) == 5
    assert len(place.log) == 10


async def test_the_queue_moves_on_when_connecting_fails(pool: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    origin = near(pool(max_connections=1), port)
    callers = await asyncio.gather(*(ask(origin, str(n)) for n in range(5)))
    assert {c.failure[0] for c in callers if c.failure} == {"connect"}
    assert all(c.failure for c in callers)


async def test_a_call_given_up_while_connecting_leaves_a_usable_connection(
    peer: Any, pool: Any, until: Any
) -> None:
    place = await peer(polite)
    origin = near(pool(), place.port)
    caller = Caller()
    origin.send(caller, request())
    caller.abandoned = True
    await until(lambda: origin.idle)
    assert place.log == []
    assert (await ask(origin, "next")).body == b"/next"
    assert len(place.guests) == 1


async def test_calling_again_from_within_the_end_of_a_call(peer: Any, pool: Any) -> None:
    """As when an answer turns out to be unusable and the next endpoint is tried."""
    place = await peer(polite)
    origin = near(pool(), place.port)
    first, second = Caller("1"), Caller("2")
    first.on_end = lambda: origin.send(second, request("2"))
    origin.send(first, request("1"))
    assert (await second.over()).body == b"/2"
    assert first.body == b"/1"


async def test_cancelling_at_the_end_of_a_call_does_not_hit_the_next_one(peer: Any, pool: Any) -> None:
    """Who is told of the end may still hold on to its connection, which may serve another call by now."""
    place = await peer(polite)
    origin = near(pool(max_connections=1), place.port)
    callers = [Caller(str(n)) for n in range(6)]
    for number, caller in enumerate(callers):
        caller.on_end = [
            lambda c=caller: c.upstream.cancel(),
            lambda c=caller: c.upstream.pause(),
            lambda c=caller: c.upstream.resume(),
        ][number % 3]
        origin.send(caller, request(caller.name))
    for caller in callers:
        await caller.over()
        assert (caller.failure, caller.body) == (None, b"/" + caller.name.encode())


# --- failures -----------------------------------------------------------------------------------

GARBAGE = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"\0\0\x12\x04\0\0\0\0\0" + bytes(18),
    "HTML without a head": b"<html><body>502 Bad Gateway</body></html>",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "bad chunk": CHUNKED + b"2\r\nok\r\nzz\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "status 99": b"HTTP/1.1 099 Odd\r\nContent-Length: 4\r\n\r\nevil" + OK,
    "switching protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx",
    "status without a number": b"HTTP/1.1 OK\r\n\r\n",
}


@uvloop_only
@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
async def test_garbage(peer: Any, pool: Any, data: bytes) -> None:
    async def script(guest: Any) -> None:
        await guest.request()
        await guest.send(data)
        assert await guest.gone()

    place = await peer(script)
    caller = await ask(near(pool(), place.port))
    assert caller.failure is not None
    assert caller.failure[0] == "garbage"
    assert len(place.log) == 1


@uvloop_only
@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: ", CHUNKED + b"1\r\nx\r\n0\r\nX: "]
)
@pytest.mark.parametrize("endless", [b"x" * 65_536, b"X-%d: y\r\n" * 8_000])
async def test_a_head_without_end_does_not_fill_the_memory(
    peer: Any, pool: Any, rss: Any, start: bytes, endless: bytes
) -> None:
    async def script(guest: Any) -> None:
        await guest.request()
        await guest.send(start)
        for number in range(1_000):
            await guest.send(endless.replace(b"%d", b"%d" % number))

    place = await peer(script)
    before = rss()
    caller = await ask(near(pool(), place.port))
    assert caller.failure is not None
    assert caller.failure[0] == "garbage"
    assert rss() - before < 24 << 20


@uvloop_only
@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "before answering"),
        (b"HTTP/1.1 200 OK\r\nContent-", "before answering"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "before answering"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "in the middle"),
        (CHUNKED + b"5\r\nhello\r\n", "in the middle"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "in the middle"),
        (CHUNKED, "in the middle"),
    ],
)
@pytest.mark.parametrize("reset", [False, True])
async def test_answers_that_end_too_early(
    peer: Any, pool: Any, data: bytes, detail: str, reset: bool
) -> None:
    async def script(guest: Any) -> None:
        await guest.request()
        await guest.send(data, pause_s=0.02)
        if reset:
            guest.reset()

    caller = await ask(near(pool(), (await peer(script)).port))
    assert caller.failure is not None
    assert caller.failure[0] == "closed"
    assert detail in caller.failure[1]


async def test_an_answer_until_close_that_is_reset_is_no_answer(peer: Any, pool: Any) -> None:
    async def script(guest: Any) -> None:
        await guest.request()
        await guest.send(b"HTTP/1.1 200 OK\r\n\r\nhalf", pause_s=0.02)
        guest.reset()

    caller = await ask(near(pool(), (await peer(script)).port))
    assert caller.failure is not None
    assert caller.failure[0] == "closed"


async def test_connection_refused(pool: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    caller = await ask(near(pool(), port))
    assert caller.failure is not None
    assert caller.failure[0] == "connect"
    assert caller.failure[1]


async def test_a_peer_that_closes_at_once(peer: Any, pool: Any) -> None:
    async def script(guest: Any) -> None:
        guest.reset()

    place = await peer(script)
    origin = near(pool(first_byte_timeout_s=2), place.port)
    for _ in range(20):
        caller = await ask(origin)
        assert caller.failure is not None
        assert caller.failure[0] in ("closed", "connect")


@uvloop_only
async def test_timeouts(peer: Any, pool: Any) -> None:
    loop = asyncio.get_running_loop()

    async def silent(guest: Any) -> None:
        await guest.request()
        await guest.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20")
        assert await guest.gone()

    async def stalling(guest: Any) -> None:
        await guest.request()
        await guest.send(CHUNKED)
        for _ in range(8):
            await guest.send(b"1\r\nx\r\n", pause_s=0.05)
        assert await guest.gone()

    settings = {"first_byte_timeout_s": 0.2, "idle_timeout_s": 0.15}
    started = loop.time()
    caller = await ask(near(pool(**settings), (await peer(silent)).port))
    assert caller.failure is not None
    assert caller.failure[0] == "timeout"
    assert "0.2 s" in caller.failure[1]
    assert 0.19 < loop.time() - started < 0.7
    started = loop.time()
    caller = await ask(near(pool(**settings), (await peer(stalling)).port))
    assert caller.failure is not None
    assert caller.failure[0] == "timeout"
    assert "0.15 s" in caller.failure[1]
    assert caller.body == b"x" * 8
    assert 0.5 < loop.time() - started < 1.2


async def test_connecting_takes_no_longer_than_allowed(peer: Any, pool: Any) -> None:
    async def mute(guest: Any) -> None:
        await guest.reader.read()

    place = await peer(mute)  # never shakes hands
    started = asyncio.get_running_loop().time()
    caller = await ask(near(pool(connect_timeout_s=0.15), place.port, tls=True))
    assert caller.failure is not None
    assert caller.failure[0] == "timeout"
    assert 0.14 < asyncio.get_running_loop().time() - started < 1


async def test_cancel_closes_at_once_and_tells_nobody(peer: Any, pool: Any, until: Any) -> None:
    gone: list[float] = []
    loop = asyncio.get_running_loop()

    async def script(guest: Any) -> None:
        await guest.request()
        if len(place.log) == 2:
            await guest.send(CHUNKED, b"1\r\nx\r\n")
        assert await guest.gone()
        gone.append(loop.time())

    place = await peer(script)
    origin = near(pool(), place.port)
    for number in (1, 2):
        caller = Caller()
        origin.send(caller, request())
        await until(lambda number=number: len(place.log) == number)
        await asyncio.sleep(0.02)
        started = loop.time()
        caller.upstream.cancel()
        caller.upstream.pause()
        caller.upstream.resume()
        await until(lambda number=number: len(gone) == number)
        assert gone[-1] - started < 0.2
        assert not caller.done.is_set()
    assert (caller.status, caller.body) == (200, b"x")


async def test_cancel_from_within_an_answer(peer: Any, pool: Any, until: Any) -> None:
    async def script(guest: Any) -> None:
        await guest.request()
        await guest.send(CHUNKED + b"1\r\nx\r\n" + b"1\r\ny\r\n0\r\n\r\n")
        assert await guest.gone()
        left.append(guest)

    class Leaver(Caller):
        def answer_head(self, status: int, connection: UpstreamConnection) -> None:
            super().answer_head(status, connection)
            assert self.upstream is connection
            connection.cancel()

    left: list[Any] = []
    origin = near(pool(), (await peer(script)).port)
    caller = Leaver()
    origin.send(caller, request())
    await until(lambda: left)
    assert (caller.status, caller.body, caller.failure) == (200, b"", None)


async def test_closing_the_pool(peer: Any, pool: Any, until: Any) -> None:
    place = await peer(polite)
    made = pool()
    origin = near(made, place.port)
    await ask(origin)
    pending = near(made, place.port, tls=True)
    pending.send(Caller(), request())
    await asyncio.sleep(0)
    made.close()
    await until(lambda: not made.tasks and not origin.open)
    pending.open = 0


# --- addresses ----------------------------------------------------------------------------------


class Names:
    """The running loop with a resolver of its own, noting where connections are made to."""

    def __init__(self, *addresses: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.addresses = addresses
        self.asked: list[str] = []
        self.connected: list[str] = []
        self.create_task = self.loop.create_task

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if self.addresses == ("fail",):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if self.addresses == ("odd",):
            return [host.encode("idna")]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in self.addresses]

    async def create_connection(self, factory: Any, host: str, port: int, **options: Any) -> Any:
        self.connected.append(host)
        if host != "127.0.0.1":
            raise OSError(113, "No route to host")
        return await self.loop.create_connection(factory, host, port, **options)


async def test_private_addresses_are_refused_unless_allowed(peer: Any, pool: Any) -> None:
    place = await peer(polite)
    for host in ("127.0.0.1", "localhost"):
        caller = await ask(pool().origin(host, place.port, tls=False, allow_private=False))
        assert caller.failure is not None
        assert caller.failure[0] == "refused_address"
        assert "allow_private" in caller.failure[1]
        assert host in caller.failure[1]
    assert place.guests == []
    made = pool()
    assert (await ask(near(made, place.port))).body == b"/"
    caller = await ask(near(made, place.port, allow_private=False))  # not the connection of the other one
    assert caller.failure is not None
    assert caller.failure[0] == "refused_address"


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "100.64.0.1"])
async def test_a_name_of_a_private_address_is_refused(pool: Any, address: str) -> None:
    names = Names(address)
    origin = pool(names).origin("api.example", 443, tls=True, allow_private=False)
    caller = await ask(origin)
    assert caller.failure is not None
    assert caller.failure[0] == "refused_address"
    assert names.connected == []


async def test_of_a_mixed_name_only_public_addresses_are_tried_and_names_are_asked_once(pool: Any) -> None:
    names = Names("10.0.0.1", "8.8.8.8", "127.0.0.1", "2606:4700::1")
    caller = await ask(pool(names).origin("api.example", 80, tls=False, allow_private=False))
    assert caller.failure is not None
    assert caller.failure[0] == "connect"
    assert names.asked == ["api.example"]
    assert names.connected == ["8.8.8.8", "2606:4700::1"]


async def test_every_address_of_a_name_is_tried(peer: Any, pool: Any) -> None:
    place = await peer(polite)
    names = Names("10.0.0.1", "127.0.0.1")
    origin = pool(names).origin("api.example", place.port, tls=False, allow_private=True)
    assert (await ask(origin)).body == b"/"
    assert names.connected == ["10.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize(("kind", "host"), [("fail", "no.example"), ("odd", "a" * 70 + ".example")])
async def test_a_name_that_cannot_be_resolved(pool: Any, kind: str, host: str) -> None:
    caller = await ask(pool(Names(kind)).origin(host, 80, tls=False, allow_private=True))
    assert caller.failure is not None
    assert caller.failure[0] == "connect"


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def roots(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


def server_side(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


async def test_tls(peer: Any, pool: Any, authority: trustme.CA, roots: str) -> None:
    place = await peer(polite, ssl=server_side(authority, "127.0.0.1"))
    origin = near(pool(), place.port, tls=True, ca_file=roots)
    for number in range(3):
        assert (await ask(origin, str(number), bytes(300_000))).body == b"/%d" % number
        await asyncio.sleep(0.03)
    assert len(place.guests) == 1, "session tickets must not cost the connection"


async def test_tls_by_name(peer: Any, pool: Any, authority: trustme.CA, roots: str) -> None:
    place = await peer(polite, ssl=server_side(authority, "api.example"))
    origin = pool(Names("127.0.0.1")).origin(
        "api.example", place.port, tls=True, allow_private=True, ca_file=roots
    )
    assert (await ask(origin)).body == b"/"


async def test_tls_that_cannot_be_trusted(peer: Any, pool: Any, authority: trustme.CA, roots: str) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    cases = {
        "wrong host": (server_side(authority, "other.example"), roots, "mismatch"),
        "untrusted": (server_side(authority, "127.0.0.1"), None, "issuer"),
        "other root": (server_side(trustme.CA(), "127.0.0.1"), roots, "issuer"),
        "expired": (server_side(authority, "127.0.0.1", not_after=past), roots, "expired"),
    }
    for name, (context, trusted, detail) in cases.items():
        place = await peer(polite, ssl=context)
        caller = await ask(near(pool(), place.port, tls=True, ca_file=trusted))
        assert caller.failure is not None
        assert caller.failure[0] == "tls", name
        assert detail in caller.failure[1] or name == "untrusted", caller.failure
        assert place.log == []


async def test_tls_to_a_peer_without(peer: Any, pool: Any) -> None:
    async def script(guest: Any) -> None:
        await guest.reader.read(1)
        await guest.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    caller = await ask(near(pool(), (await peer(script)).port, tls=True))
    assert caller.failure is not None
    assert caller.failure[0] == "tls"


# --- slow clients -------------------------------------------------------------------------------


class Relay(Caller):
    """From the upstream to a client, as the gateway does it."""

    def __init__(self, reply: ClientConnection) -> None:
        super().__init__()
        self.reply = reply
        self.passed = 0
        self.gone = 0
        reply.exchange = self

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        super().answer_head(status, connection)
        self.reply.start(status, b"")

    def answer_data(self, data: bytes, end: bool) -> None:
        self.passed += len(data)
        if end:
            self.done.set()
            self.reply.finish(data)
        else:
            self.reply.write(data)

    def client_gone(self) -> None:
        self.gone += 1
        if self.upstream is not None:
            self.upstream.cancel()

    def client_slow(self) -> None:
        if self.upstream is not None:
            self.upstream.pause()

    def client_ready(self) -> None:
        if self.upstream is not None:
            self.upstream.resume()


@uvloop_only
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("stays", [True, False], ids=["reads on", "leaves"])
async def test_a_slow_client_pauses_the_upstream(
    house: Any, peer: Any, pool: Any, until: Any, rss: Any, authority: Any, roots: str, tls: bool, stays: bool
) -> None:
    total, sent, gone = 64 << 20, 0, False
    piece = bytes(32 << 10)

    async def script(guest: Any) -> None:
        nonlocal sent, gone
        await guest.request()
        await guest.send(CHUNKED)
        try:
            while sent < total:
                await guest.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                sent += len(piece)
            await guest.send(b"0\r\n\r\n")
        except ConnectionError:
            gone = True

    context = server_side(authority, "127.0.0.1") if tls else None
    upstream = await peer(script, ssl=context)
    # idle for longer than the upstream may be: a pause is not the upstream's silence
    origin = near(pool(idle_timeout_s=0.2), upstream.port, tls=tls, ca_file=roots)
    relays = []

    def handler(request_: Request, reply: ClientConnection) -> None:
        relays.append(Relay(reply))
        origin.send(relays[-1], request())

    client = await (await house(handler)).client()
    client.writer.transport.pause_reading()
    before = rss()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: sent)
    await asyncio.sleep(0.5)
    assert sent < total / 2
    assert relays[0].passed < total / 2
    assert rss() - before < 24 << 20
    if not stays:
        client.reset()
        await until(lambda: gone and relays[0].gone)
        return
    client.writer.transport.resume_reading()
    assert (await client.head())[0] == 200
    got = 0
    while data := await client.chunk():
        got += len(data)
    assert got == total
    assert relays[0].gone == 0
    assert not relays[0].failure
