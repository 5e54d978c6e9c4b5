"""Keeps what came of parts, at once and together: all that were answered while the store was busy are one
transaction."""

from __future__ import annotations

import asyncio
from itertools import groupby

from tokenworks.batches.patience import Patience
from tokenworks.ledger.batched import PartRow
from tokenworks.ledger.store import Store

MOST = 200  # parts in a transaction


class Settling:
    """Use from one loop."""

    def __init__(self, store: Store, patience: Patience, at_once: int = MOST) -> None:
        """``at_once``: parts that may wait to be kept while more is asked for; see ``room``."""
        self._at_once, self._pending = at_once, 0
        self._room = asyncio.Event()
        self._room.set()
        self._store, self._patience = store, patience
        self._waiting: list[tuple[PartRow, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def keep(self, part: PartRow) -> None:
        """Returns once the store has it. A part that was settled before stays as it is."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((part, kept))
        self._pending += 1
        if self._pending >= self._at_once:
            self._room.clear()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await asyncio.shield(kept)

    async def room(self) -> None:
        """Wait until few enough wait: a worker that is killed loses what was answered and is not kept."""
        await self._room.wait()

    async def _write(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            taken.sort(key=lambda each: each[0].batch_id)
            for batch_id, group in groupby(taken, key=lambda each: each[0].batch_id):
                each = list(group)
                try:
                    await self._patience.sure(self._store.settle_parts, batch_id, [part for part, _ in each])
                except Exception as error:  # a part that no store can hold: whoever waits for it is told
                    for _, kept in each:
                        if not kept.done():
                            kept.set_exception(error)
                else:
                    for _, kept in each:
                        if not kept.done():
                            kept.set_result(None)
                self._pending -= len(each)
                if self._pending < self._at_once:
                    self._room.set()
