"""A second attempt beside a slow first one: who serves, who is cancelled, and what is recorded of it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from calling import (
    CHAT,
    COMMENT,
    MESSAGES,
    PATHS,
    RESPONSES,
    ask,
    asked,
    complaint,
    fails,
    only,
    order,
    replies,
    said,
    says,
    sdk_says,
    settled,
    until,
)
from doorway import Door, provider

from tokenworks.config.settings import (
    ProviderKey,
    ProviderModelSettings,
    RoutingSettings,
    ServerSettings,
    UpstreamSettings,
)
from tokenworks.gateway import hedge
from tokenworks.gateway.exchange import Exchange
from tokenworks.http import timers
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, Tokens, When

Make = Callable[..., Any]
USUAL_S = 0.05  # to the first token of the endpoint that is slow this time
HEDGED = RoutingSettings(hedge_percentile=50)
LIMITS = UpstreamSettings(connect_timeout_s=1, first_byte_timeout_s=5, idle_timeout_s=5)
BOTH = {"provider": order("a", "b")}
SLOW = says("from the slow one", first_byte_delay_s=0.35)


def known(one: Door, name: str = "a") -> None:
    """Enough is known of the times to first token of provider ``name``."""
    for endpoint in one.catalog.find("acme/fast"):
        if endpoint.provider == name:
            for _ in range(20):
                one.health.of(endpoint).first_token(USUAL_S, one.gateway.loop.time())


def state(one: Door, name: str) -> str:
    (endpoint,) = (each for each in one.catalog.find("acme/fast") if each.provider == name)
    return one.health.of(endpoint).state(one.gateway.loop.time())


@asynccontextmanager
async def pair(
    door: Make, first: Script | None, second: Script | None, **more: Any
) -> AsyncIterator[tuple[Door, ScriptedProvider, ScriptedProvider]]:
    """A gateway that hedges, and its two providers, of which the second is dearer."""
    async with ScriptedProvider(first) as a, ScriptedProvider(second) as b:
        given = {"routing": HEDGED, "upstream": LIMITS} | more
        one = await door({"a": provider(a.base_url), "b": provider(b.base_url, input_mtok=7.0)}, **given)
        known(one)
        yield one, a, b


# --- who serves ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", PATHS)
@pytest.mark.parametrize("native", [True, False])
async def test_the_second_answers_and_the_first_is_cancelled(door: Make, wire: str, native: bool) -> None:
    fast = replies(Reply(text="from the fast one", usage=Tokens(input_tokens=1000, output_tokens=10)))
    async with ScriptedProvider(SLOW) as a, ScriptedProvider(fast) as b:
        native_url = b.origin if wire == MESSAGES else b.base_url
        beside = (
            provider(native_url, wire=wire, input_mtok=7.0)
            if native
            else provider(b.base_url, input_mtok=7.0)
        )
        one = await door({"a": provider(a.base_url), "b": beside}, routing=HEDGED, upstream=LIMITS)
        known(one)
        answer = await ask(one, wire, stream=True, **BOTH)
        assert said(wire, answer) == "from the fast one"
        assert "slow" not in answer.text
        await a.until(lambda p: p.requests[0].cancelled)
        record = await only(one)
        assert (record.provider, record.attempts, record.outcome) == ("b", 2, "ok")
        assert record.reasons == "a:slow"
        assert record.cost_nano_usd == 1000 * 7000 + 10 * 400, "by the price of the one that served"
        assert not record.estimated
        assert record.price_id == next(e for e in one.catalog.find("acme/fast") if e.provider == "b").price.id
        assert USUAL_S * 1e6 < record.ttft_us < 330_000
        assert (state(one, "a"), state(one, "b")) == ("closed", "closed")
        # its own time to the first token counts, not the wait for the first
        vitals = one.health.of(next(e for e in one.catalog.find("acme/fast") if e.provider == "b"))
        assert vitals.ttft_s.value is not None and vitals.ttft_s.value < USUAL_S
        assert await sdk_says(one, wire, **BOTH) == "from the fast one"
        await settled(one, 2)
        assert a.open_streams == b.open_streams == 0


async def test_the_first_answers_before_its_time(door: Make) -> None:
    async with pair(door, says("at once"), says("no")) as (one, a, b):
        for _ in range(3):
            assert said(CHAT, await ask(one, stream=True, **BOTH)) == "at once"
        await asyncio.sleep(2 * USUAL_S)
        assert (len(a.requests), b.requests) == (3, [])
        assert {(r.attempts, r.reasons) for r in await settled(one, 3)} == {(1, "")}


async def test_the_first_answers_after_all_and_the_hedge_is_cancelled(door: Make) -> None:
    async with pair(door, says("first after all", first_byte_delay_s=0.2), SLOW) as (one, _a, b):
        answer = await ask(one, stream=True, **BOTH)
        assert said(CHAT, answer) == "first after all"
        await b.until(lambda p: p.requests[0].cancelled)
        record = await only(one)
        assert (record.provider, record.attempts, record.reasons) == ("a", 2, "b:hedge")
        assert record.outcome == "ok"


async def test_never_after_the_first_byte(door: Make) -> None:
    slow = replies(Reply(text="slow but steady it goes", chunk_delay_s=0.06))
    async with pair(door, slow, says("no")) as (one, _a, b):
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "slow but steady it goes"
        assert b.requests == []
        await only(one)


async def test_a_head_counts_as_an_answer(door: Make) -> None:
    """Who has begun to answer is not raced: neither asked beside, nor overtaken."""
    begun = replies(Reply(text="begun early", first_chunk_delay_s=0.3))
    async with pair(door, begun, says("no")) as (one, a, b):
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "begun early"
        assert b.requests == []
        a.play(replies(Reply(text="begun early", first_byte_delay_s=0.15, first_chunk_delay_s=0.4)))
        b.play(replies(Reply(text="no", first_byte_delay_s=0.2)))
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "begun early"
        await b.until(lambda p: p.requests[0].cancelled)
        assert [r.reasons for r in await settled(one, 2)] == ["", "b:hedge"]


async def test_off_unless_configured_and_only_for_streams(door: Make) -> None:
    async with pair(door, SLOW, says("no"), routing=RoutingSettings()) as (one, _a, b):
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "from the slow one"
        assert b.requests == []
        await only(one)
    async with pair(door, SLOW, says("no")) as (one, _a, b):
        assert said(CHAT, await ask(one, **BOTH)) == "from the slow one", "a whole answer takes its time"
        assert b.requests == []
        await only(one)


async def test_only_within_the_model_and_only_where_another_may_be_asked(door: Make) -> None:
    other = ProviderModelSettings(
        id="acme/long", upstream_id="long-1", context_length=131072, input_mtok=1.0, output_mtok=2.0
    )
    async with ScriptedProvider(SLOW) as a, ScriptedProvider(says("no")) as b:
        one = await door(
            {"a": provider(a.base_url), "b": provider(b.base_url, models=(other,))},
            routing=HEDGED,
            upstream=LIMITS,
        )
        known(one)
        answer = await ask(one, stream=True, models=["acme/long"])
        assert said(CHAT, answer) == "from the slow one"
        assert (await only(one)).attempts == 1
    async with pair(door, SLOW, says("no")) as (one, a, b):
        wish = {"provider": {**order("a", "b"), "allow_fallbacks": False, "only": ["a"]}}
        assert said(CHAT, await ask(one, stream=True, **wish)) == "from the slow one"
        assert b.requests == []
        await only(one)


async def test_one_that_rests_is_not_asked_beside(door: Make) -> None:
    async with pair(door, SLOW, fails(429, retry_after_s=60)) as (one, _a, b):
        await ask(one, provider={"only": ["b"]})
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "from the slow one"
        assert len(b.requests) == 1
        await settled(one, 2)


async def test_what_the_second_cannot_be_asked_is_left_to_the_first(door: Make) -> None:
    file = [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]
    async with ScriptedProvider(SLOW) as a, ScriptedProvider(says("no")) as b:
        one = await door(
            {"a": provider(a.base_url, wire=RESPONSES), "b": provider(b.base_url)},
            routing=HEDGED,
            upstream=LIMITS,
        )
        known(one)
        assert (
            said(RESPONSES, await ask(one, RESPONSES, stream=True, input=file, **BOTH)) == "from the slow one"
        )
        assert (await only(one)).attempts == 1


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=500),
        Fault(kind="status", status=429, retry_after_s=9),
        Fault(kind="status", status=400, message="not for me"),
        Fault(kind="status", status=500, body="x" * 200_000),
        Fault(kind="close"),
    ],
    ids=["500", "429", "400", "huge", "close"],
)
async def test_the_hedge_fails_and_the_first_goes_on(door: Make, fault: Fault) -> None:
    async with pair(door, SLOW, replies(Reply(fault=fault))) as (one, _a, b):
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "from the slow one"
        assert len(b.requests) == 1
        record = await only(one)
        assert (record.provider, record.attempts, record.outcome) == ("a", 2, "ok")
        assert record.reasons == f"b:{fault.status or 'closed'}"
        assert state(one, "b") == ("resting" if fault.status == 429 else "closed")


@pytest.mark.parametrize("status", [500, 429, 400])
async def test_the_first_fails_while_a_hedge_is_under_way(door: Make, status: int) -> None:
    first = replies(Reply(first_byte_delay_s=0.2, fault=Fault(kind="status", status=status)))
    async with pair(door, first, says("takes over", first_byte_delay_s=0.4)) as (one, a, b):
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "takes over"
        assert (len(a.requests), len(b.requests)) == (1, 1)
        record = await only(one)
        assert (record.provider, record.attempts, record.reasons) == ("b", 2, f"a:{status}")
        assert record.outcome == "ok"


async def test_a_timeout_of_the_first_while_a_hedge_is_under_way(door: Make) -> None:
    limits = UpstreamSettings(first_byte_timeout_s=0.3)
    first, second = replies(Reply(fault=Fault(kind="hang"))), says("takes over", first_byte_delay_s=0.7)
    async with pair(door, first, second, upstream=limits) as (one, _a, b):
        asking = asyncio.create_task(ask(one, stream=True, **BOTH))
        await until(lambda: b.requests)
        for connection in one.pool.connections:
            if connection.call is not None and isinstance(connection.call, hedge.Hedge):
                connection.deadline = timers.NEVER
        assert said(CHAT, await asking) == "takes over"
        assert (await only(one)).reasons == "a:timeout"


@pytest.mark.parametrize(("early", "late"), [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("wire", PATHS)
async def test_both_fail(door: Make, wire: str, early: str, late: str) -> None:
    delays = {early: 0.15, late: 0.3}
    scripts = {
        name: replies(Reply(first_byte_delay_s=delay, fault=Fault(kind="status", status=500, message=name)))
        for name, delay in delays.items()
    }
    async with pair(door, scripts["a"], scripts["b"]) as (one, a, b):
        answer = await ask(one, wire, stream=True, **BOTH)
        assert answer.status_code == 502
        assert f"{late} failed (HTTP 500): {late}" in complaint(wire, answer)
        assert (len(a.requests), len(b.requests)) == (1, 1)
        record = await only(one)
        assert (record.outcome, record.attempts) == ("upstream_error", 2)
        assert record.reasons == f"{early}:500 {late}:500"
        assert (record.cost_nano_usd, record.output_tokens) == (0, 0)


async def test_both_fail_and_a_third_answers(door: Make) -> None:
    first = replies(Reply(first_byte_delay_s=0.2, fault=Fault(kind="status", status=500)))
    second = replies(Reply(first_byte_delay_s=0.3, fault=Fault(kind="status", status=503)))
    async with (
        ScriptedProvider(first) as a,
        ScriptedProvider(second) as b,
        ScriptedProvider(says("third")) as c,
    ):
        hosts = {"a": a, "b": b, "c": c}
        one = await door(
            {name: provider(each.base_url) for name, each in hosts.items()}, routing=HEDGED, upstream=LIMITS
        )
        known(one)
        answer = await ask(one, stream=True, provider=order("a", "b", "c"))
        assert said(CHAT, answer) == "third"
        assert [len(each.requests) for each in hosts.values()] == [1, 1, 1]
        record = await only(one)
        assert (record.provider, record.attempts, record.reasons) == ("c", 3, "a:500 b:503")


async def test_the_winner_fails_in_the_middle(door: Make) -> None:
    broken = replies(Reply(text="one two three four", fault=Fault(kind="early_close", after_chunk=3)))
    async with pair(door, SLOW, broken) as (one, a, _b):
        answer = await ask(one, stream=True, **BOTH)
        assert "connection closed in the middle" in complaint(CHAT, answer)
        assert said(CHAT, answer) == "one two"
        record = await only(one)
        assert (record.provider, record.outcome) == ("b", "upstream_error")
        assert record.reasons == "a:slow b:closed"
        assert record.output_tokens == 2 and record.estimated
        assert record.cost_nano_usd == record.uncached_input_tokens * 7000 + 2 * 400
        await a.until(lambda p: p.requests[0].cancelled)


async def test_an_error_of_the_hedge_that_is_still_coming_when_it_takes_over(door: Make) -> None:
    """Its head said no, its body was on the way when the first failed as well."""
    first = replies(Reply(first_byte_delay_s=0.3, fault=Fault(kind="status", status=500)))
    body = '{"error":{"message":"%s"}}' % ("because " * 20)
    async with ScriptedProvider(first) as a:

        async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            head = b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: %d\r\n\r\n" % len(body)
            writer.write(head + body[:20].encode())
            await asyncio.sleep(0.5)
            writer.write(body[20:].encode())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(dripping, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            one = await door(
                {"a": provider(a.base_url), "b": provider(f"http://127.0.0.1:{port}/v1")},
                routing=HEDGED,
                upstream=LIMITS,
            )
            known(one)
            answer = await ask(one, stream=True, **BOTH)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
            assert "because because" in complaint(CHAT, answer)
            assert (await only(one)).reasons == "a:500 b:503"


# --- connections --------------------------------------------------------------------------------


@asynccontextmanager
async def unreachable() -> AsyncIterator[str]:
    """The address of one that takes connections and never says a word: TLS to it comes to nothing."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def test_a_first_that_never_gets_a_connection(door: Make) -> None:
    """Its connection fails while the second already serves: that must not touch the answer."""
    steady = replies(Reply(text=" ".join(map(str, range(16))), chunk_delay_s=0.05))
    async with unreachable() as url, ScriptedProvider(steady) as b:
        limits = UpstreamSettings(connect_timeout_s=0.4)
        one = await door({"a": provider(url), "b": provider(b.base_url)}, routing=HEDGED, upstream=limits)
        known(one)
        answer = await ask(one, stream=True, **BOTH)
        assert said(CHAT, answer) == " ".join(map(str, range(16)))
        record = await only(one)
        assert (record.provider, record.outcome, record.reasons) == ("b", "ok", "a:slow")


