"""Requests that wait for room in their plan: kept, run later, and nothing of them lost on the way."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from doorway import Door, provider
from limiting import subscribe
from queueing import one_credit, queued_row
from serving import chat

from tokenworks.errors import StoreError
from tokenworks.gateway import keeping, queue, rerun
from tokenworks.gateway.queue import Queue
from tokenworks.ledger.queued import QueuedRow
from tokenworks.ledger.record import Record
from tokenworks.plans.spec import PlanWindow
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, When

Waiting = Callable[..., Any]


class Line:
    """A gateway with its queue, whose subscriber has used up a plan of one credit."""

    def __init__(self, door: Door, upstream: ScriptedProvider) -> None:
        self.door = door
        self.upstream = upstream
        self.queue = door.gateway.queue = Queue(door.gateway, door.store, "w0")
        self.tasks: list[asyncio.Task[None]] = []
        door.to_close.append(self.close)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.queue.close()

    async def drain_all_along(self) -> None:
        while True:
            self.door.drainer.drain_once()
            await asyncio.sleep(0.02)

    async def use_up(self, credits: float = 1.0, **plan: Any) -> None:
        """Give the key a plan and use all of it."""
        subscribe(self.door.store, self.door.key_id, one_credit(credits=credits, **plan))
        self.door.limits.reload_if_changed()
        self.tasks.append(asyncio.create_task(self.drain_all_along()))
        for _ in range(int(credits)):
            assert (await self.door.post(chat("first"))).status_code == 200
        await until(lambda: len(self.door.drained) == int(credits))
        self.door.drained.clear()

    @property
    def asked(self) -> list[Any]:
        """Bodies that the provider was sent, but for those that used up the plan."""
        bodies = [each.body for each in self.upstream.requests]
        return [body for body in bodies if body["messages"][-1]["content"] != "first"]

    def make_room(self, credits: float = 100.0, **plan: Any) -> None:
        subscribe(self.door.store, self.door.key_id, one_credit(credits=credits, **plan))
        self.door.limits.reload_if_changed()
        self.due()

    def due(self) -> None:
        """What waits for its time waits no more."""
        with self.door.store._connection() as connection:
            connection.execute("UPDATE queued SET not_before_us = 0")

    def row(self, answer: httpx.Response) -> QueuedRow:
        row = self.door.store.queued_one(answer.json()["id"])
        assert row is not None
        return row

    async def run(self, answer: httpx.Response, status: str = "done") -> QueuedRow:
        """Keep house until it has this status and nothing is under way."""

        def there() -> bool:
            self.queue.housekeeping()
            return self.row(answer).status == status and not self.queue.runs

        await until(there)
        return self.row(answer)

    async def records(self, n: int) -> list[Record]:
        await asyncio.sleep(0.05)
        await until(lambda: len(self.door.drained) >= n)
        assert len(self.door.drained) == n
        assert self.door.inflight.count() == 0
        return list(self.door.drained)


async def until(condition: Callable[[], bool], at_most_s: float = 5.0) -> None:
    deadline = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def until_used_up(one: Line) -> None:
    assert (await one.door.post(chat("first"))).status_code == 200
    await until(lambda: len(one.door.drained) == 1)
    one.door.drained.clear()


def year_ends_within_the_hour() -> bool:
    return time.gmtime().tm_year != time.gmtime(time.time() + 3700).tm_year


def everything_in(home: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in home.rglob("*") if file.is_file()}


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Waiting]:
    """``await line(*replies)``: a gateway whose plan is used up."""
    opened: list[tuple[Door, ScriptedProvider]] = []

    async def make(*replies: Reply, plan: dict[str, Any] | None = None, **more: Any) -> Line:
        first = Reply(when=When(says="first"), text="served at once")
        upstream = ScriptedProvider(Script(reply=(first, *replies)))
        await upstream.__aenter__()
        given = {"acme": provider(upstream.base_url)}
        one = Door(tmp_path / f"home{len(opened)}", given, **more)
        opened.append((one, upstream))
        await one.open()
        made = Line(one, upstream)
        await made.use_up(**(plan or {}))
        return made

    yield make
    for door, upstream in opened:
        await door.close()
        await upstream.__aexit__(None, None, None)


async def test_it_is_kept_and_run_when_there_is_room(line: Waiting) -> None:
    one = await line(Reply(text="at last"))
    before = time.time()
    answer = await one.door.post(chat("later", user="u"), headers={"x-title": "App", "x-session-id": "s"})
    assert answer.status_code == 202, answer.text
    card = answer.json()
    assert card["id"].startswith("q_") and card["object"] == "queued_request"
    assert (card["status"], card["model"]) == ("queued", "acme/fast")
    assert card["url"] == answer.headers["location"] == f"/v1/queued/{card['id']}"
    assert before - 1 <= card["created"] <= card["not_before"] <= time.time() + queue.LOOK_AGAIN_S + 1
    assert 1 <= int(answer.headers["retry-after"]) <= 3600, "until the hour is over"
    (record,) = await one.records(1)
    assert record.id == answer.headers["x-generation-id"]
    assert (record.outcome, record.status, record.requested_model) == ("queued", 202, "acme/fast")
    assert (record.uncached_input_tokens, record.cost_nano_usd, record.charges) == (0, 0, ())
    one.make_room()
    row = await one.run(answer)
    assert (row.status_code, row.body, row.tries) == (200, b"", 1)
    body = json.loads(row.answer)
    assert body["choices"][0]["message"]["content"] == "at last"
    _, record = await one.records(2)
    assert (record.id, record.outcome, record.status) == (body["id"], "ok", 200)
    assert (record.app, record.session, record.user) == ("App", "s", "u")
    assert record.key_id == one.door.key_id and record.uncached_input_tokens > 0
    (asked,) = one.asked
    assert asked["messages"] == chat("later")["messages"]


async def test_no_secret_is_kept(line: Waiting) -> None:
    one = await line()
    headers = {"cookie": "sid=hush", "x-api-key": "hush-too", "anthropic-beta": "tools-1"}
    answer = await one.door.post(chat("later"), headers=headers)
    row = one.row(answer)
    assert keeping.caller_of(row, object()).passed_on == b"anthropic-beta: tools-1\r\n"
    for name, text in everything_in(one.door.settings.home).items():
        assert one.door.key.encode() not in text and b"hush" not in text, name


@pytest.mark.parametrize("wire", ["chat", "messages", "responses"])
async def test_a_stream_is_kept_as_the_text_of_its_events(line: Waiting, wire: str) -> None:
    one = await line(Reply(text="one two three", first_byte_delay_s=0.6))
    one.door.gateway.comment_after_s = 0.05
    asked: dict[str, Any] = chat("later", stream=True)
    path = "/v1/chat/completions"
    if wire == "messages":
        asked, path = {**asked, "max_tokens": 50}, "/v1/messages"
    elif wire == "responses":
        asked, path = {"model": "acme/fast", "input": "later", "stream": True}, "/v1/responses"
    answer = await one.door.client.post(path, json=asked)
    assert answer.status_code == 202, answer.text
    one.make_room()
    row = await one.run(answer)
    assert row.status_code == 200
    events = row.answer.decode()
    assert events.startswith(("data: {", "event: ")), "comments are only for those who wait"
    assert "PROCESSING" not in events
    assert {"chat": "data: [DONE]", "messages": "message_stop", "responses": "response.completed"}[
        wire
    ] in events
    assert all(word in events for word in ("one", "two", "three"))
    (_, record) = await one.records(2)
    assert (record.outcome, record.stream) == ("ok", True)


async def test_what_continues_a_response_still_does(line: Waiting) -> None:
    one = await line(Reply(text="more"))
    one.make_room(2.0)
    before = await one.door.client.post("/v1/responses", json={"model": "acme/fast", "input": "begin"})
    await until(lambda: len(one.door.drained) == 1)
    asked = {"model": "acme/fast", "input": "go on", "previous_response_id": before.json()["id"]}
    answer = await one.door.client.post("/v1/responses", json=asked)
    assert answer.status_code == 202, answer.text
    one.make_room()
    row = await one.run(answer)
    assert row.status_code == 200, row.answer
    assert len(one.asked[-1]["messages"]) == 3


async def test_without_room_it_goes_back_and_that_is_no_try(line: Waiting) -> None:
    one = await line()
    first = await one.door.post(chat("later"))
    second = await one.door.post(chat("even later"))
    for _ in range(2):
        one.due()
        await until(lambda: one.queue.housekeeping() or one.row(first).not_before_us > 0)
        row = one.row(first)
        assert (row.status, row.tries, row.holder) == ("queued", 0, "")
        assert row.not_before_us > time.time_ns() // 1000
    assert one.row(second).tries == 0
    assert len(await one.records(2)) == 2, "a look leaves no record"
    assert one.asked == []
    one.make_room()
    assert (await one.run(second)).finished_us > (await one.run(first)).created_us
    assert [each["messages"][0]["content"] for each in one.asked] == ["later", "even later"]


async def test_a_key_may_have_only_so_many_waiting(line: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST", 2)
    one = await line()
    answers = [await one.door.post(chat("later")) for _ in range(3)]
    assert [each.status_code for each in answers] == [202, 202, 429]
    assert "as much in the queue as it may" in answers[2].json()["error"]["message"]
    assert int(answers[2].headers["retry-after"]) > 0
    records = await one.records(3)
    assert [(r.outcome, r.status) for r in records][2] == ("denied", 429)


async def test_what_can_never_run_is_refused(line: Waiting) -> None:
    one = await line(plan={"window": "lifetime"})
    assert (await one.door.post(chat("never"))).status_code == 429
    assert one.door.store.queued() == []


async def test_of_two_windows_the_last_to_have_room_is_waited_for(line: Waiting) -> None:
    one = await line()
    windows = (PlanWindow(1, "minute"), PlanWindow(1, "year"))
    plan = one_credit()
    subscribe(one.door.store, one.door.key_id, msgspec.structs.replace(plan, windows=windows))
    one.door.limits.reload_if_changed()
    one.door.drained.clear()
    await until_used_up(one)
    answer = await one.door.post(chat("later"))
    assert answer.status_code == 202
    assert int(answer.headers["retry-after"]) > 3600 or year_ends_within_the_hour()


async def test_where_nobody_keeps_it_the_plan_stops(line: Waiting) -> None:
    one = await line()
    one.door.gateway.queue = None
    answer = await one.door.post(chat("later"))
    assert answer.status_code == 429


async def test_a_caller_who_leaves_before_he_is_told_wants_nothing(
    line: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await line()
    enqueue, reached = one.door.store.enqueue, asyncio.Event()

    def slowly(*args: Any) -> bool:
        one.door.gateway.loop.call_soon_threadsafe(reached.set)
        time.sleep(0.2)
        return enqueue(*args)

    monkeypatch.setattr(one.door.store, "enqueue", slowly)
    asking = asyncio.create_task(one.door.post(chat("later")))
    await asyncio.wait_for(reached.wait(), 5)
    asking.cancel()
    await one.door.client.aclose()
    await until(lambda: [row.status for row in one.door.store.queued()] == ["cancelled"])
    (record,) = await one.records(1)
    assert (record.outcome, record.status) == ("client_gone", 0)


async def test_a_store_that_can_not_keep_it_is_told(line: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await line()

    def broken(*args: Any) -> bool:
        raise StoreError("the disk is full")

    monkeypatch.setattr(one.door.store, "enqueue", broken)
    answer = await one.door.post(chat("later"))
    assert (answer.status_code, answer.json()["error"]["message"]) == (503, "the disk is full")
    (record,) = await one.records(1)
    assert (record.outcome, record.status) == ("denied", 503)


@pytest.mark.parametrize("how", ["revoked", "disabled", "expired"])
async def test_a_key_that_is_no_more_has_its_requests_refused(line: Waiting, how: str) -> None:
    one = await line()
    answer = await one.door.post(chat("later"))
    store, key_id = one.door.store, one.door.key_id
    if how == "revoked":
        store.revoke_key(key_id)
    else:
        store.update_key(key_id, **({"disabled": True} if how == "disabled" else {"expires_us": 5}))
    one.make_room()
    row = await one.run(answer)
    assert row.status_code == 401
    assert "since it was queued" in json.loads(row.answer)["error"]["message"]
    assert one.asked == []


async def test_failures_are_tried_again_so_many_times(line: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerun, "FIRST_PAUSE_S", 0.0)
    one = await line(Reply(fault=Fault(kind="status", status=500, message="oops")))
    answer = await one.door.post(chat("later"))
    one.make_room()
    row = await one.run(answer)
    assert (row.status_code, row.tries) == (502, rerun.MOST_TRIES)
    assert "oops" in json.loads(row.answer)["error"]["message"]
    records = await one.records(1 + rerun.MOST_TRIES)
    assert [r.outcome for r in records] == ["queued"] + ["upstream_error"] * rerun.MOST_TRIES


@pytest.mark.parametrize("stream", [False, True])
async def test_after_a_failure_the_next_try_is_the_answer(
    line: Waiting, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """A stream too that broke when it had begun: nobody has read its beginning."""
    monkeypatch.setattr(rerun, "FIRST_PAUSE_S", 0.0)
    fault = Fault(kind="early_close", after_chunk=3)
    one = await line(
        Reply(when=When(nth=1), text="one two three four", fault=fault), Reply(text="all is well")
    )
    answer = await one.door.post(chat("later", stream=stream))
    one.make_room()
    row = await one.run(answer)
    assert (row.status_code, row.tries) == (200, 2)
    assert b"well" in row.answer and b"two" not in row.answer
    assert [r.outcome for r in await one.records(3)] == ["queued", "upstream_error", "ok"]


async def test_what_the_caller_did_wrong_is_said_once(line: Waiting) -> None:
    one = await line(Reply(fault=Fault(kind="status", status=400, message="no such tool")))
    answer = await one.door.post(chat("later"))
    one.make_room()
    row = await one.run(answer)
    assert (row.status_code, row.tries) == (400, 1)
    assert "no such tool" in json.loads(row.answer)["error"]["message"]


async def test_one_that_never_ends_is_given_up(line: Waiting) -> None:
    """It may be what kills the workers that run it."""
    one = await line()
    row = queued_row(one.door.key_id, tries=rerun.MOST_TRIES)
    one.door.store.enqueue(row, 10, 10**6)
    one.queue.housekeeping()
    await until(lambda: one.door.store.queued_one(row.id).status == "done")
    ended = one.door.store.queued_one(row.id)
    assert ended.status_code == 502 and b"never came to its end" in ended.answer
    assert one.asked == []


async def test_an_answer_too_large_to_keep(line: Waiting) -> None:
    one = await line(Reply(tokens=2000, fault=Fault(kind="drip", step_bytes=4096)))
    answer = await one.door.post(chat("later", stream=True))
    one.make_room()
    one.door.gateway.max_response = 10_000
    row = await one.run(answer)
    assert row.status_code == 502 and b"larger than" in row.answer
    (_, record) = await one.records(2)
    assert record.outcome == "client_gone"


async def test_a_cancelled_one_keeps_no_answer(line: Waiting) -> None:
    one = await line(Reply(text="in vain", first_byte_delay_s=0.3))
    runs, waits = [await one.door.post(chat("later")) for _ in range(2)]
    one.door.store.cancel(one.row(waits).id, 5)
    one.make_room()
    await until(lambda: one.queue.housekeeping() or bool(one.asked))
    one.door.store.cancel(one.row(runs).id, 6)
    await until(lambda: not one.queue.runs)
    assert [one.row(each).answer for each in (runs, waits)] == [b"", b""]
    assert len(one.asked) == 1
    assert [r.outcome for r in await one.records(3)] == ["queued", "queued", "ok"]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_cut_by_the_end_of_the_worker_is_run_by_another(line: Waiting, stream: bool) -> None:
    delays = {"chunk_delay_s": 0.2} if stream else {"first_byte_delay_s": 0.9}
    slow = Reply(when=When(nth=1), text="a b c d e f g h", **delays)
    one = await line(slow, Reply(text="done by another"))
    answer = await one.door.post(chat("later", stream=stream))
    one.make_room()
    await until(lambda: one.queue.housekeeping() or bool(one.asked))
    await asyncio.sleep(0.3)
    one.queue.drain()
    assert not one.queue.idle.is_set()
    one.queue.close()
    row = one.row(answer)
    assert (row.status, row.tries, row.holder) == ("queued", 0, "")
    other = one.queue = one.door.gateway.queue = Queue(one.door.gateway, one.door.store, "w1")
    row = await one.run(answer)
    assert b"another" in row.answer
    assert [r.outcome for r in await one.records(3)] == ["queued", "shutdown", "ok"]
    other.drain()
    assert other.idle.is_set()


async def test_those_who_wait_for_an_answer_come_first(
    line: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MOST_RUNNING", 2)
    one = await line(Reply(text="ok", first_byte_delay_s=0.2))
    answers = [await one.door.post(chat("later")) for _ in range(5)]
    one.make_room()
    one.door.leases.waiting["somebody"] = lambda: False
    one.queue.housekeeping()
    await asyncio.sleep(0.1)
    assert not one.queue.runs and {one.row(each).status for each in answers} == {"queued"}
    del one.door.leases.waiting["somebody"]
    most = 0

    def all_done() -> bool:
        nonlocal most
        one.queue.housekeeping()
        most = max(most, len(one.queue.runs))
        return all(one.row(each).status == "done" for each in answers)

    await until(all_done)
    assert most == 2


async def test_those_who_always_wait_do_not_keep_it_waiting_for_ever(line: Waiting) -> None:
    one = await line(Reply(text="ok", first_byte_delay_s=0.3))
    answers = [await one.door.post(chat("later")) for _ in range(3)]
    one.make_room()
    one.door.leases.waiting["somebody"] = lambda: False
    for _ in range(queue.PATIENCE):
        assert not one.queue.runs
        one.queue.housekeeping()
    await until(lambda: bool(one.asked))
    one.queue.housekeeping()
    await until(lambda: one.row(answers[0]).status == "done")
    assert [one.row(each).status for each in answers] == ["done", "queued", "queued"]
    del one.door.leases.waiting["somebody"]


async def test_an_end_that_the_store_does_not_take_is_kept_until_it_does(
    line: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await line(Reply(text="kept in mind"))
    answer = await one.door.post(chat("later"))
    one.make_room()
    finish, failed = one.door.store.finish, []

    def broken(*args: Any) -> bool:
        if len(failed) < 3:
            failed.append(1)
            raise StoreError("away for lunch")
        return finish(*args)

    monkeypatch.setattr(one.door.store, "finish", broken)
    row = await one.run(answer)
    assert b"kept in mind" in row.answer and len(failed) == 3
    assert len(one.asked) == 1


async def test_what_was_given_but_never_told_is_given_back(
    line: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection to the store broke when it had committed."""
    one = await line(Reply(text="found again"))
    answer = await one.door.post(chat("later"))
    one.make_room()
    claim, lost = one.door.store.claim, []

    def broken(*args: Any) -> list[QueuedRow]:
        rows = claim(*args)
        if rows and not lost:
            lost.append(1)
            raise StoreError("connection lost")
        return rows

    monkeypatch.setattr(one.door.store, "claim", broken)
    row = await one.run(answer)
    assert b"found again" in row.answer and lost
    assert len(one.asked) == 1


