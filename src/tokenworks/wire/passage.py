"""A stream of named events on its way to a caller of the same wire: most of them pass unread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire import sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.complaint import error_message
from tokenworks.wire.payloads import MAX_EVENT
from tokenworks.wire.peek import MALFORMED, Fields

_CR = ord("\r")
_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_str = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_NULL = b"null"
_SILENT = "an error without a message"


class Passage(ABC):
    """Whole events only; those that may carry a name, usage, an error or the end are looked at.

    A wire says with ``piece`` how the names of its deltas end and with ``mark`` what stands in every
    event that must be looked at, errors aside; what only looks alike costs a look. ``events`` counts
    deltas; ``last`` is what was sent on last.
    """

    __slots__ = ("done", "error", "events", "final", "finish", "last", "tail", "telling", "told")

    piece: ClassVar[bytes]
    mark: ClassVar[bytes]
    tool_calls = 0  # see each wire's ``counted``

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.tail = self.last = b""
        self.events = 0
        self.told: Usage | None = None  # by the provider, so far
        self.final = False  # that is all
        self.done = False
        self.error = self.finish = ""

    @property
    def usage(self) -> Usage | None:
        """As told so far; as long as that is not final, the output is what was delivered if that is more."""
        told = self.told
        if told is None or self.final or told.output_tokens >= self.events:
            return told
        return msgspec.structs.replace(told, output_tokens=self.events)

    @usage.setter
    def usage(self, told: Usage | None) -> None:
        self.told = told

    @property
    def output_tokens(self) -> int:
        """How many tokens were delivered so far, counted in deltas where no usage was told."""
        usage = self.usage
        return self.events if usage is None else usage.output_tokens

    def feed(self, data: bytes) -> bytes:
        """What may be sent on. Raises ValueError when the provider's stream can't be one of events."""
        if self.error:
            return b""
        if self.tail:
            data = self.tail + data
            self.tail = b""
        piece = self.piece
        end = data.find(b"\n")
        if (  # one delta by itself, as nearly always
            data.startswith(piece, end - len(piece))
            and data.startswith(b"event: ")
            and data.find(b"\n", end + 1) == len(data) - 2
            and data.endswith(b"\n")
            and _CR not in data
        ):
            self.events += 1
            self.last = data
            return data
        if not data.endswith(b"\n\n"):
            size = sse.cut(data)
            self.tail = data[size:]
            if len(self.tail) > MAX_EVENT:
                raise ValueError(f"an event of more than {MAX_EVENT >> 20} MiB")
            if not size:
                return b""
            data = data[:size]
        self.events += data.count(piece + b'"')
        if self.mark in data or b'"error"' in data:
            data = self._closely(data)
        if data:
            self.last = data
        return data

    def _closely(self, data: bytes) -> bytes:
        kept = []
        for event in sse.events(data):
            body = sse.payload(event)
            if body is not None and (self.mark in body or b'"error"' in body):
                event = self._look(event, body)
                if self.error:
                    break
            kept.append(event)
            if self.done:
                break
        return b"".join(kept)

    def _look(self, event: bytes, body: bytes) -> bytes:
        try:
            fields = _decode_fields(body)
        except MALFORMED:
            return event
        kind = word(fields, "type")
        if kind in ("", "error"):
            self.error = complaint(fields)
        if self.error or not self.look(kind, fields):
            return event
        return sse.with_payload(event, _encode(fields))

    @abstractmethod
    def look(self, kind: str, fields: Fields) -> bool:
        """Read the event of type ``kind`` and change what must be changed; False when nothing was.

        It sets ``error`` when the event must not reach the caller, ``done`` when it is the last one.
        """

    def flush(self) -> bytes:
        """At the end of the body: an event that lacked only its blank line. One cut off is dropped."""
        tail, self.tail = self.tail.rstrip(b"\r\n") + b"\n\n", b""
        body = sse.payload(tail)
        if body is None:
            return b""
        try:
            _decode_fields(body)
        except MALFORMED:
            return b""
        return self.feed(tail)


def inner(fields: Fields, key: str) -> Fields | None:
    """The object at ``key``; None when there is none."""
    raw = fields.get(key)
    if raw is None:
        return None
    try:
        return _decode_fields(raw)
    except MALFORMED:
        return None


def word(fields: Fields, key: str) -> str:
    """The string at ``key``; empty when there is none."""
    raw = fields.get(key)
    if raw is None:
        return ""
    try:
        return _decode_str(raw)
    except MALFORMED:
        return ""


def complaint(fields: Fields) -> str:
    """What an answer or an event complains of, in one line; empty when it does not."""
    failed = word(fields, "type") == "error"
    for key in ("error", "message") if failed else ("error",):
        value = bytes(fields.get(key, _NULL))
        if value != _NULL:
            return error_message(value) or _SILENT
    return _SILENT if failed else ""
