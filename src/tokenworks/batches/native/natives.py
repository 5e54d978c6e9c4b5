"""The hand-ins of a batch of requests: planned once, kept in the store, carried out by whoever runs its job.

What is handed in is not asked one by one as long as its hand-in is not over. What a provider did not run
then waits as any other part.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from tokenworks.batches.hours import hours_of
from tokenworks.batches.native.desk import Admitted, Desk, Full, NotHere, enter, release
from tokenworks.batches.native.errand import PLANNED, USUAL, Courier, Errand, Pauses, custom_id, seq_of
from tokenworks.batches.native.offer import Offer, offer
from tokenworks.batches.patience import Patience
from tokenworks.batches.settling import Settling
from tokenworks.batches.standing import Standing
from tokenworks.catalog.resolve import Catalog
from tokenworks.errors import ConfigError
from tokenworks.ledger.batched import CANCELLING, IN_PROGRESS, REQUESTS, WAITING, BatchRow, PartRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.providers.bulk.reach import PATHS
from tokenworks.providers.bulk.way import Outcome, Refused, Request, Way

log = logging.getLogger(__name__)

LEAST = 20  # requests; fewer are not worth the wait
LOST_S = 2 * 86_400.0  # after that every provider has ended it
PAGE = 200  # parts that are read, and results that are kept, together


class HandIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One errand, and what it is about."""

    errand: Errand
    offer: Offer
    items: tuple[Admitted, ...]
    over: bool = False


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """All hand-ins of a batch, as they are kept with it; none: it was looked at, and has none."""

    hand_ins: tuple[HandIn, ...] = ()

    @property
    def open(self) -> tuple[HandIn, ...]:
        """Those that are not over."""
        return tuple(each for each in self.hand_ins if not each.over)

    @property
    def taken(self) -> frozenset[int]:
        """Numbers of the parts that are not to be asked one by one now."""
        return frozenset(item.seq for each in self.open for item in each.items)

    @property
    def expected_nano_usd(self) -> int:
        """What they may come to."""
        return sum(item.expected_nano_usd for each in self.open for item in each.items)


_decode = msgspec.json.Decoder(State).decode


def state_of(store: Store, batch: BatchRow) -> State | None:
    """What is kept of it; None where it was not looked at yet, or is a recipe's."""
    body = store.shared(batch.id) if batch.kind == REQUESTS else None
    return None if body is None else _decode(body)


def taken(store: Store, batch: BatchRow) -> frozenset[int]:
    """Numbers of the parts of ``batch`` that are handed in to a provider."""
    state = state_of(store, batch)
    return state.taken if state is not None else frozenset()


