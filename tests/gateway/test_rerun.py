"""The collecting side of an answer: what it makes of each way in which one may end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from queueing import queued_row

from tokenworks.errors import (
    BadRequest,
    Forbidden,
    PaymentRequired,
    RateLimited,
    TokenworksError,
    Unavailable,
    UpstreamError,
)
from tokenworks.gateway import rerun
from tokenworks.gateway.attempts import COMMENT
from tokenworks.gateway.rerun import MOST_TRIES, Rerun


class Ends:
    """Takes the queue's place."""

    def __init__(self) -> None:
        self.closing = False
        self.gateway = SimpleNamespace(max_response=100)
        self.ends: list[Any] = []

    def finish(self, run: Rerun, status: int, answer: bytes) -> None:
        self.ends.append((status, answer))

    def put_back(self, run: Rerun, after_s: float, *, counted: bool) -> None:
        self.ends.append((after_s, counted))


def begun(tries: int = 1) -> tuple[Ends, Rerun]:
    queue: Any = Ends()
    return queue, Rerun(queue, queued_row(tries=tries))


class Left:
    """Who answers; told when nobody listens."""

    gone = 0

    def client_gone(self) -> None:
        self.gone += 1


def test_a_whole_answer() -> None:
    queue, run = begun()
    run.send(201, b"x: y\r\n", b"body")
    run.send(500, b"", b"once more")
    run.fail(BadRequest("too late"))
    run.put_back(1.0, counted=True)
    assert queue.ends == [(201, b"body")]


def test_a_stream_without_comments() -> None:
    queue, run = begun()
    run.start(200, b"")
    for piece in (COMMENT, b"data: 1\n\n", COMMENT, b"data: 2\n\n"):
        run.write(piece)
    assert queue.ends == []
    run.finish(b"data: [DONE]\n\n")
    assert queue.ends == [(200, b"data: 1\n\ndata: 2\n\ndata: [DONE]\n\n")]


def test_a_stream_that_is_too_large_is_left() -> None:
    queue, run = begun()
    exchange: Any = Left()
    run.exchange = exchange
    run.start(200, b"")
    for _ in range(20):
        run.write(b"x" * 10)
    assert [end[0] for end in queue.ends] == [502]
    assert exchange.gone == 1


@pytest.mark.parametrize(
    ("error", "tries", "end"),
    [
        (BadRequest("no"), 1, 400),
        (PaymentRequired("no", retry_after_s=60), 1, 402),
        (Forbidden("no"), 1, 403),
        (Forbidden("not at this hour", retry_after_s=60), 1, (60, False)),
        (RateLimited("slowly", retry_after_s=99), 50, (99, False)),
        (RateLimited("slowly", retry_after_s=1), 1, (rerun.LEAST_PAUSE_S, False)),
        (RateLimited("who knows when"), 1, (rerun.FIRST_PAUSE_S, True)),
        (UpstreamError("oops"), 1, (rerun.FIRST_PAUSE_S, True)),
        (UpstreamError("oops"), 3, (rerun.FIRST_PAUSE_S * 4, True)),
        (Unavailable("later", retry_after_s=60), 1, (60, True)),
        (UpstreamError("oops"), MOST_TRIES, 502),
        (Unavailable("later", retry_after_s=60), MOST_TRIES, 503),
    ],
)
def test_errors_are_the_answer_or_tried_again(error: TokenworksError, tries: int, end: Any) -> None:
    queue, run = begun(tries)
    run.fail(error)
    ((first, second),) = queue.ends
    assert (first, second) == end if isinstance(end, tuple) else first == end
    if not isinstance(end, tuple):
        assert error.message.encode() in second


def test_what_ends_with_the_worker_is_no_try() -> None:
    queue, run = begun(MOST_TRIES)
    queue.closing = True
    run.fail(Unavailable("stopped", retry_after_s=1))
    assert queue.ends == [(0.0, False)]
    queue, run = begun()
    run.cut()
    assert queue.ends == [(0.0, False)], "nobody had begun to answer"


def test_an_abort_leaves_who_answers() -> None:
    queue, run = begun(MOST_TRIES)
    exchange: Any = Left()
    run.exchange = exchange
    run.transport.abort()
    assert exchange.gone == 1
    assert queue.ends[0][0] == 502
