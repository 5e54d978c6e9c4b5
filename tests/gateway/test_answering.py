"""From a provider's answer to the caller's: what breaks in the middle, what is no answer, what it costs."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx
import msgspec
import openai
import pytest
from calling import (
    CHAT,
    MESSAGES,
    PATHS,
    RESPONSES,
    ask,
    asked,
    complaint,
    events,
    only,
    order,
    replies,
    said,
    says,
    sdk_says,
    settled,
)
from doorway import Door, provider
from wire_answers import scripted_stream, scripted_whole

from tokenworks.config.settings import (
    ProviderKey,
    ProviderSettings,
    RoutingSettings,
    ServerSettings,
    UpstreamSettings,
)
from tokenworks.engines.manager import EngineState
from tokenworks.gateway.exchange import Exchange
from tokenworks.http import timers
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, Tokens, ToolCall, When

Make = Callable[..., Any]
TEXT = "one two three four five six"
LIMITS = UpstreamSettings(first_byte_timeout_s=0.3, idle_timeout_s=0.3)
# Wires: the caller's and the provider's.
WIRES = [(CHAT, CHAT), (MESSAGES, MESSAGES), (RESPONSES, RESPONSES), (CHAT, MESSAGES), (MESSAGES, CHAT)]
WIRES += [(RESPONSES, CHAT), (CHAT, RESPONSES)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers that are looked at so often that no test need wait for them."""
    monkeypatch.setattr(timers, "TICK_S", 0.02)


def at(upstream: ScriptedProvider, wire: str, **more: Any) -> ProviderSettings:
    """The provider that ``upstream`` plays, on ``wire``."""
    return provider(upstream.origin if wire == MESSAGES else upstream.base_url, wire=wire, **more)


def broken(kind: Any, wire: str, **more: Any) -> Script:
    """A stream that breaks after some of its text."""
    after = 8 if wire == RESPONSES else 4
    fault = Fault(kind=kind, message="out of order", **({"after_chunk": after} | more))
    return replies(Reply(text=TEXT, fault=fault))


