"""Answers that are held back: what is served, what it costs, and one story whichever way it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from choosing_models import (
    CHEAP,
    CHEAP_NANO,
    LYON,
    OTHER,
    OTHER_NANO,
    PARIS,
    REFUSAL,
    STRONG,
    STRONG_NANO,
    THREE,
    ask,
    auto_door,
    cost_told,
    decision,
    decisions,
    says,
    settled,
)
from doorway import Door
from limiting import limit, rule, subscribe
from queueing import one_credit, queued_row

from tokenworks.config.settings import LimitSettings, ServerSettings
from tokenworks.errors import RateLimited
from tokenworks.gateway.admission import Wait
from tokenworks.gateway.cascading import Cascading
from tokenworks.gateway.queue import Queue
from tokenworks.gateway.rerun import Rerun
from tokenworks.providers.scripted import Fault

TWO = THREE[::2]  # without a second cheap one
DOWN = Fault("status")
BUFFER = {"stream": True, "cascade": {"buffer": True}, "stream_options": {"include_usage": True}}


async def until(condition: Callable[[], Any], timeout_s: float = 5.0) -> None:
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


def text_of(answer: httpx.Response) -> str:
    if answer.headers["content-type"].startswith("application/json"):
        return str(answer.json()["choices"][0]["message"]["content"])
    found = ""
    for line in answer.text.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:]).get("choices", ()):
                found += choice["delta"].get("content") or ""
    return found


def open_cascades(door: Door) -> list[Cascading]:
    held = [connection.exchange for connection in door.listener.connections]
    return [each for each in held if isinstance(each, Cascading)]


# --- who is served, and what it costs -------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_two_that_agree_are_served_and_paid_together(tmp_path: Path, more: dict[str, Any]) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        answer = await door.post(ask(**more))
        assert (answer.status_code, text_of(answer)) == (200, PARIS)
        first, second = settled(door, "ok", "ok")
        assert [first.model, second.model] == [CHEAP, OTHER]
        row, told = decision(door)
        assert [step.outcome for step in told.steps] == ["doubted", "accepted"]
        # Both say the same; of these the one that was asked first is served, at the price of both.
        assert (row.model, row.id, row.path) == (CHEAP, first.id, "cascade")
        assert answer.headers["x-generation-id"] == first.id
        assert first.id in answer.text and second.id not in answer.text
        assert cost_told(answer.content) == CHEAP_NANO + OTHER_NANO == row.cost_nano_usd
        assert row.baseline_nano_usd == STRONG_NANO
        assert sum(each.cost_nano_usd for each in (first, second)) == row.cost_nano_usd
        line = answer.headers["x-tokenworks-decision"]
        assert line.isascii() and f"models={CHEAP}>{OTHER};" in line and "right=0.99" in line
        assert all("cascade" not in each.body and "models" not in each.body for each in upstream.requests)


async def test_what_a_request_is_stands_in_the_records_of_all_its_models(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, _):
        rule(door.store, door.key_id, private=True)
        door.book.reload_if_changed()
        door.limits.keys_changed()
        assert (await door.post(ask())).status_code == 200
        first, second = settled(door, "ok", "ok")
        assert first.private and second.private
        assert first.labels and first.labels == second.labels


@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_two_that_differ_are_followed_by_the_strong_one(tmp_path: Path, more: dict[str, Any]) -> None:
    async with auto_door(tmp_path, says(OTHER, LYON), says(STRONG, "The answer is Nice.")) as (door, _):
        answer = await door.post(ask(**more))
        assert text_of(answer) == "The answer is Nice."
        row, told = decision(door)
        assert [step.outcome for step in told.steps] == ["doubted", "doubted", "served"]
        assert (row.model, row.id) == (STRONG, settled(door, "ok", "ok", "ok")[2].id)
        assert row.cost_nano_usd == cost_told(answer.content) == CHEAP_NANO + OTHER_NANO + STRONG_NANO
        assert row.baseline_nano_usd == STRONG_NANO, "what was saved is less than nothing"


@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_a_refusal_is_never_served_while_another_is_left(tmp_path: Path, more: dict[str, Any]) -> None:
    async with auto_door(tmp_path, says(CHEAP, REFUSAL), quality=0.85, models=TWO) as (door, _):
        answer = await door.post(ask(**more))
        assert text_of(answer) == PARIS
        _, told = decision(door)
        assert told.steps[0].failed_checks == ("refusal",)
        assert told.steps[0].outcome == "doubted" and told.served != CHEAP


@pytest.mark.parametrize("fault", [DOWN, Fault("early_close", after_chunk=4), Fault("close")])
@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_the_doubted_answer_is_served_where_the_strong_one_fails(
    tmp_path: Path, fault: Fault, more: dict[str, Any]
) -> None:
    replies = says(CHEAP, REFUSAL), says(OTHER, LYON), says(STRONG, fault=fault)
    async with auto_door(tmp_path, *replies) as (door, _):
        answer = await door.post(ask(**more))
        assert (answer.status_code, text_of(answer)) == (200, LYON)
        _, second, third = settled(door, "ok", "ok", "upstream_error")
        row, told = decision(door)
        assert [step.outcome for step in told.steps] == ["doubted", "doubted", "failed"]
        assert (row.id, row.model, told.served) == (second.id, OTHER, OTHER)
        assert answer.headers["x-generation-id"] == second.id
        spent = CHEAP_NANO + OTHER_NANO + third.cost_nano_usd
        assert row.cost_nano_usd == cost_told(answer.content) == spent
        assert row.baseline_nano_usd == STRONG_NANO, "not what the broken one cost"


async def test_models_that_were_asked_do_not_stand_in_for_the_strong_one(tmp_path: Path) -> None:
    async with auto_door(tmp_path, says(OTHER, LYON), says(STRONG, fault=DOWN)) as (door, upstream):
        assert (await door.post(ask())).status_code == 200
        assert len(upstream.requests) == 3
        settled(door, "ok", "ok", "upstream_error")


@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_all_fail(tmp_path: Path, more: dict[str, Any]) -> None:
    replies = [says(name, fault=DOWN) for name in (CHEAP, OTHER, STRONG)]
    async with auto_door(tmp_path, *replies) as (door, _):
        answer = await door.post(ask(**more))
        assert answer.status_code == 502 and "error" in answer.json()
        records = settled(door, "upstream_error", "upstream_error")
        row, told = decision(door)
        assert (row.id, told.served, row.cost_nano_usd, row.baseline_nano_usd) == (records[-1].id, "", 0, 0)


async def test_only_cheap_models_fail(tmp_path: Path) -> None:
    async with auto_door(tmp_path, says(CHEAP, fault=DOWN)) as (door, _):
        assert (await door.post(ask())).json()["model"] == STRONG
        row, told = decision(door)
        assert [step.outcome for step in told.steps] == ["failed", "served"]
        assert row.cost_nano_usd == row.baseline_nano_usd == STRONG_NANO


async def test_a_mistake_in_judging_loses_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tokenworks.gateway.course.run_checks", lambda *_: 1 / 0)
    async with auto_door(tmp_path) as (door, _):
        answer = await door.post(ask())
        assert (answer.status_code, answer.json()["model"]) == (200, STRONG)
        assert "can't be judged" in caplog.text
        assert [step.outcome for step in decision(door)[1].steps] == ["doubted", "served"]
        assert decision(door)[0].cost_nano_usd == CHEAP_NANO + STRONG_NANO


@pytest.mark.parametrize("mistake", [ValueError, KeyError])
async def test_an_answer_that_can_not_be_read_is_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: type[Exception]
) -> None:
    def fails(*_: Any) -> None:
        raise mistake("ours")

    monkeypatch.setattr("tokenworks.gateway.hearing.whole", fails)
    async with auto_door(tmp_path) as (door, _):
        answer = await door.post(ask())
        assert (answer.status_code, answer.json()["model"]) == (200, STRONG)
        assert [step.outcome for step in decision(door)[1].steps] == ["doubted", "doubted", "served"]


async def test_a_mistake_while_a_draft_is_written_ends_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenworks.gateway.course.Course.heard", lambda *_: 1 / 0)
    async with auto_door(tmp_path) as (door, upstream):
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        assert (await door.post(ask())).status_code == 502
        settled(door, "client_gone")
        assert decision(door)[1].served == "" and len(upstream.requests) == 1


async def test_a_decision_that_can_not_be_written_down_costs_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenworks.gateway.course.observed", lambda *_: 1 / 0)
    async with auto_door(tmp_path) as (door, _):
        assert (await door.post(ask())).status_code == 200
        settled(door, "ok", "ok")
        assert decisions(door) == []


async def test_a_mistake_between_two_models_ends_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with auto_door(tmp_path) as (door, _):
        loop = asyncio.get_running_loop()
        mistakes: list[Any] = []
        loop.set_exception_handler(lambda _, context: mistakes.append(context["exception"]))
        monkeypatch.setattr(door.gateway, "new_record", lambda *_: 1 / 0)
        with pytest.raises(httpx.HTTPError):
            await door.post(ask())
        assert [type(each) for each in mistakes] == [ZeroDivisionError]


# --- wires, and what callers add ------------------------------------------------------------------

CONVERSATIONS = {
    "/v1/messages": {"max_tokens": 300, "messages": [{"role": "user", "content": "Capital of France?"}]},
    "/v1/responses": {"input": "Capital of France?"},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", sorted(CONVERSATIONS))
async def test_other_wires(tmp_path: Path, path: str, stream: bool) -> None:
    async with auto_door(tmp_path, says(STRONG, fault=DOWN), says(OTHER, REFUSAL)) as (door, _):
        body = {"model": "auto", "stream": stream, "cascade": {"buffer": True}, **CONVERSATIONS[path]}
        answer = await door.client.post(path, json=body)
        assert answer.status_code == 200
        assert "Paris" in answer.text and "sorry" not in answer.text
        first, _, _ = settled(door, "ok", "ok", "upstream_error")
        row, _ = decision(door)
        assert row.id == first.id == answer.headers["x-generation-id"]
        assert row.cost_nano_usd == CHEAP_NANO + OTHER_NANO
        spent = f'"cost":{row.cost_nano_usd / 1e9:.6f}'.rstrip("0")
        assert spent in answer.text or '"cost":0.000075' in answer.text
        assert f'"cost":{CHEAP_NANO / 1e9}' not in answer.text


async def test_a_stored_response_is_the_one_that_was_served(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        body = {"model": "auto", "input": "Capital of France?"}
        answer = (await door.client.post("/v1/responses", json=body)).json()
        assert answer["model"] == CHEAP
        again = {"model": "auto", "input": "Are you sure?", "previous_response_id": answer["id"]}
        assert (await door.client.post("/v1/responses", json=again)).status_code == 200
        sent = [part["content"] for part in upstream.requests[2].body["messages"]]
        assert len(sent) == 3 and PARIS in str(sent[1])
        doubted = {**again, "previous_response_id": settled(door, "ok", "ok", "ok", "ok")[1].id}
        assert (await door.client.post("/v1/responses", json=doubted)).status_code == 404


@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_the_cache_keeps_what_was_served(tmp_path: Path, more: dict[str, Any]) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        headers = {"x-openrouter-cache": "true"}
        first = await door.post(ask(**more), headers=headers)
        second = await door.post(ask(**more), headers=headers)
        assert second.headers["x-openrouter-cache-status"] == "HIT"
        assert text_of(first) == text_of(second) == PARIS
        assert f'"model":"{CHEAP}"' in second.text and f'"model":"{OTHER}"' not in second.text
        assert len(upstream.requests) == 2 and cost_told(second.content) == 0
        assert len(decisions(door)) == 1


async def test_a_doubted_answer_is_not_cached(tmp_path: Path) -> None:
    async with auto_door(tmp_path, says(OTHER, LYON), says(STRONG, nth=1, fault=DOWN)) as (door, _):
        headers = {"x-openrouter-cache": "true"}
        assert (await door.post(ask(), headers=headers)).json()["model"] != STRONG
        assert (await door.post(ask(), headers=headers)).headers["x-openrouter-cache-status"] == "MISS"


async def test_metadata_tells_of_the_model_that_is_served(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, _):
        answer = await door.post(ask(), headers={"x-openrouter-metadata": "enabled"})
        told = answer.json()["openrouter_metadata"]
        assert told["requested"] == "auto" and told["endpoints"]["available"][0]["model"] == CHEAP


async def test_a_schema_is_checked(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    form = {"type": "json_schema", "json_schema": {"name": "c", "schema": schema}}
    replies = says(CHEAP, '{"town":"Paris"}'), says(OTHER, "Paris"), says(STRONG, '{"city":"Paris"}')
    async with auto_door(tmp_path, *replies) as (door, _):
        answer = await door.post(ask(response_format=form))
        assert text_of(answer) == '{"city":"Paris"}'
        failed = [step.failed_checks for step in decision(door)[1].steps]
        assert failed == [("schema",), ("json",), ()]


# --- comments -------------------------------------------------------------------------------------


async def test_comments_while_a_stream_is_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenworks.http.timers.TICK_S", 0.02)
    slow = {"first_byte_delay_s": 0.2}
    server = ServerSettings(comment_after_s=0.05)
    replies = says(CHEAP, **slow), says(OTHER, LYON), says(STRONG, fault=DOWN)
    async with auto_door(tmp_path, *replies, more={"server": server}) as (door, _):
        answer = await door.post(ask(**BUFFER))
        assert answer.text.startswith(": TOKENWORKS PROCESSING\n\n")
        assert answer.text.count("[DONE]") == 1 and text_of(answer) in (PARIS, LYON)
        assert cost_told(answer.content) == CHEAP_NANO + OTHER_NANO
        replies = says(CHEAP, fault=DOWN, **slow), says(OTHER, fault=DOWN), says(STRONG, fault=DOWN)
    async with auto_door(tmp_path / "2", *replies, more={"server": server}) as (door, _):
        answer = await door.post(ask(**BUFFER))
        assert answer.status_code == 200 and answer.text.startswith(": TOKENWORKS")
        assert answer.text.count('"error":{') == 1
        settled(door, "upstream_error", "upstream_error")


# --- limits ---------------------------------------------------------------------------------------


def limited(door: Door, unit: str, amount: float) -> None:
    limit(door.store, door.key_id, unit, amount)
    door.limits.reload_if_changed()


@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_the_doubted_answer_is_served_where_the_limit_ends(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    settings = {"limits": LimitSettings(wait_s=0.3)}
    async with auto_door(tmp_path, says(OTHER, LYON), more=settings) as (door, upstream):
        limited(door, "requests", 2)
        answer = await door.post(ask(**more))
        assert (answer.status_code, len(upstream.requests)) == (200, 2)
        settled(door, "ok", "ok", "denied")
        row, _ = decision(door)
        assert answer.headers["x-generation-id"] == row.id
        assert row.cost_nano_usd == cost_told(answer.content) == CHEAP_NANO + OTHER_NANO
        again = await door.post(ask(**more))
        assert again.status_code == 429
        assert len(door.records()) == 4, "one refusal, not one for each model"
        assert len(decisions(door)) == 1, "nobody was asked: nothing was decided"


async def test_a_budget_that_is_too_small_for_the_strong_model(tmp_path: Path) -> None:
    settings = {"limits": LimitSettings(wait_s=0.3)}
    async with auto_door(tmp_path, says(OTHER, LYON), more=settings) as (door, _):
        limited(door, "usd", 0.0012)
        answer = await door.post(ask(max_tokens=200))
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] in (CHEAP, OTHER)
        assert decision(door)[0].strong != STRONG, "it could not have been asked"


@pytest.mark.parametrize("end", ["goes on", "client_gone", "shut_down", "late"])
async def test_a_step_that_waits_for_its_lease(tmp_path: Path, end: str) -> None:
    settings = {"limits": LimitSettings(wait_s=5.0 if end != "late" else 0.1)}
    async with auto_door(tmp_path, more=settings) as (door, upstream):
        limited(door, "concurrent", 1)
        admission, room, asked = door.gateway.admission, False, set[str]()
        admit = admission.admit

        def once(*args: Any, **more: Any) -> Any:
            asked.add(args[3].id)
            if len(asked) == 1 or room:
                return admit(*args, **more)
            if more["late"]:
                raise RateLimited("no room")
            raise Wait

        admission.admit = once  # type: ignore[method-assign]
        task = asyncio.create_task(door.post(ask()))
        await until(lambda: len(asked) == 2)
        assert len(upstream.requests) == 1
        (cascade,) = open_cascades(door)
        if end == "client_gone":
            task.cancel()
            await until(lambda: cascade.over)
            records = settled(door, "ok", "client_gone")
        else:
            if end == "goes on":
                room = True
                door.gateway.leases.nudge()
            elif end == "shut_down":
                cascade.shut_down()
            else:
                await asyncio.sleep(0.12)
                door.gateway.leases.nudge()
            answer = await task
            assert (answer.status_code, answer.json()["model"]) == (200, CHEAP)
            last = {"goes on": "ok", "shut_down": "shutdown", "late": "denied"}[end]
            records = settled(door, "ok", last)
        row, told = decision(door)
        assert row.id == records[1 if end == "client_gone" else 0].id
        assert told.served == ("" if end == "client_gone" else CHEAP)
        assert row.cost_nano_usd == sum(each.cost_nano_usd for each in records)
        assert len(upstream.requests) == (2 if end == "goes on" else 1)
        assert not door.gateway.leases.waiting


# --- leaving and stopping -------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [CHEAP, OTHER, STRONG])
async def test_a_caller_that_leaves(tmp_path: Path, stage: str) -> None:
    replies = [says(stage, LYON, first_byte_delay_s=0.8)]
    replies += [says(CHEAP), says(OTHER, LYON)]
    async with auto_door(tmp_path, *replies) as (door, upstream):
        task = asyncio.create_task(door.post(ask()))
        count = [CHEAP, OTHER, STRONG].index(stage) + 1
        await until(lambda: len(upstream.requests) == count)
        task.cancel()
        await until(lambda: door.gateway.inflight.count() == 0)
        records = settled(door, *["ok"] * (count - 1), "client_gone")
        row, told = decision(door)
        assert (row.id, told.served, row.baseline_nano_usd) == (records[-1].id, "", 0)
        assert row.cost_nano_usd == sum(each.cost_nano_usd for each in records)
        assert len(upstream.requests) == count


@pytest.mark.parametrize("stage", [CHEAP, OTHER, STRONG])
@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_a_server_that_stops(tmp_path: Path, stage: str, more: dict[str, Any]) -> None:
    replies = [says(stage, LYON, first_chunk_delay_s=0.8)]
    replies += [says(CHEAP), says(OTHER, LYON)]
    async with auto_door(tmp_path, *replies) as (door, upstream):
        task = asyncio.create_task(door.post(ask(**more)))
        count = [CHEAP, OTHER, STRONG].index(stage) + 1
        await until(lambda: len(upstream.requests) == count)
        await asyncio.sleep(0.02)
        door.listener.cut()
        answer = await task
        records = settled(door, *["ok"] * (count - 1), "shutdown")
        row, told = decision(door)
        if count == 1:
            assert answer.status_code == 503 and (row.id, told.served) == (records[0].id, "")
        else:
            assert (answer.status_code, answer.headers["x-generation-id"]) == (200, row.id)
            assert row.id in [each.id for each in records[:-1]] and told.served
        assert row.cost_nano_usd == sum(each.cost_nano_usd for each in records)


@pytest.mark.parametrize("how", ["client_gone", "shut_down"])
@pytest.mark.parametrize("accepted", [False, True])
async def test_the_end_comes_between_two_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, accepted: bool
) -> None:
    """When the first answer is complete, and what becomes of it has not begun."""
    async with auto_door(tmp_path, quality=0.85 if accepted else 0.95, models=TWO if accepted else THREE) as (
        door,
        upstream,
    ):
        held: list[Cascading] = []

        def end(cascading: Cascading, draft: Any) -> None:
            held.append(cascading)
            getattr(cascading, how)()

        monkeypatch.setattr(Cascading, "go_on", end)
        task = asyncio.create_task(door.post(ask()))
        await until(lambda: held)
        if how == "shut_down":
            answer = await task
            assert (answer.status_code, answer.json()["model"]) == (200, CHEAP)
        else:
            task.cancel()
        outcomes = {"client_gone": "client_gone", "shut_down": "shutdown"}
        first, *rest = settled(door, *(("ok",) if accepted else ("ok", outcomes[how])))
        row, told = decision(door)
        if how == "shut_down" or accepted:
            assert (row.id, told.served) == (first.id, CHEAP)
        else:
            assert (row.id, told.served) == (rest[0].id, "")
        assert row.cost_nano_usd == CHEAP_NANO and len(upstream.requests) == 1


async def test_too_long_an_answer_ends_it_once(tmp_path: Path) -> None:
    replies = (says(CHEAP, "word " * 2000),)
    async with auto_door(tmp_path, *replies) as (door, _):
        door.gateway.max_response = 20_000
        answer = await door.post(ask(**BUFFER))
        assert answer.status_code == 502 and "larger" in answer.text
        await asyncio.sleep(0.08)
        settled(door, "client_gone")
        decision(door)


# --- the queue ------------------------------------------------------------------------------------


async def test_what_waits_for_room_waits_as_a_whole(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, _):
        queue = door.gateway.queue = Queue(door.gateway, door.store, "w0")

        async def close() -> None:
            queue.close()

        door.to_close.append(close)
        subscribe(door.store, door.key_id, one_credit(credits=1.0))
        door.limits.reload_if_changed()
        assert (await door.post(ask("first", cascade=False, strong=STRONG, quality=1))).status_code == 200
        await until(lambda: len(door.records()) == 1)
        answer = await door.post(ask("Capital of France?"), headers={"x-tokenworks-capture": "deny"})
        assert answer.status_code == 202, answer.text
        name = answer.json()["id"]

        def due() -> None:
            with door.store._connection() as connection:
                connection.execute("UPDATE queued SET not_before_us = 0")
            queue.housekeeping()

        due()  # there still is no room: it goes back, and no other is made of it
        await until(lambda: door.store.queued_one(name).not_before_us > 0)  # type: ignore[union-attr]
        await until(lambda: not queue.runs)
        with door.store._connection() as connection:
            assert connection.execute("SELECT count(*) FROM queued").fetchone()[0] == 1
        subscribe(door.store, door.key_id, one_credit(credits=100.0))
        door.limits.reload_if_changed()
        due()
        await until(lambda: door.store.queued_one(name).status == "done")  # type: ignore[union-attr]
        row = door.store.queued_one(name)
        assert row is not None
        assert [each.model for each in door.records()[-2:]] == [CHEAP, OTHER]
        assert len([one for one, _ in decisions(door) if one.path == "cascade"]) == 1


@pytest.mark.parametrize("broken", [False, True])
def test_a_broken_stream_is_run_again(broken: bool) -> None:
    ends: list[Any] = []
    queue: Any = SimpleNamespace(
        closing=False,
        gateway=SimpleNamespace(max_response=100),
        put_back=lambda run, after_s, counted: ends.append(counted),
        finish=lambda run, status, answer: ends.append(answer),
    )
    run = Rerun(queue, queued_row(tries=1))
    cascade = Cascading.__new__(Cascading)
    cascade.broken = broken
    run.exchange = cascade
    run.start(200, b"")
    run.finish(b"stream")
    assert ends == ([True] if broken else [b"stream"])


async def test_what_was_served_tells_whether_it_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, str]] = []
    serve = Cascading._serve

    def watched(cascade: Cascading, served: Any) -> None:
        serve(cascade, served)
        seen.append((cascade.broken, cascade.record.model))

    monkeypatch.setattr(Cascading, "_serve", watched)
    cut = [says(name, fault=Fault("early_close", after_chunk=3)) for name in (CHEAP, STRONG)]
    async with auto_door(tmp_path, *cut) as (door, _):
        answer = await door.post(ask(**BUFFER))
        assert answer.text.count('"error":{') == 1
    async with auto_door(tmp_path / "2", cut[1], says(OTHER, LYON)) as (door, _):
        assert '"error"' not in (await door.post(ask(**BUFFER))).text
    assert seen == [(True, STRONG), (False, STRONG)]
