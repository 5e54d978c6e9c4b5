"""What one worker knows of endpoints that serve the same model at the same price: how busy each is, and how
popular prompts are. Use from the loop's thread. Times are monotonic seconds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from tokenworks.routing.place import Place, place_of
from tokenworks.schema import Endpoint

FADE_S = 1800.0  # after so long work counts for 1/e
MAX_REPLICAS = 4096
MAX_BEGINNINGS = 256  # kinds of them, some 100 KB each at most: callers may name models that nobody lists
MOST_WEIGHT = 1.25  # and its inverse: so far are shares corrected, for whoever was idle gets no rush
PRIOR = 32  # mean requests that each is assumed to have served besides: a few say little
TOKENS_WEIGH = 0.7  # against the number of requests, when loads are compared
REFRESH_S = 1.0  # for so long weights are answered from the last look at loads
MOST_COUNTED = 1024  # requests, when all counts of beginnings are halved
DOUBT = 64  # requests of other beginnings that are assumed besides those that were counted


class Replica:
    """One endpoint's load, as far as this worker makes it."""

    __slots__ = ("_at", "_requests", "_tokens", "seed", "under_way", "weighed_at", "weight")

    def __init__(self, place: Place) -> None:
        # The same in every process and after every restart.
        digest = hashlib.blake2b("\0".join(place).encode("utf-8", "surrogatepass"), digest_size=8)
        self.seed = int.from_bytes(digest.digest(), "little") | 1  # a factor
        self.under_way = 0  # requests
        self.weight = 1.0  # of its share, as ``weigh`` found it
        self.weighed_at = -math.inf
        self._tokens = self._requests = self._at = 0.0

    def left(self, tokens: int, now: float) -> None:
        """A request is over. ``tokens`` were computed for it: input that was in no cache, and output."""
        self.under_way -= 1
        if tokens:
            faded = self._faded(now)
            self._tokens = self._tokens * faded + tokens
            self._requests = self._requests * faded + 1
            self._at = now

    def work(self, now: float) -> tuple[float, float]:
        """Tokens computed and requests answered there of late, older ones counting less."""
        faded = self._faded(now)
        return self._tokens * faded, self._requests * faded

    def _faded(self, now: float) -> float:
        return math.exp((self._at - now) / FADE_S)


class Beginnings:
    """How often prompts began with each of some bytes, among the last thousand requests or so."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}  # by digest
        self.total = 0  # requests, older ones counting less

    def share(self, digest: int) -> float:
        """Share of requests that began so, this one counted; small until there were some requests."""
        counts = self._counts
        count = counts[digest] = counts.get(digest, 0) + 1
        self.total += 1
        if self.total >= MOST_COUNTED:
            self._counts = {each: half for each, had in counts.items() if (half := had // 2)}
            self.total //= 2
        return count / (self.total + DOUBT)


class Replicas:
    """Loads by endpoint, beginnings by model and part; both are made when first asked for."""

    def __init__(self, limit: int = MAX_REPLICAS) -> None:
        self._limit = limit
        self._replicas: dict[Place, Replica] = {}
        self._beginnings: dict[tuple[str, str], Beginnings] = {}

    def of(self, endpoint: Endpoint) -> Replica:
        """The load of ``endpoint``."""
        place = place_of(endpoint)
        replica = self._replicas.get(place)
        if replica is None:
            if len(self._replicas) >= self._limit:  # those that are idle can be made anew
                self._replicas = {name: each for name, each in self._replicas.items() if each.under_way}
                self._beginnings.clear()
            replica = self._replicas[place] = Replica(place)
        return replica

    def beginnings(self, model: str, part: str) -> Beginnings:
        """How often each ``part`` of prompts of ``model`` came."""
        found = self._beginnings.get((model, part))
        if found is None:
            if len(self._beginnings) >= MAX_BEGINNINGS:  # the one that tells least goes
                del self._beginnings[min(self._beginnings, key=lambda kind: self._beginnings[kind].total)]
            found = self._beginnings[model, part] = Beginnings()
        return found


def weigh(loads: Sequence[Replica], now: float) -> None:
    """Weigh each once a second: below 1 where more than their mean was computed of late, above where less."""
    if now - loads[0].weighed_at < REFRESH_S:
        return
    for load, weight in zip(loads, weights([each.work(now) for each in loads]), strict=True):
        load.weight, load.weighed_at = weight, now


def weights(work: Sequence[tuple[float, float]]) -> list[float]:
    """The weights of replicas of which each has computed so many tokens for so many requests.

    By the square of what each has above or below the mean, for shares that hashing made stay as they are.
    """
    tokens = sum([each for each, _ in work]) / len(work)
    requests = sum([each for _, each in work]) / len(work)
    if not tokens or not requests:
        return [1.0] * len(work)
    prior = PRIOR / requests
    loads = [TOKENS_WEIGH * had / tokens + (1 - TOKENS_WEIGH) * served / requests for had, served in work]
    return [min(MOST_WEIGHT, max(1 / MOST_WEIGHT, ((1 + prior) / (each + prior)) ** 2)) for each in loads]
