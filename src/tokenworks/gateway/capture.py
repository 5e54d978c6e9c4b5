"""Prompts and answers of those who allowed it, redacted and kept for a while: to learn and to distill from.

Nothing here keeps an answer waiting: what is offered goes into a bounded queue, and a thread reads, redacts
and writes it. What does not fit is dropped and counted.
"""

from __future__ import annotations

import logging
import queue
import threading
import zlib
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tokenworks.catalog import distillable
from tokenworks.errors import BadRequest, StoreError
from tokenworks.ledger.captured import CaptureRow
from tokenworks.ledger.store import Store
from tokenworks.wire import transcript
from tokenworks.wire.answer import Answer
from tokenworks.wire.peek import MALFORMED, Fields
from tokenworks.wire.redaction import Redaction

log = logging.getLogger(__name__)

HEADER = b"x-tokenworks-capture"
MAX_BYTES = 256 * 1024  # of one request and its answer; longer ones teach little and take long to redact
MAX_QUEUED_BYTES = 32 << 20
DAY_US = 86_400 * 1_000_000
CLOSE_S = 10.0  # for what is queued when the worker ends

Consent = Literal["", "key", "request", "all"]

_encode = msgspec.json.Encoder(order="sorted").encode


class _Wishes(msgspec.Struct):
    """What a request's ``provider`` says of its data."""

    data_collection: str | None = None
    zdr: bool | None = None


_decode_wishes = msgspec.json.Decoder(_Wishes | None).decode


def wish(value: bytes | None) -> str:
    """ "allow", "deny" or, without the header, "". Raises BadRequest for another value."""
    word = (value or b"").strip().lower()
    if word not in (b"", b"allow", b"deny"):
        raise BadRequest("header 'x-tokenworks-capture' must be 'allow' or 'deny'")
    return word.decode()


def consent(mode: str, key: bool | None, asked: str, fields: Fields) -> Consent:
    """By whose consent the request may be captured; "" where it may not.

    ``mode`` is ``[routing.auto] capture``, ``key`` what the key's rules say (None: nothing; False: never),
    ``asked`` the ``wish`` of the request. A no, in whatever place, is stronger than any yes.
    """
    if mode == "off" or key is False or asked == "deny" or _refused(fields):
        return ""
    if asked == "allow":
        return "request"
    if key:
        return "key"
    return "all" if mode == "all" else ""


def _refused(fields: Fields) -> bool:
    """Whether ``provider`` wants nothing collected; what can't be read is taken for a no."""
    raw = fields.get("provider")
    if raw is None:
        return False
    try:
        wishes = _decode_wishes(raw)
    except MALFORMED:
        return True
    return wishes is not None and (wishes.data_collection == "deny" or wishes.zdr is True)


class Offered(msgspec.Struct, frozen=True):
    """One request that was answered, as the queue holds it."""

    id: str
    time_us: int
    key_id: str
    model: str
    provider: str
    task: str
    right: float
    consent: Consent
    wire: str  # the caller's
    fields: Fields
    answer: str | bytes | Sequence[bytes] | Answer
    finish: str
    checks: Mapping[str, bool]
    size: int


