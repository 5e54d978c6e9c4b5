"""Both ways offer the same: handed in, found again, cancelled, and what came of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from handing_in import PATHS, requests, said, way_to

from tokenworks.providers.bulk.way import FOR_US, Refused, Unsure
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, When

KINDS = ("files", "messages")


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedProvider]:
    async with ScriptedProvider() as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
async def test_handed_in_and_answered(provider: ScriptedProvider, kind: str) -> None:
    async with way_to(provider.origin, kind) as way:
        batch_id = await way.submit("tag-1", PATHS[kind], requests("tag-1", 3))
        told = await way.progress(batch_id)
        assert (told.ended, told.total, told.failed) == (True, 3, "")
        outcomes = [each async for each in way.results(batch_id)]
    assert {each.custom_id: said(each) for each in outcomes} == {
        f"tag-1-{n}": f"You said: nr {n}" for n in range(3)
    }
    assert {each.status for each in outcomes} == {200}
    assert all(len(each.custom_id) <= FOR_US for each in outcomes)


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_fails_fails_alone_and_one_that_is_not_run_costs_nothing(
    provider: ScriptedProvider, kind: str
) -> None:
    provider.play(
        Script(
            reply=(
                Reply(
                    when=When(says="nr 1"),
                    fault=Fault(kind="status", status=400, message="no", error_type="invalid_request_error"),
                ),
                Reply(when=When(says="nr 2"), fault=Fault(kind="hang")),
            )
        )
    )
    async with way_to(provider.origin, kind) as way:
        batch_id = await way.submit("t", PATHS[kind], requests("t", 4))
        found = {each.custom_id: each async for each in way.results(batch_id)}
    assert [found[f"t-{n}"].status for n in range(4)] == [200, 400, 0, 200]
    assert b"no" in found["t-1"].body and found["t-2"].reason == "expired"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancel_is_passed_on(provider: ScriptedProvider, kind: str) -> None:
    provider.play(Script(bulk_delay_s=60))
    async with way_to(provider.origin, kind) as way:
        batch_id = await way.submit("t", PATHS[kind], requests("t", 2))
        assert not (await way.progress(batch_id)).ended
        await way.cancel(batch_id)
        await way.cancel(batch_id)
        assert (await way.progress(batch_id)).ended
        assert {each.reason async for each in way.results(batch_id)} == {"cancelled"}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_handed_in_is_found_again(provider: ScriptedProvider, kind: str) -> None:
    async with way_to(provider.origin, kind) as way:
        now = time.time()
        assert await way.find("b", now) == ""
        first = await way.submit("a", PATHS[kind], requests("a", 1))
        second = await way.submit("b", PATHS[kind], requests("b", 1))
        assert await way.find("b", now) == second and await way.find("a", now) == first
        assert await way.find("c", now) == "" and await way.find("c", now, known=(first, second)) == ""


async def test_one_that_may_be_it_is_waited_for(provider: ScriptedProvider) -> None:
    provider.play(Script(bulk_delay_s=0.2))
    async with way_to(provider.origin, "messages") as way:
        now = time.time()
        batch_id = await way.submit("a", PATHS["messages"], requests("a", 1))
        with pytest.raises(Unsure, match="may be what was handed in"):
            await way.find("b", now)
        assert await way.find("b", now, known=(batch_id,)) == ""
        await asyncio.sleep(0.25)
        assert await way.find("b", now) == "" and await way.find("a", now) == batch_id


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_provider_does_not_take(provider: ScriptedProvider, kind: str) -> None:
    twice: list[Any] = [*requests("t", 1), *requests("t", 1)]
    async with way_to(provider.origin, kind) as way:
        with pytest.raises(Refused, match="HTTP 400"):
            await way.submit("t", PATHS[kind], twice)
    await provider.stop()
    async with way_to(provider.origin, kind) as way:
        with pytest.raises(Unsure):
            await way.submit("t", PATHS[kind], requests("t", 1))