@asynccontextmanager
async def answering(
    body: bytes, content_type: str, *, status: int = 200, cuts: int = 0
) -> AsyncIterator[str]:
    """The base URL of a provider that answers everything with these very bytes, in so many more pieces."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(size))
                lines = f"HTTP/1.1 {status} X", f"content-type: {content_type}", "transfer-encoding: chunked"
                writer.write("\r\n".join((*lines, "", "")).encode())
                step = max(1, len(body) // (cuts + 1))
                for place in range(0, len(body), step):
                    piece = body[place : place + step]
                    writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    await writer.drain()
                    await asyncio.sleep(0)
                writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


# --- in the middle of a stream ------------------------------------------------------------------

BROKEN = {
    "early_close": "connection closed",
    "truncate": "ended too early",
    "garbage": "",
    "bad_chunk": "invalid HTTP answer",
    "error_event": "out of order",
    "hang_mid": "silent for 0.3 s",
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize(("caller", "wire"), WIRES)
async def test_a_stream_that_breaks_says_so(door: Make, caller: str, wire: str, kind: str) -> None:
    async with ScriptedProvider(broken(kind, wire)) as upstream, ScriptedProvider(says("no")) as other:
        one = await door({"a": at(upstream, wire), "b": at(other, wire)}, upstream=LIMITS)
        answer = await ask(one, caller, stream=True, provider=order("a", "b"))
        assert BROKEN[kind] in complaint(caller, answer)
        assert said(caller, answer) and TEXT.startswith(said(caller, answer).rstrip())
        assert other.requests == [], "the caller has seen a part: nobody else is asked"
        record = await only(one)
        assert record.outcome == ("timeout" if kind == "hang_mid" else "upstream_error")
        assert (record.status, record.finish_reason, record.attempts) == (200, "error", 1)
        assert record.reasons.startswith("a:") and record.estimated
        assert 0 < record.output_tokens <= 6 and record.cost_nano_usd > 0
        await upstream.until(lambda p: p.open_streams == 0)
        if kind != "hang_mid":
            with pytest.raises((openai.APIError, anthropic.APIError)):
                await sdk_says(one, caller, provider=order("a", "b"))
            await settled(one, 2)


@pytest.mark.parametrize(("caller", "wire"), WIRES)
async def test_a_stream_without_its_end_marker(door: Make, caller: str, wire: str) -> None:
    """Where the model has said that it stopped, only the marker is missing: it is added."""
    script = replies(Reply(text=TEXT, fault=Fault(kind="no_terminator")))
    async with ScriptedProvider(script) as upstream:
        one = await door({"a": at(upstream, wire)}, upstream=LIMITS)
        answer = await ask(one, caller, stream=True)
        record = await only(one)
        if wire == RESPONSES:  # here the marker itself says whether and why it stopped
            assert "ended too early" in complaint(caller, answer)
            assert record.outcome == "upstream_error"
        else:
            assert said(caller, answer) == TEXT
            assert (record.outcome, record.finish_reason, record.estimated) == ("ok", "stop", False)
            assert await sdk_says(one, caller) == TEXT


@pytest.mark.parametrize("caller", PATHS)
async def test_an_engine_that_dies_in_the_middle(
    door: Make, engine_settings: dict[str, Any], caller: str
) -> None:
    script = replies(Reply(tokens=500, chunk_delay_s=0.01))
    async with ScriptedProvider(script) as upstream:
        one = await door({}, engines=engine_settings)
        one.engines.update(EngineState("tiny", "ready", port=upstream.port, api_key="k"))
        waiting = asyncio.create_task(ask(one, caller, stream=True, model="tiny"))
        await upstream.until(lambda p: p.requests and p.requests[0].chunks_sent > 5)
        await upstream.stop()
        answer = await waiting
        assert "engine tiny stopped" in complaint(caller, answer)
        assert "send the request again" in complaint(caller, answer)
        record = await only(one)
        assert (record.provider, record.outcome, record.cost_nano_usd) == ("local", "upstream_error", 0)
        assert record.output_tokens > 0
        await upstream.start()
        upstream.play(says("well again"))
        assert said(caller, await ask(one, caller, stream=True, model="tiny")) == "well again"
        await settled(one, 2)


# --- before the first byte ----------------------------------------------------------------------


@pytest.mark.parametrize("caller", PATHS)
@pytest.mark.parametrize("fault", ["error_event", "hang_mid", "early_close"])
async def test_comments_of_a_provider_are_no_answer_yet(door: Make, caller: str, fault: Any) -> None:
    """Some send comments while they queue a request: if it fails then, another endpoint still answers."""
    script = replies(Reply(comment="QUEUED", text=TEXT, fault=Fault(kind=fault, after_chunk=0)))
    async with ScriptedProvider(script) as bad, ScriptedProvider(says("the other")) as good:
        one = await door({"a": provider(bad.base_url), "b": provider(good.base_url)}, upstream=LIMITS)
        answer = await ask(one, caller, stream=True, provider=order("a", "b"))
        assert said(caller, answer) == "the other" and "QUEUED" not in answer.text
        record = await only(one)
        assert (record.provider, record.attempts, record.outcome) == ("b", 2, "ok")
        alone = await ask(one, caller, stream=True, provider={"only": ["a"]})
        assert alone.status_code in (502, 504)
        await settled(one, 2)


async def test_comments_before_an_answer_do_no_harm(door: Make) -> None:
    for drip in ({}, {"fault": Fault(kind="drip", step_bytes=7)}):
        async with ScriptedProvider(replies(Reply(comment="QUEUED", text=TEXT, **drip))) as upstream:
            one = await door({"a": provider(upstream.base_url)})
            assert said(CHAT, await ask(one, stream=True)) == TEXT
            assert (await only(one)).output_tokens == 6


@pytest.mark.parametrize(("caller", "wire"), WIRES)
async def test_answers_in_the_smallest_pieces(door: Make, caller: str, wire: str) -> None:
    reply = Reply(text=TEXT, usage=Tokens(input_tokens=100, output_tokens=9), fault=Fault(kind="drip"))
    async with ScriptedProvider(replies(reply)) as upstream:
        one = await door({"a": at(upstream, wire)})
        assert said(caller, await ask(one, caller, stream=True)) == TEXT
        record = await only(one)
        assert (record.uncached_input_tokens, record.output_tokens, record.outcome) == (100, 9, "ok")
        assert not record.estimated


# --- whole answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_too_large(door: Make, stream: bool) -> None:
    """``stream``: asked for a stream, the provider sends something else without end."""
    huge = scripted_whole(CHAT, Reply(text="x" * (3 << 20)))
    limits = UpstreamSettings(max_response_mib=1)
    async with (
        answering(huge, "application/json", cuts=200) as url,
        ScriptedProvider(says("the other")) as good,
    ):
        one = await door({"a": provider(url), "b": provider(good.base_url)}, upstream=limits)
        alone = await ask(one, stream=stream, provider={"only": ["a"]})
        assert alone.status_code == 502
        assert "larger than allowed" in complaint(CHAT, alone)
        answer = await ask(one, stream=stream, provider=order("a", "b"))
        assert said(CHAT, answer) == "the other"
        first, second = await settled(one, 2)
        assert (first.reasons, first.cost_nano_usd) == ("a:garbage", 0)
        assert (second.provider, second.reasons) == ("b", "a:garbage")
        assert not [c for c in one.pool.connections if c.call is not None]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_that_is_too_large_keeps_its_status(door: Make, stream: bool) -> None:
    page = b"<html>" + b"too many requests " * 10_000
    async with answering(page, "text/html", status=429, cuts=50) as url:
        one = await door({"a": provider(url)})
        answer = await ask(one, stream=stream)
        assert answer.status_code == 429 and "limits the rate" in complaint(CHAT, answer)
        record = await only(one)
        assert (record.reasons, record.status, record.outcome) == ("a:429", 429, "upstream_error")
        assert one.health.view(one.catalog.find("acme/fast")[0], one.gateway.loop.time()).state == "resting"


@pytest.mark.parametrize(("caller", "wire"), WIRES)
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'"text"', b"{", b"\xff\xfe", b'{"error":null}']
)
async def test_what_is_no_answer(door: Make, caller: str, wire: str, body: bytes) -> None:
    async with answering(body, "application/json") as url, ScriptedProvider(says("fine")) as good:
        base = url.removesuffix("/v1") if wire == MESSAGES else url
        one = await door({"a": provider(base, wire=wire), "b": provider(good.base_url)})
        for stream in (False, True):
            alone = await ask(one, caller, stream=stream, provider={"only": ["a"]})
            assert alone.status_code == 502 and "a sent an unusable answer" in complaint(caller, alone)
            answer = await ask(one, caller, stream=stream, provider=order("a", "b"))
            assert said(caller, answer) == "fine"
        assert [r.reasons for r in await settled(one, 4)] == ["a:garbage"] * 4


# --- what an answer of nothing costs ------------------------------------------------------------


@pytest.mark.parametrize("caller", PATHS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("finish", "output", "charged"),
    [("", 0, False), ("error", 0, False), ("stop", 0, True), ("", 3, True), ("error", 3, True)],
)
async def test_an_answer_that_came_to_nothing_costs_nothing(
    door: Make, caller: str, stream: bool, finish: str, output: int, charged: bool
) -> None:
    """No output, and no reason to have stopped or a failure for one: its tokens are told, and are free."""
    usage = {"prompt_tokens": 1000, "completion_tokens": output, "total_tokens": 1000 + output}
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish or None}
    said_here = {"role": "assistant", "content": "a b c" if output else ""}
    if stream:
        start = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "fast-1"}
        chunks = [
            {**start, "choices": [{**choice, "delta": said_here}]},
            {**start, "choices": [], "usage": usage},
        ]
        body = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
        body += b"data: [DONE]\n\n"
    else:
        start = {"id": "x", "object": "chat.completion", "created": 1, "model": "fast-1"}
        whole = {**start, "choices": [{**choice, "message": said_here}], "usage": usage}
        body = json.dumps(whole).encode()
    async with answering(body, "text/event-stream" if stream else "application/json") as url:
        one = await door({"a": provider(url)})
        answer = await ask(one, caller, stream=stream)
        record = await only(one)
        assert (record.uncached_input_tokens, record.output_tokens) == (1000, output) or finish == "error"
        if caller != CHAT and finish == "error":  # which can't be said there: it is a failure
            assert complaint(caller, answer) and record.outcome == "upstream_error"
            charged = False
        assert bool(record.cost_nano_usd) is charged
        if not stream and finish != "error":
            told = answer.json()["usage"]
            assert (told.get("input_tokens") or told.get("prompt_tokens")) == 1000
            assert bool(told["cost"]) is charged


@pytest.mark.parametrize("caller", [CHAT, MESSAGES, RESPONSES])
async def test_an_error_before_any_output_costs_nothing(door: Make, caller: str) -> None:
    """The stream began, so nobody else can be asked; there is nothing to pay for either."""
    fault = Fault(kind="error_event", after_chunk=1, message="overloaded")
    script = replies(Reply(text=TEXT, chunk_delay_s=0.05, fault=fault))
    async with ScriptedProvider(script) as upstream:
        one = await door({"a": at(upstream, CHAT)}, upstream=LIMITS)
        answer = await ask(one, caller, stream=True)
        assert "overloaded" in complaint(caller, answer)
        record = await only(one)
        assert (record.output_tokens, record.cost_nano_usd) == (0, 0)
        assert record.finish_reason == "error"


# --- reasoning that must come back --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["whole", "stream", "drip"])
@pytest.mark.parametrize("caller", [CHAT, MESSAGES])
async def test_reasoning_is_remembered_however_it_came(door: Make, caller: str, kind: str) -> None:
    """From the first byte on, also where it comes in pieces that make no event."""
    call = ToolCall(name="look", arguments='{"a":1}', id="call_1")
    fault = {"fault": Fault(kind="drip", step_bytes=5)} if kind == "drip" else {}
    first = Reply(when=When(nth=1), reasoning="because of it", text="", tool_calls=(call,), **fault)
    async with ScriptedProvider(replies(first, Reply(text="done"))) as upstream:
        one = await door({"a": provider(upstream.base_url, quirks=("echo_reasoning_content",))})
        answer = await ask(one, caller, "go", stream=kind != "whole")
        assert answer.status_code == 200 and "call_1" in answer.text
        if caller == CHAT:
            function = {"name": "look", "arguments": '{"a":1}'}
            calls = [{"id": "call_1", "type": "function", "function": function}]
            turns: list[Any] = [
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": "", "tool_calls": calls},
                {"role": "tool", "tool_call_id": "call_1", "content": "4"},
            ]
        else:
            use = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"a": 1}}
            result = {"type": "tool_result", "tool_use_id": "call_1", "content": "4"}
            turns = [
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": [use]},
                {"role": "user", "content": [result]},
            ]
        assert said(caller, await ask(one, caller, messages=turns)) == "done"
        (sent,) = [m for m in upstream.requests[1].body["messages"] if m["role"] == "assistant"]
        assert sent["reasoning_content"] == "because of it"
        await settled(one, 2)


async def test_what_a_failed_attempt_said_is_not_remembered(door: Make) -> None:
    """Nor does its reader trip over the next endpoint's stream, which is of another wire."""
    begins = Reply(reasoning="of the first", comment="QUEUED", fault=Fault(kind="error_event", after_chunk=0))
    call = ToolCall(name="look", arguments="{}", id="call_1")
    async with (
        ScriptedProvider(replies(begins)) as first,
        ScriptedProvider(replies(Reply(text="fine", tool_calls=(call,)))) as second,
    ):
        one = await door(
            {
                "a": provider(first.base_url, quirks=("echo_reasoning_content",)),
                "b": at(second, MESSAGES),
            }
        )
        answer = await ask(one, stream=True, provider=order("a", "b"))
        assert said(CHAT, answer) == "fine"
        assert (await only(one)).reasons == "a:garbage"
        assert not one.states._memory


