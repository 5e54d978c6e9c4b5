"""The answering side of a queued request while it is run: nobody listens, so the answer is collected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from tokenworks.errors import Forbidden, RateLimited, TokenworksError, UpstreamError
from tokenworks.errors import render as render_error
from tokenworks.gateway.attempts import COMMENT, Attempts
from tokenworks.http.reply import Reply
from tokenworks.http.request import Exchange, Request
from tokenworks.ledger.queued import QueuedRow

if TYPE_CHECKING:
    from tokenworks.gateway.queue import Queue

MOST_TRIES = 5  # of one that fails, or whose worker dies
FIRST_PAUSE_S = 5.0  # after a failure; doubled from try to try
LEAST_PAUSE_S = 10.0  # where a limit says to come back later
BROKEN = ("upstream_error", "timeout", "shutdown")  # outcomes of a stream that had begun


class Rerun(Reply):
    """Takes a connection's place; has of it what those who answer use."""

    __slots__ = ("exchange", "over", "parts", "queue", "row", "size", "status")

    def __init__(self, queue: Queue, row: QueuedRow) -> None:
        self.queue = queue
        self.row = row
        self.exchange: Exchange | None = None
        self.request: Request | None = None
        self.transport = cast(asyncio.Transport, self)  # to be aborted, no more
        self.parts: list[bytes] = []
        self.size = 0
        self.status = 0
        self.over = False

    # --- from those who answer ----------------------------------------------------------------

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer."""
        self._end(status, body)

    def start(self, status: int, headers: bytes) -> None:
        """A stream begins."""
        self.status = status

    def write(self, data: bytes) -> None:
        """A piece of it."""
        if data == COMMENT or self.over:
            return
        self.size += len(data)
        self.parts.append(data)
        most = self.queue.gateway.max_response
        if self.size > most:
            self._leave()
            error = UpstreamError(f"the answer is larger than {most >> 20} MiB; ask for a shorter one")
            self._end(error.status, render_error(error))

    def finish(self, data: bytes = b"") -> None:
        """The last piece; where that only says that it broke, the request is run again."""
        exchange = self.exchange
        broken = isinstance(exchange, Attempts) and exchange.record.outcome in BROKEN
        if broken and self._again(UpstreamError("its stream broke")):
            return
        self._end(self.status, b"".join((*self.parts, data)))

    def fail(self, error: TokenworksError, render: Callable[[TokenworksError], bytes] = render_error) -> None:
        """The answer is an error, unless another time is better."""
        if not self._again(error):
            self._end(error.status, render(error))

    def release_body(self, request: Request) -> None:
        """It is no longer needed: the store has it."""
        request.body = b""

    def abort(self) -> None:
        """A mistake of ours, or too much: who answers is told that nobody listens."""
        self._leave()
        self.fail(UpstreamError("this request failed here for a reason that is in the server's log"))

    # --- the end ------------------------------------------------------------------------------

    def put_back(self, after_s: float, *, counted: bool) -> None:
        """It was not answered, and is tried again in ``after_s`` at the earliest."""
        if not self.over:
            self.over = True
            self.queue.put_back(self, after_s, counted=counted)

    def cut(self) -> None:
        """The server stops: what is not complete is run again by whoever comes next."""
        if self.exchange is not None:
            self.exchange.shut_down()
        self.put_back(0.0, counted=False)

    def _again(self, error: TokenworksError) -> bool:
        """Whether it is run again. That a limit has no room now, or the hour is wrong, counts as no try."""
        after_s, row = error.retry_after_s, self.row
        if self.over:
            return True
        if self.queue.closing:
            self.put_back(0.0, counted=False)
        elif after_s is not None and isinstance(error, RateLimited | Forbidden):
            self.put_back(max(after_s, LEAST_PAUSE_S), counted=False)
        elif error.retryable and row.tries < MOST_TRIES:
            self.put_back(max(after_s or 0.0, FIRST_PAUSE_S * 2 ** (row.tries - 1)), counted=True)
        else:
            return False
        return True

    def _end(self, status: int, answer: bytes) -> None:
        if not self.over:
            self.over = True
            self.queue.finish(self, status, answer)

    def _leave(self) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_gone()
