import json
import re
import socket
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tokenworks.providers.scripted import (
    Fault,
    Received,
    Reply,
    Script,
    ThreadedProvider,
    When,
    player,
    running,
)
from tokenworks.providers.scripted.answer import make
from tokenworks.providers.scripted.book import Book
from tokenworks.providers.scripted.request import Ask as Request
from tokenworks.schema import Usage

Ask = Callable[..., tuple[bytes, bytes]]
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
TEXT = "one two three four"


def play(fault: Fault | None = None, **more: Any) -> Any:
    return running(Script(reply=(Reply(text=TEXT, fault=fault or (), **more),)))


def settled(provider: ThreadedProvider) -> Any:
    """The only record, once its answer has ended."""
    provider.until(lambda p: p.requests[0].ended)
    return provider.requests[0]


def test_close_before_the_headers(ask: Ask) -> None:
    with play(Fault("close")) as provider:
        assert ask(provider) == (b"", b"")
        record = settled(provider)
    assert (record.fault, record.status, record.complete, record.cancelled) == ("close", 0, False, False)


def test_a_reset_is_told_from_a_close(ask: Ask) -> None:
    with play(Fault("close", reset=True)) as provider:
        assert ask(provider)[0] == b"<reset>"


@pytest.mark.parametrize("kind", ["hang", "hang_mid"])
def test_a_hang_lasts_until_the_client_leaves(kind: Any, open_client: Any, ask: Ask) -> None:
    with play(Fault(kind, after_chunk=2)) as provider:
        client: socket.socket = open_client(provider)
        body = json.dumps({"model": "m", "stream": True, "messages": []}).encode()
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        expected = 0 if kind == "hang" else 2
        provider.until(lambda p: p.open_streams == 1 and p.requests[0].chunks_sent == expected)
        time.sleep(0.05)
        record = provider.requests[0]
        assert (provider.open_streams, record.ended, record.chunks_sent) == (1, False, expected)
        left = time.perf_counter()
        client.close()
        provider.until(lambda p: p.open_streams == 0)
        assert time.perf_counter() - left < 0.5
        assert provider.requests[0].cancelled and not provider.requests[0].complete


@pytest.mark.parametrize("after", [1, 4])
def test_an_early_close_sends_what_it_says_and_no_end(
    after: int, ask: Ask, dechunk: Any, events: Any
) -> None:
    with play(Fault("early_close", after_chunk=after)) as provider:
        _, raw = ask(provider, **STREAM)
        record = settled(provider)
    with pytest.raises(ValueError):
        dechunk(raw)
    assert len(events(dechunk(raw + b"0\r\n\r\n"))) == record.chunks_sent == after
    assert (record.complete, record.cancelled, record.usage) == (False, False, None)


def test_an_early_close_within_a_body_breaks_its_length(ask: Ask) -> None:
    with play(Fault("early_close", at_byte=10)) as provider:
        head, body = ask(provider)
        record = settled(provider)
    assert len(body) == record.bytes_sent == 10
    assert int(head.partition(b"content-length: ")[2].split()[0]) > 100
    assert record.usage is None


@pytest.mark.parametrize("stream", [False, True])
def test_truncated_json_ends_like_a_whole_answer(stream: bool, ask: Ask, dechunk: Any) -> None:
    with play(Fault("truncate")) as provider:
        _, body = ask(provider, stream=stream)
        assert not settled(provider).complete
    text = dechunk(body).decode() if stream else body.decode()
    with pytest.raises(json.JSONDecodeError):
        json.loads(text.rpartition("data: ")[2])


def test_garbage_replaces_a_body_or_what_follows_in_a_stream(ask: Ask, dechunk: Any) -> None:
    with play(Fault("garbage", after_chunk=1)) as provider:
        _, body = ask(provider)
        assert len(body) == 512
        _, raw = ask(provider, stream=True)
        assert dechunk(raw).startswith(b"data: {")
        assert len(dechunk(raw).partition(b"\n\n")[2]) == 512
        provider.until(lambda p: p.totals().open_requests == 0)
        assert [record.complete for record in provider.requests] == [False, False]


