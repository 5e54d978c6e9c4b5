"""The payloads of a stream of events, whatever the chunks it comes in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from tokenworks.wire import sse
from tokenworks.wire.peek import MALFORMED

T = TypeVar("T")

MAX_EVENT = 16 << 20
_CR = ord("\r")  # a number is found many times faster than a word
_ESCAPES = re.compile(rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..")


class Payloads:
    """Cuts a body into the ``data`` of its events. Comments and events without data are passed over."""

    __slots__ = ("tail",)

    def __init__(self) -> None:
        self.tail = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads of the events that are complete now. Raises ValueError when one grows too large."""
        if self.tail:
            data = self.tail + data
            self.tail = b""
        if not data.endswith(b"\n\n"):
            end = sse.cut(data)
            self.tail = data[end:]
            if len(self.tail) > MAX_EVENT:
                raise ValueError(f"an event of more than {MAX_EVENT >> 20} MiB")
            if not end:
                return []
            data = data[:end]
        first = data.find(b"\n") + 1
        if data.startswith(b"data: "):
            first = 0
        # one event of one line of data, named or not, as nearly always
        if (
            data.startswith(b"data: ", first)
            and data.find(b"\n", first) == len(data) - 2 > first + 6
            and (not first or data.startswith(b"event: "))
            and _CR not in data
        ):
            return [data[first + 6 : -2]]
        return [payload for event in sse.events(data) if (payload := sse.payload(event))]

    def flush(self) -> bytes:
        """At the end of the body: the payload of an event that lacked only its blank line, or nothing."""
        tail, self.tail = self.tail.rstrip(b"\r\n"), b""
        return sse.payload(tail + b"\n\n") or b""


def decoded(decode: Callable[[bytes], T], payload: bytes) -> T:
    """What ``decode`` makes of ``payload``. Raises ValueError, saying why, when it can't.

    Half a surrogate pair, which some send when a character is cut in two, becomes a replacement character.
    """
    try:
        return decode(payload)
    except MALFORMED:
        try:
            return decode(_ESCAPES.sub(_whole_character, payload))
        except MALFORMED as error:
            raise ValueError(f"what can't be read ({error})") from None


def _whole_character(match: re.Match[bytes]) -> bytes:
    escape = match.group()
    return b"\\ufffd" if len(escape) == 6 else escape
