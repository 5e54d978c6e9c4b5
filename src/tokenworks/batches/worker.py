"""A worker of batches: begins those that are to be run, beats its heart, takes over from the dead."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from tokenworks.batches import scratch
from tokenworks.batches.asking import Asking
from tokenworks.batches.calling import Gateway
from tokenworks.batches.cookbook import recipe
from tokenworks.batches.engine import OVER, Engine
from tokenworks.batches.hours import WAITS, later_note, off_peak_note
from tokenworks.batches.jobs import AT_PROVIDER, Jobs
from tokenworks.batches.lanes import Find, Lanes
from tokenworks.batches.pace import Pace
from tokenworks.batches.patience import Patience
from tokenworks.batches.settling import Settling
from tokenworks.batches.standing import Standing
from tokenworks.batches.takeover import Pulse, take_over
from tokenworks.batches.timing import Timing
from tokenworks.errors import StoreError
from tokenworks.ledger.batched import IN_PROGRESS, ON_ITS_OWN, PAUSED, RUNNING, VALIDATING, BatchRow
from tokenworks.ledger.store import Store

log = logging.getLogger(__name__)

MOST_BATCHES = 1000  # that are looked at in a round
LONGEST_AGAIN_S = 60.0
TAKE_OVER_EVERY = 5  # rounds
LOOK_EVERY = 5  # rounds, at one batch
Work = Callable[..., Coroutine[Any, Any, None]]


USUAL = Timing()


class GivenUp(Exception):
    """This worker was silent for too long, and others do its work."""


class BatchWorker:
    """One in a process. ``run`` it on a loop."""

    def __init__(
        self,
        store: Store,
        engine_url: str,
        gateway_url: str,
        pepper: bytes,
        name: str,
        *,
        concurrency: int = 16,
        keep_days: int = 30,
        timing: Timing = USUAL,
        find: Find = recipe,
    ) -> None:
        """``name``: that no other worker has at the same time. Raises ``ConfigError`` without the engine."""
        self.store, self.timing = store, timing
        self.engine = Engine(engine_url, name, groups=concurrency, poll_s=timing.poll_s)
        self.pulse = Pulse(store, name, timing)
        self.patience = Patience()
        thinking, self._beating = Patience(4), Patience(1)  # a heart beats whatever recipes do
        self.gateway = Gateway(gateway_url, pepper, concurrency, timing.answer_s)
        self.standing = Standing(store, self.patience, self._going)
        settling = self.settling = Settling(store, Patience(1), concurrency)
        self.asking = Asking(self.gateway, Pace(concurrency), self.standing, settling, timing)
        self.lanes = Lanes(
            store,
            self.patience,
            thinking,
            self.asking,
            settling,
            self.standing,
            find,
            side_by_side=concurrency,
        )
        self.jobs = Jobs(
            store, self.engine, self.patience, thinking, self.standing, self.lanes, find, timing, keep_days
        )
        self.stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._given_up = False
        self._halts = 0  # how often somebody was told not to go on
        self._seen: dict[str, tuple[int, float]] = {}  # batch → which run of it was looked at, and when
        self._again: dict[str, tuple[float, float]] = {}  # batch → not before, and the pause after that
        self._resting: dict[str, tuple[int, str, float]] = {}  # batch → run, status, since when it is over
        self._paused: dict[str, float] = {}  # batch → since when it is seen paused

    def _going(self) -> bool:
        going = not self.stop.is_set() and not self._given_up and self.pulse.steady
        self._halts += not going
        return going

    async def run(self) -> None:
        """Until ``stop`` is set. Raises ``GivenUp``, and ``StoreError`` from a store that is away at first.

        Afterwards the process must end: what is under way is left to be taken over, not ended.
        """
        await self.patience.once(scratch.sweep)
        await self.patience.once(self.pulse.beat, first=True)
        await self.patience.once(self.engine.open, self._blocking(self._job), self._blocking(self._group))
        helpers = [asyncio.create_task(self._beat()), asyncio.create_task(self._refresh())]
        rounds, complained = 0, False
        try:
            while not self.stop.is_set():
                if self._given_up:
                    raise GivenUp("this worker was silent for too long; others do its work")
                try:
                    await self._round(rounds)
                    complained = False
                except StoreError as error:
                    if not complained:
                        log.error("batches: %s; trying again until it works", error)
                    complained = True
                except Exception:
                    log.exception("batches: unexpected; going on")
                rounds += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stop.wait(), self.timing.round_s)
            await self._drain()
        finally:
            for helper in helpers:
                helper.cancel()
            self.gateway.close()

    async def _round(self, number: int) -> None:
        if number % TAKE_OVER_EVERY == 0:
            taken = await self.patience.once(take_over, self.store, self.engine, self.timing)
            if taken:
                log.warning("batches: %d pieces of work of dead workers are taken over", taken)
        batches = await self.patience.once(
            self.store.batches, limit=MOST_BATCHES, statuses=(*RUNNING, PAUSED)
        )
        now_us = time.time_ns() // 1000
        for batch in reversed(batches):  # the oldest first
            if batch.status == PAUSED:
                await self._look_at_paused(batch)
            elif await self._may_begin(batch, now_us):
                self._paused.pop(batch.id, None)
                await self._look_at_running(batch)

    async def _may_begin(self, batch: BatchRow, now_us: int) -> bool:
        """Whether its hour has come; where not, it says so. One that is to be ended needs none."""
        note = ""
        if batch.status in (VALIDATING, IN_PROGRESS) and now_us < batch.expires_us:
            if now_us < batch.not_before_us:
                note = later_note(batch)
            elif (opens_us := self.standing.waits(batch, now_us)) is not None:
                note = off_peak_note(batch, opens_us)
        if note != batch.note and (note or batch.note.startswith(WAITS)):
            await self.patience.once(self.store.update_batch, batch.id, expected=(batch.status,), note=note)
        return not note

    async def _look_at_running(self, batch: BatchRow) -> None:
        """Start its run; where that has ended and the batch has not, the next one."""
        now = time.monotonic()
        seen_run, seen_at = self._seen.get(batch.id, (0, 0.0))
        if seen_run == batch.run and now - seen_at < LOOK_EVERY * self.timing.round_s:
            return
        self._seen[batch.id] = batch.run, now
        state = await self.patience.once(self.engine.state, batch.id, batch.run)
        if not state:
            await self.patience.once(self.engine.start, batch.id, batch.run)
            return
        if state not in OVER or (state == "SUCCESS" and self._rests(batch, now)):
            return
        broke_off = state != "SUCCESS"  # else somebody has paused it, and let it go on
        not_before, pause_s = self._again.get(batch.id, (0.0, self.timing.again_s))
        if broke_off and now < not_before:
            return
        again = await self.patience.once(self.store.run_again, batch.id, status=batch.status, run=batch.run)
        if again is not None and broke_off:
            self._again[batch.id] = now + pause_s, min(pause_s * 2, LONGEST_AGAIN_S)
            log.warning("batch %s: run %d broke off (%s); begun anew", batch.id, batch.run, state)

    def _rests(self, batch: BatchRow, now: float) -> bool:
        """Whether its next run is not due: it waits for a provider. One that was cancelled is due at once."""
        if not batch.note.startswith(AT_PROVIDER):
            self._resting.pop(batch.id, None)
            return False
        known = self._resting.get(batch.id)
        if known is None or known[0] != batch.run:
            known = self._resting[batch.id] = batch.run, batch.status, now
        return known[1] == batch.status and now - known[2] < self.timing.rest_s

    async def _look_at_paused(self, batch: BatchRow) -> None:
        """One that was short of money or room is tried again after a while."""
        now = time.monotonic()
        if time.time_ns() // 1000 >= batch.expires_us:
            await self.patience.once(self.store.run_again, batch.id, run=batch.run)  # and ends it
        elif not batch.note.startswith(ON_ITS_OWN):
            return
        elif now - self._paused.setdefault(batch.id, now) >= self.timing.resume_s:
            del self._paused[batch.id]
            await self.patience.once(self.store.run_again, batch.id, run=batch.run)

    # --- called by the engine, in threads of its own

    def _blocking(self, work: Work) -> Callable[..., None]:
        """``work`` on the loop; the thread waits for its end."""

        def call(*args: Any) -> None:
            outside = contextvars.Context()  # nothing in there is a step of the engine's
            outside.run(asyncio.run_coroutine_threadsafe, work(*args), self._loop).result()

        return call

    async def _job(self, batch_id: str, run: int) -> None:
        try:
            await self.jobs.run(batch_id, run)
        except Exception as error:
            log.exception("batch %s: its job broke off", batch_id)
            raise RuntimeError(f"{type(error).__name__}: {error}") from None  # what the engine can keep

    async def _group(self, batch_id: str, run: int, number: int) -> None:
        batch = await self.patience.sure(self.store.batch, batch_id)
        if batch is None or batch.run != run:
            return
        while True:
            halts = self._halts
            with self.standing.watching(batch):
                try:
                    await self.lanes.group(batch, number)
                except Exception as error:
                    log.exception("batch %s: group %d broke off", batch_id, number)
                    raise RuntimeError(f"{type(error).__name__}: {error}") from None
            if self._halts == halts:
                return
            await self._until_going()  # what was left must not count as done

    async def _until_going(self) -> None:
        """The store was away for a while; a worker that stops or was given up never comes back from here."""
        while not self._going():
            if self.stop.is_set() or self._given_up:
                await asyncio.Event().wait()
            await asyncio.sleep(self.timing.beat_s / 4)

    # --- meanwhile

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.timing.beat_s)
            try:
                self._given_up = not await self._beating.once(self.pulse.beat)
            except StoreError as error:
                log.warning("batches: %s; no heartbeat", error)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(self.timing.look_s)
            await self.standing.refresh()

    async def _drain(self) -> None:
        """Answers under way are waited for, and kept."""
        deadline = self._loop.time() + self.timing.drain_s
        while self.asking.under_way and self._loop.time() < deadline:  # noqa: ASYNC110 (rare, and ends soon)
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)  # for what was just answered to be settled
        with contextlib.suppress(StoreError):
            await self.patience.once(self.pulse.end)