@pytest.mark.parametrize("stream", [False, True])
def test_a_chunk_size_that_is_none(stream: bool, ask: Ask, dechunk: Any) -> None:
    with play(Fault("bad_chunk")) as provider:
        head, raw = ask(provider, stream=stream)
    assert b"transfer-encoding: chunked" in head
    with pytest.raises(ValueError, match="invalid literal"):
        dechunk(raw)


def test_error_event_ends_a_stream_that_had_begun(ask: Ask, dechunk: Any, events: Any) -> None:
    with play(Fault("error_event", after_chunk=2, message="overloaded")) as provider:
        for path, last in (
            ("/chat/completions", ("", "server_error")),
            ("/responses", ("response.failed", None)),
            ("/messages", ("error", "overloaded_error")),
        ):
            provider.reset()
            told = events(dechunk(ask(provider, path, stream=True)[1]))
            name, data = told[-1]
            assert (name, data.get("error", {}).get("type")) == last
            assert "overloaded" in json.dumps(data)
            record = settled(provider)
            assert (record.chunks_sent, record.complete) == (len(told), False)
            assert len(told) == (4 if path == "/responses" else 3)


def test_a_stream_without_its_last_event(ask: Ask, dechunk: Any) -> None:
    with play(Fault("no_terminator")) as provider:
        for path, last in (
            ("/chat/completions", b"[DONE]"),
            ("/responses", b"response.completed"),
            ("/messages", b"message_stop"),
        ):
            whole = dechunk(ask(provider, path, stream=True)[1])
            assert whole and last not in whole


@pytest.mark.parametrize("stream", [False, True])
def test_drip_changes_no_byte(stream: bool, ask: Ask) -> None:
    plain, dripping = Reply(When(nth=1), text=TEXT), Reply(text=TEXT, fault=Fault("drip", step_bytes=3))
    with running(Script(reply=(plain, dripping))) as provider:
        (_, first), (_, second) = ask(provider, stream=stream), ask(provider, stream=stream)
        assert [record.complete for record in provider.requests] == [True, True]
    # what may differ: the number of the request and the second it came in
    first, second = (re.sub(rb"0{10,}[12]\b|(?<=created\":)\d+", b"", raw) for raw in (first, second))
    assert first == second


def test_an_idle_connection_closes_unannounced(open_client: Any) -> None:
    with play(Fault("close_after", delay_s=0.05)) as provider:
        client: socket.socket = open_client(provider)
        client.sendall(b'POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 13\r\n\r\n{"model":"m"}')
        answer = client.recv(65536)
        assert b"connection: keep-alive" in answer and answer.endswith(b"}")
        assert provider.requests[0].complete, "settled before its last byte went out"
        assert client.recv(1) == b""


@pytest.mark.parametrize("framing", ["close", "chunked"])
@pytest.mark.parametrize("stream", [False, True])
def test_framings(framing: Any, stream: bool, ask: Ask, dechunk: Any) -> None:
    with play(framing=framing) as provider:
        head, body = ask(provider, stream=stream)
        assert settled(provider).complete
    assert b"content-length" not in head
    assert (b"transfer-encoding" in head) is (framing == "chunked")
    text = dechunk(body) if framing == "chunked" else body
    assert text.endswith(b"data: [DONE]\n\n" if stream else b"}")


