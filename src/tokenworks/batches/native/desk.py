"""What requests that go to a batch API may cost, and have cost: the same limits and the same ledger.

Each is admitted before it is sent, as by a gateway, under a name that is the batch's own. What is reserved is
leased from the store under that name, so it stays reserved whoever is killed. What came of each is one record
with an id that follows from the hand-in; a second time it is left out. So nothing counts twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from tokenworks.batches.calling import app_of
from tokenworks.batches.lines import answered
from tokenworks.batches.native.offer import Offer
from tokenworks.errors import PaymentRequired, RateLimited, TokenworksError
from tokenworks.gateway.admission import Admission, Hold, UsedUp, Wait
from tokenworks.gateway.caller import Caller
from tokenworks.gateway.choice import PLANNED
from tokenworks.gateway.estimate import Estimate, cost
from tokenworks.gateway.guard import Guard
from tokenworks.gateway.settling import BYTES_PER_TOKEN, estimate, fill
from tokenworks.gateway.way import WAYS, Way
from tokenworks.ledger.batched import DONE, FAILED, BatchRow, PartRow
from tokenworks.ledger.record import MAX_COST_NANO_USD, Record
from tokenworks.ledger.store import Store
from tokenworks.plans.account import Kind
from tokenworks.plans.allowance import TYPICAL_OUTPUT, Allowance
from tokenworks.plans.book import Book
from tokenworks.plans.keys import Key, KeyBook
from tokenworks.plans.leases import Leases
from tokenworks.plans.subscription import PLAN
from tokenworks.providers.bulk.way import Outcome
from tokenworks.schema import Usage
from tokenworks.wire.answer import Telling
from tokenworks.wire.conversation import Maker
from tokenworks.wire.pairing import Asked, Whole
from tokenworks.wire.pairs import CHAT, COMPLETIONS, MESSAGES, pair
from tokenworks.wire.peek import raw

WAIT_S, POLL_S = 5.0, 0.05
PASSING = frozenset((0, 408, 409, 425, 429))  # besides all from 500 on: such a request is asked one by one
CALLERS = (CHAT, COMPLETIONS, MESSAGES)


class NotHere(Exception):
    """This request is asked one by one, as any other."""


class Full(Exception):
    """No further request is admitted now."""


class Admitted(msgspec.Struct, frozen=True, array_like=True):
    """One request that may be sent: kept with the hand-in until its result is there."""

    seq: int
    expected_nano_usd: int
    counts: tuple[tuple[int, int, int], ...] = ()  # account, bucket, kind: what it is counted on


class Desk:
    """For one batch. Use from one loop."""

    def __init__(
        self, store: Store, pepper: bytes, batch: BatchRow, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """Reads keys and limits; may be made in a thread for ``loop``. Raises ``StoreError``."""
        self._store, self._batch = store, batch
        self.holder = holder_of(batch.id)
        self._leases = Leases(store, loop or asyncio.get_running_loop(), self.holder)
        self._book = Book(store, self._leases)
        self._admission, self._guard = Admission(self._leases), Guard(self._book)
        self._key = KeyBook(store, pepper).named(batch.key_id)
        self._reserved: Counter[int] = Counter()  # by account

    @property
    def key(self) -> Key | None:
        """Whose batch it is; None where the key is not active."""
        return self._key

    def close(self) -> None:
        """End the thread; what is leased stays so."""
        self._leases.close()

    def trim(self) -> None:
        """End it, and give back what is leased beyond what was admitted here. Only where nothing else was."""
        self._leases.close()
        granted = self._store.leases_of(self.holder)
        spare = {account: amount - self._reserved[account] for account, amount in granted.items()}
        returns = {account: amount for account, amount in spare.items() if amount > 0}
        if returns:
            self._store.lease(self.holder, [], returns, [], time.time_ns() // 1000)

    async def admit(self, part: PartRow, offer: Offer) -> tuple[Admitted, bytes]:
        """Reserve what ``part`` may cost at ``offer``; with it the body for the provider.

        Raises ``NotHere`` for a request that can't go this way, ``Full`` where a limit has no more room.
        """
        key = self._key
        if key is None:
            raise NotHere
        way, asked = _read(self._batch, part)
        record = self._record(part.seq, way, asked, time.time())
        allowance = self._book.of(key)
        try:
            body = _body(way, asked, offer)
            if allowance is None:
                return Admitted(part.seq, _expected(way, asked, record, offer)), body
            hold = await self._hold(allowance, key, way, asked, record, offer)
            if _body(way, asked, offer) != body:
                raise Full  # its answer would be cut to what is left
            return Admitted(part.seq, record.cost_nano_usd, self._counts(hold, record)), body
        except (PaymentRequired, RateLimited):
            raise Full from None
        except (TokenworksError, UsedUp):
            raise NotHere from None

    async def _hold(
        self, allowance: Allowance, key: Key, way: Way, asked: Asked, record: Record, offer: Offer
    ) -> Hold:
        if allowance.private or allowance.subscription is not None:
            raise NotHere  # a provider keeps what is handed in; a plan counts credits, which cost no less
        if allowance.restricts and not allowance.allows(offer.endpoint):
            raise NotHere
        caller = Caller(key, {b"x-session-id": self._batch.id.encode(), b"x-title": record.app.encode()})
        now_us = time.time_ns() // 1000
        self._guard.check(allowance, caller, asked, record, now_us)
        self._guard.look(allowance, asked, record)
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                return self._admission.admit(
                    allowance,
                    way,
                    asked,
                    record,
                    [offer.endpoint],
                    time.time_ns() // 1000,
                    PLAN,
                    b"",
                    late=time.monotonic() >= deadline,
                )
            except Wait:
                await asyncio.sleep(POLL_S)

    def _counts(self, hold: Hold, record: Record) -> tuple[tuple[int, int, int], ...]:
        """What it is counted on. It takes none of the requests that may be under way at a time."""
        counts = []
        for account, bucket, amount in zip(
            hold.meters, record.charges[1::3], record.charges[2::3], strict=True
        ):
            if account.kind == Kind.CONCURRENT:
                account.free += amount
            else:
                self._reserved[account.id] += amount
                counts.append((account.id, bucket, int(account.kind)))
        return tuple(counts)

    def body(self, part: PartRow, offer: Offer) -> bytes:
        """What is sent for ``part``, the same as when it was admitted."""
        way, asked = _read(self._batch, part)
        return _body(way, asked, offer)

    def settled(
        self, tag: str, intended_s: float, admitted: Admitted, part: PartRow, offer: Offer, outcome: Outcome
    ) -> tuple[PartRow | None, Record | None]:
        """The part with its result, and its record; no part where it is to be asked one by one after all."""
        if outcome.status in PASSING or outcome.status >= 500:
            return None, None  # nothing is charged for it
        way, asked = _read(self._batch, part)
        record = self._record(part.seq, way, asked, intended_s, f"{tag}x")
        record.model, record.provider = offer.endpoint.model, offer.endpoint.provider
        record.price_id, record.attempts = offer.endpoint.price.id, 1
        record.latency_us = max(time.time_ns() // 1000 - record.time_us, 0)
        usage: Usage | None = None
        body, done = outcome.body, False
        if outcome.status == 200:
            speaks = pair(way.wire, offer.api.wire)
            try:
                whole = speaks.whole(outcome.body, _maker(offer))
            except ValueError:
                return None, None
            record.finish_reason = whole.finish
            usage = whole.usage or estimate(record, whole.size // BYTES_PER_TOKEN)
            fill(record, "ok", 200, usage, offer.endpoint.price)
            body, done = self._rendered(record, whole, usage, offer), True
        else:
            fill(record, "bad_request", outcome.status, None, offer.endpoint.price)
        record.charges = _charges(admitted, record, usage)
        row = msgspec.structs.replace(
            part,
            status=DONE if done else FAILED,
            tries=part.tries + 1,
            result=answered(outcome.status, record.id, body),
            model=record.model if done else "",
            input_tokens=usage.input_tokens if usage is not None else 0,
            output_tokens=usage.output_tokens if usage is not None else 0,
            cost_nano_usd=record.cost_nano_usd,
            generation_id=record.id,
        )
        return row, record

    @staticmethod
    def _rendered(record: Record, whole: Whole, usage: Usage, offer: Offer) -> bytes:
        endpoint = offer.endpoint
        telling = Telling(record.id, endpoint.model, endpoint.provider, endpoint.price)
        return whole.render(telling, usage, record.cost_nano_usd)

    def _record(self, seq: int, way: Way, asked: Asked, at_s: float, tag: str = "") -> Record:
        return Record(
            id=f"gen-{int(at_s)}-{tag}{seq:x}",
            time_us=int(at_s * 1e6),
            key_id=self._batch.key_id,
            app=app_of(self._batch),
            session=self._batch.id,
            kind=way.kind,
            requested_model=asked.model,
            uncached_input_tokens=asked.input_bytes // BYTES_PER_TOKEN,
        )


def holder_of(batch_id: str) -> str:
    """Under which name a batch holds leases; without a dot, and no gateway's."""
    return f"native-{batch_id.removeprefix('batch_')}"


