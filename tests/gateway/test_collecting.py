"""An answer that is collected: it ends once, whatever comes later, and tells whoever answers to stop."""

from __future__ import annotations

from typing import Any

from tokenworks.errors import BadRequest
from tokenworks.gateway.attempts import COMMENT
from tokenworks.gateway.collecting import Collecting


class Kept(Collecting):
    def __init__(self, most: int = 100) -> None:
        super().__init__(most)
        self.ends: list[tuple[int, bytes]] = []

    def collected(self, status: int, answer: bytes) -> None:
        self.ends.append((status, answer))


class Asked:
    """Who answers; told when nobody listens."""

    gone = 0

    def client_gone(self) -> None:
        self.gone += 1


def asked_by(kept: Kept) -> Asked:
    asked: Any = Asked()
    kept.exchange = asked
    return asked  # type: ignore[no-any-return]


def test_a_whole_answer_ends_it_once() -> None:
    kept = Kept()
    kept.send(200, b"x: y\r\n", b"body")
    kept.send(500, b"", b"again")
    kept.finish(b"more")
    kept.fail(BadRequest("too late"))
    kept.abort()
    assert kept.ends == [(200, b"body")]


def test_a_stream_without_its_comments() -> None:
    kept = Kept()
    kept.start(200, b"content-type: text/event-stream\r\n")
    for piece in (COMMENT, b"one ", COMMENT, b"two "):
        kept.write(piece)
    assert kept.ends == []
    kept.finish(b"three")
    assert kept.ends == [(200, b"one two three")] and kept.headers.startswith(b"content-type")


def test_an_error_is_rendered_as_its_caller_would_see_it() -> None:
    kept = Kept()
    kept.fail(BadRequest("wrong"), lambda error: error.message.upper().encode())
    assert kept.ends == [(400, b"WRONG")]


def test_too_long_a_stream_stops_whoever_answers() -> None:
    kept = Kept(most=10)
    asked = asked_by(kept)
    kept.start(200, b"")
    for _ in range(5):
        kept.write(b"123456")
    kept.finish(b"end")
    ((status, answer),) = kept.ends
    assert status == 502 and b"larger than" in answer
    assert asked.gone == 1 and kept.exchange is None


def test_leaving_tells_whoever_answers_once() -> None:
    kept = Kept()
    asked = asked_by(kept)
    kept.leave()
    kept.leave()
    assert asked.gone == 1 and kept.ends == []


def test_a_mistake_of_ours() -> None:
    kept = Kept()
    asked = asked_by(kept)
    kept.transport.abort()
    ((status, answer),) = kept.ends
    assert status == 502 and b"server's log" in answer and asked.gone == 1
