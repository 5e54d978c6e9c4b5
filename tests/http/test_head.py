"""A head known from before is a shortcut only: what is understood must be what the parser understands."""

from __future__ import annotations

import asyncio
import itertools

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tokenworks.config.settings import ServerSettings
from tokenworks.http.head import MAX_KEPT, Head, Heads
from tokenworks.http.server import ClientConnection, Listener, Request
from tokenworks.http.timers import Sweeper

LINE = b"POST /hot HTTP/1.1\r\nHost: a\r\n"
BEFORE, AFTER = LINE + b"Content-Length: ", b"\r\nAuthorization: Bearer k\r\n\r\n"


def learnt(data: bytes, body: bytes) -> Head | None:
    return Heads().learn(data, body, b"/hot", {b"host": b"a"})


# --- one head -----------------------------------------------------------------------------------


@pytest.fixture
def head() -> Head:
    made = learnt(BEFORE + b"5" + AFTER + b"hello", b"hello")
    assert made is not None
    return made


@pytest.mark.parametrize(
    "body", [b"", b"x", b"hello", b"0" * 70_000, b"\r\n\r\n", AFTER, BEFORE + b"1" + AFTER]
)
def test_the_same_head_with_another_body(head: Head, body: bytes) -> None:
    assert head.body_of(BEFORE + b"%d" % len(body) + AFTER + body) == body
    assert head.body_of(BEFORE + b"00%d" % len(body) + AFTER + body) == body


