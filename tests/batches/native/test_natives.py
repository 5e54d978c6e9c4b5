"""How hand-ins are planned and kept; carrying them out is in tests/app/test_native_batches.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from batching import batch_row, part_rows
from fresh_store import fresh_store
from limiting import leased, limit
from native_batches import catalog

from tokenworks.batches.native.errand import SENT, Errand, Pauses
from tokenworks.batches.native.natives import LEAST, LOST_S, Natives, State, part_at, state_of, taken
from tokenworks.batches.patience import Patience
from tokenworks.batches.settling import Settling
from tokenworks.batches.standing import Standing
from tokenworks.ledger.store import Store
from tokenworks.plans import keys

PEPPER = bytes(range(32))
HOUR_US = 3_600_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


@pytest.fixture
def patience() -> Iterator[Patience]:
    made = Patience(1)
    yield made
    made.close()


def natives(store: Store, folder: Path, patience: Patience, **api: Any) -> Natives:
    here = catalog(folder)
    acme = here.providers["acme"]
    assert acme.batch is not None
    here.providers["acme"] = msgspec.structs.replace(acme, batch=msgspec.structs.replace(acme.batch, **api))

    def reach(_: Any) -> Any:
        raise AssertionError("nothing is sent")

    standing = Standing(store, patience, lambda: True)
    return Natives(store, PEPPER, lambda: here, reach, patience, Settling(store, patience), standing)


def ordered(store: Store, count: int, hours: float = 24, model: str = "acme/fast", **fields: Any) -> Any:
    key_id, _ = keys.create(store, "somebody", PEPPER)
    now_us = time.time_ns() // 1000
    row = batch_row(key_id=key_id, expires_us=now_us + round(hours * HOUR_US), **fields)
    store.add_batch(row)
    said = {"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}]}
    store.add_parts(row.id, part_rows(row.id, count, request=msgspec.json.encode(said)))
    return store.batch(row.id)


async def test_all_are_taken_in_hand_ins_of_the_size_that_the_provider_takes(
    store: Store, tmp_path: Path, patience: Patience
) -> None:
    room, row = natives(store, tmp_path, patience, most_requests=30), ordered(store, 70)
    assert taken(store, row) == frozenset() and await room.begin(row)
    state = state_of(store, row)
    assert state is not None and [len(each.items) for each in state.hand_ins] == [30, 30, 10]
    tags = [each.errand.tag for each in state.hand_ins]
    assert tags == [f"{row.id[6:]}-{n}" for n in range(3)] and taken(store, row) == frozenset(range(70))
    assert all(each.errand.path == "/v1/chat/completions" and not each.over for each in state.hand_ins)
    assert await room.begin(row) and state_of(store, row) == state, "planned once"
    assert part_at(store, row.id, 33).seq == 33


@pytest.mark.parametrize(
    ("count", "fields"),
    [
        (LEAST - 1, {}),
        (LEAST, {"hours": 23}),
        (LEAST, {"model": "auto"}),
        (LEAST, {"endpoint": "/v1/responses"}),
        (LEAST, {"options": b'{"off_peak":"60-120 acme/fast"}'}),
        (LEAST, {"status": "cancelling"}),
        (LEAST, {"max_cost_nano_usd": 1}),
    ],
)
async def test_what_is_asked_one_by_one(
    store: Store, tmp_path: Path, patience: Patience, count: int, fields: dict[str, Any]
) -> None:
    row = ordered(store, count, **fields)
    assert not await natives(store, tmp_path, patience).begin(row)
    assert taken(store, row) == frozenset()


async def test_what_it_may_cost_bounds_what_is_taken(
    store: Store, tmp_path: Path, patience: Patience
) -> None:
    room = natives(store, tmp_path, patience)
    whole = ordered(store, 60)
    budget = limit(store, whole.key_id, "usd", 1.0)
    assert await room.begin(whole)
    state = state_of(store, whole)
    assert state is not None
    (one,) = {item.expected_nano_usd for each in state.hand_ins for item in each.items}
    assert leased(store, budget) == 60 * one, "neither more nor less is held"
    capped = ordered(store, 60, max_cost_nano_usd=40 * one)
    assert await room.begin(capped) and len(taken(store, capped)) == 40


async def test_recipes_keep_something_else_there(store: Store) -> None:
    row = ordered(store, 1, kind="translate")
    store.keep_shared(row.id, b'{"shared":{}}')
    assert state_of(store, row) is None and taken(store, row) == frozenset()


async def test_a_provider_that_is_gone_ends_with_the_batch(
    store: Store, tmp_path: Path, patience: Patience
) -> None:
    room, row = natives(store, tmp_path, patience), ordered(store, LEAST)
    room._pauses = Pauses(look_s=0.01)

    def gone(_: Any) -> Any:
        raise KeyError("acme")

    room._reach = gone
    assert await room.begin(row) and not room.rests(row.id)
    with room._standing.watching(row):
        task = asyncio.create_task(room.run(row))
        await asyncio.sleep(0.1)
        assert room.rests(row.id) and len(taken(store, row)) == LEAST, "it may come back"
        task.cancel()
        await asyncio.wait([task])
    late = store.update_batch(row.id, status="cancelling")
    with room._standing.watching(late):
        await room.run(late)
    assert taken(store, row) == frozenset()


async def test_what_a_worker_that_died_had_reserved_is_free_in_the_end(
    store: Store, tmp_path: Path, patience: Patience
) -> None:
    room, row = natives(store, tmp_path, patience), ordered(store, LEAST)
    budget = limit(store, row.key_id, "usd", 1.0)
    assert await room.begin(row) and leased(store, budget) > 0
    state = state_of(store, row)
    assert state is not None
    over = [msgspec.structs.replace(each, over=True) for each in state.hand_ins]
    store.keep_shared(row.id, msgspec.json.encode(State(tuple(over))))  # and then it died
    assert not await room.begin(row) and leased(store, budget) == 0


async def test_a_provider_that_tells_nothing_is_waited_for_no_longer_than_it_may_take(
    store: Store, tmp_path: Path, patience: Patience
) -> None:
    room, row = natives(store, tmp_path, patience), ordered(store, LEAST, status="in_progress")
    room._pauses = Pauses(look_s=0.01)
    assert await room.begin(row)
    state = state_of(store, row)
    assert state is not None

    def gone(_: Any) -> Any:
        raise KeyError("acme")

    room._reach = gone
    late = store.update_batch(row.id, status="cancelling")
    for ago_s, waits in ((LOST_S - 60, True), (LOST_S + 60, False)):
        sent = Errand("t", "/", SENT, time.time() - ago_s, "b_1")
        kept = [msgspec.structs.replace(each, errand=sent) for each in state.hand_ins]
        store.keep_shared(row.id, msgspec.json.encode(State(tuple(kept))))
        with room._standing.watching(late):
            _, pending = await asyncio.wait([task := asyncio.create_task(room.run(late))], timeout=0.3)
            assert bool(pending) == waits and bool(taken(store, row)) == waits
            task.cancel()
            await asyncio.wait([task])


async def test_a_key_that_was_revoked_meanwhile_hands_nothing_in(
    store: Store, tmp_path: Path, patience: Patience
) -> None:
    room, row = natives(store, tmp_path, patience), ordered(store, LEAST)
    assert await room.begin(row)
    room._reach = lambda _: None  # type: ignore[assignment,return-value]
    assert store.revoke_key(row.key_id)
    with room._standing.watching(row):
        await room.run(row)
    assert taken(store, row) == frozenset()