class Captures:
    """The queue of one worker, and the thread that empties it. ``offer`` is for the loop's thread."""

    def __init__(self, store: Store, days: int, most_queued: int = 256) -> None:
        """``days``: how long a capture is kept."""
        self._store = store
        self._keep_us = days * DAY_US
        self._most = most_queued
        self._queue: queue.SimpleQueue[Offered | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # of the two counts
        self._queued = self._queued_bytes = 0
        self._thread: threading.Thread | None = None
        self._closed = False
        self.kept = 0
        self.dropped = 0  # no room in the queue
        self.too_long = 0
        self.failed = 0  # could not be read or written

    def offer(
        self,
        record_id: str,
        time_us: int,
        key_id: str,
        model: str,
        task: str,
        right: float,
        fields: Fields,
        wire: str,
        answer: str | bytes | Sequence[bytes] | Answer,
        *,
        consent: Consent,
        provider: str = "",
        checks: Mapping[str, bool] | None = None,
        finish: str = "stop",
    ) -> bool:
        """Keep this request and its answer some time later; False where it is not going to be kept.

        ``answer`` is its text (which ended with ``finish``), the whole body on the caller's ``wire``, the
        pieces of a stream on it, or what was read of it. ``checks`` says of each check whether the answer
        passed. Takes microseconds.
        """
        if not consent or self._closed or wire not in transcript.WIRES:
            return False
        size = sum(map(len, fields.values())) + _size(answer)
        if size > MAX_BYTES:
            self.too_long += 1
            return False
        with self._lock:
            if self._queued >= self._most or self._queued_bytes + size > MAX_QUEUED_BYTES:
                self.dropped += 1
                return False
            self._queued += 1
            self._queued_bytes += size
        who = (record_id, time_us, key_id, model, provider, task, right, consent)
        self._queue.put(Offered(*who, wire, fields, answer, finish, dict(checks or {}), size))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="captures", daemon=True)
            self._thread.start()
        return True

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what is queued and end the thread; what takes longer than ``timeout_s`` is lost."""
        self._closed = True
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._queue.put(None)
        thread.join(timeout_s)
        if thread.is_alive():
            log.warning("captures: %d were not written in %.0f s and are lost", self._queued, timeout_s)

    def _work(self) -> None:
        while (offered := self._queue.get()) is not None:
            try:
                self.kept += self._store.keep_capture(row(offered, self._keep_us))
            except (StoreError, BadRequest, ValueError) as error:
                self.failed += 1
                log.warning("capture of %s: %s", offered.id, error)
            except Exception:
                self.failed += 1
                log.exception("capture of %s: unexpected; going on", offered.id)
            with self._lock:
                self._queued -= 1
                self._queued_bytes -= offered.size


def row(offered: Offered, keep_us: int) -> CaptureRow:
    """What is kept of it, redacted. Raises BadRequest or ValueError for what can't be read."""
    asked = transcript.read(offered.wire, offered.fields)
    said = _said(offered)
    terms = distillable.terms(offered.model)
    redaction = Redaction()
    body = {
        "messages": redaction.redact_json(asked.messages),
        "answer": redaction.redact(said.text),
        "finish": said.finish,
        "model": offered.model,
        "provider": offered.provider,
        "task": offered.task,
        "checks": offered.checks,
        "right": round(offered.right, 4),
        "consent": offered.consent,
        "license": {"state": terms.state, "name": terms.name, "checked": terms.checked},
    }
    more = {
        "tool_calls": redaction.redact_json(list(said.tool_calls)),
        "refusal": redaction.redact(said.refusal),
        "tools": redaction.redact_json(asked.tools),
        "media": asked.media,
    }
    body |= {name: value for name, value in more.items() if value}
    body["redacted"] = redaction.counts
    return CaptureRow(
        offered.id,
        offered.time_us,
        offered.time_us + keep_us,
        offered.key_id,
        offered.model.replace("\0", ""),
        offered.task,
        min(max(offered.right, 0.0), 1.0),
        zlib.compress(_encode(body)),
    )


def _said(offered: Offered) -> transcript.Said:
    answer = offered.answer
    if isinstance(answer, str):
        return transcript.Said(answer, finish=offered.finish)
    return transcript.of(answer) if isinstance(answer, Answer) else transcript.said(offered.wire, answer)


def _size(answer: str | bytes | Sequence[bytes] | Answer) -> int:
    if isinstance(answer, Answer):
        texts = (getattr(block, "text", "") or getattr(block, "arguments", "") for block in answer.content)
        return sum(map(len, texts))
    return len(answer) if isinstance(answer, str | bytes) else sum(map(len, answer))
