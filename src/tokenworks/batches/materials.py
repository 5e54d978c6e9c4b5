"""The files of a recipe's batch: out of the store, through the recipe, and into it again.

Each step is done again by itself where the store is away, so that what took long is not done twice.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from tokenworks.batches import kept, scratch, splitting, writing
from tokenworks.batches.apart import Died
from tokenworks.batches.kept import Kept, Made
from tokenworks.batches.lanes import Find
from tokenworks.batches.option_files import resolved
from tokenworks.batches.patience import Patience
from tokenworks.batches.phase import Head, Result, place_of
from tokenworks.batches.recipes.recipe import Recipe
from tokenworks.batches.splitting import INPUTS, Pieces
from tokenworks.errors import BadRequest, TokenworksError
from tokenworks.ledger.batched import IN_PROGRESS, VALIDATING, BatchRow, PartRow
from tokenworks.ledger.store import Store

AT_ONCE = 500  # parts that are written together
PROCESSES = 2  # that read or write files at a time; each may take gigabytes
_NUMBER = re.compile(r"\d{6}")  # a folder of ours


class Materials:
    """Of one worker. Use from one loop."""

    def __init__(self, store: Store, patience: Patience, thinking: Patience, find: Find) -> None:
        """``thinking``: threads in which files are written."""
        self._store, self._patience, self._thinking, self._find = store, patience, thinking, find
        self._apart = Patience(PROCESSES)

    async def split(self, batch: BatchRow) -> BatchRow | None:
        """Make the parts; it is in progress then, or None where somebody was faster.

        Raises BadRequest with what is wrong with it, NoRoom and OSError where the disk is full.
        """
        async with self._folder() as folder:
            recipe = await self._thinking.once(self._find, batch.kind)
            files = await self._thinking.sure(self._inputs, batch, folder)
            given = _options(batch, recipe)
            options = await self._thinking.sure(
                resolved, self._store, batch.key_id, given, folder / "options"
            )
            before = await self._patience.sure(kept.kept, self._store, batch.id) or Kept()
            pieces = await self._pieces(recipe, files, options, folder, before)
            if batch.total and pieces.unusable != before.unusable:  # begun anew: it must be the same again
                raise BadRequest("its files were not read the same way twice; start it as another batch")
            await self._keep(batch, pieces)
        return await self._patience.sure(
            self._store.update_batch,
            batch.id,
            expected=(VALIDATING,),
            status=IN_PROGRESS,
            started_us=time.time_ns() // 1000,
        )

    async def _pieces(
        self, recipe: Recipe, files: list[Path], options: dict[str, str], folder: Path, before: Kept
    ) -> Pieces:
        try:
            return await self._apart.once(
                splitting.split, place_of(recipe), files, options, folder, left_out=before.unusable
            )
        except Died as death:
            raise BadRequest(f"its input can't be split: {death}") from None

    async def _keep(self, batch: BatchRow, pieces: Pieces) -> None:
        found = Kept(pieces.head.shared, pieces.head.skipped, unusable=pieces.unusable)
        await self._patience.sure(kept.keep, self._store, batch.id, found)
        rows = _rows(batch, pieces)
        while page := await self._thinking.once(lambda: list(itertools.islice(rows, AT_ONCE))):
            await self._patience.sure(self._store.add_parts, batch.id, page)

    async def merge(self, batch: BatchRow, found: Kept, unsettled: str, expires_us: int) -> tuple[Made, ...]:
        """Write what came out into the store; ``unsettled`` is said of parts that were not run.

        Raises as ``split`` does.
        """
        async with self._folder() as folder:
            recipe = await self._thinking.once(self._find, batch.kind)
            files = await self._thinking.sure(self._inputs, batch, folder)
            files = [file for n, file in enumerate(files) if n not in found.unusable]
            await self._thinking.sure(self._lay_out, batch, found, unsettled, folder)
            try:
                out, outputs = await self._apart.once(splitting.merge, place_of(recipe), files, folder)
            except Died as death:
                raise BadRequest(f"its results can't be written: {death}") from None
            made = []
            for each in outputs:
                at = out / each.file
                name = at.relative_to(out).as_posix()
                file_id = await self._thinking.sure(self._put, batch, name, at, expires_us)
                made.append(Made(file_id, name, each.kind, each.note))
        return tuple(made)

    @contextlib.asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        made = scratch.folder()
        folder = await self._thinking.once(made.__enter__)
        try:
            yield folder
        finally:
            await self._thinking.once(made.__exit__, None, None, None)  # a large one takes a while

    def _inputs(self, batch: BatchRow, folder: Path) -> list[Path]:
        """Its input files, relative to ``folder``, each under the name it came with."""
        files: list[Path] = []
        taken: set[str] = set()
        for n, file_id in enumerate(batch.input_files):
            row = self._store.file(file_id)
            if row is None or not row.done:
                raise TokenworksError(f"the input file {file_id} is not there any more; upload it again")
            name = Path(row.name.replace("\0", "")).name
            name = name if name not in ("", "..") else "file"
            twice = name.casefold() in taken or _NUMBER.fullmatch(name) is not None
            taken.add(name.casefold())
            file = Path(f"{n:06}", name) if twice else Path(name)
            at = folder / INPUTS / file
            at.parent.mkdir(parents=True, exist_ok=True)
            with at.open("wb") as out:
                for chunk in self._store.read_file(file_id):
                    out.write(chunk)
            files.append(file)
        (folder / INPUTS).mkdir(exist_ok=True)
        return files

    def _lay_out(self, batch: BatchRow, found: Kept, unsettled: str, folder: Path) -> None:
        """What is to be merged, in the file that the recipe's process reads."""
        with splitting.to_merge(folder, Head(found.shared, found.skipped)) as out:
            for row in writing.parts(self._store, batch.id):
                result = Result(kept.part_of(row), kept.result_of(row, unsettled))
                out.write(splitting.line_of(result))

    def _put(self, batch: BatchRow, name: str, file: Path, expires_us: int) -> str:
        return writing.put(self._store, batch, name, writing.of_file(file), expires_us)


def _rows(batch: BatchRow, pieces: Pieces) -> Iterator[PartRow]:
    encode = msgspec.json.Encoder().encode
    for n, part in enumerate(pieces.parts()):
        yield PartRow(batch.id, n, part.id, part.lane, request=encode(part))


def _options(batch: BatchRow, recipe: Recipe) -> dict[str, str]:
    """Those that are the recipe's own."""
    given = msgspec.json.decode(batch.options, type=dict[str, str])
    return {name: value for name, value in given.items() if name in recipe.options}