async def test_a_hedge_that_never_gets_a_connection(door: Make) -> None:
    steady = replies(Reply(text=" ".join(map(str, range(16))), first_byte_delay_s=0.2, chunk_delay_s=0.05))
    async with unreachable() as url, ScriptedProvider(steady) as a:
        limits = UpstreamSettings(connect_timeout_s=0.4)
        one = await door({"a": provider(a.base_url), "b": provider(url)}, routing=HEDGED, upstream=limits)
        known(one)
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == " ".join(map(str, range(16)))
        record = await only(one)
        assert (record.provider, record.outcome, record.reasons) == ("a", "ok", "b:hedge")


async def test_a_hedge_takes_over_before_it_is_connected(door: Make) -> None:
    """Then the first fails; the caller leaves: whatever was connected meanwhile is cancelled."""
    first = replies(Reply(first_byte_delay_s=0.2, fault=Fault(kind="status", status=500)))
    long = replies(Reply(tokens=500, chunk_delay_s=0.02))
    async with ScriptedProvider(first) as a, ScriptedProvider(long) as b:
        limits = UpstreamSettings(max_connections=1, first_byte_timeout_s=5)
        one = await door(
            {"a": provider(a.base_url), "b": provider(b.base_url)}, routing=HEDGED, upstream=limits
        )
        known(one)
        blocking = asyncio.create_task(ask(one, stream=True, max_tokens=30, provider={"only": ["b"]}))
        await until(lambda: b.requests)
        async with one.client.stream("POST", PATHS[CHAT], json=asked(stream=True, **BOTH)) as answer:
            assert answer.status_code == 200
            assert await anext(answer.aiter_bytes())
        await blocking
        await b.until(lambda p: p.open_streams == 0)
        records = {record.outcome: record for record in await settled(one, 2)}
        assert set(records) == {"ok", "client_gone"}
        assert records["client_gone"].provider == "b"
        assert b.requests[1].cancelled and b.requests[1].chunks_sent < 200