class Natives:
    """Of one worker that has the keys of providers. Use from one loop."""

    def __init__(
        self,
        store: Store,
        pepper: bytes,
        catalog: Callable[[], Catalog],
        reach: Callable[[Offer], Way],
        patience: Patience,
        settling: Settling,
        standing: Standing,
        pauses: Pauses = USUAL,
        *,
        plans: bool = True,
    ) -> None:
        """``catalog`` with the prices of now; ``reach`` gives the batch API of an offer.

        Without ``plans`` it only ends what was begun.
        """
        self._plans = plans
        self._books: dict[str, _Book] = {}
        self._store, self._pepper = store, pepper
        self._catalog, self._reach, self._pauses = catalog, reach, pauses
        self._patience, self._settling, self._standing = patience, settling, standing

    async def begin(self, batch: BatchRow) -> bool:
        """Plan its hand-ins, unless that was done; whether any is not over."""
        state = await self._patience.sure(state_of, self._store, batch)
        wanted = (
            self._plans and batch.kind == REQUESTS and batch.status == IN_PROGRESS and batch.waiting >= LEAST
        )
        if state is None and wanted and hours_of(batch) is None:
            state = await self._plan(batch)
            await self._patience.sure(self._store.keep_shared, batch.id, msgspec.json.encode(state))
        if state is not None and state.hand_ins and not state.open:  # it may have broken off just before
            await self._patience.sure(release, self._store, batch.id)
        return state is not None and bool(state.open)

    async def run(self, batch: BatchRow) -> None:
        """Carry them all out, side by side. Returns when they are over, or the batch may not go on."""
        state = await self._patience.sure(state_of, self._store, batch)
        assert state is not None, "it has begun"
        book = self._books[batch.id] = _Book(self, batch, state)
        try:
            async with asyncio.TaskGroup() as tasks:
                for at, each in enumerate(state.hand_ins):
                    if not each.over:
                        tasks.create_task(book.carry(at))
        finally:
            del self._books[batch.id]
        if all(each.over for each in book.hand_ins):
            await self._patience.sure(release, self._store, batch.id)

    def rests(self, batch_id: str) -> bool:
        """Whether ``run`` goes on with it and can only look again later, maybe in hours."""
        book = self._books.get(batch_id)
        return book is not None and book.rests

    async def desk(self, batch: BatchRow) -> Desk:
        """One for ``batch``, to be closed."""
        loop = asyncio.get_running_loop()
        return await self._patience.sure(Desk, self._store, self._pepper, batch, loop)

    async def _plan(self, batch: BatchRow) -> State:
        """Admit what can be, in order, until a limit has no more room."""
        await self._patience.sure(release, self._store, batch.id)  # of a plan that broke off
        desk = await self.desk(batch)
        made: list[HandIn] = []
        try:
            made = await self._admitted(batch, desk)
        finally:
            await self._patience.once(desk.trim)
        if sum(len(each.items) for each in made) < LEAST:
            await self._patience.sure(release, self._store, batch.id)
            return State()
        return State(tuple(made))

    async def _admitted(self, batch: BatchRow, desk: Desk) -> list[HandIn]:
        patience_us = batch.expires_us - time.time_ns() // 1000
        left = None if batch.max_cost_nano_usd is None else batch.max_cost_nano_usd - batch.cost_nano_usd
        offers: dict[str, Offer | None] = {}
        open_ones: dict[str, tuple[Offer, list[Admitted], int]] = {}
        made: list[HandIn] = []
        last = -1

        def close(model: str) -> None:
            found, items, _ = open_ones.pop(model)
            tag = f"{batch.id.removeprefix('batch_')}-{len(made)}"
            made.append(HandIn(Errand(tag, PATHS[found.api.wire]), found, tuple(items)))

        full = False
        while not full and (
            parts := await self._patience.sure(
                self._store.parts, batch.id, after_seq=last, limit=PAGE, status=WAITING
            )
        ):
            last = parts[-1].seq
            for part in parts:
                model = _model_of(part)
                if model not in offers:
                    offers[model] = offer(self._catalog(), model, patience_us)
                here = offers[model]
                if here is None:
                    continue
                if left is not None and left <= 0:
                    full = True
                    break
                try:
                    item, body = await desk.admit(part, here)
                except NotHere:
                    continue
                except Full:
                    full = True
                    break
                if left is not None:
                    left -= item.expected_nano_usd
                _, items, size = open_ones.get(model, (here, [], 0))
                if items and (
                    len(items) >= here.api.most_requests or size + len(body) > here.api.most_mib << 20
                ):
                    close(model)
                    items, size = [], 0
                items.append(item)
                open_ones[model] = here, items, size + len(body)
        for model in list(open_ones):
            close(model)
        return made


class _Named(msgspec.Struct):
    model: str = ""


_named = msgspec.json.Decoder(_Named).decode


def _model_of(part: PartRow) -> str:
    try:
        return _named(part.request).model
    except msgspec.DecodeError:
        return ""


