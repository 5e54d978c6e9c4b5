"""How busy a server of models is, from what it told of late."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tokenworks.engines.exposition import Page

RATE_S = 10.0  # tokens a second are told of the last so many seconds
HITS_S = 300.0  # prefix hits of the last so many
DIGITS = 3  # that rates are told with: what only flickers is no news


class Load(msgspec.Struct, frozen=True, omit_defaults=True):
    """One server now. None: it does not tell."""

    running: int = 0  # requests
    waiting: int = 0
    kv_used: float | None = None  # share of the KV cache that running requests hold, 0 to 1
    kv_tokens: int | None = None  # size of that cache, in tokens
    cached: float | None = None  # share of prompt tokens out of a prefix cache, last five minutes with any
    prompt_per_s: float | None = None  # tokens read, cached ones too, last ten seconds
    output_per_s: float | None = None  # tokens written

    @property
    def under_way(self) -> int:
        """Requests that it has taken and not answered."""
        return self.running + self.waiting

    @property
    def kv_free_tokens(self) -> int | None:
        """Tokens for which there is room now; what is only kept for later prompts counts as room."""
        if self.kv_used is None or self.kv_tokens is None:
            return None
        return round(self.kv_tokens * max(0.0, 1.0 - self.kv_used))


class _Sums(msgspec.Struct, frozen=True):
    """What it had done since its start, in tokens."""

    at_s: float
    prompt: float
    decoded: float
    cached: float | None
    looked_up: float | None  # those of which ``cached`` came out of a cache

    def behind(self, other: _Sums) -> bool:
        """Whether this was told by an earlier start of the server than ``other``."""
        return other.prompt < self.prompt or other.decoded < self.decoded


class Looks:
    """The looks at one server, of which its load is made. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._sums: deque[_Sums] = deque()

    def see(self, now_s: float, page: Page) -> Load:
        """The load as of ``page``, which was told at ``now_s``."""
        now = _sums(now_s, page)
        if self._sums and self._sums[-1].behind(now):
            self._sums.clear()
        self._sums.append(now)
        while now_s - self._sums[0].at_s > HITS_S:
            self._sums.popleft()
        since = next(each for each in self._sums if now_s - each.at_s <= RATE_S)
        took_s = now.at_s - since.at_s
        used, tokens = page.told("kv_used"), page.told("kv_tokens")
        return Load(
            running=round(page.told("running") or 0),
            waiting=round(page.told("waiting") or 0),
            kv_used=None if used is None else round(min(1.0, max(0.0, used)), DIGITS),
            kv_tokens=round(tokens) if tokens else None,
            cached=_share(self._sums[0], now),
            prompt_per_s=_rounded((now.prompt - since.prompt) / took_s) if took_s else None,
            output_per_s=_rounded((now.decoded - since.decoded) / took_s) if took_s else None,
        )

    def forget(self) -> None:
        """The server was away: what it told before says nothing of now."""
        self._sums.clear()


def _sums(now_s: float, page: Page) -> _Sums:
    computed, cached = page.told("computed"), page.told("cached")
    prompt = page.told("prompt") if computed is None else computed + (cached or 0.0)
    looked_up = prompt
    if cached is None:
        cached, looked_up = page.told("hits"), page.told("queries")
    return _Sums(now_s, prompt or 0.0, page.told("decoded") or 0.0, cached, looked_up)


def _share(then: _Sums, now: _Sums) -> float | None:
    """Of prompt tokens since ``then``; where there were none, since the server's start."""
    if not now.looked_up or now.cached is None:
        return None
    cached, looked_up = now.cached - (then.cached or 0.0), now.looked_up - (then.looked_up or 0.0)
    if looked_up <= 0:
        cached, looked_up = now.cached, now.looked_up
    return round(min(1.0, max(0.0, cached / looked_up)), DIGITS)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
