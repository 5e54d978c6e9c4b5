"""What becomes of each kind of answer; whole batches of them are in test_jobs.py."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from batching import PEPPER, batch_row
from fresh_store import fresh_store
from serving import free_port

from tokenworks.batches import asking as module
from tokenworks.batches.asking import Asking
from tokenworks.batches.calling import Gateway
from tokenworks.batches.pace import Pace
from tokenworks.batches.patience import Patience
from tokenworks.batches.settling import Settling
from tokenworks.batches.standing import Standing
from tokenworks.batches.timing import Timing
from tokenworks.ledger.batched import SHORT_OF_MONEY
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, When

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
QUICK = Timing(backoff_s=0.001, away_s=0.01)


class Room:
    """A batch that is in progress, and who asks for it."""

    def __init__(self, store: Any, url: str) -> None:
        self.store, self.patience = store, Patience(1)
        self.gateway = Gateway(url, PEPPER, 4, 10.0)
        self.alive = True
        self.standing = Standing(store, self.patience, lambda: self.alive)
        self.asking = Asking(self.gateway, Pace(4), self.standing, Settling(store, self.patience), QUICK)
        self.batch = batch_row(max_cost_nano_usd=10**9)
        store.add_batch(self.batch)

    async def ask(self) -> Any:
        with self.standing.watching(self.batch):
            return await self.asking.ask(self.batch, 0, "/v1/chat/completions", BODY, "m")

    def close(self) -> None:
        self.gateway.close()
        self.patience.close()
        self.store.close()


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedProvider]:
    async with ScriptedProvider() as made:
        yield made


@pytest.fixture
async def room(tmp_path, provider: ScriptedProvider) -> AsyncIterator[Room]:
    made = Room(fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}"), provider.origin)
    yield made
    made.close()


def failing(status: int, times: int, **more: Any) -> Script:
    fault = Fault(kind="status", status=status, **more)
    return Script(reply=(Reply(when=When(nth=tuple(range(1, times + 1))), fault=fault),))


async def test_an_answer_stands(room: Room) -> None:
    asked = await room.ask()
    assert (asked.answer.status, asked.tries) == (200, 1) and room.asking.under_way == 0


@pytest.mark.parametrize(("status", "tries"), [(400, 1), (403, 1), (404, 1), (408, 5), (500, 5), (502, 5)])
async def test_errors_are_tried_again_where_that_helps(
    room: Room, provider: ScriptedProvider, status: int, tries: int
) -> None:
    provider.play(failing(status, 9))
    asked = await room.ask()
    assert (asked.answer.status, asked.tries, len(provider.requests)) == (status, tries, tries)


async def test_being_too_many_is_no_try(room: Room, provider: ScriptedProvider) -> None:
    provider.play(failing(429, 8, retry_after_s=0))
    asked = await room.ask()
    assert (asked.answer.status, asked.tries, len(provider.requests)) == (200, 1, 9)


@pytest.mark.parametrize(
    ("status", "note"),
    [(402, f"{SHORT_OF_MONEY}scripted fault"), (401, "its key is refused: scripted fault")],
)
async def test_without_money_or_a_key_the_batch_waits(
    room: Room, provider: ScriptedProvider, status: int, note: str
) -> None:
    provider.play(failing(status, 1))
    assert await room.ask() is None
    assert (row := room.store.batch(room.batch.id)).status == "paused" and row.note == note


async def test_what_a_plan_queues_is_taken_back(room: Room, provider: ScriptedProvider) -> None:
    queued = Reply(
        fault=Fault(kind="status", status=202, body='{"id":"q_1"}'), headers={"location": "/v1/queued/q_1"}
    )
    provider.play(Script(reply=(queued,)))
    assert await room.ask() is None
    assert room.store.batch(room.batch.id).note == f"{SHORT_OF_MONEY}the plan of its key has no room"
    assert [(r.method, r.path) for r in provider.requests][1:] == [("DELETE", "/v1/queued/q_1")]


async def test_no_gateway_is_no_try(tmp_path) -> None:
    port = free_port()
    room = Room(fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}"), f"http://127.0.0.1:{port}")
    asked = asyncio.create_task(room.ask())
    await asyncio.sleep(0.2)
    async with ScriptedProvider(port=port):
        found = await asyncio.wait_for(asked, 15)
        assert (found.answer.status, found.tries) == (200, 1)
        room.close()


async def test_connections_that_always_break_are_an_error_in_the_end(
    room: Room, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CUTS", 3)
    provider.play(Script(reply=(Reply(fault=Fault(kind="close")),)))
    asked = await room.ask()
    assert (asked.answer.status, asked.tries) == (502, 3) and b"broke 3 times" in asked.answer.body


async def test_nothing_is_asked_for_what_may_not_go_on(room: Room, provider: ScriptedProvider) -> None:
    room.alive = False
    assert await room.ask() is None
    room.alive = True
    with room.standing.watching(room.batch):
        room.standing.spend(room.batch.id, 10**9)
        assert await room.ask() is None
    assert "$1 " in room.store.batch(room.batch.id).note and provider.requests == []


async def test_one_that_is_cut_off_gives_its_turn_back(room: Room, provider: ScriptedProvider) -> None:
    provider.play(Script(reply=(Reply(when=When(nth=(1, 2, 3, 4)), first_byte_delay_s=20.0),)))
    tasks = [asyncio.create_task(room.ask()) for _ in range(4)]
    await provider.until(lambda p: len(p.requests) == 4)
    assert room.asking.under_way == 4
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert room.asking.under_way == 0
    assert (await asyncio.wait_for(room.ask(), 5)).answer.status == 200


async def test_where_the_rest_is_promised_to_a_provider_it_is_not_paused(room: Room) -> None:
    with room.standing.watching(room.batch):
        room.standing.promise(room.batch.id, 10**9)
        assert await room.asking.ask(room.batch, 0, "/v1/chat/completions", BODY, "m") is None
    assert room.store.batch(room.batch.id).status == "in_progress"
