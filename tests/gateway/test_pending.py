"""A request that waits for what it continues: whatever happens meanwhile, it ends once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from doorway import Door, provider

from tokenworks.gateway.pending import Pending
from tokenworks.ledger.record import Record
from tokenworks.providers.scripted import Reply, Script, ScriptedProvider

Make = Callable[..., Any]
PATH = "/v1/responses"


def continuing(previous: str = "gen-1-elsewhere", **more: Any) -> dict[str, Any]:
    return {"model": "acme/fast", "input": "more", "previous_response_id": previous, **more}


@pytest.fixture
def wait_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """So long a response is looked for that nobody here has kept."""
    monkeypatch.setattr("tokenworks.gateway.states.AGAIN_AFTER_S", 0.6)
    return 0.6


async def until_it_waits(one: Door) -> None:
    for _ in range(500):
        if any(isinstance(each.exchange, Pending) for each in one.listener.connections):
            return
        await asyncio.sleep(0.002)
    raise TimeoutError


async def settled(one: Door, n: int, after_s: float = 0.0) -> list[Record]:
    await asyncio.sleep(after_s)
    records = one.records()
    assert len(records) == n
    assert one.inflight.count() == 0
    return records


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_client_that_leaves_while_waiting(door: Make, wait_s: float, stream: bool) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        asking = asyncio.create_task(one.client.post(PATH, json=continuing(stream=stream)))
        await until_it_waits(one)
        asking.cancel()
        await one.client.aclose()
        (record,) = await settled(one, 1, wait_s / 4)
        assert (record.outcome, record.status) == ("client_gone", 0)
        assert (record.uncached_input_tokens, record.cost_nano_usd) == (0, 0)
        assert record.stream == stream and record.latency_us > 0
        await settled(one, 1, wait_s)  # what was looked for has been found missing
        assert upstream.requests == []


async def test_a_client_that_leaves_before_it_is_found(door: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, but the store is slow: nothing is asked for somebody who has left."""
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        first = (await one.client.post(PATH, json={"model": "acme/fast", "input": "one"})).json()
        await asyncio.sleep(0.1)  # until it is written down; before that, memory alone knows it
        read, reached = one.store.state, asyncio.Event()

        def slowly(*args: Any) -> Any:
            one.gateway.loop.call_soon_threadsafe(reached.set)
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0.3), one.gateway.loop).result()
            return read(*args)

        monkeypatch.setattr(one.store, "state", slowly)
        asking = asyncio.create_task(one.client.post(PATH, json=continuing(first["id"])))
        await asyncio.wait_for(reached.wait(), 5)
        asking.cancel()
        await one.client.aclose()
        records = await settled(one, 2, 0.6)
        assert [each.outcome for each in records] == ["ok", "client_gone"]
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_server_stops_meanwhile(door: Make, wait_s: float, stream: bool) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        asking = asyncio.create_task(one.client.post(PATH, json=continuing(stream=stream)))
        await until_it_waits(one)
        one.listener.drain()
        one.listener.cut()
        answer = await asking
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert "the server was stopped" in answer.json()["error"]["message"]
        (record,) = await settled(one, 1, 1.5 * wait_s)
        assert (record.outcome, record.status, record.uncached_input_tokens) == ("shutdown", 503, 0)


async def test_the_gateway_ends_while_somebody_waits(door: Make, wait_s: float) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        asking = asyncio.create_task(one.client.post(PATH, json=continuing()))
        await until_it_waits(one)
        one.listener.cut()
        one.states.close()
        assert (await asking).status_code == 503
        await settled(one, 1, 1.5 * wait_s)


async def test_not_found_is_answered_and_the_connection_goes_on(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        body = json.dumps(continuing()).encode()
        asked = b"POST %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (
            PATH.encode(),
            one.key.encode(),
            len(body),
            body,
        )
        writer.write(asked + asked)  # the second waits for the first
        for _ in range(2):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert head.startswith(b"HTTP/1.1 404 ")
            size = next(int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:"))
            error = json.loads(await reader.readexactly(size))["error"]
            assert "no response 'gen-1-elsewhere'" in error["message"]
        writer.close()
        records = await settled(one, 2)
        assert {(each.outcome, each.status) for each in records} == {("bad_request", 404)}


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"model": "acme/none"}, 400, "unknown model"),
        ({"store": 5}, 400, "'store'"),
        ({"provider": {"only": ["x"]}}, 400, "not named in 'only'"),
        ({"input": [7]}, 400, "input"),
    ],
)
async def test_what_is_wrong_is_said_after_it_is_found(
    door: Make, fields: dict[str, Any], status: int, words: str
) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        first = (await one.client.post(PATH, json={"model": "acme/fast", "input": "one"})).json()
        answer = await one.client.post(PATH, json=continuing(first["id"], **fields))
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"]["message"]
        records = await settled(one, 2)
        assert (records[1].outcome, records[1].status) == ("bad_request", status)
        await one.client.aclose()
        await settled(one, 2, 0.05)


async def test_the_whole_conversation_counts_as_input(door: Make) -> None:
    """Where the provider tells no usage, what was kept counts as well."""
    async with ScriptedProvider(Script(reply=(Reply(text="ok", usage_style="none"),))) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        first = await one.client.post(PATH, json={"model": "acme/fast", "input": "x" * 4000})
        await one.client.post(PATH, json=continuing(first.json()["id"]))
        before, after = await settled(one, 2)
        assert before.estimated and after.estimated
        assert after.uncached_input_tokens > before.uncached_input_tokens >= 1000
        assert after.cost_nano_usd > 0


async def test_labels_and_names_are_those_of_the_request(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        presets = {"p": {"temperature": 0.25}}
        one = await door({"acme": provider(upstream.base_url)}, presets=presets)
        first = (await one.client.post(PATH, json={"model": "acme/fast", "input": "one"})).json()
        asked = continuing(first["id"], model="acme/fast@preset/p", session_id="s", user="u")
        answer = await one.client.post(PATH, json=asked, headers={"x-title": "App"})
        assert answer.status_code == 200, answer.text
        record = (await settled(one, 2))[1]
        assert (record.app, record.session, record.user, record.kind) == ("App", "s", "u", "responses")
        assert record.requested_model == "acme/fast"
        assert upstream.requests[1].body["temperature"] == 0.25
        assert len(upstream.requests[1].body["messages"]) == 3
