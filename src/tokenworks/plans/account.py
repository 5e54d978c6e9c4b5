"""One account as a worker sees it: what is free of its lease, and where what is spent counts."""

from __future__ import annotations

import hashlib
from enum import IntEnum

from tokenworks.plans.window import Window

FOREVER = 2**62  # later than any bucket: nothing that is spent counts


class Kind(IntEnum):
    """Which of a request's amounts is counted. ``MOST_...`` is what it may come to at the very most."""

    USD = 0
    MOST_USD = 1
    REQUESTS = 2
    INPUT_TOKENS = 3
    MOST_INPUT_TOKENS = 4
    OUTPUT_TOKENS = 5
    MOST_OUTPUT_TOKENS = 6
    TOKENS = 7
    MOST_TOKENS = 8
    CONCURRENT = 9
    CREDITS = 10


MONEY = (Kind.USD, Kind.MOST_USD)
STRICT = {
    "usd": Kind.MOST_USD,
    "input_tokens": Kind.MOST_INPUT_TOKENS,
    "output_tokens": Kind.MOST_OUTPUT_TOKENS,
    "tokens": Kind.MOST_TOKENS,
}


def kind_of(unit: str, *, strict: bool) -> int:
    """How amounts of ``unit`` are counted; plain integers, for they index a tuple on the hot path."""
    return int(STRICT[unit] if strict and unit in STRICT else Kind[unit.upper()])


def account_id(limit_id: str, subject: str) -> int:
    """63 bits that are the same on every machine; two of a million accounts agree once in 10^7 works."""
    digest = hashlib.blake2b(f"{limit_id}\0{subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1 or 1


class Account:
    """What this worker may still give out of one account, without asking anybody.

    ``free`` may fall below zero where a request came dearer than was reserved for it. ``spent``, ``leased``
    and ``oldest`` are what the store told last.
    """

    __slots__ = (
        "bucket",
        "cap",
        "dry_until_us",
        "ends_us",
        "free",
        "granted",
        "id",
        "idle",
        "kind",
        "leased",
        "limit_id",
        "low",
        "name",
        "oldest",
        "opened_us",
        "scope",
        "self_granted_us",
        "spent",
        "subject",
        "told_us",
        "unit",
        "used",
        "window",
    )

    def __init__(
        self,
        limit_id: str,
        subject: str,
        scope: str,
        name: str,
        unit: str,
        kind: int,
        cap: int,
        window: Window,
    ) -> None:
        self.id = account_id(limit_id, subject)
        self.limit_id = limit_id
        self.subject = subject
        self.scope = scope  # of the limit, for messages
        self.name = name  # of whom it limits, for messages
        self.unit = unit
        self.kind = kind
        self.cap = cap
        self.window = window
        self.bucket = 0
        self.ends_us = 0  # of the bucket: the next use looks at the clock
        self.free = 0
        self.granted = 0
        self.low = 0  # with less than this free, more is asked for ahead of need
        self.spent = self.leased = self.oldest = self.opened_us = 0
        self.told_us = 0  # when the store told this
        self.dry_until_us = 0  # nothing is to be had before; see ``Leases``
        self.self_granted_us = 0
        self.used = True  # since the last housekeeping
        self.idle = 0  # rounds of housekeeping without use

    def roll(self, now_us: int) -> None:
        """The next bucket begins: what was said of the last one is no longer true."""
        if self.unit == "concurrent":
            self.bucket, self.ends_us = 0, FOREVER
            return
        if self.ends_us:
            self.dry_until_us = self.told_us = 0
            if self.window.kind == "calendar":  # in the new one nothing is spent yet
                self.spent = self.oldest = 0
        self.bucket, self.ends_us = self.window.bucket(now_us)

    def since(self, now_us: int) -> int:
        """The first bucket that counts."""
        return FOREVER if self.unit == "concurrent" else self.window.since(now_us)

    @property
    def left(self) -> int:
        """What can surely still be had, as far as this worker knows."""
        return max(0, min(self.cap, self.cap - self.spent - self.leased + max(self.free, 0)))

    def frees_us(self, now_us: int) -> int:
        """When more is to be had, at the earliest: of a rolling window, when its oldest bucket leaves."""
        if self.unit == "concurrent":
            return now_us + 1_000_000
        if self.window.kind == "rolling":
            oldest = self.oldest or self.bucket
            return self.window.frees_us(oldest, now_us)
        return self.ends_us
