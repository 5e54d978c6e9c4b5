"""A span for each request, sent to a collector of traces; off unless one is configured.

The drainer hands over what it has stored and goes on: a thread of its own makes the spans and sends them.
Between both is a queue of a fixed size, so a collector that is slow or gone costs spans, which are counted,
and nothing else. The thread rests between batches, for the drainer needs the interpreter too. What spans look
like is in ``app.otlp``, whose packages are an extra.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from tokenworks.app.metrics import AutoSums, auto_sums
from tokenworks.config.settings import ObservabilitySettings
from tokenworks.errors import ConfigError
from tokenworks.ledger.record import Record

log = logging.getLogger(__name__)

MAX_QUEUE = 8192  # spans that wait
MAX_BATCH = 256  # spans in one export
REST = 3.0  # times as long as the thread computed: a quarter of a core, some 1,500 spans/s, is all it takes
EVERY_S = 1.0
FLUSH_S = 2.0  # at the end, for what still waits
TOLD_EVERY_S = 60.0
MAX_REASON = 300  # characters of why an export failed

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_SPACE = 2**64  # of the half of a trace's id that says whether it is sampled


class Parent(NamedTuple):
    """The caller's span."""

    trace_id: int
    span_id: int
    sampled: bool


class Traced(NamedTuple):
    """What a span is made of."""

    record: Record
    parent: Parent | None
    auto: AutoSums | None


class Sender(Protocol):
    """Makes spans and sends them (``app.otlp.OtlpSender``)."""

    url: str

    def send(self, batch: Sequence[Traced]) -> str:
        """Send all or nothing; why it failed, or nothing."""

    def close(self) -> None:
        """Give up what is being sent."""


def parent_of(traceparent: str) -> Parent | None:
    """The header of W3C's Trace Context, level 1; None where it is none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    return Parent(trace_id, span_id, bool(int(found[4], 16) & _SAMPLED)) if trace_id and span_id else None


def ids_of(record_id: str) -> tuple[int, int]:
    """Trace and span of the request with this id: who knows a request finds its span."""
    digest = hashlib.blake2b(record_id.encode(), digest_size=24).digest()
    return int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:]) or 1


class Tracing:
    """The queue and its thread. Nothing here raises or waits but ``close``."""

    def __init__(self, sender: Sender, sample: float = 1.0) -> None:
        """``sample`` is the share of requests without a parent that get a span; a parent says itself."""
        self.sent = 0
        self._sender = sender
        self._below = int(sample * _SPACE)
        self._queue: deque[Traced] = deque()
        self._overflown = self._lost = 0  # each written by one thread
        self._told, self._tell_at = 0, 0.0
        self._failing_since = 0.0
        self._wake, self._stop, self._over = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracing", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Spans that nobody will see: the queue was full, or their export failed."""
        return self._overflown + self._lost

    def observe(self, records: Sequence[Record]) -> None:
        """Take freshly stored ``records``; called in the drainer's thread."""
        room = MAX_QUEUE - len(self._queue)
        for record in records:
            parent = parent_of(record.traceparent) if record.traceparent else None
            if not (parent.sampled if parent is not None else self._sampled(record.id)):
                continue
            if room <= 0:
                self._overflown += 1
                continue
            room -= 1
            auto = auto_sums(record)
            if auto is not None:  # the rest of a decision is long
                record = msgspec.structs.replace(record, decision=b"")
            self._queue.append(Traced(record, parent, auto))
        if len(self._queue) >= MAX_BATCH:
            self._wake.set()

    def close(self, timeout_s: float = FLUSH_S) -> None:
        """Send what waits, within ``timeout_s``; the rest is dropped and told."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout_s)
        self._over.set()
        self._sender.close()
        left = len(self._queue)
        self._overflown += left
        if left or self._thread.is_alive():
            log.warning("tracing: the end came before all spans were sent; %d dropped in all", self.dropped)

    def _sampled(self, record_id: str) -> bool:
        return self._below >= _SPACE or (self._below > 0 and ids_of(record_id)[0] % _SPACE < self._below)

    # --- its thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        last = False
        while not last:
            self._wake.wait(EVERY_S)
            self._wake.clear()
            last = self._stop.is_set()
            while self._queue and not self._over.is_set():
                began_s = time.thread_time()
                self._send([self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))])
                self._stop.wait((time.thread_time() - began_s) * REST)
            self._tell_overflow()

    def _send(self, batch: Sequence[Traced]) -> None:
        try:
            failure = self._sender.send(batch)
        except Exception as error:  # spans are the least of a server's duties
            failure = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_REASON]
        if not failure:
            self.sent += len(batch)
            if self._failing_since:
                for_s = time.monotonic() - self._failing_since
                log.warning("tracing: spans are sent again after %.0f s; %d dropped", for_s, self.dropped)
                self._failing_since = 0.0
            return
        self._lost += len(batch)
        if not self._failing_since:
            self._failing_since = time.monotonic()
            log.warning(
                "tracing: no spans reach %s (%s); they are dropped until they do, see [observability]",
                self._sender.url,
                failure,
            )

    def _tell_overflow(self) -> None:
        """Once a minute at most; while the collector is away that has been told already."""
        new = self._overflown - self._told
        if new and not self._failing_since and time.monotonic() >= self._tell_at:
            self._told, self._tell_at = self._overflown, time.monotonic() + TOLD_EVERY_S
            log.warning(
                "tracing: %d spans dropped, more come than can be sent; lower observability.sample", new
            )


def tracing(settings: ObservabilitySettings, instance: str) -> Tracing | None:
    """What ``[observability]`` asks for; None where it names no collector.

    ``instance`` tells this gateway from others of the same service. Raises ``ConfigError`` where the extra
    is missing.
    """
    if not settings.otlp_endpoint:
        return None
    try:
        otlp = importlib.import_module("tokenworks.app.otlp")
    except ImportError as error:
        raise ConfigError(
            f"observability.otlp_endpoint: spans need OpenTelemetry ({error});"
            " run: pip install 'tokenworks[otel]'"
        ) from error
    sender: Sender = otlp.OtlpSender(
        settings.otlp_endpoint, settings.otlp_headers, settings.service_name, instance
    )
    return Tracing(sender, settings.sample)
