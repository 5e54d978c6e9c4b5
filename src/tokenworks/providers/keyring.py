"""The keys of one provider in one worker: whose turn it is, and which of them rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b

from tokenworks.config.settings import ProviderKey

REJECTED_S = 300.0  # a key that the provider refused is tried again after this long

_BITS = 52  # of a hash, so that every fraction of it is a float below 1


class _Slot:
    """One key and what is known of it now."""

    __slots__ = ("credit", "key", "rests_until", "salt")

    def __init__(self, key: ProviderKey) -> None:
        self.key = key
        self.credit = 0.0  # of the weighted round robin
        self.rests_until = -math.inf
        self.salt = blake2b(key.name.encode(), digest_size=16).digest()

    def affinity(self, session: bytes) -> float:
        """How much ``session`` belongs to this key: its weight's chance to be the largest of all."""
        hashed = int.from_bytes(blake2b(session, digest_size=8, key=self.salt).digest(), "little")
        fraction = ((hashed >> (64 - _BITS)) + 0.5) / (1 << _BITS)
        return self.key.weight / -math.log(fraction)


class Keyring:
    """Shares requests among keys by weight. ``now`` is any clock in seconds that never goes back."""

    def __init__(self, keys: Sequence[ProviderKey], now: Callable[[], float]) -> None:
        """Raises ``ValueError`` where two keys have one name or a weight is not above 0."""
        if len({key.name for key in keys}) < len(keys):
            raise ValueError(f"names of keys must differ: {', '.join(key.name for key in keys)}")
        if any(not 0 < key.weight < math.inf for key in keys):
            raise ValueError("weights of keys must be above 0")
        self._slots = [_Slot(key) for key in keys]
        self._by_name = {slot.key.name: slot for slot in self._slots}
        self._now = now

    def pick(
        self, session: str = "", avoid: Collection[str] = (), *, resting: bool = False
    ) -> ProviderKey | None:
        """The key for the next request; None when every one rests or is named in ``avoid``.

        A session gets the same key each time; another one only while that rests or is to be avoided.
        Requests without a session take turns, so that shares are exact over short runs. Where all rest,
        ``resting`` gives the one that is back first.
        """
        free = self._free(avoid)
        if not free:
            others = [slot for slot in self._slots if slot.key.name not in avoid] if resting else []
            return min(others, key=lambda slot: slot.rests_until).key if others else None
        if len(free) == 1:
            return free[0].key
        if session:
            name = session.encode("utf-8", "surrogatepass")
            return max(free, key=lambda slot: slot.affinity(name)).key
        return _next(free).key

    def cool(self, name: str, seconds: float) -> None:
        """Let the key rest: its provider said that it is used too much. Never shortens a rest."""
        slot = self._by_name[name]
        slot.rests_until = max(slot.rests_until, self._now() + seconds)

    def reject(self, name: str) -> None:
        """Let the key rest for long: its provider does not know it (any more)."""
        self.cool(name, REJECTED_S)

    def usable(self, avoid: Collection[str] = ()) -> int:
        """How many keys ``pick`` has to choose from. Takes nobody's turn."""
        return len(self._free(avoid))

    def wait_s(self) -> float:
        """Seconds until some key is usable: 0 when one is, infinity when there is none at all."""
        return max(0.0, min((s.rests_until for s in self._slots), default=math.inf) - self._now())

    def _free(self, avoid: Collection[str]) -> list[_Slot]:
        now = self._now()
        return [slot for slot in self._slots if slot.rests_until <= now and slot.key.name not in avoid]


def _next(free: Sequence[_Slot]) -> _Slot:
    """Smooth weighted round robin: the slot with the most credit pays for everybody's new credit."""
    chosen = free[0]
    total = 0.0
    for slot in free:
        slot.credit += slot.key.weight
        total += slot.key.weight
        if slot.credit > chosen.credit:
            chosen = slot
    chosen.credit -= total
    return chosen
