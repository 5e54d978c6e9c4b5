"""Errands on a provider's batch API: sent once, whoever is killed and whenever."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from handing_in import PATHS, requests, said, way_to

from tokenworks.batches.native.errand import (
    COLLECTED,
    INTENDED,
    PLANNED,
    SENT,
    Courier,
    Errand,
    Pauses,
    custom_id,
    seq_of,
)
from tokenworks.providers.bulk.way import Outcome, Refused, Unsure
from tokenworks.providers.scripted import Script, ScriptedProvider, running

QUICK = Pauses(look_s=0.02, grace_s=0.1)
KINDS = ("files", "messages")
COUNT = 5


class Desk:
    """Keeps errands and results, as a store would."""

    def __init__(self) -> None:
        self.kept: list[Errand] = []
        self.results: dict[str, Outcome] = {}
        self.told = 0

    async def keep(self, errand: Errand) -> None:
        self.kept.append(errand)

    async def settle(self, outcome: Outcome) -> None:
        self.told += 1
        self.results.setdefault(outcome.custom_id, outcome)


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedProvider]:
    async with ScriptedProvider(Script(bulk_delay_s=0.05)) as made:
        yield made


async def whole(provider: Any, kind: str, desk: Desk, errand: Errand) -> Errand:
    async with way_to(provider.origin, kind) as way:
        courier = Courier(way, desk.keep, QUICK)
        errand = await courier.send(errand, requests(errand.tag, COUNT))
        assert await courier.ended(errand, lambda: True, lambda: False) is not None
        return await courier.collect(errand, desk.settle)


@pytest.mark.parametrize("kind", KINDS)
async def test_from_its_plan_to_its_results(provider: ScriptedProvider, kind: str) -> None:
    desk = Desk()
    errand = await whole(provider, kind, desk, Errand("tag", PATHS[kind]))
    assert [each.state for each in desk.kept] == [INTENDED, SENT, COLLECTED]
    assert desk.kept[1].batch_id == provider.stage.bulk.handed_in[0] == errand.batch_id
    assert {seq_of(errand, name): said(each) for name, each in desk.results.items()} == {
        n: f"You said: nr {n}" for n in range(COUNT)
    }
    assert await whole(provider, kind, desk, desk.kept[1]) == errand, "as after a crash: collected again"
    assert len(provider.stage.bulk.handed_in) == 1 and len(provider.stage.bulk.answered) == COUNT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arrived", [True, False])
async def test_nobody_knows_whether_it_arrived(provider: ScriptedProvider, kind: str, arrived: bool) -> None:
    """Neither is it sent twice, nor is it lost."""
    async with way_to(provider.origin, kind) as way:
        submit = way.submit
        broken = True

        async def breaks(*args: Any) -> str:
            nonlocal broken
            if broken and not arrived:
                broken = False
                raise Unsure("the connection broke before it was sent")
            found: str = await submit(*args)
            if broken:
                broken = False
                raise Unsure("the connection broke before the answer")
            return found

        way.submit = breaks
        desk = Desk()
        errand = await Courier(way, desk.keep, QUICK).send(Errand("t", PATHS[kind]), requests("t", COUNT))
    assert provider.stage.bulk.handed_in == [errand.batch_id] and not broken


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancel_is_passed_on_once_and_what_is_left_says_so(kind: str) -> None:
    async with ScriptedProvider(Script(bulk_delay_s=60)) as provider, way_to(provider.origin, kind) as way:
        desk = Desk()
        courier = Courier(way, desk.keep, QUICK)
        errand = await courier.send(Errand("t", PATHS[kind]), requests("t", COUNT))
        assert await courier.ended(errand, lambda: False, lambda: False) is None, "a worker that stops"
        assert await courier.ended(errand, lambda: True, lambda: True) is not None
        await courier.collect(errand, desk.settle)
        assert {each.reason for each in desk.results.values()} == {"cancelled"}
        assert len(desk.results) == COUNT and provider.stage.bulk.answered == []
        assert sum("cancel" in request.path for request in provider.requests) == 1


@pytest.mark.parametrize("state", [PLANNED, INTENDED])
async def test_what_is_cancelled_before_it_was_sent_is_never_sent(
    provider: ScriptedProvider, state: str
) -> None:
    async with way_to(provider.origin, "files") as way:
        planned = Errand("t", PATHS["files"], state)
        errand = await Courier(way, Desk().keep, QUICK).send(
            planned, requests("t", COUNT), cancels=lambda: True
        )
        assert errand == planned and provider.stage.bulk.handed_in == []


async def test_one_that_may_not_go_on_looks_no_more(provider: ScriptedProvider) -> None:
    rests: list[int] = []

    async def unsure(*_: Any) -> str:
        raise Unsure("the key is refused")

    async with way_to(provider.origin, "files") as way:
        way.find = unsure
        courier = Courier(way, Desk().keep, QUICK, rests=lambda: rests.append(1))
        intended = Errand("t", PATHS["files"], INTENDED)
        assert await courier.send(intended, requests("t", COUNT), lambda: len(rests) < 3) == intended
    assert len(rests) == 3 and provider.stage.bulk.handed_in == []


async def test_what_is_refused_is_not_sent_again(provider: ScriptedProvider) -> None:
    async with way_to(provider.origin, "files") as way:
        with pytest.raises(Refused):
            await Courier(way, Desk().keep, QUICK).send(Errand("t", "/v1/x"), [*requests("t", 1)] * 2)
    assert provider.stage.bulk.handed_in == []


async def test_a_provider_that_is_away_is_waited_for(provider: ScriptedProvider) -> None:
    desk = Desk()
    async with way_to(provider.origin, "files") as way:
        courier = Courier(way, desk.keep, QUICK)
        errand = await courier.send(Errand("t", PATHS["files"]), requests("t", COUNT))
        await provider.stop()
        waiting = asyncio.create_task(courier.ended(errand, lambda: True, lambda: False))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await provider.start()
        assert (await asyncio.wait_for(waiting, 5)) is not None


def test_names_tell_whose_they_are() -> None:
    errand = Errand("a-b", "/")
    assert seq_of(errand, custom_id(errand, 12)) == 12
    assert seq_of(errand, "b-12") is None and seq_of(errand, "a-b-x") is None
    assert msgspec.json.decode(msgspec.json.encode(errand), type=Errand) == errand


# --- kill -9

PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
import msgspec
from handing_in import requests, way_to
from tokenworks.batches.native.errand import Courier, Errand, Pauses

origin, kind, dies, folder = sys.argv[1:5]
at, results = Path(folder, "errand"), Path(folder, "results")

def die(where):
    if where == dies:
        os.kill(os.getpid(), signal.SIGKILL)

async def keep(errand):
    die(f"before {errand.state}")
    new = at.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(errand))
    new.replace(at)
    die(f"after {errand.state}")

async def settle(outcome):
    with results.open("a") as file:
        file.write(outcome.custom_id + "\\n")
    die("settling")

async def main():
    errand = msgspec.json.decode(at.read_bytes(), type=Errand)
    async with way_to(origin, kind) as way:
        courier = Courier(way, keep, Pauses(look_s=0.02, grace_s=0.2))
        errand = await courier.send(errand, requests(errand.tag, 5))
        await courier.ended(errand, lambda: True, lambda: False)
        await courier.collect(errand, settle)

asyncio.run(main())
"""


