"""What the store gives out besides records: keys and sums."""

from __future__ import annotations

import hashlib

import msgspec


def hash_of(key_id: str) -> str:
    """What ``KeyRow.hash`` is for this id."""
    return hashlib.sha256(key_id.encode()).hexdigest()


class KeyRow(msgspec.Struct, frozen=True):
    """An API key as stored. The secret itself is nowhere; ``digest`` is its HMAC-SHA256."""

    id: str
    name: str
    role: str  # "member" | "manager" of its team | "admin"
    hint: str  # first 6 and last 4 characters of the secret, to tell keys apart
    created_us: int
    revoked_us: int | None
    digest: bytes
    updated_us: int = 0  # the last time that anything of it was changed
    expires_us: int | None = None  # from this moment on it is refused
    disabled: bool = False
    team_id: str = ""
    rules: str = ""  # JSON of ``plans.rules.Rules``; empty: none
    old_digest: bytes | None = None  # of the secret before the last rotation
    old_until_us: int | None = None  # until when that one is still good

    @property
    def active(self) -> bool:
        """Neither revoked nor disabled; whether its time has come is what ``expired`` tells."""
        return self.revoked_us is None and not self.disabled

    def expired(self, now_us: int) -> bool:
        """Whether its time has come at ``now_us``."""
        return self.expires_us is not None and self.expires_us <= now_us

    @property
    def hash(self) -> str:
        """64 hex digits that name the key to administrators, the same after a rotation. They open nothing."""
        return hash_of(self.id)


class ProviderKeyRow(msgspec.Struct, frozen=True):
    """A provider's key as stored: encrypted."""

    id: str
    provider: str
    name: str  # one of its provider's, each different
    weight: float
    ciphertext: bytes
    hint: str  # enough of the secret to tell keys apart
    created_us: int
    disabled: bool = False


class ActivityRow(msgspec.Struct, frozen=True, gc=False):
    """Sums over the requests of one UTC day, model and provider."""

    day: str  # ISO date
    model: str
    provider: str
    requests: int
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int  # part of output_tokens
    cost_nano_usd: int

    @property
    def input_tokens(self) -> int:
        """All input: uncached + cache read + cache write."""
        return self.uncached_input_tokens + self.cache_read_tokens + self.cache_write_tokens


class UsageRow(msgspec.Struct, frozen=True, gc=False):
    """Sums over the requests of one group.

    ``errors`` counts every outcome but "ok", "client_gone" and "queued". ``latency_us`` and ``ttft_us``
    are sums; the latter over the ``ttft_requests`` that had a first token.
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
    tool_calls: int = 0
    ttft_requests: int = 0

    @property
    def input_tokens(self) -> int:
        """All input: uncached + cache read + cache write."""
        return self.uncached_input_tokens + self.cache_read_tokens + self.cache_write_tokens
