"""What the provider received and what it sent: a record a request, and sums over all of them.

A record is settled before the last byte of its answer is written, so whoever has read an answer to
its end finds it counted.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import msgspec

from tokenworks.providers.scripted.fault import FaultKind
from tokenworks.providers.scripted.reply import WireName
from tokenworks.schema import Usage

KEEP_RECORDS = 10_000
KEEP_BODY_BYTES = 64 << 20
_JSON = msgspec.json.Decoder()


class Received(msgspec.Struct, eq=False, kw_only=True):
    """One request and how far its answer came. Times are seconds since the epoch."""

    number: int  # order of arrival, from 1
    connection: int  # order of connections, from 1
    method: str
    path: str
    headers: dict[str, str]  # lower-case names; repeated ones joined by ", "
    raw: bytes = b""  # the body; empty once too many bodies are held
    wire: WireName | None = None  # None: no path of any wire
    model: str = ""
    stream: bool = False
    rule: int | None = None  # which [[reply]], from 0; None: the echo
    fault: FaultKind | None = None
    status: int = 0  # 0: no answer has begun
    chunks_sent: int = 0  # events of a stream, each written as a whole
    bytes_sent: int = 0  # of the body, without chunk framing
    usage: Usage | None = None  # claimed in what was written; None: nothing was
    complete: bool = False  # the answer went out as a whole; an error answer too
    cancelled: bool = False  # the client left before that
    ended: bool = False
    received_at: float = 0.0
    first_byte_at: float | None = None
    ended_at: float | None = None

    @property
    def body(self) -> Any:
        """The body as parsed JSON; None when it is none."""
        try:
            return _JSON.decode(self.raw)
        except msgspec.DecodeError:
            return None

    def report(self) -> dict[str, Any]:
        """The record as it is told over HTTP: with ``body`` in place of ``raw``."""
        told = msgspec.structs.asdict(self)
        del told["raw"]
        told["body"] = self.body
        return told


class ModelTotals(msgspec.Struct):
    """Sums of one model."""

    requests: int = 0
    complete: int = 0
    usage: Usage = Usage()


class Totals(msgspec.Struct):
    """Sums over all requests since the start or the last reset; answers under way count when they end."""

    requests: int = 0
    complete: int = 0
    cancelled: int = 0
    open_requests: int = 0  # now
    open_streams: int = 0  # now
    peak_open_streams: int = 0
    open_connections: int = 0  # now
    connections: int = 0
    chunks_sent: int = 0
    bytes_sent: int = 0
    usage_claims: int = 0  # requests that claimed some usage
    usage: Usage = Usage()
    statuses: dict[int, int] = {}
    faults: dict[str, int] = {}
    models: dict[str, ModelTotals] = {}


class Book:
    """Keeps the last ``keep`` records, and the sums of all."""

    def __init__(self, keep: int = KEEP_RECORDS, keep_body_bytes: int = KEEP_BODY_BYTES) -> None:
        self.totals = Totals()
        self.records: deque[Received] = deque()
        self.arrived = 0
        self._keep = keep
        self._keep_body_bytes = keep_body_bytes
        self._bodies: deque[Received] = deque()
        self._body_bytes = 0

    def reset(self) -> None:
        """Forgets everything but what is open now."""
        now = self.totals
        self.records.clear()
        self._bodies.clear()
        self._body_bytes = self.arrived = 0
        self.totals = Totals(
            open_requests=now.open_requests,
            open_streams=now.open_streams,
            peak_open_streams=now.open_streams,
            open_connections=now.open_connections,
        )

    def begin(self, record: Received) -> None:
        """Enters a request that has arrived whole."""
        record.received_at = time.time()
        self.records.append(record)
        if len(self.records) > self._keep:
            self.records.popleft()
        self._bodies.append(record)
        self._body_bytes += len(record.raw)
        while self._bodies and (self._body_bytes > self._keep_body_bytes or len(self._bodies) > self._keep):
            oldest = self._bodies.popleft()
            self._body_bytes -= len(oldest.raw)
            oldest.raw = b""
        totals = self.totals
        totals.requests += 1
        totals.open_requests += 1
        if record.stream:
            totals.open_streams += 1
            totals.peak_open_streams = max(totals.peak_open_streams, totals.open_streams)

    def end(self, record: Received, *, complete: bool, cancelled: bool = False) -> None:
        """Settles a record; a second call changes nothing."""
        if record.ended:
            return
        record.ended, record.complete, record.cancelled = True, complete, cancelled
        record.ended_at = time.time()
        totals = self.totals
        totals.open_requests -= 1
        totals.open_streams -= record.stream
        totals.complete += complete
        totals.cancelled += cancelled
        totals.chunks_sent += record.chunks_sent
        totals.bytes_sent += record.bytes_sent
        if record.status:
            totals.statuses[record.status] = totals.statuses.get(record.status, 0) + 1
        if record.fault:
            totals.faults[record.fault] = totals.faults.get(record.fault, 0) + 1
        model = totals.models.setdefault(record.model, ModelTotals()) if record.model else ModelTotals()
        model.requests += 1
        model.complete += complete
        if record.usage is not None:
            totals.usage_claims += 1
            totals.usage = add(totals.usage, record.usage)
            model.usage = add(model.usage, record.usage)


def add(a: Usage, b: Usage) -> Usage:
    """The sum of two usages, class by class."""
    return Usage(
        a.uncached_input_tokens + b.uncached_input_tokens,
        a.cache_read_tokens + b.cache_read_tokens,
        a.cache_write_tokens + b.cache_write_tokens,
        a.output_tokens + b.output_tokens,
        a.reasoning_tokens + b.reasoning_tokens,
    )