async def test_one_whose_end_is_not_told_yet_is_not_begun_beside_it(line: Waiting) -> None:
    """It was put back, the answer to that was lost, and it was claimed again before that was told."""
    one = await line()
    row = queued_row(one.door.key_id)
    one.door.store.enqueue(row, 10, 10**6)
    before = one.queue.runs[row.id] = rerun.Rerun(one.queue, row)
    claimed: Future[queue.Claimed] = Future()
    claimed.set_result([(row, one.door.store.key(row.key_id))])
    one.queue._claimed(claimed)
    await asyncio.sleep(0.05)
    assert one.queue.runs == {row.id: before}
    assert one.asked == []
    del one.queue.runs[row.id]


async def test_a_mistake_of_ours_ends_in_an_answer(line: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerun, "FIRST_PAUSE_S", 0.0)
    one = await line()
    answer = await one.door.post(chat("later"))
    one.make_room()
    monkeypatch.setattr(one.door.gateway, "go", lambda *_: 1 / 0)
    row = await one.run(answer)
    assert row.status_code == 502 and b"server's log" in row.answer
    assert row.tries == rerun.MOST_TRIES


async def test_a_path_of_another_version(line: Waiting) -> None:
    one = await line()
    row = queued_row(one.door.key_id, path="/v1/telepathy")
    one.door.store.enqueue(row, 10, 10**6)
    one.queue.housekeeping()
    await until(lambda: one.door.store.queued_one(row.id).status == "done")
    assert one.door.store.queued_one(row.id).status_code == 400


async def test_concurrency_that_is_used_up_queues_too(line: Waiting) -> None:
    one = await line(Reply(text="slow", first_byte_delay_s=0.8), plan={"credits": 1.0})
    subscribe(one.door.store, one.door.key_id, one_credit(credits=100.0, concurrency=1))
    one.door.limits.reload_if_changed()
    busy = asyncio.create_task(one.door.post(chat("later")))
    await until(lambda: bool(one.asked))
    answer = await one.door.post(chat("meanwhile"))
    assert answer.status_code == 202
    assert answer.headers["retry-after"] == "1"
    assert (await busy).status_code == 200
    one.due()
    assert (await one.run(answer)).status_code == 200
