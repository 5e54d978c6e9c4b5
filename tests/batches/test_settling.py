import asyncio
import threading

import msgspec
import pytest
from batching import batch_row, part_rows
from fresh_store import fresh_store

from tokenworks.batches.patience import Patience
from tokenworks.batches.settling import MOST, Settling


@pytest.fixture
def store(tmp_path):
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


@pytest.fixture
def settling(store):
    patience = Patience(1)
    yield Settling(store, patience)
    patience.close()


def begun(store, count: int):
    row = batch_row()
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, count))
    return [
        msgspec.structs.replace(p, status="done", output_tokens=1) for p in store.parts(row.id, limit=count)
    ]


async def test_what_comes_while_the_store_is_busy_is_one_transaction(store, settling, monkeypatch) -> None:
    parts, others = begun(store, MOST + 50), begun(store, 5)
    written, free, settle = [], threading.Event(), store.settle_parts

    def slow(batch_id, rows):
        free.wait(5)
        written.append(len(rows))
        return settle(batch_id, rows)

    monkeypatch.setattr(store, "settle_parts", slow)
    keeping = [asyncio.create_task(settling.keep(parts[0]))]
    await asyncio.sleep(0.05)
    keeping += [asyncio.create_task(settling.keep(part)) for part in (*parts[1:], *others)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in keeping), "nobody is told before it is kept"
    free.set()
    await asyncio.gather(*keeping)
    assert written == [1, MOST, 49, 5]
    assert store.batch(parts[0].batch_id).done == MOST + 50 and store.batch(others[0].batch_id).done == 5


async def test_one_whose_waiter_is_gone_is_kept_all_the_same(store, settling) -> None:
    (part,) = begun(store, 1)
    keeping = asyncio.create_task(settling.keep(part))
    await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await settling.keep(part)
    assert store.batch(part.batch_id).done == 1


async def test_what_no_store_can_hold_is_told_to_whoever_waits(store, settling) -> None:
    good, bad = begun(store, 2)
    with pytest.raises(UnicodeEncodeError):
        await settling.keep(msgspec.structs.replace(bad, model="\ud800"))
    await settling.keep(good)
    assert store.batch(good.batch_id).done == 1


async def test_while_too_many_wait_to_be_kept_nobody_asks_for_more(store, monkeypatch) -> None:
    free, settle = threading.Event(), store.settle_parts
    monkeypatch.setattr(store, "settle_parts", lambda *given: free.wait(5) and settle(*given))
    patience = Patience(1)
    settling = Settling(store, patience, 3)
    parts = begun(store, 3)
    keeping = [asyncio.create_task(settling.keep(part)) for part in parts[:2]]
    await asyncio.sleep(0)
    await asyncio.wait_for(settling.room(), 1)
    keeping.append(asyncio.create_task(settling.keep(parts[2])))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(settling.room())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    free.set()
    await asyncio.wait_for(waiting, 5)
    await asyncio.gather(*keeping)
    patience.close()
