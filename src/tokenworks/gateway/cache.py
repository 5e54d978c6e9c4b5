"""The response cache, for callers who ask for it by header: the same question, the same answer, no charge."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import msgspec

from tokenworks.wire import sse
from tokenworks.wire.peek import MALFORMED

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_OVERHEAD = 512  # bytes of an entry beside its body


class Entry:
    """One kept answer. Its usage is zero already, for a hit uses nothing."""

    __slots__ = ("body", "expires", "finish", "generation", "model", "stored", "stream", "tool_calls")

    def __init__(
        self,
        body: bytes,
        stream: bool,
        generation: str,
        model: str,
        finish: str,
        stored: float,
        ttl_s: float,
        tool_calls: int = 0,
    ) -> None:
        self.body = unbilled_stream(body) if stream else unbilled(body)
        self.stream = stream
        self.generation = generation  # its id, which a hit replaces by its own
        self.model = model
        self.finish = finish
        self.stored = stored
        self.expires = stored + ttl_s
        self.tool_calls = tool_calls


def key_of(key_id: str, wire: str, body: bytes) -> bytes:
    """What an answer is kept under: the same key, wire and body, to the byte."""
    return hashlib.sha256(b"%b\0%b\0%b" % (key_id.encode(), wire.encode(), body)).digest()


class ResponseCache:
    """Kept answers of one worker, the least recently used dropped first."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._size = 0
        self._kept: OrderedDict[bytes, Entry] = OrderedDict()

    def get(self, key: bytes, now: float) -> Entry | None:
        """The answer kept under ``key``, if it is not too old."""
        entry = self._kept.get(key)
        if entry is None:
            return None
        if now >= entry.expires:
            self.drop(key)
            return None
        self._kept.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep ``entry``, unless it alone is too large."""
        self.drop(key)
        size = len(entry.body) + _OVERHEAD
        if size > self._max:
            return
        self._kept[key] = entry
        self._size += size
        while self._size > self._max:
            self.drop(next(iter(self._kept)))

    def drop(self, key: bytes) -> None:
        """Forget what is kept under ``key``."""
        entry = self._kept.pop(key, None)
        if entry is not None:
            self._size -= len(entry.body) + _OVERHEAD


def unbilled(body: bytes) -> bytes:
    """A JSON answer with every count and cost in its usage at zero."""
    try:
        value = _decode(body)
    except MALFORMED:
        return body
    return _encode(_zero_usage(value))


def unbilled_stream(body: bytes) -> bytes:
    """A stream of events with every count and cost in their usage at zero."""
    events = []
    for event in sse.events(body):
        data = sse.payload(event)
        if data is not None and b'"usage"' in data:
            event = sse.with_payload(event, unbilled(data))
        events.append(event)
    return b"".join(events)


def _zero_usage(value: Any) -> Any:
    """``value`` with the numbers of a ``usage`` at its top, or in an answer one level below, at zero."""
    if not isinstance(value, dict):
        return value
    return {
        key: _zero(each) if key == "usage" else _zero_usage(each) if key in ("message", "response") else each
        for key, each in value.items()
    }


def _zero(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _zero(each) for key, each in value.items()}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0
    return value
