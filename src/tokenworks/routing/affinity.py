"""Sessions kept to the endpoint that has their prompt in its cache."""

from __future__ import annotations

import msgspec

from tokenworks.routing.place import Place, place_of
from tokenworks.schema import Endpoint

Key = tuple[str, str, str]  # key id, model, session


class Kept(msgspec.Struct, frozen=True):
    """Where a session was served last, and how much of its input is likely in the cache there."""

    place: Place
    cached_tokens: int
    at: float


class Affinity:
    """Endpoints by session, at most ``limit``; one silent for ``idle_s`` is forgotten.

    A session belongs to its key and model: two keys that use the same name share nothing.
    """

    def __init__(self, limit: int, idle_s: float) -> None:
        self._idle_s = idle_s
        self._limit = limit
        self._kept: dict[Key, Kept] = {}  # the one that was silent for longest comes first

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, key: Key, now: float) -> Kept | None:
        """Where the session belongs; None when it is new or was silent for too long."""
        kept = self._kept.get(key)
        if kept is not None and now - kept.at >= self._idle_s:
            del self._kept[key]
            return None
        return kept

    def remember(self, key: Key, endpoint: Endpoint, cached_tokens: int, now: float) -> None:
        """``endpoint`` has answered. ``cached_tokens`` were read from its cache or written to it.

        Where a cache saves nothing, nothing is kept: the session may go anywhere.
        """
        self._kept.pop(key, None)
        if not pays(endpoint) or self._idle_s <= 0:
            return
        self._kept[key] = Kept(place_of(endpoint), cached_tokens, now)
        while len(self._kept) > self._limit or now - next(iter(self._kept.values())).at >= self._idle_s:
            del self._kept[next(iter(self._kept))]  # never the one just added

    def forget(self, key: Key) -> None:
        """Let the session go anywhere next time."""
        self._kept.pop(key, None)


def pays(endpoint: Endpoint) -> bool:
    """Is input from the cache cheaper there? Of our own engines it is faster."""
    price = endpoint.price
    read = price.cache_read_mtok
    return endpoint.engine is not None or (read is not None and read < price.input_mtok)