def enter(store: Store, batch_id: str, records: Sequence[Record]) -> None:
    """Put ``records`` into the ledger, those that are not there yet. Their charges are spent then."""
    known = store.recorded(records)
    new = [record for record in records if record.id not in known]
    if new:
        store.append(f"{holder_of(batch_id)}.ledger", 0, new)


def release(store: Store, batch_id: str) -> None:
    """All results are entered, or never will be: nothing is reserved any more."""
    store.release_leases(holder_of(batch_id))
    store.forget_journal(f"{holder_of(batch_id)}.ledger")


def _read(batch: BatchRow, part: PartRow) -> tuple[Way, Asked]:
    way = WAYS.get(batch.endpoint)
    if way is None or way.wire not in CALLERS:
        raise NotHere
    try:
        asked = way.read(part.request)
    except TokenworksError:
        raise NotHere from None
    if asked.stream or not PLANNED.isdisjoint(asked.fields) or "@" in asked.model:
        raise NotHere  # it says itself who is to be asked, and how
    return way, asked


def _maker(offer: Offer) -> Maker:
    endpoint = offer.endpoint
    return Maker(endpoint.upstream_id, endpoint.max_output_tokens, frozenset(endpoint.quirks))


def _body(way: Way, asked: Asked, offer: Offer) -> bytes:
    start, longest = pair(way.wire, offer.api.wire).body(
        asked, _maker(offer), raw(offer.endpoint.upstream_id)
    )
    return b"%b%b}" % (start, longest)


def _expected(way: Way, asked: Asked, record: Record, offer: Offer) -> int:
    output = Estimate(way, asked, record.uncached_input_tokens).expected(TYPICAL_OUTPUT)
    return cost(offer.endpoint.price, record.uncached_input_tokens, output)


def _charges(admitted: Admitted, record: Record, usage: Usage | None) -> tuple[int, ...]:
    """As ``Hold.settle`` has them, by kind."""
    spent = min(record.cost_nano_usd, MAX_COST_NANO_USD)
    inp, out = (usage.input_tokens, usage.output_tokens) if usage is not None else (0, 0)
    used = (spent, spent, 1, inp, inp, out, out, inp + out, inp + out, 0, 0)
    return tuple(_flat((account, bucket, used[kind]) for account, bucket, kind in admitted.counts))


def _flat(triples: Iterable[tuple[int, int, int]]) -> Iterable[int]:
    for triple in triples:
        yield from triple
