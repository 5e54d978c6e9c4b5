"""Joules of one engine told apart: reading a prompt (prefill) and writing an answer (decode), per token.

Engines count a request's tokens and seconds when a part of it is over, so joules wait until then. What has
come together is split by the time that each took. Of decoding that time is divided by how many requests were
decoded at once: they share every step, while a prompt has the machine for itself. Old work counts less and
less, by half after ten minutes of newer work, so that the figures follow what an engine does now.
"""

from __future__ import annotations

from typing import NamedTuple

from tokenworks.energy.engine_metrics import Counts

HALF_LIFE_S = 600.0  # of work, not of time
ENOUGH_S = 0.05  # of work, before anything is told
# Where an engine doesn't tell how long it read and wrote: what a token written costs, in tokens read. Of one
# day of a large service (open-infra-index, day 6): 131.4 nodes wrote 168 G tokens while 95.5 read 266 G.
DECODE_WEIGHT = 2.18


class PerToken(NamedTuple):
    """Microjoules of one token."""

    prefill_uj: float
    decode_uj: float


class Phases:
    """What one engine used, and what a token of each kind takes of it."""

    def __init__(self) -> None:
        self.prefill_joules = 0.0  # since the meter's start; these and the next only grow
        self.decode_joules = 0.0
        self._pending = 0.0  # used for requests that are not counted yet
        self._joules = self._prefill_s = self._decode_s = self._prefill = self._decode = 0.0

    def add(self, joules: float, done: Counts) -> None:
        """``joules`` were used since the last time, while ``done`` came to the engine's counters."""
        self._pending += joules
        if done.prefill_tokens <= 0 and done.decode_tokens <= 0:
            return
        prefill_s, decode_s = work_s(done)
        fade = 0.5 ** ((prefill_s + decode_s) / HALF_LIFE_S) if done.timed else 0.99
        self._joules = self._joules * fade + self._pending
        self._prefill_s = self._prefill_s * fade + prefill_s
        self._decode_s = self._decode_s * fade + decode_s
        self._prefill = self._prefill * fade + done.prefill_tokens
        self._decode = self._decode * fade + done.decode_tokens
        share = self._share
        self.prefill_joules += self._pending * share
        self.decode_joules += self._pending * (1 - share)
        self._pending = 0.0

    @property
    def joules(self) -> float:
        """All that this engine used for requests, also for those that are under way."""
        return self.prefill_joules + self.decode_joules + self._pending

    def per_token(self) -> PerToken | None:
        """What a token takes now; None before enough was seen. A kind that was never seen takes what the
        other makes likely."""
        if self._prefill_s + self._decode_s < ENOUGH_S or self._joules <= 0:
            return None
        share = self._share
        prefill = self._joules * share / self._prefill if self._prefill else 0.0
        decode = self._joules * (1 - share) / self._decode if self._decode else 0.0
        if not self._prefill:
            prefill = decode / DECODE_WEIGHT
        if not self._decode:
            decode = prefill * DECODE_WEIGHT
        return PerToken(prefill * 1e6, decode * 1e6)

    @property
    def _share(self) -> float:
        """Of reading prompts in all work."""
        return self._prefill_s / ((self._prefill_s + self._decode_s) or 1.0)


def work_s(done: Counts) -> tuple[float, float]:
    """How long the machine read and wrote for ``done``; where that isn't told, tokens by what they weigh."""
    if done.prefill_s is None or done.decode_s is None:
        return done.prefill_tokens, done.decode_tokens * DECODE_WEIGHT
    return done.prefill_s, done.decode_s / done.together
