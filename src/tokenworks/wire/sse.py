"""Server-sent events, cut at event boundaries whatever the chunks they came in.

Line ends may be LF, CRLF or CR (WHATWG HTML, "Parsing an event stream").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

DONE = b"[DONE]"
_BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")


def cut(data: bytes) -> int:
    """Length of the part of ``data`` that consists of whole events."""
    end = data.rfind(b"\n\n") + 2
    crlf = data.rfind(b"\n\r\n") + 3
    cr = data.rfind(b"\r\r") + 2
    best = max(end if end > 1 else 0, crlf if crlf > 2 else 0, cr if cr > 1 else 0)
    return best


def events(data: bytes) -> Iterator[bytes]:
    """The events of ``data`` (whole ones only), each with the blank line that ends it."""
    start = 0
    for match in _BOUNDARY.finditer(data):
        yield data[start : match.end()]
        start = match.end()


def payload(event: bytes) -> bytes | None:
    """The joined ``data`` lines of one event; None for a comment or an event without data."""
    if event.startswith(b"data: ") and event.count(b"\n") == 2 and event.endswith(b"\n\n"):
        return event[6:-2]
    lines = []
    for line in event.splitlines():
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(lines) if lines else None


def with_payload(event: bytes, data: bytes) -> bytes:
    """``event`` with other data (one line of it); its other lines stay."""
    if event.startswith(b"data:") and event.endswith(b"\n\n") and event.count(b"\n") == 2:
        return b"data: %b\n\n" % data
    lines = [line for line in event.splitlines() if line and not line.startswith(b"data:")]
    return b"\n".join((*lines, b"data: " + data, b"", b""))


def name(event: bytes) -> bytes | None:
    """The value of the last ``event`` line of one event; None when there is none."""
    found = None
    for line in event.splitlines():
        if line.startswith(b"event:"):
            value = line[6:]
            found = value[1:] if value.startswith(b" ") else value
    return found
