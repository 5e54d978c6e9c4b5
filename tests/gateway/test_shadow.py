"""Second answers that nobody waits for: they teach, are paid for, and leave no other trace."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from choosing_models import (
    CHEAP,
    CHEAP_NANO,
    LYON,
    PARIS,
    STRONG,
    STRONG_NANO,
    THREE,
    ask,
    auto_door,
    decisions,
    says,
    settled,
)
from limiting import subscribe
from queueing import one_credit

from tokenworks.gateway.queue import Queue
from tokenworks.ledger.decided import DecisionRow
from tokenworks.providers.scripted import Fault
from tokenworks.routing.decision import Decision

TWO = THREE[::2]
SHADOWED: dict[str, Any] = {"models": TWO, "quality": 0.6, "shadow": 1.0, "cascade": False}


async def until(condition: Callable[[], Any], timeout_s: float = 5.0) -> None:
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


def both(door: Any) -> tuple[tuple[DecisionRow, Decision], tuple[DecisionRow, Decision]]:
    """The decision that was served, and its shadow."""
    found = {row.path: (row, told) for row, told in decisions(door)}
    return found["direct"], found["shadow"]


@pytest.mark.parametrize(("strong", "agrees"), [(PARIS, 1.0), (LYON, 0.0)])
async def test_the_strong_model_answers_afterwards(tmp_path: Path, strong: str, agrees: float) -> None:
    async with auto_door(tmp_path, says(STRONG, strong, first_byte_delay_s=0.3), **SHADOWED) as (door, up):
        begun = time.perf_counter()
        answer = await door.post(ask())
        assert time.perf_counter() - begun < 0.3, "it was not waited for"
        assert answer.json()["model"] == CHEAP
        await until(lambda: len(door.records()) == 2)
        served, shadow = settled(door, "ok", "ok")
        assert (served.kind, shadow.kind, shadow.model) == ("chat", "shadow", STRONG)
        assert shadow.key_id == served.key_id and shadow.cost_nano_usd == STRONG_NANO
        (row, _), (taught, told) = both(door)
        assert (row.id, row.cost_nano_usd, row.baseline_nano_usd) == (served.id, CHEAP_NANO, STRONG_NANO)
        assert (taught.id, taught.cost_nano_usd, taught.baseline_nano_usd) == (shadow.id, STRONG_NANO, 0)
        assert [step.model for step in told.steps] == [CHEAP, STRONG]
        assert told.steps[1].agrees == agrees and served.id in told.why
        learnt = {one.model: one.right / one.weight for one in door.store.learnt(0) if one.weight}
        assert (learnt[CHEAP] > 0.9) == (agrees == 1.0)
        assert [each.body.get("models") for each in up.requests][1] is None


async def test_a_shadow_that_fails_is_no_second_answer(tmp_path: Path) -> None:
    async with auto_door(tmp_path, says(STRONG, fault=Fault("status")), **SHADOWED) as (door, _):
        await door.post(ask())
        await until(lambda: len(door.records()) == 2)
        _, shadow = settled(door, "ok", "upstream_error")
        (row, _), (taught, told) = both(door)
        assert row.model == CHEAP and (taught.id, told.served) == (shadow.id, "")


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"web_search_options": {"search_context_size": "low"}},
        {"strong": CHEAP},
    ],
)
async def test_never_of_streams_tools_and_the_strong_model_itself(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    async with auto_door(tmp_path, **SHADOWED) as (door, _):
        assert (await door.post(ask(**more))).status_code == 200
        await asyncio.sleep(0.05)
        settled(door, "ok")


async def test_not_of_what_failed(tmp_path: Path) -> None:
    down = says(CHEAP, fault=Fault("status")), says(STRONG, nth=1, fault=Fault("status"))
    async with auto_door(tmp_path, *down, **SHADOWED) as (door, up):
        assert (await door.post(ask())).status_code == 502
        await asyncio.sleep(0.05)
        assert len(up.requests) == 2, "each model once, for the answer"


async def test_the_share_is_kept(tmp_path: Path) -> None:
    async with auto_door(tmp_path, **(SHADOWED | {"shadow": 0.25})) as (door, _):
        assert door.gateway.auto is not None
        draws = iter([number / 20 for number in range(20)])
        door.gateway.auto.draw = lambda: next(draws)
        first, strong = SimpleNamespace(model=CHEAP), SimpleNamespace(model=STRONG)
        course: Any = SimpleNamespace(route=SimpleNamespace(first=first, strong=strong))
        asked: Any = SimpleNamespace(stream=False, fields={})
        assert [door.gateway.auto.shadows(asked, course) for _ in range(20)].count(True) == 5


async def test_it_leaves_nothing_in_the_cache_and_among_stored_responses(tmp_path: Path) -> None:
    async with auto_door(tmp_path, **SHADOWED) as (door, _):
        put: list[bytes] = []
        keep = door.gateway.cache.put
        door.gateway.cache.put = lambda key, entry: put.append(key) or keep(key, entry)  # type: ignore
        headers = {"x-openrouter-cache": "true"}
        assert (await door.post(ask(), headers=headers)).status_code == 200
        await until(lambda: len(door.records()) == 2)
        assert len(put) == 1
        body = {"model": "auto", "input": "Capital of France?"}
        answer = (await door.client.post("/v1/responses", json=body)).json()
        await until(lambda: len(door.records()) == 4)
        shadow = door.records()[3]
        assert (shadow.kind, shadow.outcome) == ("shadow", "ok")
        again = {**body, "previous_response_id": shadow.id}
        assert (await door.client.post("/v1/responses", json=again)).status_code == 404
        again["previous_response_id"] = answer["id"]
        assert (await door.client.post("/v1/responses", json=again)).status_code == 200


async def test_it_never_waits_for_room_in_a_plan(tmp_path: Path) -> None:
    async with auto_door(tmp_path, **SHADOWED) as (door, upstream):
        queue = door.gateway.queue = Queue(door.gateway, door.store, "w0")

        async def close() -> None:
            queue.close()

        door.to_close.append(close)
        subscribe(door.store, door.key_id, one_credit(credits=1.0))
        door.limits.reload_if_changed()
        assert (await door.post(ask())).status_code == 200
        await until(lambda: len(door.records()) == 2)
        settled(door, "ok", "denied")
        with door.store._connection() as connection:
            assert connection.execute("SELECT count(*) FROM queued").fetchone()[0] == 0
        assert len(upstream.requests) == 1


async def test_the_request_is_not_changed_by_its_shadow(tmp_path: Path) -> None:
    async with auto_door(tmp_path, **SHADOWED) as (door, upstream):
        await door.post(ask(max_tokens=77, temperature=0.5))
        await until(lambda: len(door.records()) == 2)
        first, second = (json.dumps({**each.body, "model": ""}) for each in upstream.requests)
        sent = [{k: v for k, v in json.loads(one).items() if k != "models"} for one in (first, second)]
        assert sent[0] == sent[1] and sent[0]["max_tokens"] == 77


async def test_a_server_that_stops_ends_it(tmp_path: Path) -> None:
    async with auto_door(tmp_path, says(STRONG, first_byte_delay_s=5.0), **SHADOWED) as (door, upstream):
        await door.post(ask(tools=[]))
        await until(lambda: len(upstream.requests) == 2)
        door.gateway.cut()
        settled(door, "ok", "shutdown")
        assert not door.gateway.shadows
        _, (taught, told) = both(door)
        assert (taught.cost_nano_usd, told.served) == (0, "")