async def test_a_first_that_waits_for_its_turn_is_not_sent_any_more(door: Make) -> None:
    script = replies(
        Reply(when=When(says="block"), first_byte_delay_s=0.5, text="done"),
        Reply(text="no", first_byte_delay_s=1),
    )
    limits = UpstreamSettings(max_connections=1, first_byte_timeout_s=5)
    async with pair(door, script, says("at once"), upstream=limits) as (one, a, _b):
        blocking = asyncio.create_task(ask(one, text="block", stream=True, provider={"only": ["a"]}))
        await until(lambda: a.requests)
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "at once"
        assert all(not origin.waiting for origin in one.pool.origins.values())
        assert said(CHAT, await blocking) == "done"
        await asyncio.sleep(0.1)
        assert len(a.requests) == 1
        assert sorted(r.reasons for r in await settled(one, 2)) == ["", "a:slow"]


# --- callers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", PATHS)
async def test_a_caller_who_leaves_during_a_hedge(door: Make, wire: str) -> None:
    slow = says("never", first_byte_delay_s=30)
    async with pair(door, slow, slow) as (one, a, b):
        leaving = asyncio.create_task(ask(one, wire, stream=True, **BOTH))
        await until(lambda: a.requests and b.requests)
        leaving.cancel()
        await a.until(lambda p: p.requests[0].cancelled)
        await b.until(lambda p: p.requests[0].cancelled)
        record = await only(one)
        assert (record.outcome, record.provider, record.attempts) == ("client_gone", "a", 2)
        assert record.reasons == "b:hedge"
        assert a.open_streams == b.open_streams == 0


