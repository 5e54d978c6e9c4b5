"""A request that is not admitted yet: whatever happens while it waits, it ends once and leaves nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from doorway import Door, provider
from limiting import leased, limit, rule
from serving import chat

from tokenworks.config.settings import LimitSettings
from tokenworks.errors import StoreError
from tokenworks.gateway.admission import Wait
from tokenworks.gateway.parked import Parked
from tokenworks.ledger.limit_rows import ActionRow
from tokenworks.providers.scripted import Reply, Script, ScriptedProvider

Make = Callable[..., Any]
SLOW = Script(reply=(Reply(tokens=5, first_byte_delay_s=0.4),))


async def changed(one: Door) -> None:
    if one.book.reload_if_changed():
        one.limits.keys_changed()
    one.limits.reload_if_changed()


async def parked(one: Door, n: int = 1) -> list[Parked]:
    """Until so many wait."""
    for _ in range(1000):
        found = [c.exchange for c in one.listener.connections if isinstance(c.exchange, Parked)]
        if len(found) == n:
            return found
        await asyncio.sleep(0.002)
    raise TimeoutError


async def one_at_a_time(door: Make, upstream: ScriptedProvider, wait_s: float = 5.0, **more: Any) -> Door:
    made: Door = await door(
        {"acme": provider(upstream.base_url)}, limits=LimitSettings(wait_s=wait_s), **more
    )
    limit(made.store, made.key_id, "concurrent", 1)
    await changed(made)
    return made


def free(one: Door) -> int:
    """How many requests may run now."""
    (account,) = [each for each in one.leases.accounts.values() if each.unit == "concurrent"]
    for block in one.leases.blocks:
        block.close()
    return account.free


async def test_a_client_that_leaves_while_it_waits(door: Make) -> None:
    async with ScriptedProvider(SLOW) as upstream:
        one = await one_at_a_time(door, upstream)
        first = asyncio.create_task(one.post(chat()))
        await upstream.until(lambda p: len(p.requests) == 1)
        second = asyncio.create_task(one.post(chat("gone")))
        (waiting,) = await parked(one)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await asyncio.sleep(0.01)
        assert waiting.over and not one.leases.waiting
        assert (await first).status_code == 200
        records = {each.outcome: each for each in one.records()}
        gone = records["client_gone"]
        assert (gone.status, gone.cost_nano_usd, gone.uncached_input_tokens) == (0, 0, 0)
        assert not gone.charges and not gone.sheet and gone.latency_us > 0
        assert len(records) == 2 and len(upstream.requests) == 1
        assert free(one) == 1 and one.inflight.count() == 0


async def test_a_server_that_stops_says_so_to_those_that_wait(door: Make) -> None:
    async with ScriptedProvider(SLOW) as upstream:
        one = await one_at_a_time(door, upstream)
        first = asyncio.create_task(one.post(chat()))
        await upstream.until(lambda p: len(p.requests) == 1)
        second = asyncio.create_task(one.post(chat()))
        (waiting,) = await parked(one)
        waiting.shut_down()
        waiting.shut_down()
        waiting.client_gone()  # and each of them only once
        answer = await second
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        assert "before this request was begun" in answer.json()["error"]["message"]
        assert (await first).status_code == 200
        assert sorted(each.outcome for each in one.records()) == ["ok", "shutdown"]
        assert free(one) == 1


async def test_who_came_first_is_served_first(door: Make) -> None:
    async with ScriptedProvider(Script(reply=(Reply(tokens=1, first_byte_delay_s=0.06),))) as upstream:
        one = await one_at_a_time(door, upstream)
        tasks = []
        for number in range(6):
            tasks.append(asyncio.create_task(one.post(chat(f"<{number}>"))))
            await asyncio.sleep(0.01)
        assert [(await each).status_code for each in tasks] == [200] * 6
        order = [each.body["messages"][0]["content"] for each in upstream.requests]
        assert order == [f"<{number}>" for number in range(6)]


async def test_nobody_waits_longer_than_he_may(door: Make) -> None:
    async with ScriptedProvider(Script(reply=(Reply(tokens=1, first_byte_delay_s=0.9),))) as upstream:
        one = await one_at_a_time(door, upstream, wait_s=0.2)
        first = asyncio.create_task(one.post(chat()))
        await upstream.until(lambda p: len(p.requests) == 1)
        begun = time.monotonic()
        answers = await asyncio.gather(*(one.post(chat()) for _ in range(5)))
        assert {each.status_code for each in answers} == {429}
        assert 0.15 < time.monotonic() - begun < 0.8
        assert not one.leases.waiting and (await first).status_code == 200
        assert len(one.records()) == 6


async def test_without_a_time_to_wait_only_the_store_is_waited_for(door: Make) -> None:
    async with ScriptedProvider(SLOW) as upstream:
        one = await one_at_a_time(door, upstream, wait_s=0.0)
        answers = await asyncio.gather(one.post(chat()), one.post(chat()))
        assert sorted(each.status_code for each in answers) == [200, 429]


async def test_what_is_wrong_with_it_is_told_when_its_turn_comes(door: Make) -> None:
    """Its rules were changed while it waited."""
    async with ScriptedProvider(SLOW) as upstream:
        one = await one_at_a_time(door, upstream)
        first = asyncio.create_task(one.post(chat()))
        await upstream.until(lambda p: len(p.requests) == 1)
        second = asyncio.create_task(one.post(chat()))
        await parked(one)
        rule(one.store, one.key_id, models=("other/*",))
        await changed(one)
        answer: httpx.Response = await second
        assert answer.status_code == 403
        assert (await first).status_code == 200
        assert sorted(each.outcome for each in one.records()) == ["denied", "ok"]
        assert not one.leases.waiting and free(one) == 1


async def test_the_limit_is_gone_before_its_turn_comes(door: Make) -> None:
    async with ScriptedProvider(SLOW) as upstream:
        one = await one_at_a_time(door, upstream)
        (row,) = one.store.limits()
        first = asyncio.create_task(one.post(chat()))
        await upstream.until(lambda p: len(p.requests) == 1)
        second = asyncio.create_task(one.post(chat()))
        await parked(one)
        one.store.remove_limit(row.id)
        await changed(one)
        await upstream.until(lambda p: len(p.requests) == 2)
        assert [(await each).status_code for each in (first, second)] == [200, 200]


async def test_a_journal_that_cannot_be_written_meanwhile(
    door: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedProvider(SLOW) as upstream:
        one = await one_at_a_time(door, upstream)
        first = asyncio.create_task(one.post(chat()))
        await upstream.until(lambda p: len(p.requests) == 1)
        second = asyncio.create_task(one.post(chat()))
        await parked(one)
        with monkeypatch.context() as patch:
            patch.setattr("tokenworks.ledger.journal._write", _full)
            assert [(await each).status_code for each in (first, second)] == [200, 200]
            assert not one.journal.healthy
            assert (await one.post(chat())).status_code == 503
        assert one.gateway.retry_journal()
        assert [each.outcome for each in one.records()] == ["ok", "ok"]
        assert free(one) == 1 and one.inflight.count() == 0


def _full(*args: Any) -> int:
    raise OSError(28, "No space left on device")


async def test_a_store_that_is_down_refuses_money_and_lets_it_through_later(
    door: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedProvider(Script(reply=(Reply(tokens=5),))) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, limits=LimitSettings(wait_s=0.2))
        budget = limit(one.store, one.key_id, "usd", 1.0, strict=True)
        await changed(one)
        with monkeypatch.context() as patch:
            patch.setattr(one.store, "lease", _down)
            refused = await one.post(chat(max_tokens=5))
            assert refused.status_code == 503 and "store can't be reached" in refused.text
        assert (await one.post(chat(max_tokens=5))).status_code == 200
        one.drainer.drain_once()
        (account,) = one.leases.accounts.values()
        assert account.free == leased(one.store, budget)


def _down(*args: Any) -> None:
    raise StoreError("down")


async def test_a_slowed_request_that_is_left_never_begins(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        one.store.set_action(ActionRow(one.key_id, "slow", "[]", 0))
        await changed(one)
        with pytest.raises(httpx.TimeoutException):  # without a plan that says how slow: 10 s
            await one.post(chat(), timeout=0.1)
        await asyncio.sleep(0.02)
        (record,) = one.records()
        assert record.outcome == "client_gone" and not upstream.requests


async def test_a_second_look_at_what_is_left_is_counted(door: Make) -> None:
    async with ScriptedProvider(SLOW) as upstream:
        one = await one_at_a_time(door, upstream)
        first = asyncio.create_task(one.post(chat()))
        await upstream.until(lambda p: len(p.requests) == 1)
        second = asyncio.create_task(one.post(chat()))
        (waiting,) = await parked(one)
        before = waiting.tries
        waiting.wait(Wait(partial=True))
        waiting.wait(Wait())
        assert waiting.tries == before + 1
        waiting.client_slow()
        waiting.client_ready()
        assert [(await each).status_code for each in (first, second)] == [200, 200]
