import asyncio
import contextlib
import time

import pytest

from tokenworks.batches.pace import FIRST, Pace


async def took(pace: Pace, model: str, status: int, after_s: float | None = None) -> None:
    pace.leave(model, await pace.enter(model), status, after_s)


async def inside(pace: Pace, model: str, count: int) -> tuple[list[float], list[asyncio.Task[float]]]:
    """Those of ``count`` who got a turn at once, and all of them."""
    tasks = [asyncio.create_task(pace.enter(model)) for _ in range(count)]
    await asyncio.sleep(0)
    return [task.result() for task in tasks if task.done()], tasks


async def ended(tasks: list[asyncio.Task[float]]) -> None:
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_what_goes_well_gets_more_up_to_the_most() -> None:
    pace = Pace(6)
    entered, tasks = await inside(pace, "m", 10)
    assert len(entered) == FIRST
    pace.leave("m", entered[0], 200)
    await asyncio.sleep(0)
    assert sum(task.done() for task in tasks) == FIRST + 2, "his turn, and one more"
    await ended(tasks)
    for _ in range(5):
        await took(pace, "n", 200)
    assert pace.limit("n") == 6


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_too_many_halves_it_once_for_all_that_were_under_way(status: int) -> None:
    pace = Pace(16)
    for _ in range(12):
        await took(pace, "m", 200)
    assert pace.limit("m") == 16
    entered, tasks = await inside(pace, "m", 16)
    await asyncio.sleep(0.002)
    for moment in entered[:8]:
        pace.leave("m", moment, status, 0.0)
    assert pace.limit("m") == 8
    for moment in entered[8:]:
        pace.leave("m", moment, 200)
    assert 8 < pace.limit("m") < 10, "one more a round from now on"
    await ended(tasks)


async def test_it_rests_as_long_as_it_is_told() -> None:
    pace = Pace(4)
    await took(pace, "m", 429, 0.15)
    began = time.monotonic()
    await took(pace, "m", 200)
    assert 0.14 < time.monotonic() - began < 0.5
    await took(pace, "n", 429)
    began = time.monotonic()
    task = asyncio.create_task(pace.enter("n"))
    await asyncio.sleep(0.3)
    assert not task.done(), "a second where no time is named"
    await ended([task])


async def test_it_never_falls_below_one() -> None:
    pace = Pace(4)
    for _ in range(6):
        await took(pace, "m", 429, 0.0)
        await asyncio.sleep(0.002)
    assert pace.limit("m") == 1
    await took(pace, "m", 200)


async def test_a_model_that_rests_keeps_no_other_from_its_turn() -> None:
    pace = Pace(2)
    first = [await pace.enter("a"), await pace.enter("a")]
    waiting = asyncio.create_task(pace.enter("b"))
    await asyncio.sleep(0)
    assert not waiting.done(), "all turns are taken"
    pace.leave("a", first[0], 429, 60.0)
    await asyncio.wait_for(waiting, 1)


async def test_who_is_cancelled_while_he_waits_takes_no_turn() -> None:
    pace = Pace(1)
    entered = await pace.enter("m")
    waiting, other = asyncio.create_task(pace.enter("m")), asyncio.create_task(pace.enter("m"))
    await asyncio.sleep(0)
    await ended([waiting])
    pace.leave("m", entered, 200)
    await asyncio.wait_for(other, 1)
    pace.leave("m", other.result(), 0)
    again = asyncio.create_task(pace.enter("m"))
    late = asyncio.create_task(pace.enter("m"))
    await asyncio.sleep(0)
    pace.leave("m", again.result(), 200)  # his turn comes, and at the same moment he goes
    late.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await late
    await asyncio.wait_for(pace.enter("m"), 1)


async def test_turns_that_end_at_the_moment_they_come_are_passed_on() -> None:
    pace = Pace(1)
    entered = await pace.enter("m")
    waiting = [asyncio.create_task(pace.enter("m")) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting[:2]:
        task.cancel()  # they don't know yet when the turn is passed on
    pace.leave("m", entered, 200)
    await asyncio.wait_for(waiting[2], 1)
    assert all(
        isinstance(each, asyncio.CancelledError)
        for each in await asyncio.gather(*waiting[:2], return_exceptions=True)
    )
    pace.leave("m", waiting[2].result(), 200)
    await asyncio.wait_for(pace.enter("m"), 1)
