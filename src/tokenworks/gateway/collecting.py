"""The answering side of a request that no connection waits for: the answer is collected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from tokenworks.errors import TokenworksError, UpstreamError
from tokenworks.errors import render as render_error
from tokenworks.gateway.attempts import COMMENT
from tokenworks.http.reply import Reply
from tokenworks.http.request import Exchange, Request


class Collecting(Reply):
    """Takes a connection's place; has of it what those who answer use."""

    __slots__ = ("exchange", "headers", "most", "over", "parts", "size", "status")

    def __init__(self, most: int) -> None:
        """``most`` bytes are collected; a longer answer is an error."""
        self.exchange: Exchange | None = None
        self.request: Request | None = None
        self.transport = cast(asyncio.Transport, self)  # to be aborted, no more
        self.most = most
        self.parts: list[bytes] = []
        self.size = 0
        self.status = 0
        self.headers = b""
        self.over = False

    # --- from those who answer ----------------------------------------------------------------

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer."""
        self.headers = headers
        self._end(status, body)

    def start(self, status: int, headers: bytes) -> None:
        """A stream begins."""
        self.status, self.headers = status, headers

    def write(self, data: bytes) -> None:
        """A piece of it."""
        if data == COMMENT or self.over:
            return
        self.size += len(data)
        self.parts.append(data)
        if self.size > self.most:
            self.leave()
            error = UpstreamError(f"the answer is larger than {self.most >> 20} MiB; ask for a shorter one")
            self._end(error.status, render_error(error))

    def finish(self, data: bytes = b"") -> None:
        """The last piece."""
        self._end(self.status, b"".join((*self.parts, data)))

    def fail(self, error: TokenworksError, render: Callable[[TokenworksError], bytes] = render_error) -> None:
        """The answer is an error."""
        self._end(error.status, render(error))

    def release_body(self, request: Request) -> None:
        """It is no longer needed."""
        request.body = b""

    def abort(self) -> None:
        """A mistake of ours: who answers is told that nobody listens."""
        self.leave()
        self.fail(UpstreamError("this request failed here for a reason that is in the server's log"))

    def leave(self) -> None:
        """Nobody wants the answer any more."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_gone()

    # --- the end ------------------------------------------------------------------------------

    def _end(self, status: int, answer: bytes) -> None:
        if not self.over:
            self.over = True
            self.collected(status, answer)

    def collected(self, status: int, answer: bytes) -> None:
        """The whole answer is here, once."""
        raise NotImplementedError
