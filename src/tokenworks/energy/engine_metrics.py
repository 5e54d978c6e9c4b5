"""What an engine tells of its own work on ``/metrics``, whichever server it is.

Under which names servers tell it stands in ``engines/server_kinds.toml``. Tokens that came out of a prefix
cache are told apart from those that were computed.
"""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import msgspec

from tokenworks.engines import exposition

TIMEOUT_S = 1.0  # an engine answers within milliseconds, or after the batch in hand
MAX_BYTES = 4 << 20


class Counts(msgspec.Struct, frozen=True):
    """Sums since an engine's start. None: it doesn't tell."""

    prefill_tokens: float  # computed, not read from a cache
    cached_tokens: float
    decode_tokens: float
    prefill_s: float | None = None  # of all requests, added up
    decode_s: float | None = None
    batches: float | None = None  # decoded so far, and in them
    busy: float | None = None  # slots that had something to do, added up
    running: float | None = None  # requests at this moment; of what came since: at its begin or end, the more

    def since(self, before: Counts) -> Counts:
        """What came to it since; all of it where the engine has begun anew."""
        pairs = (
            (self.prefill_tokens, before.prefill_tokens),
            (self.decode_tokens, before.decode_tokens),
            (self.prefill_s, before.prefill_s),
        )
        if any(now is not None and then is not None and now < then for now, then in pairs):
            return self
        return Counts(
            prefill_tokens=self.prefill_tokens - before.prefill_tokens,
            cached_tokens=max(0.0, self.cached_tokens - before.cached_tokens),
            decode_tokens=self.decode_tokens - before.decode_tokens,
            prefill_s=_less(self.prefill_s, before.prefill_s),
            decode_s=_less(self.decode_s, before.decode_s),
            batches=_less(self.batches, before.batches),
            busy=_less(self.busy, before.busy),
            running=_more(self.running, before.running),
        )

    @property
    def timed(self) -> bool:
        """Whether it tells how long it read and wrote."""
        return self.prefill_s is not None and self.decode_s is not None

    @property
    def together(self) -> float:
        """Requests that were decoded at a time, at least 1."""
        if self.batches and self.busy:
            return max(1.0, self.busy / self.batches)
        return max(1.0, self.running or 1.0)


def parse(text: str) -> Counts | None:
    """The counts in a page of Prometheus text; None where it is no such engine's."""
    page = exposition.read(text)
    if page is None:
        return None
    cached, computed = page.told("cached") or 0.0, page.told("computed")
    if computed is None:
        computed = max(0.0, (page.told("prompt") or 0.0) - cached)
    batches, per_batch = page.told("batches"), page.told("busy_per_batch")
    return Counts(
        prefill_tokens=computed,
        cached_tokens=cached,
        decode_tokens=page.told("decoded") or 0.0,
        prefill_s=page.told("prefill_s"),
        decode_s=page.told("decode_s"),
        batches=batches,
        busy=None if batches is None or per_batch is None else batches * per_batch,
        running=page.told("running"),
    )


def fetch(url: str, api_key: str = "", timeout_s: float = TIMEOUT_S) -> Counts | None:
    """The counts of the engine with metrics at ``url``; None where it doesn't answer, or not with these."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        connection.request("GET", parts.path or "/metrics", headers=headers)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            return None
        return parse(answer.read(MAX_BYTES).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _more(now: float | None, then: float | None) -> float | None:
    return now if then is None else then if now is None else max(now, then)


def _less(now: float | None, then: float | None) -> float | None:
    return None if now is None or then is None else max(0.0, now - then)
