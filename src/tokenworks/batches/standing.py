"""How the batches stand that this worker works at: read twice a second, looked at before each request."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from tokenworks.batches.hours import waits_until
from tokenworks.batches.patience import Patience
from tokenworks.ledger.batched import IN_PROGRESS, PAUSED, BatchRow
from tokenworks.ledger.store import Store

MEASURED = 20  # parts; the time that fewer took says nothing


class Standing:
    """Use from one loop."""

    def __init__(self, store: Store, patience: Patience, alive: Callable[[], bool]) -> None:
        """``alive``: whether this worker may go on at all."""
        self._store, self._patience, self._alive = store, patience, alive
        self._rows: dict[str, BatchRow] = {}
        self._watched: Counter[str] = Counter()
        self._spent: Counter[str] = Counter()  # since the row was read
        self._unkept: Counter[str] = Counter()  # that the store does not know yet
        self._promised: dict[str, int] = {}  # what is handed in elsewhere may come to
        self._since: dict[str, tuple[float, int]] = {}  # when it came in view, and its parts settled by then
        self._part_s: dict[str, float] = {}  # how long each part took lately; kept until it is over

    @contextlib.contextmanager
    def watching(self, row: BatchRow) -> Iterator[None]:
        """Keep this batch in view."""
        known = self._rows.get(row.id)
        if known is None or (known.run, known.status) != (row.run, row.status):
            self._rows[row.id] = row  # else what is known was read later, and knows of more that was spent
        self._watched[row.id] += 1
        self._since.setdefault(row.id, (time.monotonic(), row.done + row.failed))
        try:
            yield
        finally:
            self._watched[row.id] -= 1
            if not self._watched[row.id]:
                del self._watched[row.id], self._rows[row.id]
                self._spent.pop(row.id, None)
                self._unkept.pop(row.id, None)
                self._promised.pop(row.id, None)
                self._since.pop(row.id, None)

    def row(self, batch_id: str) -> BatchRow:
        """As it was read last. Only while it is watched."""
        return self._rows[batch_id]

    @property
    def alive(self) -> bool:
        """Whether this worker may go on at all."""
        return self._alive()

    def may_go(self, batch_id: str) -> bool:
        """Whether another request may be made for it."""
        row = self._rows[batch_id]
        now_us = time.time_ns() // 1000
        going = row.status == IN_PROGRESS and now_us < row.expires_us and self._alive()
        return going and self.waits(row, now_us) is None

    def waits(self, row: BatchRow, now_us: int) -> int | None:
        """When ``row`` may ask again where only the hour keeps it; see ``hours.waits_until``."""
        return waits_until(row, now_us, self._part_s.get(row.id))

    def spend(self, batch_id: str, nano_usd: int) -> None:
        """An answer has cost so much, which the store does not know yet; ``kept`` must follow."""
        if batch_id in self._rows:
            self._spent[batch_id] += nano_usd
            self._unkept[batch_id] += nano_usd

    def kept(self, batch_id: str, nano_usd: int) -> None:
        """Now the store knows it."""
        if batch_id in self._rows:
            self._unkept[batch_id] -= nano_usd

    def promise(self, batch_id: str, nano_usd: int) -> None:
        """So much of what it may cost is kept for what a provider has of it. Only while it is watched."""
        self._promised[batch_id] = nano_usd

    def promised(self, batch_id: str) -> int:
        """As it was told last, nano-dollars; it may have come to its end since."""
        return self._promised.get(batch_id, 0)

    async def over_cost(self, batch_id: str) -> bool:
        """Whether all that it may cost is spent or promised. Late by what is under way at most."""
        row = self._rows[batch_id]
        if row.max_cost_nano_usd is None:
            return False
        most = row.max_cost_nano_usd - self.promised(batch_id)
        if row.cost_nano_usd + self._spent[batch_id] < most:
            return False
        # Some of that may count twice: it was kept while the row was read.
        known = await self._patience.sure(self._store.batch, batch_id)
        return known is None or known.cost_nano_usd + self._unkept[batch_id] >= most

    async def pause(self, batch_id: str, note: str) -> None:
        """Nothing more is asked for it, here or elsewhere."""
        if batch_id in self._rows and self._rows[batch_id].status == IN_PROGRESS:
            self._rows[batch_id] = msgspec.structs.replace(self._rows[batch_id], status=PAUSED)  # at once
            await self._patience.sure(
                self._store.update_batch, batch_id, expected=(IN_PROGRESS,), status=PAUSED, note=note
            )

    async def refresh(self) -> None:
        """Read all that are watched."""
        for batch_id in list(self._watched):
            spent = self._spent[batch_id] - self._unkept[batch_id]  # what is sure to be in the row then
            row = await self._patience.sure(self._store.batch, batch_id)
            if batch_id not in self._rows:
                continue
            if row is None:  # dropped by hand
                row = msgspec.structs.replace(self._rows[batch_id], status="cancelled")
            elif self._rows[batch_id].run != row.run:  # another run of it has begun: this one is over
                row = msgspec.structs.replace(row, status=PAUSED)
            self._rows[batch_id] = row
            self._spent[batch_id] -= spent
            self._measure(row)

    def _measure(self, row: BatchRow) -> None:
        """How quickly its parts are settled, by all who work at it."""
        if not row.waiting:
            self._part_s.pop(row.id, None)
            return
        since, settled = self._since[row.id]
        count = row.done + row.failed - settled
        if count >= MEASURED:
            self._part_s[row.id] = (time.monotonic() - since) / count
