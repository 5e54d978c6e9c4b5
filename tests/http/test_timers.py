"""Timeouts: never early, soon after, moved and dropped at will."""

from __future__ import annotations

import asyncio
import gc
import random
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.http.timers import NEVER, Sweeper

uvloop_only = pytest.mark.asyncio(loop_factories=["uvloop"])


class Bomb:
    """Notes when it goes off."""

    def __init__(self, then: Callable[[Bomb], None] | None = None) -> None:
        self.deadline = NEVER
        self.times: list[float] = []
        self.then = then

    def expire(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        if self.then:
            self.then(self)


def armed(sweeper: Sweeper, seconds: float, then: Callable[[Bomb], None] | None = None) -> Bomb:
    bomb = Bomb(then)
    sweeper.watch(bomb)
    bomb.deadline = sweeper.now + seconds
    return bomb


@uvloop_only
async def test_never_early_and_not_much_later(sweeper: Sweeper, tick: float) -> None:
    """Armed at any moment of a tick, for any time."""
    loop = asyncio.get_running_loop()
    bombs = []
    for _ in range(150):
        await asyncio.sleep(random.random() * tick / 3)
        seconds = random.choice((0, tick / 10, tick / 2, tick, 3.3 * tick, 0.1))
        bombs.append((armed(sweeper, seconds), loop.time() + seconds))
    await asyncio.sleep(0.2)
    late = sorted(bomb.times[0] - due for bomb, due in bombs)
    assert all(len(bomb.times) == 1 for bomb, _ in bombs)
    assert late[0] > -0.002  # the loop's own clock has milliseconds
    assert late[len(late) // 2] < 3 * tick
    assert late[-1] < 0.15


@uvloop_only
async def test_moved_sooner_and_later_and_stopped(sweeper: Sweeper) -> None:
    later, sooner, stopped = (armed(sweeper, s) for s in (0.04, 10, 0.04))
    stopped.deadline = NEVER
    start = asyncio.get_running_loop().time()
    for _ in range(8):
        await asyncio.sleep(0.02)
        later.deadline = sweeper.now + 0.04
    sooner.deadline = sweeper.now + 0.02
    assert later.times == stopped.times == []
    await asyncio.sleep(0.15)
    assert len(later.times) == len(sooner.times) == 1
    assert later.times[0] - start > 0.19
    assert stopped.times == []


@uvloop_only
async def test_an_expiry_is_told_once_and_may_arm_again(sweeper: Sweeper) -> None:
    def again(bomb: Bomb) -> None:
        if len(bomb.times) < 3:
            bomb.deadline = sweeper.now + 0.02

    once, thrice = armed(sweeper, 0.02), armed(sweeper, 0.02, again)
    await asyncio.sleep(0.3)
    assert len(once.times) == 1
    assert once.deadline == NEVER
    assert len(thrice.times) == 3


async def test_an_expiry_may_stop_or_drop_others_of_the_same_moment(sweeper: Sweeper) -> None:
    """As when one timeout fails a call whose other connection has timed out too."""

    def disarm(_: Bomb) -> None:
        for bomb in bombs:
            bomb.deadline = NEVER
            sweeper.forget(bomb)

    bombs = [armed(sweeper, 0.02, disarm) for _ in range(10)]
    await asyncio.sleep(0.1)
    assert sum(len(bomb.times) for bomb in bombs) == 1


async def test_an_expiry_that_raises_does_not_cost_the_others_theirs(
    sweeper: Sweeper, errors: list[dict[str, Any]]
) -> None:
    def fail(_: Bomb) -> None:
        raise RuntimeError("bug")

    bombs = [armed(sweeper, 0.02, fail if number == 5 else None) for number in range(10)]
    later = armed(sweeper, 0.1)
    await asyncio.sleep(0.25)
    assert [len(bomb.times) for bomb in bombs] == [1] * 10
    assert len(later.times) == 1
    assert [str(e["exception"]) for e in errors] == ["bug"]
    errors.clear()


async def test_what_is_forgotten_is_free(sweeper: Sweeper) -> None:
    kept, dropped = armed(sweeper, 10), armed(sweeper, 10)
    refs = weakref.ref(kept), weakref.ref(dropped)
    sweeper.forget(dropped)
    sweeper.forget(dropped)
    gc.disable()
    try:
        del kept, dropped
        assert refs[0]() is not None
        assert refs[1]() is None
    finally:
        gc.enable()


async def test_after_stop_nothing_goes_off(tick: float) -> None:
    sweeper = Sweeper(asyncio.get_running_loop())
    bomb = armed(sweeper, 0.02)
    ref = weakref.ref(bomb)
    sweeper.stop()
    sweeper.stop()
    await asyncio.sleep(0.08)
    assert bomb.times == []
    del bomb
    gc.collect()
    assert ref() is None


async def test_now_follows_the_clock(sweeper: Sweeper, tick: float) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(10):
        await asyncio.sleep(tick)
        assert -0.002 < loop.time() - sweeper.now < 0.15


@uvloop_only
async def test_looking_at_everybody_is_cheap(sweeper: Sweeper) -> None:
    """10,000 connections, four looks a second: a small part of one core."""
    for _ in range(10_000):
        armed(sweeper, 1000)
    best = NEVER
    for _ in range(5):
        began = time.perf_counter()
        sweeper._sweep()
        best = min(best, time.perf_counter() - began)
    assert best < 0.010