def test_headers_comments_and_pace(ask: Ask, dechunk: Any) -> None:
    pace = {"first_byte_delay_s": 0.05, "first_chunk_delay_s": 0.05, "chunk_delay_s": 0.02, "jitter_s": 0.001}
    with play(headers={"x-ratelimit-remaining": "3"}, comment="WORKING", **pace) as provider:
        began = time.perf_counter()
        head, raw = ask(provider, **STREAM)
        took = time.perf_counter() - began
        record = settled(provider)
    assert b"x-ratelimit-remaining: 3\r\n" in head
    assert dechunk(raw).startswith(b": WORKING\n\ndata: ")
    # role, four words, finish, usage, [DONE]: eight events, seven pauses
    assert record.chunks_sent == 8
    assert 0.1 + 7 * 0.02 < took < 1.5
    assert record.first_byte_at - record.received_at > 0.09


class Paper:
    """A link that notes how the record stood whenever something was written."""

    keep_alive = True

    def __init__(self, record: Received) -> None:
        self.record = record
        self.notes: list[tuple[int, int, bool, bool]] = []  # bytes, chunks sent, usage claimed, ended

    def write(self, data: bytes) -> None:
        record = self.record
        self.notes.append((len(data), record.chunks_sent, record.usage is not None, record.ended))

    async def drained(self) -> None:
        """The reader is never slow."""

    def end(self, *, reset: bool = False) -> None:
        """Nothing to close."""


async def test_the_record_is_ahead_of_the_bytes() -> None:
    record = Received(number=1, connection=1, method="POST", path="/v1/x", headers={})
    asked = Request(1, "openai_chat", "/v1/x", {}, {"model": "m", **STREAM})
    link, book = Paper(record), Book()
    book.begin(record)
    await player.play(link, make(asked, Reply(text="a b"), None, Random(0), ()), record, book)
    sent = [(chunks, usage, ended) for _, chunks, usage, ended in link.notes]
    # headers, role, two words, finish, usage; then [DONE] together with the end of the chunked coding
    assert sent == [(0, False, False), *((n, n == 5, False) for n in (1, 2, 3, 4, 5)), (6, True, True)]


async def test_the_record_is_ahead_of_an_answer_that_goes_at_once() -> None:
    record = Received(number=1, connection=1, method="POST", path="/v1/x", headers={})
    asked = Request(1, "openai_chat", "/v1/x", {}, {"model": "m"})
    link, book = Paper(record), Book()
    book.begin(record)
    assert player.play_at_once(link, make(asked, Reply(text="a"), None, Random(0), ()), record, book)
    assert [(usage, ended) for _, _, usage, ended in link.notes] == [(True, True)]


def test_usage_counts_once_it_was_written(ask: Ask) -> None:
    for after, usage in ((6, None), (7, Usage(2, 0, 0, 4, 0))):
        with play(Fault("early_close", after_chunk=after)) as provider:
            ask(provider, **STREAM)
            assert settled(provider).usage == usage
            assert provider.totals().usage == (usage or Usage())


@pytest.mark.parametrize("leave", [socket.socket.close, lambda client: client.shutdown(socket.SHUT_WR)])
def test_a_slow_reader_stops_a_long_answer(leave: Any, open_client: Any) -> None:
    with running(Script(reply=(Reply(chunks=("x" * 100_000,) * 400),))) as provider:
        client: socket.socket = open_client(provider)
        body = b'{"model":"m","stream":true}'
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        time.sleep(0.4)
        sent = provider.requests[0].chunks_sent
        time.sleep(0.1)
        assert provider.requests[0].chunks_sent == sent < 300, "it waits for the reader"
        leave(client)
        provider.until(lambda p: p.open_streams == 0)
        assert provider.requests[0].cancelled


def test_a_long_body_is_complete_only_once_it_has_left(open_client: Any) -> None:
    with running(Script(reply=(Reply(text="x" * 40_000_000),))) as provider:
        client: socket.socket = open_client(provider)
        client.sendall(b'POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 13\r\n\r\n{"model":"m"}')
        assert client.recv(1000)
        client.close()
        provider.until(lambda p: p.requests[0].ended)
        assert provider.requests[0].cancelled and not provider.requests[0].complete