async def test_a_caller_who_leaves_before_the_hedge(door: Make) -> None:
    slow = says("never", first_byte_delay_s=30)
    async with pair(door, slow, slow) as (one, _a, b):
        with pytest.raises(httpx.ReadTimeout):
            await one.client.post(PATHS[CHAT], json=asked(stream=True, **BOTH), timeout=USUAL_S / 2)
        await asyncio.sleep(3 * USUAL_S)
        assert b.requests == []
        assert (await only(one)).attempts == 1


async def test_a_stop_during_a_hedge(door: Make) -> None:
    slow = says("never", first_byte_delay_s=30)
    async with pair(door, slow, slow) as (one, a, b):
        waiting = asyncio.create_task(ask(one, stream=True, **BOTH))
        await until(lambda: a.requests and b.requests)
        one.listener.drain()
        one.listener.cut()
        assert (await waiting).status_code == 503
        record = await only(one)
        assert (record.outcome, record.reasons) == ("shutdown", "b:hedge")
        await a.until(lambda p: p.open_streams == 0)
        await b.until(lambda p: p.open_streams == 0)


async def test_comments_while_both_are_slow(door: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "TICK_S", 0.02)
    server = ServerSettings(comment_after_s=0.05)
    slower = says("second", first_byte_delay_s=0.3)
    async with pair(door, says("never", first_byte_delay_s=30), slower, server=server) as (one, a, _b):
        answer = await ask(one, stream=True, **BOTH)
        assert answer.text.startswith(COMMENT) and said(CHAT, answer) == "second"
        assert (await only(one)).reasons == "a:slow"
        await a.until(lambda p: p.open_streams == 0)