OTHERS = {
    "nothing": b"",
    "cut head": BEFORE,
    "cut body": BEFORE + b"6" + AFTER + b"hello",
    "more than the body": BEFORE + b"4" + AFTER + b"hello",
    "no digits": BEFORE + AFTER + b"hello",
    "negative": BEFORE + b"-5" + AFTER + b"hello",
    "plus": BEFORE + b"+5" + AFTER + b"hello",
    "space": BEFORE + b" 5" + AFTER + b"hello",
    "space behind": BEFORE + b"5 " + AFTER + b"hello",
    "underscore": BEFORE + b"0_5" + AFTER + b"hello",
    "hexadecimal": BEFORE + b"0x5" + AFTER + b"hello",
    "other digits": BEFORE + "٥".encode() + AFTER + b"hello",
    "too many digits": BEFORE + b"000000000000000005" + AFTER + b"hello",
    "another line": BEFORE.replace(b"/hot", b"/hat") + b"5" + AFTER + b"hello",
    "another key": BEFORE + b"5" + AFTER.replace(b" k", b" K") + b"hello",
    "one header more": BEFORE + b"5\r\nX: y" + AFTER + b"hello",
    "a second length": BEFORE + b"5\r\nContent-Length: 5" + AFTER + b"hello",
    "a coding": BEFORE + b"5" + AFTER[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_anything_else_is_the_parsers(head: Head, data: bytes) -> None:
    assert head.body_of(data) is None


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (LINE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (LINE + b"\r\n", b""),
        (BEFORE + b"5" + AFTER + b"helloPOST", b"hello"),
        (BEFORE + b"5" + AFTER + b"hell", b"hello"),
        (LINE + b"X: y\r\n\r\n\r\ncontent-length: 5\r\n\r\nhello", b""),
    ],
)
def test_what_is_not_learnt(data: bytes, body: bytes) -> None:
    assert learnt(data, body) is None


def test_a_length_inside_another_value_is_not_taken_for_it() -> None:
    data = LINE + b"X: content-length: 3\r\nY-Content-Length: 4\r\nCONTENT-LENGTH:5\r\n\r\nhello"
    made = learnt(data, b"hello")
    assert made is not None
    assert made.before.endswith(b"CONTENT-LENGTH:")
    assert made.body_of(data) == b"hello"


def test_equal_heads_are_shared_and_their_number_is_bounded() -> None:
    heads = Heads()
    first = heads.learn(BEFORE + b"5" + AFTER + b"hello", b"hello", b"/hot", {})
    assert heads.learn(BEFORE + b"2" + AFTER + b"hi", b"hi", b"/hot", {}) is first
    for number in range(3 * MAX_KEPT):
        heads.learn(BEFORE + b"0\r\nX: %d\r\n\r\n" % number, b"", b"/hot", {})
        assert len(heads._known) <= MAX_KEPT


# --- on a connection ----------------------------------------------------------------------------


class Transport:
    """Takes what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = False

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.closing = True

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


def request(target: bytes, body: bytes, key: bytes = b"k", chunked: bool = False) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nAuthorization: %b\r\n" % (target, key)
    if chunked:
        coded = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


SHORT, LONG = request(b"/hot", b"hi"), request(b"/hot", b"hello there")
EVIL = request(b"/hot", b"evil")
REQUESTS = [
    SHORT,
    LONG,
    request(b"/hot", b""),
    request(b"/hot", b"other", key=b"other"),
    request(b"/hot", b"chunks", chunked=True),
    request(b"/cold", b"cold"),
    request(b"/hot", EVIL),  # a body that looks like a request with a known head
    request(b"/cold", EVIL + EVIL),
    request(b"/hot", b"in" + EVIL, chunked=True),
    b"GET /get HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /hot HTTP/1.1\r\nX: " + EVIL,
]

Seen = tuple[bytes, bytes, bytes, tuple[tuple[bytes, bytes], ...]]


def shown(headers: dict[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """Headers but for the length, which a known head does not repeat: the body is there."""
    return tuple(item for item in headers.items() if item[0] != b"content-length")


def parsed(data: bytes) -> list[Seen]:
    """What httptools alone makes of ``data``."""
    found: list[Seen] = []

    class Plain:
        def __init__(self) -> None:
            self.headers: dict[bytes, bytes] = {}
            self.target = self.body = b""

        def on_url(self, url: bytes) -> None:
            self.target += url

        def on_header(self, name: bytes, value: bytes) -> None:
            self.headers.setdefault(name.lower(), value)

        def on_body(self, body: bytes) -> None:
            self.body += body

        def on_message_complete(self) -> None:
            found.append((parser.get_method(), self.target, self.body, shown(self.headers)))
            self.__init__()  # type: ignore[misc]

    parser = httptools.HttpRequestParser(Plain())
    parser.feed_data(data)
    return found


def served(pieces: list[bytes], waits: list[bool]) -> list[Seen]:
    """What a connection hands to its handlers; some answers are given at once, some after the next piece."""
    found: list[Seen] = []
    open_: list[ClientConnection] = []
    turn = itertools.cycle(waits or [False])

    def handler(request_: Request, reply: ClientConnection) -> None:
        found.append((request_.method, request_.target, request_.body, shown(request_.headers)))
        if next(turn):
            open_.append(reply)
        else:
            reply.send(200, b"", b"")

    async def run() -> None:
        sweeper = Sweeper(asyncio.get_running_loop())
        listener = Listener(ServerSettings(), sweeper, {b"/hot": handler}, handler)
        other = listener()  # the same heads on another connection, known to the worker
        other.connection_made(Transport())  # type: ignore[arg-type]
        for known in (SHORT, request(b"/hot", b"other", key=b"other")):
            other.data_received(known)
            while open_:
                open_.pop().send(200, b"", b"")
        found.clear()
        connection = listener()
        connection.connection_made(Transport())  # type: ignore[arg-type]
        for piece in pieces:
            connection.data_received(piece)
            await asyncio.sleep(0)
            while open_ or connection.answering:
                if open_:
                    open_.pop().send(200, b"", b"")
                await asyncio.sleep(0)
        for made in (connection, other):
            made.connection_lost(None)
        sweeper.stop()
        assert listener.buffered == 0

    asyncio.run(run())
    return found


def cut(data: bytes, marks: list[int]) -> list[bytes]:
    places = [0, *sorted(min(mark, len(data)) for mark in marks), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places) if a < b]


@given(
    st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=6),
    st.lists(st.integers(0, 1200), max_size=6),
    st.lists(st.booleans(), max_size=5),
)
@settings(max_examples=150, deadline=None)
@example([SHORT, LONG, SHORT], [], [False])
def test_a_connection_understands_what_the_parser_understands(
    requests: list[bytes], marks: list[int], waits: list[bool]
) -> None:
    data = b"".join(requests)
    assert served(cut(data, marks), waits) == parsed(data)


@pytest.mark.parametrize("waits", [[False], [True]])
@pytest.mark.parametrize("first", REQUESTS, ids=range(len(REQUESTS)))
@pytest.mark.parametrize("second", [request(b"/hot", EVIL), request(b"/cold", EVIL), REQUESTS[-1]])
def test_what_follows_half_a_request_belongs_to_it(first: bytes, second: bytes, waits: list[bool]) -> None:
    """The rest of a request may look exactly like a whole one that was seen before."""
    start = second.index(b"POST", 4)
    pieces = [SHORT, LONG, first + second[:start], second[start:], SHORT]
    assert served(pieces, waits) == parsed(b"".join(pieces))


def test_no_connection_teaches_the_others_anything_wrong() -> None:
    """A head is learnt only from where a request really begins."""
    start = b"POST /hot HTTP/1.1\r\nX-Evil: "
    poison = [SHORT + start, request(b"/cold", b"hello", key=b"victim")]
    seen: list[Seen] = []

    def handler(request_: Request, reply: ClientConnection) -> None:
        seen.append((request_.method, request_.target, request_.body, shown(request_.headers)))
        reply.send(200, b"", b"")

    async def run() -> None:
        sweeper = Sweeper(asyncio.get_running_loop())
        listener = Listener(ServerSettings(), sweeper, {b"/hot": handler}, handler)
        for pieces in (poison, [request(b"/hot", b"a", key=b"victim")] * 3):
            connection = listener()
            connection.connection_made(Transport())  # type: ignore[arg-type]
            for piece in pieces:
                connection.data_received(piece)
            connection.connection_lost(None)
        for head in listener.heads._known.values():
            assert head.before.startswith(b"POST " + head.target + b" HTTP/1.1\r\n")
        sweeper.stop()

    asyncio.run(run())
    assert [s[1:3] for s in seen[-3:]] == [(b"/hot", b"a")] * 3
    assert {s[3] for s in seen[-3:]} == {parsed(request(b"/hot", b"a", key=b"victim"))[0][3]}
