"""What the store gives out besides records: keys and sums."""

from __future__ import annotations

import msgspec


class KeyRow(msgspec.Struct, frozen=True):
    """An API key as stored. The secret itself is nowhere; ``digest`` is its HMAC-SHA256."""

    id: str
    name: str
    role: str  # "member" | "admin"
    hint: str  # first 6 and last 4 characters of the secret, to tell keys apart
    created_us: int
    revoked_us: int | None
    digest: bytes

    @property
    def active(self) -> bool:
        """Whether the key may still be used."""
        return self.revoked_us is None


class UsageRow(msgspec.Struct, frozen=True, gc=False):
    """Sums over the requests of one group.

    ``errors`` counts every outcome but "ok" and "client_gone". ``latency_us`` and ``ttft_us`` are sums;
    the latter over the ``ttft_requests`` that had a first token.
    """

    group: str = ""  # model, key id, app, provider or ISO day; "" for all together
    name: str = ""  # what to show for it: the key's name, else the same as ``group``
    requests: int = 0
    errors: int = 0
    uncached_input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int = 0
    latency_us: int = 0
    ttft_us: int = 0
    ttft_requests: int = 0

    @property
    def input_tokens(self) -> int:
        """All input: uncached + cache read + cache write."""
        return self.uncached_input_tokens + self.cache_read_tokens + self.cache_write_tokens