# --- keys and the timer -------------------------------------------------------------------------

KEYS = {
    "a": (ProviderKey("k", "sk-1"), ProviderKey("l", "sk-2")),
    "b": (ProviderKey("k", "sk-3"), ProviderKey("l", "sk-4")),
}


async def test_a_hedge_refused_by_its_key(door: Make) -> None:
    async with pair(door, SLOW, fails(429), provider_keys=KEYS) as (one, _a, _b):
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "from the slow one"
        assert (await only(one)).reasons == "b:429"
        assert one.gateway.targets.keyrings["b"].usable() == 1, "the key that was used rests"
        assert one.gateway.targets.keyrings["a"].usable() == 2


async def test_a_hedge_that_took_over_is_asked_again_with_its_other_key(door: Make) -> None:
    first = replies(Reply(first_byte_delay_s=0.2, fault=Fault(kind="status", status=500)))
    second = replies(
        Reply(when=When(nth=1), first_byte_delay_s=0.4, fault=Fault(kind="status", status=401)),
        Reply(text="with the other"),
    )
    async with pair(door, first, second, provider_keys=KEYS) as (one, _a, b):
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "with the other"
        record = await only(one)
        assert (record.provider, record.attempts, record.reasons) == ("b", 3, "a:500 b:401")
        assert len({each.headers["authorization"] for each in b.requests}) == 2
        assert one.gateway.targets.keyrings["b"].usable() == 1


