"""Marks at the end of a prefix worth caching, as content and tools bear them."""

from __future__ import annotations

import msgspec

DEFAULT_TTL = "5m"


class CacheControl(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """One mark. ``ttl`` of None means the default."""

    type: str
    ttl: str | None = None


_MARKS = {DEFAULT_TTL: CacheControl("ephemeral"), "1h": CacheControl("ephemeral", "1h")}


def mark(ttl: str) -> CacheControl | None:
    """The mark for a block's ``cache_ttl``; None for a block without one."""
    return (_MARKS.get(ttl) or CacheControl("ephemeral", ttl)) if ttl else None


def ttl_of(given: CacheControl | None) -> str:
    """A block's ``cache_ttl`` from the mark it bears."""
    return "" if given is None else given.ttl or DEFAULT_TTL
