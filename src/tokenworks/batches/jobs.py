"""A batch from its beginning to its end: prepare, spread its groups over the workers, wait, finish.

Everything here may be done again from the start, by another worker too: what is there already is found.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tokenworks.batches import kept, writing
from tokenworks.batches.engine import ENQUEUED, PENDING, Engine
from tokenworks.batches.kept import Kept, Made
from tokenworks.batches.lanes import Find, Lanes
from tokenworks.batches.option_files import resolved
from tokenworks.batches.patience import Patience
from tokenworks.batches.recipes.recipe import Recipe, Split
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
    REQUESTS,
    RUNNING,
    VALIDATING,
    BatchRow,
    PartRow,
)
from tokenworks.ledger.store import Store

log = logging.getLogger(__name__)

AT_ONCE = 500  # parts that are written or read together
LOOK_AT_GROUPS_S = 5.0
DAY_US = 86_400_000_000
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
        """``thinking``: threads in which recipes split and merge; ``keep_days``: for which that is kept."""
        self._thinking = thinking
        self._store, self._engine, self._patience = store, engine, patience
        self._standing, self._lanes, self._find = standing, lanes, find
        self._timing = timing
        self._keep_days = keep_days

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
            if batch.status == IN_PROGRESS and batch.waiting:
                groups = await self._lanes.count(batch)
                await self._patience.once(self._engine.spread, batch_id, run, range(groups))
                if not await self._wait(batch_id, run):
                    return
            await self._end(batch_id, run)

    # --- prepare

    async def _prepare(self, batch: BatchRow) -> BatchRow | None:
        """It is in progress then; None where it failed, or somebody was faster."""
        if batch.kind == REQUESTS:
            return await self._thinking.sure(validate, self._store, batch)
        try:
            return await self._thinking.sure(self._split, batch)
        except Exception as error:
            await self._fail(batch, error, "its input can't be split")
            return None

    def _split(self, batch: BatchRow) -> BatchRow | None:
        with tempfile.TemporaryDirectory(prefix="tokenworks-batch-") as folder:
            recipe = self._find(batch.kind)
            files = self._inputs(batch, Path(folder))
            options = resolved(self._store, batch.key_id, _options(batch, recipe), Path(folder) / "options")
            split = recipe.split(files, options)
        kept.keep(self._store, batch.id, Kept(split.shared, split.skipped))
        encode = msgspec.json.Encoder().encode
        for first in range(0, len(split.parts), AT_ONCE):
            rows = [
                PartRow(batch.id, first + n, part.id, part.lane, request=encode(part))
                for n, part in enumerate(split.parts[first : first + AT_ONCE])
            ]
            self._store.add_parts(batch.id, rows)
        return self._store.update_batch(
            batch.id, expected=(VALIDATING,), status=IN_PROGRESS, started_us=time.time_ns() // 1000
        )

    def _inputs(self, batch: BatchRow, folder: Path) -> list[Path]:
        """Its input files, each in a folder of its own under the name it came with."""
        files = []
        for n, file_id in enumerate(batch.input_files):
            row = self._store.file(file_id)
            if row is None or not row.done:
                raise TokenworksError(f"the input file {file_id} is not there any more; upload it again")
            at = folder / f"{n:06}" / (Path(row.name).name or "file")
            at.parent.mkdir()
            with at.open("wb") as out:
                for chunk in self._store.read_file(file_id):
                    out.write(chunk)
            files.append(at)
        return files

    # --- wait

    async def _wait(self, batch_id: str, run: int) -> bool:
        """Until all parts are settled or nobody works at them any more; False where it is not to be ended."""
        looked = asyncio.get_running_loop().time()
        while True:
            row = self._standing.row(batch_id)
            late = time.time_ns() // 1000 >= row.expires_us
            if row.status == IN_PROGRESS and row.waiting and not late:
                if asyncio.get_running_loop().time() - looked > LOOK_AT_GROUPS_S:
                    looked = asyncio.get_running_loop().time()
                    await self._look_at_groups(batch_id, run)
                await asyncio.sleep(self._timing.look_s)
                continue
            if row.status not in RUNNING:
                return False
            if row.waiting:
                await self._groups_end(batch_id, run)
            return True

    async def _look_at_groups(self, batch_id: str, run: int) -> None:
        groups = await self._patience.once(self._engine.groups, batch_id, run)
        if any(state in (PENDING, ENQUEUED) for state in groups.values()):
            return
        row = await self._patience.sure(self._store.batch, batch_id)
        if row is not None and row.waiting and row.status == IN_PROGRESS:
            raise BrokenOff(f"batch {batch_id}: its groups have ended, {row.waiting} parts are left")

    async def _groups_end(self, batch_id: str, run: int) -> None:
        """Those that wait are taken back; those under way notice, and settle what was answered."""
        while True:
            groups = await self._patience.once(self._engine.groups, batch_id, run)
            await self._patience.once(
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
        if batch.status == CANCELLING:
            ended = CANCELLED
        else:
            ended = EXPIRED if batch.waiting else COMPLETED
            await self._patience.sure(
                self._store.update_batch, batch_id, expected=(IN_PROGRESS,), status=FINALIZING
            )
        try:
            output, error, note = await self._thinking.sure(self._write, batch, ended)
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
        await self._patience.once(self._engine.clear, batch_id, run)

    def _write(self, batch: BatchRow, ended: str) -> tuple[str, str, str]:
        """Output file, error file and note."""
        expires_us = self._expires_us(batch)
        if batch.kind == REQUESTS:
            return *writing.requests(self._store, batch, ended, expires_us), ""
        found = kept.kept(self._store, batch.id)
        if ended == CANCELLED or found is None:
            return "", "", ""
        made = self._merge(
            batch, found, "" if ended == COMPLETED else f"the batch has {ended} before this was run"
        )
        kept.keep(self._store, batch.id, msgspec.structs.replace(found, outputs=made))
        note = (
            f"{len(found.skipped)} of {len(batch.input_files)} files were left out" if found.skipped else ""
        )
        return made[0].file_id if made else "", "", note

    def _expires_us(self, batch: BatchRow) -> int:
        """Until when what it writes is kept: as its caller wished, else as the settings say."""
        wished_s = msgspec.json.decode(batch.options).get(OUTPUT_EXPIRES)
        kept_us = int(wished_s) * 1_000_000 if wished_s else self._keep_days * DAY_US
        return time.time_ns() // 1000 + kept_us

    def _merge(self, batch: BatchRow, found: Kept, unsettled: str) -> tuple[Made, ...]:
        recipe = self._find(batch.kind)
        rows = list(writing.parts(self._store, batch.id))
        split = Split(tuple(kept.part_of(row) for row in rows), found.shared, found.skipped)
        results = {row.id: kept.result_of(row, unsettled) for row in rows}
        expires_us = self._expires_us(batch)
        with tempfile.TemporaryDirectory(prefix="tokenworks-batch-") as folder:
            files: Sequence[Path] = self._inputs(batch, Path(folder))
            out = Path(folder) / "out"
            out.mkdir()
            made = []
            for each in recipe.merge(files, split, results, out):
                at = out / each.file
                name = at.relative_to(out).as_posix()
                file_id = writing.put(self._store, batch, name, writing.of_file(at), expires_us)
                made.append(Made(file_id, name, each.kind, each.note))
        return tuple(made)

    async def _fail(self, batch: BatchRow, error: Exception, what: str) -> None:
        """Nothing that trying again would help."""
        if isinstance(error, StoreError):
            raise error
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


def _options(batch: BatchRow, recipe: Recipe) -> dict[str, str]:
    """Those that are the recipe's own."""
    given = msgspec.json.decode(batch.options, type=dict[str, str])
    return {name: value for name, value in given.items() if name in recipe.options}
