import json
import socket
import struct
from typing import Any

import pytest

from tokenworks.providers.scripted import Reply, Script, When, running

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'


def post(body: bytes = BODY, head: str = "") -> bytes:
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{head}content-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def read_answers(client: socket.socket, n: int) -> list[bytes]:
    """``n`` answers that have a content-length."""
    buffer, found = b"", []
    while len(found) < n:
        head, end, rest = buffer.partition(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].split()[0]) if end else 0
        if end and len(rest) >= length:
            found.append(rest[:length])
            buffer = rest[length:]
            continue
        part = client.recv(65536)
        assert part, f"closed after {len(found)} of {n} answers: {buffer!r}"
        buffer += part
    return found


def test_pipelined_requests_are_answered_in_order(open_client: Any) -> None:
    slow = Reply(When(nth=1), text="first", first_byte_delay_s=0.05)
    with running(Script(reply=(slow,))) as provider:
        client = open_client(provider)
        client.sendall(post() * 3)
        ids = [json.loads(answer)["id"] for answer in read_answers(client, 3)]
        assert ids == sorted(ids) and len(set(ids)) == 3
        client.sendall(post())
        read_answers(client, 1)
        assert {record.connection for record in provider.requests} == {1}
        assert provider.totals().connections == 1


def test_requests_arrive_whole_however_they_are_cut(open_client: Any) -> None:
    with running() as provider:
        client = open_client(provider)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw = post()
        for start in range(0, len(raw), 7):
            client.sendall(raw[start : start + 7])
        read_answers(client, 1)
        chunked = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (BODY[:10], BODY[10:]))
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
            + chunked
            + b"0\r\n\r\n"
        )
        read_answers(client, 1)
        assert [record.raw for record in provider.requests] == [BODY, BODY]


def test_expect_is_answered_before_the_body(open_client: Any) -> None:
    with running() as provider:
        client = open_client(provider)
        raw = post(head="expect: 100-continue\r\n")
        client.sendall(raw[: -len(BODY)])
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        read_answers(client, 1)


def test_connection_close_is_obeyed(open_client: Any) -> None:
    with running() as provider:
        client = open_client(provider)
        client.sendall(post(head="connection: close\r\n"))
        read_answers(client, 1)
        assert client.recv(1) == b""


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
)
def test_what_is_no_http_is_refused(noise: bytes, open_client: Any) -> None:
    with running() as provider:
        client = open_client(provider)
        client.sendall(noise)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        assert provider.totals().requests == 0


@pytest.mark.parametrize("how", ["close", "reset", "half close"])
def test_a_client_that_leaves_is_noticed_however_it_leaves(how: str, open_client: Any) -> None:
    with running(Script(reply=(Reply(tokens=1000, chunk_delay_s=0.005),))) as provider:
        client: socket.socket = open_client(provider)
        client.sendall(post(b'{"model":"m","stream":true}'))
        assert client.recv(10)
        if how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == "half close":
            client.shutdown(socket.SHUT_WR)
        else:
            client.close()
        provider.until(lambda p: p.open_streams == 0, timeout_s=1)
        (record,) = provider.requests
        assert (record.cancelled, record.complete, record.usage) == (True, False, None)
        assert 0 < record.chunks_sent < 1000
        assert provider.totals().cancelled == 1


def test_requests_waiting_behind_one_are_dropped_with_it(open_client: Any) -> None:
    with running(Script(reply=(Reply(text="a", first_byte_delay_s=5),))) as provider:
        client = open_client(provider)
        client.sendall(post() * 3)
        provider.until(lambda p: p.totals().open_requests == 1)
        client.close()
        provider.until(lambda p: p.totals().open_connections == 0)
        assert provider.totals().requests == 1
