"""The answering side of a queued request while it is run: its answer goes into the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tokenworks.errors import Forbidden, RateLimited, TokenworksError, UpstreamError
from tokenworks.errors import render as render_error
from tokenworks.gateway.attempts import Attempts
from tokenworks.gateway.cascading import Cascading
from tokenworks.gateway.collecting import Collecting
from tokenworks.ledger.queued import QueuedRow

if TYPE_CHECKING:
    from tokenworks.gateway.queue import Queue

MOST_TRIES = 5  # of one that fails, or whose worker dies
FIRST_PAUSE_S = 5.0  # after a failure; doubled from try to try
LEAST_PAUSE_S = 10.0  # where a limit says to come back later
BROKEN = ("upstream_error", "timeout", "shutdown")  # outcomes of a stream that had begun


class Rerun(Collecting):
    """One run of one queued request."""

    __slots__ = ("queue", "row")

    def __init__(self, queue: Queue, row: QueuedRow) -> None:
        super().__init__(queue.gateway.max_response)
        self.queue = queue
        self.row = row

    def finish(self, data: bytes = b"") -> None:
        """The last piece; where that only says that it broke, the request is run again."""
        exchange = self.exchange
        if isinstance(exchange, Cascading):
            broken = exchange.broken
        else:
            broken = isinstance(exchange, Attempts) and exchange.record.outcome in BROKEN
        if broken and self._again(UpstreamError("its stream broke")):
            return
        super().finish(data)

    def fail(self, error: TokenworksError, render: Callable[[TokenworksError], bytes] = render_error) -> None:
        """The answer is an error, unless another time is better."""
        if not self._again(error):
            super().fail(error, render)

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

    def collected(self, status: int, answer: bytes) -> None:
        """It is done."""
        self.queue.finish(self, status, answer)
