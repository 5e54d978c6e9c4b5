"""What is kept between requests: at once here, a moment later everywhere, and only as long as it may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokenworks.gateway.states import States
from tokenworks.ledger.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = open_store(f"sqlite:///{tmp_path / 'states.db'}")
    one.migrate()
    yield one
    one.close()


async def found(states: States, name: str, scope: str = "s") -> bytes | None:
    future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
    states.find(scope, name, future.set_result)
    return await asyncio.wait_for(future, 5)


async def test_found_at_once_in_memory_and_later_by_others(store: Store) -> None:
    loop = asyncio.get_running_loop()
    here, there = States(store, loop), States(store, loop)
    here.keep("s", "a", b"body", 60)
    told: list[bytes | None] = []
    here.find("s", "a", told.append)
    assert told == [b"body"], "no wait where it was kept"
    assert await found(there, "a") == b"body"
    assert await found(there, "a", scope="other") is None
    here.close()
    there.close()
    again = States(store, loop)
    assert await found(again, "a") == b"body", "it outlives the worker"
    again.close()


async def test_a_worker_that_is_a_little_late_is_waited_for(store: Store) -> None:
    loop = asyncio.get_running_loop()
    states = States(store, loop)
    loop.call_later(0.05, store.keep_state, "s", "late", b"came", time.time_ns() // 1000 + 60_000_000)
    assert await found(states, "late") == b"came"
    started = loop.time()
    assert await found(states, "never") is None
    assert loop.time() - started < 1
    states.close()


async def test_expired_is_gone_and_memory_is_bounded(store: Store) -> None:
    states = States(store, asyncio.get_running_loop(), max_memory=1000)
    states.keep("s", "old", b"x", -1)
    for number in range(10):
        states.keep("s", str(number), b"y" * 300, 60)
    assert states._size <= 1000
    assert await found(states, "0") == b"y" * 300, "dropped from memory, still in the store"
    states.forget("s", "9")
    states.close()
    fresh = States(store, asyncio.get_running_loop())
    assert await found(fresh, "old") is None
    fresh.close()


async def test_the_same_name_again_replaces(store: Store) -> None:
    states = States(store, asyncio.get_running_loop())
    states.keep("s", "a", b"one", 60)
    states.keep("s", "a", b"three", 60)
    assert states._size == 5
    assert await found(states, "a") == b"three"
    states.close()
    fresh = States(store, asyncio.get_running_loop())
    assert await found(fresh, "a") == b"three"
    fresh.close()
