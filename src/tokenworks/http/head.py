"""A request's head that was parsed before and comes again needs no parsing again.

Clients keep connections open and send the very same head with every request, but for the digits of
its content-length. llhttp has judged those bytes once; equal bytes are judged equally. Whatever is
not equal, or is not followed by exactly the body it announces, goes to the parser as always.
"""

from __future__ import annotations

import re
from typing import Any

MAX_KEPT = 1024
MAX_DIGITS = 10
_LENGTH = re.compile(rb"\r\ncontent-length: ?(\d{1,10})\r\n", re.IGNORECASE)


class Head:
    """One head without the digits of its length. ``memo`` is the handler's, for what follows from it."""

    __slots__ = ("after", "before", "handler", "headers", "memo", "size", "target")

    def __init__(self, before: bytes, after: bytes, target: bytes, headers: dict[bytes, bytes]) -> None:
        self.before = before
        self.after = after
        self.size = len(before)
        self.target = target
        self.headers = headers
        self.handler: Any = None
        self.memo: Any = None

    def body_of(self, data: bytes) -> bytes | None:
        """The body, when ``data`` is this head followed by all of its body and nothing else."""
        start = self.size
        if not data.startswith(self.before):
            return None
        end = data.find(self.after, start, start + MAX_DIGITS + len(self.after))
        digits = data[start:end]
        if end < 0 or not digits.isdigit():
            return None
        body = data[end + len(self.after) :]
        return body if int(digits) == len(body) else None


class Heads:
    """Heads known to one worker, shared by connections that send the same."""

    def __init__(self) -> None:
        self.last: Head | None = None  # learnt last: a good guess for a new connection
        self._known: dict[tuple[bytes, bytes], Head] = {}

    def learn(self, data: bytes, body: bytes, target: bytes, headers: dict[bytes, bytes]) -> Head | None:
        """The head of ``data``, which llhttp found to be one whole request with this ``body``."""
        end = data.find(b"\r\n\r\n") + 4
        found = _LENGTH.search(data, 0, end)
        if found is None or len(data) != end + len(body):
            return None
        before, after = data[: found.start(1)], data[found.end(1) : end]
        head = self._known.get((before, after))
        if head is None:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            rest = {name: value for name, value in headers.items() if name != b"content-length"}
            head = self._known[before, after] = Head(before, after, target, rest)
        return head