class _Book:
    """The hand-ins of one batch while they are carried out."""

    def __init__(self, room: Natives, batch: BatchRow, state: State) -> None:
        self._room, self._batch = room, batch
        self.hand_ins = list(state.hand_ins)
        self._writing = asyncio.Lock()
        self._looked: dict[int, bool] = {}  # hand-ins that only wait, and whether a cancel is passed on

    @property
    def rests(self) -> bool:
        """Whether all that are not over only wait for their provider."""
        cancels = self._cancels()
        return all(each.over or self._looked.get(at) == cancels for at, each in enumerate(self.hand_ins))

    async def carry(self, at: int) -> None:
        """From wherever it stands to its end."""
        room, each = self._room, self.hand_ins[at]

        async def keep(errand: Errand) -> None:
            await self._put(at, errand)

        errand = each.errand
        try:
            way = room._reach(each.offer)
        except (KeyError, ConfigError) as error:
            log.warning("batch %s: %s, which has it, can't be asked by this worker: %s", self._batch.id,
                        each.offer.endpoint.provider, error)  # fmt: skip
            await self._forsaken(at)
            return
        courier = Courier(way, keep, room._pauses, self._known, lambda: self._rest(at))

        def going() -> bool:
            return self._going() and not self._lost(at)

        if not errand.batch_id and not self._going():
            return
        try:
            requests = [] if errand.batch_id else await self._requests(each)
            errand = await courier.send(errand, requests, going, self._cancels)
            progress = await courier.ended(errand, going, self._cancels) if errand.batch_id else None
            if progress is None:
                if self._lost(at) or (not errand.batch_id and self._going()):
                    await self._put(at, errand, over=True)
                return
            if progress.failed:
                raise Refused(progress.failed)
            collecting = _Collecting(room, self._batch, self.hand_ins[at])
            errand = await courier.collect(errand, collecting.settle)
            await collecting.flush()
        except Refused as error:
            log.warning(
                "batch %s: its provider does not take it (%s); asked one by one", self._batch.id, error
            )
        await self._put(at, errand, over=True)

    async def _forsaken(self, at: int) -> None:
        """Wait for a worker that has the key; until nobody will ever know what came of it."""
        while self._going():
            if self._lost(at):
                await self._put(at, self.hand_ins[at].errand, over=True)
                return
            self._rest(at)
            await asyncio.sleep(self._room._pauses.look_s)

    def _rest(self, at: int) -> None:
        self._looked[at] = self._cancels()

    def _lost(self, at: int) -> bool:
        """Whether nobody waits for it any more: it is to end, and the provider does not tell of it."""
        return self._cancels() and time.time() - self.hand_ins[at].errand.intended_s > LOST_S

    async def _put(self, at: int, errand: Errand, *, over: bool = False) -> None:
        """In the store, with all the others."""
        async with self._writing:
            self.hand_ins[at] = msgspec.structs.replace(self.hand_ins[at], errand=errand, over=over)
            body = msgspec.json.encode(State(tuple(self.hand_ins)))
            await self._room._patience.sure(self._room._store.keep_shared, self._batch.id, body)

    async def _requests(self, each: HandIn) -> list[Request]:
        """The bodies as they were admitted; only those are made anew whose parts wait."""
        room = self._room
        desk = await room.desk(self._batch)
        try:
            if desk.key is None and each.errand.state == PLANNED:
                raise Refused("its key is not active any more")
            made = []
            for item in each.items:
                part = await room._patience.sure(part_at, room._store, self._batch.id, item.seq)
                made.append(Request(custom_id(each.errand, item.seq), desk.body(part, each.offer)))
            return made
        finally:
            await room._patience.once(desk.close)

    def _known(self) -> list[str]:
        return [each.errand.batch_id for each in self.hand_ins if each.errand.batch_id]

    def _row(self) -> BatchRow:
        return self._room._standing.row(self._batch.id)

    def _going(self) -> bool:
        row = self._row()
        return row.status in (IN_PROGRESS, CANCELLING) and self._room._standing.alive

    def _cancels(self) -> bool:
        row = self._row()
        return row.status == CANCELLING or time.time_ns() // 1000 >= row.expires_us


class _Collecting:
    """Results on their way into the ledger, and then to their parts."""

    def __init__(self, room: Natives, batch: BatchRow, each: HandIn) -> None:
        self._room, self._batch, self._each = room, batch, each
        self._items = {item.seq: item for item in each.items}
        self._desk: Desk | None = None
        self._held: list[tuple[PartRow, Record]] = []

    async def settle(self, outcome: Outcome) -> None:
        """Keep it soon."""
        room, each = self._room, self._each
        seq = seq_of(each.errand, outcome.custom_id)
        item = self._items.get(seq) if seq is not None else None
        if seq is None or item is None:
            log.warning("batch %s: a result of nothing that was asked: %r", self._batch.id, outcome.custom_id)
            return
        part = await room._patience.sure(part_at, room._store, self._batch.id, seq)
        if self._desk is None:
            self._desk = await room.desk(self._batch)
        row, record = self._desk.settled(
            each.errand.tag, each.errand.intended_s, item, part, each.offer, outcome
        )
        if row is not None and record is not None:
            self._held.append((row, record))
        if len(self._held) >= PAGE:
            await self.flush()

    async def flush(self) -> None:
        """Keep all of them: first what they have cost, for a part that is settled is not looked at again."""
        room, held = self._room, self._held
        self._held = []
        if held:
            records = [record for _, record in held]
            await room._patience.sure(enter, room._store, self._batch.id, records)
            await asyncio.gather(*(room._settling.keep(row) for row, _ in held))
        if self._desk is not None:
            desk, self._desk = self._desk, None
            await room._patience.once(desk.close)


def part_at(store: Store, batch_id: str, seq: int) -> PartRow:
    """The part with this number."""
    (part,) = store.parts(batch_id, after_seq=seq - 1, limit=1)
    return part