async def test_another_key_of_the_first_while_a_hedge_is_under_way(door: Make) -> None:
    first = replies(
        Reply(when=When(nth=1), first_byte_delay_s=0.2, fault=Fault(kind="status", status=429)),
        Reply(text="with the other"),
    )
    slow = says("never", first_byte_delay_s=30)
    async with pair(door, first, slow, provider_keys=KEYS) as (one, a, b):
        assert said(CHAT, await ask(one, stream=True, **BOTH)) == "with the other"
        assert (len(a.requests), len(b.requests)) == (2, 1)
        record = await only(one)
        assert (record.provider, record.attempts, record.reasons) == ("a", 3, "a:429 b:hedge")
        await b.until(lambda p: p.open_streams == 0)


async def test_each_attempt_has_its_own_time(door: Make) -> None:
    """The timer of a first attempt that failed does not hurry the second one."""
    first = replies(Reply(first_byte_delay_s=0.1, fault=Fault(kind="status", status=500)))
    async with (
        ScriptedProvider(first) as a,
        ScriptedProvider(says("second", first_byte_delay_s=0.25)) as b,
        ScriptedProvider(says("no")) as c,
    ):
        hosts = {"a": a, "b": b, "c": c}
        one = await door(
            {name: provider(each.base_url) for name, each in hosts.items()}, routing=HEDGED, upstream=LIMITS
        )
        for name, usual in {"a": 0.2, "b": 5.0}.items():
            for endpoint in one.catalog.find("acme/fast"):
                if endpoint.provider == name:
                    for _ in range(20):
                        one.health.of(endpoint).first_token(usual, one.gateway.loop.time())
        assert said(CHAT, await ask(one, stream=True, provider=order("a", "b", "c"))) == "second"
        assert c.requests == []
        assert (await only(one)).reasons == "a:500"


async def test_nothing_is_kept_for_a_timer_that_is_not_needed(
    door: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests with their bodies are gone when they are answered, not when their time would have come."""
    made: list[weakref.ref[Any]] = []

    class Seen(hedge.First):
        __slots__ = ("__weakref__",)

        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(weakref.ref(self))

    monkeypatch.setattr("tokenworks.gateway.attempts.First", Seen)
    async with pair(door, says("at once"), says("no")) as (one, _a, _b):
        monkeypatch.setattr(hedge, "hedge_after", lambda *given: 60.0)
        for _ in range(5):
            assert said(CHAT, await ask(one, stream=True, **BOTH)) == "at once"
        await settled(one, 5)
        gc.collect()
        assert len(made) == 5 and not [each for each in made if each() is not None]
        assert not [each for each in gc.get_objects() if isinstance(each, Exchange)]