def run(origin: str, kind: str, dies: str, folder: Path) -> int:
    here = Path(__file__).parents[2] / "support"
    words = [sys.executable, "-c", PROGRAM, origin, kind, dies, str(folder)]
    return subprocess.run(words, env={**os.environ, "PYTHONPATH": str(here)}, timeout=60).returncode


@pytest.mark.parametrize(
    ("kind", "dies"),
    [
        ("files", "before sent"),  # the provider has taken it, and nobody has noted that
        ("messages", "before sent"),
        ("messages", "after intended"),  # it was not sent
        ("files", "settling"),
    ],
)
def test_kill_nine_sends_and_pays_once(tmp_path: Path, kind: str, dies: str) -> None:
    (tmp_path / "errand").write_bytes(msgspec.json.encode(Errand("tag", PATHS[kind])))
    with running(Script(bulk_delay_s=0.3)) as provider:
        assert run(provider.origin, kind, dies, tmp_path) == -signal.SIGKILL
        assert run(provider.origin, kind, "never", tmp_path) == 0
        bulk = provider.provider.stage.bulk
        assert len(bulk.handed_in) == 1 and sorted(name for _, name in bulk.answered) == [
            f"tag-{n}" for n in range(5)
        ]
    assert set((tmp_path / "results").read_text().split()) == {f"tag-{n}" for n in range(5)}
    assert msgspec.json.decode((tmp_path / "errand").read_bytes(), type=Errand).state == COLLECTED