# --- anything at all ----------------------------------------------------------------------------

JUNK: list[Any] = [None, 5, -1, "x", "", [], {}, [1], {"a": 1}, True, 1e300, [None], 2**70, "\ud83d", [{}]]
RICH = Reply(
    text="hello there",
    reasoning="because",
    signature="c2ln",
    tool_calls=(ToolCall(name="f", arguments='{"a":1}'),),
)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*place, key))


def spoiled(value: Any, dice: random.Random) -> Any:
    """``value`` with something else, or nothing, at one of its places."""
    value = copy.deepcopy(value)
    place = dice.choice(list(places(value)))
    target = value
    for key in place[:-1]:
        target = target[key]
    if dice.random() < 0.1:
        del target[place[-1]]
    else:
        target[place[-1]] = copy.deepcopy(dice.choice(JUNK))
    return value


def spoiled_whole(answer: bytes, dice: random.Random) -> bytes:
    return json.dumps(spoiled(json.loads(answer), dice)).encode()


def spoiled_stream(stream: bytes, dice: random.Random) -> bytes:
    found = stream.decode().removesuffix("\n\n").split("\n\n")
    number = dice.randrange(len(found))
    *names, data = found[number].split("\n")
    if data.startswith("data: {"):
        found[number] = "\n".join((*names, "data: " + json.dumps(spoiled(json.loads(data[6:]), dice))))
    if dice.random() < 0.2:
        del found[dice.randrange(len(found))]
    return ("\n\n".join(found) + "\n\n").encode()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", PATHS)
