import asyncio
import time

import msgspec
import pytest
from batching import batch_row, part_rows
from fresh_store import fresh_store

from tokenworks.batches import standing as module
from tokenworks.batches.patience import Patience
from tokenworks.batches.standing import Standing


@pytest.fixture
def store(tmp_path):
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


@pytest.fixture
def alive():
    return [True]


@pytest.fixture
def standing(store, alive):
    patience = Patience(1)
    yield Standing(store, patience, lambda: alive[0])
    patience.close()


async def test_it_may_go_on_while_it_is_in_progress_in_time_and_the_worker_is_alive(
    store, standing, alive
) -> None:
    row = batch_row()
    store.add_batch(row)
    with standing.watching(row):
        assert standing.may_go(row.id)
        alive[0] = False
        assert not standing.may_go(row.id)
        alive[0] = True
        store.update_batch(row.id, status="cancelling")
        assert standing.may_go(row.id), "it was not read again yet"
        await standing.refresh()
        assert not standing.may_go(row.id) and standing.row(row.id).status == "cancelling"
    late = batch_row(expires_us=time.time_ns() // 1000)
    with standing.watching(late):
        assert not standing.may_go(late.id)


async def test_the_hour_counts_and_how_quickly_parts_are_settled(store, standing, monkeypatch) -> None:
    seen: list[float | None] = []
    monkeypatch.setattr(module, "waits_until", lambda row, now_us, part_s: seen.append(part_s))
    row = batch_row()
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, 100))
    row = store.batch(row.id)
    with standing.watching(row):
        assert standing.may_go(row.id) and seen.pop() is None
        await asyncio.sleep(0.05)
        done = [msgspec.structs.replace(part, status="done") for part in store.parts(row.id)[:50]]
        store.settle_parts(row.id, done)
        await standing.refresh()
        assert standing.may_go(row.id)
        measured = seen.pop()
        assert measured is not None and 0.001 <= measured < 0.1
    monkeypatch.setattr(module, "waits_until", lambda row, now_us, part_s: now_us + 1)
    with standing.watching(row):
        assert not standing.may_go(row.id)


async def test_a_row_that_was_read_before_takes_nothing_back(store, standing) -> None:
    before = batch_row(max_cost_nano_usd=100)
    store.add_batch(before)
    store.add_parts(before.id, part_rows(before.id, 1))
    with standing.watching(before):
        standing.spend(before.id, 100)
        (part,) = store.parts(before.id)
        store.settle_part(msgspec.structs.replace(part, status="done", cost_nano_usd=100))
        standing.kept(before.id, 100)
        await standing.refresh()
        with standing.watching(before):  # a group that was slow to begin
            assert await standing.over_cost(before.id)
        with standing.watching(msgspec.structs.replace(before, run=2)):
            assert standing.row(before.id).run == 2


async def test_a_pause_is_known_at_once_and_told_once(store, standing) -> None:
    row = batch_row()
    store.add_batch(row)
    with standing.watching(row):
        await standing.pause(row.id, "first")
        await standing.pause(row.id, "second")
        assert not standing.may_go(row.id)
        assert store.batch(row.id).note == "first" and store.batch(row.id).status == "paused"


async def test_another_run_or_a_batch_that_is_gone_ends_it(store, standing) -> None:
    row, gone = batch_row(), batch_row()
    store.add_batch(row)
    with standing.watching(row), standing.watching(gone):
        store.run_again(row.id, status="in_progress")
        await standing.refresh()
        assert not standing.may_go(row.id) and not standing.may_go(gone.id)


async def test_what_was_spent_since_it_was_read_counts_once(store, standing) -> None:
    row = batch_row(max_cost_nano_usd=100, cost_nano_usd=50)
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, 2))
    first, _ = store.parts(row.id)
    with standing.watching(row), standing.watching(row):
        standing.spend(row.id, 30)
        assert not await standing.over_cost(row.id)
        store.settle_part(msgspec.structs.replace(first, status="done", cost_nano_usd=30))
        standing.kept(row.id, 30)
        standing.spend(row.id, 19)
        standing._rows[row.id] = store.batch(row.id)  # it was read after the first had been kept
        assert standing._spent[row.id] == 49, "80 + 49 would be too much"
        assert not await standing.over_cost(row.id), "80 + 19 is not"
        standing.spend(row.id, 1)
        assert await standing.over_cost(row.id)
        await standing.refresh()
        assert standing._spent[row.id] == 20 and await standing.over_cost(row.id), (
            "of that nothing is kept yet"
        )
        standing.kept(row.id, 20)
        await standing.refresh()
        assert standing._spent[row.id] == 0 and not await standing.over_cost(row.id)
    free = batch_row()
    with standing.watching(free):
        standing.spend(free.id, 10**15)
        assert not await standing.over_cost(free.id)


async def test_what_is_promised_to_a_provider_is_not_spent_meanwhile(store, standing) -> None:
    row = batch_row(max_cost_nano_usd=100)
    store.add_batch(row)
    with standing.watching(row):
        standing.promise(row.id, 60)
        standing.spend(row.id, 39)
        assert not await standing.over_cost(row.id)
        standing.spend(row.id, 1)
        assert await standing.over_cost(row.id) and standing.promised(row.id) == 60
        standing.promise(row.id, 0)
        assert not await standing.over_cost(row.id)


async def test_what_is_spent_and_not_kept_yet_still_counts_when_the_row_is_read(store, standing) -> None:
    row = batch_row(max_cost_nano_usd=100)
    store.add_batch(row)
    with standing.watching(row):
        standing.spend(row.id, 100)
        await standing.refresh()
        await standing.refresh()
        assert await standing.over_cost(row.id)
