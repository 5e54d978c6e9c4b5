"""What follows from a request's headers alone, so that the same headers need no second look."""

from __future__ import annotations

import re

from tokenworks.errors import BadRequest
from tokenworks.gateway import capture
from tokenworks.plans.keys import Key
from tokenworks.routing.knobs import of_headers

MAX_LABEL = 200  # characters of an app, session or user name that are kept
CACHE_TTL_S = 300
MAX_CACHE_TTL_S = 86_400
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Caller:
    """Who asks, and what he wishes by header.

    ``special``: some header asks for more than an ordinary answer. ``passed_on`` are complete header
    lines for a provider on the caller's own wire.
    """

    __slots__ = (
        "app",
        "cache_clear",
        "cache_ttl_s",
        "capture",
        "cleared",
        "client",
        "key",
        "ordinary",
        "passed_on",
        "session",
        "special",
        "tells_routing",
        "traceparent",
        "wanted",
    )

    def __init__(self, key: Key, headers: dict[bytes, bytes]) -> None:
        """Raises BadRequest for a header of ours that is malformed."""
        self.key = key
        get = headers.get
        app = get(b"x-openrouter-title") or get(b"x-title") or get(b"http-referer")
        session = get(b"x-session-id")
        self.app = label(app) if app is not None else ""
        self.session = label(session) if session is not None else ""
        self.client = label(get(b"user-agent", b""))
        self.cleared: object = None  # the allowance that lets this client in
        self.tells_routing = get(b"x-openrouter-metadata", b"").lower() == b"enabled"
        self.cache_clear = get(b"x-openrouter-cache-clear", b"").lower() == b"true"
        self.cache_ttl_s = 0
        if get(b"x-openrouter-cache", b"").lower() == b"true":
            self.cache_ttl_s = _ttl(get(b"x-openrouter-cache-ttl"))
        beta = get(b"anthropic-beta")
        self.passed_on = b"anthropic-beta: %b\r\n" % beta if beta else b""
        self.capture = capture.wish(get(capture.HEADER))
        self.wanted = of_headers(headers)  # of "auto"
        self.traceparent = ""  # of his trace, where traces are wanted; see the gateway
        self.ordinary = False  # its requests may do without a plan; see the gateway
        self.special = self.tells_routing or self.cache_clear or self.cache_ttl_s > 0


def label(value: bytes) -> str:
    """A name from a header, cut to what is kept of it."""
    return value.decode("utf-8", "replace")[:MAX_LABEL]


def trace_of(headers: dict[bytes, bytes]) -> str:
    """The caller's ``traceparent``, as W3C Trace Context has it; empty for none, or one that is malformed.

    What a later version than 00 appends is left out.
    """
    value = headers.get(b"traceparent", b"").strip()
    found = _TRACEPARENT.match(value)
    if found is None:
        return ""
    rest = value[found.end() :]
    if rest and (value.startswith(b"00") or not rest.startswith(b"-")):
        return ""
    return found.group().decode()


def _ttl(value: bytes | None) -> int:
    if value is None:
        return CACHE_TTL_S
    if value.isdigit() and 1 <= int(value[:9]) <= MAX_CACHE_TTL_S and len(value) < 9:
        return int(value)
    raise BadRequest(f"header 'x-openrouter-cache-ttl' must be from 1 to {MAX_CACHE_TTL_S} (seconds)")