async def test_every_answer_however_odd_ends_in_time_and_is_recorded(
    door: Make, wire: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    trouble: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
    dice = random.Random(f"{wire}{stream}")
    good = scripted_stream(wire, RICH) if stream else scripted_whole(wire, RICH)
    for quirks in ((), ("echo_reasoning_content",)):
        asked_so_far = 0
        body = b""
        async with answering(b"", "") as nobody:
            one = await door({"a": provider(nobody, wire=wire, quirks=quirks)})
        for _ in range(40):
            body = spoiled_stream(good, dice) if stream else spoiled_whole(good, dice)
            kind = "text/event-stream" if stream else "application/json"
            async with answering(body, kind, cuts=dice.choice((0, 0, 3))) as url:
                base = url.removesuffix("/v1") if wire == MESSAGES else url
                at_it = {"a": msgspec.structs.replace(one.gateway.targets.providers["a"], base_url=base)}
                one.gateway.targets.providers = at_it
                one.gateway.targets.clear()
                for caller in PATHS:
                    async with asyncio.timeout(5):
                        answer = await ask(one, caller, stream=stream)
                    asked_so_far += 1
                    assert answer.status_code in (200, 502), answer.text
                    if answer.status_code != 200:
                        assert complaint(caller, answer)
                    assert one.inflight.count() == 0, body
        outcomes = Counter(record.outcome for record in await settled(one, asked_so_far))
        assert set(outcomes) == {"ok", "upstream_error"}
    assert not trouble
    assert all(record.exc_info is None for record in caplog.records)


# --- everything at once -------------------------------------------------------------------------

FAULTS = tuple(
    Fault(probability=0.02, **fault)
    for fault in (
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 429, "retry_after_s": 0.2},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 400},
        {"kind": "html"},
        {"kind": "close"},
        {"kind": "close", "reset": True},
        {"kind": "hang"},
        {"kind": "error_body"},
        {"kind": "content_type"},
        {"kind": "garbage", "after_chunk": 5},
        {"kind": "truncate", "after_chunk": 5},
        {"kind": "early_close", "after_chunk": 5},
        {"kind": "early_close", "after_chunk": 0, "reset": True},
        {"kind": "hang_mid", "after_chunk": 5},
        {"kind": "bad_chunk", "after_chunk": 5},
        {"kind": "error_event", "after_chunk": 5},
        {"kind": "no_terminator"},
        {"kind": "drip", "step_bytes": 40},
        {"kind": "close_after"},
    )
)
REQUESTS, AT_ONCE = 300, 32


