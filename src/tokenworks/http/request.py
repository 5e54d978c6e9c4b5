"""One parsed request, and what a handler leaves on its connection while it answers."""

from __future__ import annotations

from typing import Protocol

import msgspec

from tokenworks.http.head import Head
from tokenworks.http.spool import Spool


class Request(msgspec.Struct, eq=False):
    """``body`` is whole. Header names are lower case; of one repeated in one spelling the first stands.

    A struct only because one is made faster than an object with an ``__init__``.
    """

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes = b""
    keep_alive: bool = True
    http10: bool = False
    head: Head | None = None  # where it is one that connections remember
    held: int = 0  # bytes of the body that count as held in memory
    spool: Spool | None = None  # the body of an upload, on disk; then ``body`` is empty


class Exchange(Protocol):
    """What a handler leaves on the connection while it answers."""

    def client_gone(self) -> None:
        """The caller closed the connection; nothing can be written any more."""

    def client_slow(self) -> None:
        """The caller reads more slowly than we write: stop producing."""

    def client_ready(self) -> None:
        """The caller has caught up: go on."""

    def shut_down(self) -> None:
        """The server's deadline has come: end the answer as well as can be done now."""


def origin_form(target: bytes) -> bytes:
    """``/path?query`` of a target in absolute form (RFC 9112 §3.2.2); other targets as they are."""
    _, scheme, rest = target.partition(b"://")
    if not scheme:
        return target
    start = min((i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest))
    path = rest[start:]
    return path if path.startswith(b"/") else b"/" + path
