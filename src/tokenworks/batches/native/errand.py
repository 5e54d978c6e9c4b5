"""One hand-in of requests to a provider's batch API: sent once, whoever is killed and whenever.

planned ─▶ intended ─▶ sent ─▶ collected

What is intended is kept before anything is sent, and the provider's id before anything else is done. Found
intended, it may have been sent or not: the provider is asked, and only where it surely knows nothing of the
tag it is sent. Results are collected as often as it takes; whoever keeps them keeps each once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from tokenworks.providers.bulk.way import Outcome, Progress, Refused, Request, Unsure, Way

log = logging.getLogger(__name__)

PLANNED, INTENDED, SENT, COLLECTED = "planned", "intended", "sent", "collected"
LONGEST_S = 300.0  # between two looks


class Errand(msgspec.Struct, frozen=True, omit_defaults=True):
    """As it is kept, JSON."""

    tag: str  # letters, digits, "-", "_"; no other hand-in has it
    path: str  # that its requests are for, at the provider
    state: str = PLANNED
    intended_s: float = 0.0  # unix time
    batch_id: str = ""  # the provider's


class Pauses(msgspec.Struct, frozen=True):
    """In seconds."""

    look_s: float = 15.0  # between two looks; grows up to ``LONGEST_S``
    grace_s: float = 60.0  # in which a provider's list may not show yet what it has taken


Keep = Callable[[Errand], Awaitable[None]]  # returns when it is safe on disk
Settle = Callable[[Outcome], Awaitable[None]]
Condition = Callable[[], bool]
USUAL = Pauses()


def custom_id(errand: Errand, seq: int) -> str:
    """What a request is called at the provider."""
    return f"{errand.tag}-{seq}"


def seq_of(errand: Errand, name: str) -> int | None:
    """The number of the request that is called so; None for one of others."""
    tag, _, seq = name.rpartition("-")
    return int(seq) if tag == errand.tag and seq.isascii() and seq.isdecimal() else None


class Courier:
    """Runs errands on one provider. Use from one loop."""

    def __init__(
        self,
        way: Way,
        keep: Keep,
        pauses: Pauses = USUAL,
        known: Callable[[], Sequence[str]] = tuple,
        rests: Callable[[], None] = lambda: None,
    ) -> None:
        """``keep`` makes an errand durable; ``known`` are ids of other hand-ins that this provider has.

        ``rests`` is told whenever nothing can be done but to look again later, maybe in hours.
        """
        self._way, self._keep, self._pauses, self._known = way, keep, pauses, known
        self._rests = rests

    async def send(
        self,
        errand: Errand,
        requests: Sequence[Request],
        going: Condition = lambda: True,
        cancels: Condition = lambda: False,
    ) -> Errand:
        """See that it is handed in, exactly once; returns it as it is kept then.

        It has no ``batch_id`` once ``going`` is False, to be asked again later; nor where ``cancels`` is True
        and the provider surely has nothing of it. Raises ``Refused`` where the provider does not take it:
        nothing was run then.
        """
        if errand.state in (SENT, COLLECTED):
            return errand
        if errand.state == PLANNED and cancels():
            return errand
        if errand.state == PLANNED:
            errand = msgspec.structs.replace(errand, state=INTENDED, intended_s=time.time())
            await self._keep(errand)
            batch_id = await self._submit(errand, requests)
        else:
            batch_id = ""
        while not batch_id:
            found = await self._found(errand, going)
            if found is None or (not found and cancels()):
                return errand
            batch_id = found or await self._submit(errand, requests)
        errand = msgspec.structs.replace(errand, state=SENT, batch_id=batch_id)
        await self._keep(errand)
        return errand

    async def _submit(self, errand: Errand, requests: Sequence[Request]) -> str:
        """Its id; empty where nobody knows whether it arrived."""
        try:
            return await self._way.submit(errand.tag, errand.path, requests)
        except Unsure as error:
            log.warning("native batch %s: %s; looking whether it arrived", errand.tag, error)
            return ""

    async def _found(self, errand: Errand, going: Condition) -> str | None:
        """Its id at the provider; empty where it surely has none, None once ``going`` is False."""
        began, pause_s = time.monotonic(), self._pauses.look_s
        while going():
            try:
                found = await self._way.find(errand.tag, errand.intended_s, self._known())
            except Unsure as error:
                log.info("native batch %s: %s", errand.tag, error)
                self._rests()
            else:
                # A list that is asked at once may not show what was just taken.
                if found or time.monotonic() - began >= self._pauses.grace_s:
                    return found
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_S)
        return None

    async def ended(self, errand: Errand, going: Condition, cancels: Condition) -> Progress | None:
        """How it stands at its end; None once ``going`` is False, to be asked again later.

        It is cancelled at the provider once ``cancels`` is True; what was run by then is told all the same.
        """
        pause_s, told = self._pauses.look_s, False
        while going():
            try:
                if cancels() and not told:
                    await self._way.cancel(errand.batch_id)
                    told, pause_s = True, self._pauses.look_s
                progress = await self._way.progress(errand.batch_id)
            except Unsure as error:
                log.info("native batch %s: %s", errand.tag, error)
            else:
                if progress.ended:
                    return progress
            self._rests()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.2, LONGEST_S)
        return None

    async def collect(self, errand: Errand, settle: Settle) -> Errand:
        """Give each result to ``settle``; those of a collection that broke off come again."""
        while True:
            try:
                async for outcome in self._way.results(errand.batch_id):
                    await settle(outcome)
            except Unsure as error:
                log.warning("native batch %s: %s; reading its results again", errand.tag, error)
                await asyncio.sleep(self._pauses.look_s)
            else:
                break
        errand = msgspec.structs.replace(errand, state=COLLECTED)
        await self._keep(errand)
        return errand


__all__ = [
    "COLLECTED",
    "INTENDED",
    "PLANNED",
    "SENT",
    "USUAL",
    "Courier",
    "Errand",
    "Pauses",
    "Refused",
    "custom_id",
    "seq_of",
]