def ended_well(wire: str, answer: httpx.Response) -> None:
    """It is a whole answer, an error, or a stream that comes to its proper end."""
    assert answer.status_code in (200, 400, 429, 502, 503, 504), answer.text
    if answer.status_code != 200:
        assert complaint(wire, answer)
    elif answer.headers["content-type"].startswith("application/json"):
        assert said(wire, answer)
    else:
        last = events(answer)[-1]
        end = {"message_stop", "error", "response.completed", "response.failed"}
        assert answer.text.endswith("data: [DONE]\n\n") if wire == CHAT else last["type"] in end, answer.text


async def one_caller(one: Door, dice: random.Random) -> str:
    """One request on some wire, whose caller may leave at some moment; how it went for him."""
    wire, stream = dice.choice(list(PATHS)), dice.random() < 0.7
    wish = dice.choice(({}, {"provider": order(*dice.sample("abc", 3))}, {"models": ["acme/fast", "nobody"]}))
    body = asked(wire, f"conversation {dice.randrange(10**6)}", stream=stream, **wish)
    moment = dice.choice((0.0, 0.01, 0.03, 0.1)) if dice.random() < 0.3 else None
    try:
        async with asyncio.timeout(moment), one.client.stream("POST", PATHS[wire], json=body) as answer:
            if stream and dice.random() < 0.1:
                async for _ in answer.aiter_bytes():
                    return "left"
            await answer.aread()
    except TimeoutError:
        return "left"
    ended_well(wire, answer)
    return str(answer.status_code)


