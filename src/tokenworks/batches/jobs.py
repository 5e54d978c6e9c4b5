"""A batch from its beginning to its end: prepare, spread its groups over the workers, wait, finish.

Everything here may be done again from the start, by another worker too: what is there already is found.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

import msgspec

from tokenworks.batches import kept, writing
from tokenworks.batches.apart import NoRoom
from tokenworks.batches.engine import ENQUEUED, PENDING, Engine
from tokenworks.batches.kept import Kept
from tokenworks.batches.lanes import Find, Lanes
from tokenworks.batches.materials import Materials
from tokenworks.batches.native.desk import release
from tokenworks.batches.native.natives import Natives, taken
from tokenworks.batches.patience import Patience
from tokenworks.batches.phase import FULL
from tokenworks.batches.standing import Standing
from tokenworks.batches.timing import Timing
from tokenworks.batches.validating import validate
from tokenworks.errors import StoreError, TokenworksError
from tokenworks.ledger.batched import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    FINALIZING,
    IN_PROGRESS,
    PAUSED,
    REQUESTS,
    RUNNING,
    SHORT_OF_ROOM,
    VALIDATING,
    BatchRow,
)
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.store import Store

log = logging.getLogger(__name__)

AT_PROVIDER = "a provider has "  # with this a note begins of a batch that may only wait for one
OUTPUT_EXPIRES = "output_expires_s"  # in ``options``: how long what it writes is kept


class BrokenOff(Exception):
    """All groups of a batch have ended, and it is not done: it has to be begun anew."""


class Jobs:
    """Of one worker. Use from one loop."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        patience: Patience,
        thinking: Patience,
        standing: Standing,
        lanes: Lanes,
        find: Find,
        timing: Timing,
        keep_days: int,
    ) -> None:
        """``thinking``: threads for what takes long; ``keep_days``: for which that is kept."""
        self._thinking = thinking
        self._store, self._engine, self._patience = store, engine, patience
        self._standing, self._lanes = standing, lanes
        self._materials = Materials(store, patience, thinking, find)
        self._timing = timing
        self._keep_days = keep_days
        self.natives: Natives | None = None  # given by a worker that has the keys of providers

    async def run(self, batch_id: str, run: int) -> None:
        """Returns when this run is over: the batch is done, paused, or in another run."""
        batch = await self._patience.sure(self._store.batch, batch_id)
        if batch is None or batch.run != run or batch.status not in RUNNING:
            return
        if run > 1:
            await self._groups_end(batch_id, run - 1)
        if batch.status == VALIDATING:
            prepared = await self._prepare(batch)
            if prepared is None:
                return
            batch = prepared
        with self._standing.watching(batch):
            if batch.status == IN_PROGRESS and batch.waiting and self._closed(batch):
                return
            async with self._handed_in(batch) as native:
                if batch.status == IN_PROGRESS and batch.waiting:
                    await self._spread(batch, native is not None)
                    if not await self._wait(batch_id, run, native):
                        return
                if native is not None and not await self._told(batch, native):
                    return
            await self._end(batch_id, run)

    @contextlib.asynccontextmanager
    async def _handed_in(self, batch: BatchRow) -> AsyncIterator[asyncio.Task[None] | None]:
        """Meanwhile what is handed in to providers goes its own way; None where nothing is."""
        if self.natives is None or not await self.natives.begin(batch):
            yield None
            return
        count = len(await self._patience.sure(taken, self._store, batch))
        note = f"{AT_PROVIDER}{count:,} of its requests, and may take a day over them"
        await self._patience.sure(self._store.update_batch, batch.id, expected=RUNNING, note=note)
        native = asyncio.create_task(self.natives.run(batch))
        try:
            yield native
        finally:
            native.cancel()
            await asyncio.wait([native])

    # --- prepare

    async def _prepare(self, batch: BatchRow) -> BatchRow | None:
        """It is in progress then; None where it failed, or somebody was faster."""
        if batch.kind == REQUESTS:
            return await self._thinking.sure(validate, self._store, batch)
        try:
            return await self._materials.split(batch)
        except Exception as error:
            await self._fail(batch, error, "its input can't be split")
            return None

    # --- wait

    async def _spread(self, batch: BatchRow, native: bool) -> None:
        """Let workers ask for what no provider has."""
        if native:  # such a batch has a run a minute
            await self._patience.sure(self._engine.clear, batch.id, batch.run, over=False)
            if batch.waiting <= len(await self._patience.sure(taken, self._store, batch)):
                return
        groups = await self._lanes.count(batch)
        await self._patience.sure(self._engine.spread, batch.id, batch.run, range(groups))

    async def _wait(self, batch_id: str, run: int, native: asyncio.Task[None] | None = None) -> bool:
        """Until all parts are settled or nobody works at them any more; False where it is not to be ended."""
        looked = asyncio.get_running_loop().time()
        while True:
            row = self._standing.row(batch_id)
            late = time.time_ns() // 1000 >= row.expires_us
            if row.status == IN_PROGRESS and row.waiting and not late:
                if self._closed(row):
                    await self._groups_end(batch_id, run)
                    return False
                if native is not None and native.done():  # the next run asks what providers have not run
                    native.result()
                    await self._groups_end(batch_id, run)
                    return not self._standing.row(batch_id).waiting
                if asyncio.get_running_loop().time() - looked > self._timing.groups_s:
                    looked = asyncio.get_running_loop().time()
                    over = await self._groups_over(batch_id, run)
                    if over and native is None:
                        await self._broken_off(batch_id)
                    elif over and self._rests(batch_id):
                        return False
                await asyncio.sleep(self._timing.look_s)
                continue
            if row.status not in RUNNING:
                return False
            if row.waiting:
                await self._groups_end(batch_id, run)
            return True

    def _closed(self, row: BatchRow) -> bool:
        """Whether a cheaper hour is waited for: this run is over then, and a worker begins the next one."""
        return self._standing.waits(row, time.time_ns() // 1000) is not None

    def _rests(self, batch_id: str) -> bool:
        """Whether only a provider is waited for: this run is over then, for others need its place."""
        return self.natives is not None and self.natives.rests(batch_id)

    async def _told(self, batch: BatchRow, native: asyncio.Task[None]) -> bool:
        """A batch that ends early waits for what providers have run by now; False: in its next run."""
        while not native.done():
            if self._rests(batch.id):
                return False
            await asyncio.sleep(self._timing.look_s)
        native.result()
        return not await self._patience.sure(taken, self._store, batch)

    async def _groups_over(self, batch_id: str, run: int) -> bool:
        groups = await self._patience.sure(self._engine.groups, batch_id, run)
        return not any(state in (PENDING, ENQUEUED) for state in groups.values())

    async def _broken_off(self, batch_id: str) -> None:
        row = await self._patience.sure(self._store.batch, batch_id)
        if row is not None and row.waiting and row.status == IN_PROGRESS:
            raise BrokenOff(f"batch {batch_id}: its groups have ended, {row.waiting} parts are left")

    async def _groups_end(self, batch_id: str, run: int) -> None:
        """Those that wait are taken back; those under way notice, and settle what was answered."""
        while True:
            groups = await self._patience.sure(self._engine.groups, batch_id, run)
            await self._patience.sure(
                self._engine.cancel, [name for name, state in groups.items() if state == ENQUEUED]
            )
            if PENDING not in groups.values():
                return
            await asyncio.sleep(self._timing.look_s)

    # --- end

    async def _end(self, batch_id: str, run: int) -> None:
        batch = await self._patience.sure(self._store.batch, batch_id)
        if batch is None or batch.run != run or batch.status not in RUNNING:
            return
        if batch.kind == REQUESTS:  # of hand-ins that were never planned to their end
            await self._patience.sure(release, self._store, batch_id)
        if batch.status == CANCELLING:
            ended = CANCELLED
        else:
            ended = EXPIRED if batch.waiting else COMPLETED
            await self._patience.sure(
                self._store.update_batch, batch_id, expected=(IN_PROGRESS,), status=FINALIZING
            )
        try:
            output, error, note = await self._write(batch, ended)
        except Exception as failure:
            await self._fail(batch, failure, "its results can't be written")
            return
        await self._patience.sure(
            self._store.update_batch,
            batch_id,
            expected=(FINALIZING, CANCELLING),
            status=ended,
            note=note,
            output_file_id=output,
            error_file_id=error,
            finished_us=time.time_ns() // 1000,
        )
        await self._patience.sure(self._engine.clear, batch_id, run)

    async def _write(self, batch: BatchRow, ended: str) -> tuple[str, str, str]:
        """Output file, error file and note."""
        expires_us = self._expires_us(batch)
        if batch.kind == REQUESTS:
            written = await self._thinking.sure(writing.requests, self._store, batch, ended, expires_us)
            return *written, ""
        found = await self._patience.sure(kept.kept, self._store, batch.id)
        if ended == CANCELLED or found is None:
            return "", "", ""
        unsettled = "" if ended == COMPLETED else f"the batch has {ended} before this was run"
        made = await self._materials.merge(batch, found, unsettled, expires_us)
        await self._patience.sure(
            kept.keep, self._store, batch.id, msgspec.structs.replace(found, outputs=made)
        )
        return made[0].file_id if made else "", "", _left_out(found, len(batch.input_files))

    def _expires_us(self, batch: BatchRow) -> int:
        """Until when what it writes is kept: as its caller wished, else as the settings say."""
        wished_s = msgspec.json.decode(batch.options).get(OUTPUT_EXPIRES)
        kept_us = int(wished_s) * 1_000_000 if wished_s else self._keep_days * DAY_US
        return time.time_ns() // 1000 + kept_us

    async def _fail(self, batch: BatchRow, error: Exception, what: str) -> None:
        """Nothing that trying again would help; where the disk is full it waits for room."""
        if isinstance(error, StoreError):
            raise error
        if isinstance(error, NoRoom) or (isinstance(error, OSError) and error.errno in FULL):
            log.error("batch %s: %s: %s", batch.id, what, error)
            note = " ".join(f"{SHORT_OF_ROOM}{error}".split())[:500]
            await self._patience.sure(
                self._store.update_batch, batch.id, expected=RUNNING, status=PAUSED, note=note
            )
            return
        if isinstance(error, TokenworksError):
            note = error.message
        else:
            log.exception("batch %s: %s", batch.id, what, exc_info=error)
            note = f"{what}: {type(error).__name__}: {error}"[:500]
        await self._patience.sure(
            self._store.update_batch,
            batch.id,
            expected=RUNNING,
            status=FAILED,
            note=" ".join(note.split()),
            finished_us=time.time_ns() // 1000,
        )


def _left_out(found: Kept, count: int) -> str:
    """What a batch says of files that could not be used."""
    if not found.skipped:
        return ""
    first = found.skipped[0]
    return " ".join(
        f"{len(found.skipped)} of {count} files were left out; {first.file}: {first.reason}".split()
    )[:500]