@pytest.mark.parametrize("seed", [1, 2])
async def test_many_callers_many_faults_one_record_each(door: Make, seed: int) -> None:
    trouble: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
    reply = Reply(
        text=TEXT, first_byte_delay_s=0.001, chunk_delay_s=0.001, jitter_s=0.01, comment="Q", fault=FAULTS
    )
    script = Script(reply=(reply,), seed=seed)
    async with (
        ScriptedProvider(script) as a,
        ScriptedProvider(script) as b,
        ScriptedProvider(script) as c,
    ):
        one = await door(
            {"a": at(a, CHAT), "b": at(b, MESSAGES), "c": at(c, RESPONSES)},
            upstream=UpstreamSettings(first_byte_timeout_s=0.15, idle_timeout_s=0.15, max_connections=8),
            routing=RoutingSettings(hedge_percentile=60, breaker_rest_s=0.2),
            server=ServerSettings(comment_after_s=0.04),
            provider_keys={"a": tuple(ProviderKey(name, f"sk-{name}") for name in "xyz")},
        )
        for endpoint in one.catalog.find("acme/fast"):
            for _ in range(20):  # so that many are hedged
                one.health.of(endpoint).first_token(0.015, one.gateway.loop.time())
        served = 0

        def counted(handler: Any) -> Any:
            def serve(*given: Any) -> None:
                nonlocal served
                served += 1
                handler(*given)

            return serve

        one.listener.hot = {path: counted(handler) for path, handler in one.listener.hot.items()}
        dice = random.Random(seed)
        turns = asyncio.Semaphore(AT_ONCE)

        async def caller(own: random.Random) -> str:
            async with turns:
                return await one_caller(one, own)

        async with asyncio.timeout(60):
            went = Counter(
                await asyncio.gather(*(caller(random.Random(dice.random())) for _ in range(REQUESTS)))
            )
        records = await settled(one, served)
        assert served >= REQUESTS - went["left"] and went["200"] > REQUESTS / 10 and went["left"] > 10
        outcomes = Counter(record.outcome for record in records)
        assert set(outcomes) <= {"ok", "client_gone", "upstream_error", "timeout", "bad_request"}
        assert outcomes["ok"] > REQUESTS / 10 and outcomes["client_gone"] > 0
        reasons = " ".join(record.reasons for record in records)
        assert ":hedge" in reasons and ":resting" in reasons
        for record in records:
            assert record.latency_us > 0 and record.attempts > 0
            assert record.outcome in ("ok", "client_gone") or record.reasons
            assert not record.cost_nano_usd or record.output_tokens or record.outcome in ("client_gone", "ok")
        for each in (a, b, c):
            await each.until(lambda p: p.open_streams == 0 and p.totals().open_requests == 0)
        await asyncio.sleep(0.3)  # timers that were forgotten would go off now
        assert not [connection for connection in one.pool.connections if connection.call is not None]
        assert not [origin for origin in one.pool.origins.values() if origin.waiting]
        assert all(origin.open == len(origin.idle) for origin in one.pool.origins.values())
        assert not [each for each in one.sweeper._watched if isinstance(each, Exchange)]
        assert one.inflight.count() == 0 and len(await settled(one, served)) == served
        assert not trouble
