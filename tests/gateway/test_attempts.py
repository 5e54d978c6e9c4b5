"""The way from one attempt to the next: endpoints in order, deadlines, other models, rests, comments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import msgspec
import openai
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
from doorway import provider

from tokenworks.config.settings import (
    ProviderKey,
    ProviderModelSettings,
    RoutingSettings,
    ServerSettings,
    UpstreamSettings,
)
from tokenworks.engines.manager import EngineState
from tokenworks.gateway.attempts import COMMENT as SENT
from tokenworks.gateway.exchange import Exchange
from tokenworks.http import timers
from tokenworks.providers.scripted import Fault, Reply, ScriptedProvider, When

Make = Callable[..., Any]
SOON = ServerSettings(comment_after_s=0.05)
PATIENT = UpstreamSettings(first_byte_timeout_s=10, idle_timeout_s=10)
LONG = ProviderModelSettings(
    id="acme/long", upstream_id="long-1", context_length=131072, input_mtok=1.0, output_mtok=2.0
)
FAST = ProviderModelSettings(
    id="acme/fast", upstream_id="fast-1", context_length=131072, input_mtok=0.1, output_mtok=0.4
)


# --- order --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_endpoints_are_asked_one_after_the_other(door: Make, stream: bool) -> None:
    async with (
        ScriptedProvider(fails(500)) as first,
        ScriptedProvider(fails(503)) as second,
        ScriptedProvider(says("third")) as third,
        ScriptedProvider(says("fourth")) as fourth,
    ):
        several = {"a": first, "b": second, "c": third, "d": fourth}
        one = await door({name: provider(each.base_url) for name, each in several.items()})
        answer = await ask(one, stream=stream, provider=order("b", "a", "c", "d"))
        assert said(CHAT, answer) == "third"
        record = await only(one)
        assert (record.provider, record.attempts, record.outcome) == ("c", 3, "ok")
        assert record.reasons == "b:503 a:500"
        assert [len(each.requests) for each in several.values()] == [1, 1, 1, 0]
        assert second.requests[0].received_at < first.requests[0].received_at < third.requests[0].received_at


async def test_when_all_fail_the_last_error_tells_of_all(door: Make) -> None:
    async with ScriptedProvider(fails(500)) as first, ScriptedProvider(fails(503)) as second:
        one = await door({"a": provider(first.base_url), "b": provider(second.base_url)})
        answer = await ask(one, provider=order("a", "b"))
        assert answer.status_code == 503
        assert answer.json()["error"]["metadata"]["attempts"] == "a:500 b:503"
        record = await only(one)
        assert (record.attempts, record.status, record.outcome) == (2, 503, "upstream_error")
        assert record.cost_nano_usd == 0


async def test_no_further_endpoint_after_the_deadline(door: Make) -> None:
    slow = replies(Reply(first_byte_delay_s=0.4, fault=Fault(kind="status", status=500)))
    async with ScriptedProvider(slow) as first, ScriptedProvider(says("second")) as second:
        both = {"a": provider(first.base_url), "b": provider(second.base_url)}
        late = await door(both, routing=RoutingSettings(retry_within_s=0.2))
        answer = await ask(late, provider=order("a", "b"))
        assert (answer.status_code, second.requests) == (502, [])
        assert (await only(late)).attempts == 1
        early = await door(both, routing=RoutingSettings(retry_within_s=5))
        assert said(CHAT, await ask(early, provider=order("a", "b"))) == "second"
        assert (await only(early)).attempts == 2


# --- other models -------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("wire", "status"), [(CHAT, 400), (RESPONSES, 413), (CHAT, 422)])
async def test_a_request_at_fault_goes_to_the_next_model_only(
    door: Make, wire: str, status: int, stream: bool
) -> None:
    full = fails(status, message="maximum context length is 8192 tokens")
    async with (
        ScriptedProvider(full) as first,
        ScriptedProvider(says("no")) as second,
        ScriptedProvider(says("longer")) as longer,
    ):
        one = await door(
            {
                "a": provider(first.base_url),
                "b": provider(second.base_url),
                "c": provider(longer.base_url, models=(LONG,)),
            }
        )
        wish = {"provider": order("a", "b", "c")}
        answer = await ask(one, wire, stream=stream, models=["acme/long"], **wish)
        assert said(wire, answer) == "longer"
        assert second.requests == []
        assert longer.requests[0].body["model"] == "long-1"
        record = await only(one)
        assert (record.model, record.provider, record.attempts) == ("acme/long", "c", 2)
        assert record.reasons == f"a:{status}"
        # alone, it hears what its provider said
        answer = await ask(one, wire, stream=stream, **wish)
        assert answer.status_code == (413 if status == 413 else 400)
        assert "maximum context length" in complaint(wire, answer)
        assert second.requests == []
        assert (await settled(one, 2))[1].outcome == "bad_request"


async def test_a_refused_model_is_not_asked_again_behind_another(door: Make) -> None:
    """Where models are ranked together, endpoints of the refused one may stand behind the other's."""
    async with (
        ScriptedProvider(fails(400)) as first,
        ScriptedProvider(fails(500)) as longer,
        ScriptedProvider(says("no")) as second,
    ):
        one = await door(
            {
                "a": provider(first.base_url),
                "b": provider(longer.base_url, models=(LONG,)),
                "c": provider(second.base_url),
            }
        )
        answer = await ask(
            one,
            models=["acme/long"],
            provider={**order("a", "b", "c"), "sort": {"by": "price", "partition": "none"}},
        )
        assert answer.status_code == 502
        assert (await only(one)).reasons == "a:400 b:500"
        assert second.requests == []


async def test_fallbacks_of_the_messages_wire(door: Make) -> None:
    async with ScriptedProvider(fails(400)) as first, ScriptedProvider(says("longer")) as longer:
        one = await door({"a": provider(first.base_url), "c": provider(longer.base_url, models=(LONG,))})
        answer = await ask(one, MESSAGES, fallbacks=[{"model": "acme/long"}])
        assert said(MESSAGES, answer) == "longer"
        assert answer.json()["model"] == "acme/long"
        assert (await only(one)).reasons == "a:400"


@pytest.mark.parametrize("stream", [False, True])
async def test_what_one_wire_cannot_say_another_may(door: Make, stream: bool) -> None:
    """A part that can't be translated for the first endpoint is none of its failures."""
    file = [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]
    async with ScriptedProvider(says("no")) as chat, ScriptedProvider(says("native")) as native:
        one = await door(
            {"a": provider(chat.base_url), "b": provider(native.base_url, wire=RESPONSES)},
        )
        answer = await ask(one, RESPONSES, stream=stream, input=file, provider=order("a", "b"))
        assert said(RESPONSES, answer) == "native"
        assert chat.requests == []
        record = await only(one)
        assert (record.attempts, record.reasons) == (2, "a:400")
        assert one.health.view(one.catalog.find("acme/fast")[0], 0.0).state == "closed"
        only_chat = await door({"a": provider(chat.base_url)})
        answer = await ask(only_chat, RESPONSES, stream=stream, input=file)
        assert answer.status_code == 400 and "file_id" in complaint(RESPONSES, answer)
        assert (await only(only_chat)).outcome == "bad_request"


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_endpoint_without_an_address_is_passed_over(door: Make, place: int, stream: bool) -> None:
    """Whatever is wrong with it: nobody hangs, nothing stays in flight."""
    async with ScriptedProvider(fails(500)) as bad, ScriptedProvider(says("fine")) as good:
        hosts = {"a": bad, "b": good, "x": bad}
        one = await door({name: provider(each.base_url) for name, each in hosts.items()})
        targets = one.gateway.targets
        nowhere = msgspec.structs.replace(targets.providers["x"], base_url="ftp://x")
        targets.providers = {**targets.providers, "x": nowhere}
        wish = order("x", "b") if place == 0 else order("a", "x", "b")
        assert said(CHAT, await ask(one, stream=stream, provider=wish)) == "fine"
        record = await only(one)
        assert record.reasons == ("x:500" if place == 0 else "a:500 x:500")
        alone = await ask(one, stream=stream, provider={"only": ["x"]})
        assert alone.status_code == 500
        assert "base_url" in complaint(CHAT, alone)
        await settled(one, 2)


# --- rests --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_respected_where_there_is_one_endpoint(
    door: Make, status: int, stream: bool
) -> None:
    busy = Reply(when=When(nth=1), fault=Fault(kind="status", status=status, retry_after_s=1))
    async with ScriptedProvider(replies(busy, Reply(text="back"))) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        before = time.monotonic()
        first = await ask(one, stream=stream)
        assert (first.status_code, first.headers["retry-after"]) == (status, "1")
        second = await ask(one, MESSAGES)
        assert (second.status_code, second.headers["retry-after"]) == (429, "1")
        assert "asked to be left alone" in complaint(MESSAGES, second)
        assert len(upstream.requests) == 1, "it was not asked again"
        await asyncio.sleep(before + 1.05 - time.monotonic())
        for _ in range(3):
            assert said(CHAT, await ask(one, stream=stream)) == "back"
        records = await settled(one, 5)
        assert [r.reasons for r in records] == [f"acme:{status}", "acme:resting", "", "", ""]
        assert (records[1].outcome, records[1].status, records[1].cost_nano_usd) == ("upstream_error", 429, 0)


async def test_a_caller_who_waits_as_long_as_told_is_not_too_early(door: Make) -> None:
    busy = Reply(when=When(nth=1), fault=Fault(kind="status", status=429, retry_after_s=1.4))
    async with ScriptedProvider(replies(busy, Reply(text="back"))) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        await ask(one)
        told = await ask(one)
        assert told.status_code == 429
        await asyncio.sleep(int(told.headers["retry-after"]))
        assert said(CHAT, await ask(one)) == "back"
        await settled(one, 3)


async def test_one_that_rests_is_passed_over_where_there_is_another(door: Make) -> None:
    async with (
        ScriptedProvider(fails(429, retry_after_s=60)) as busy,
        ScriptedProvider(says("other")) as other,
    ):
        one = await door({"a": provider(busy.base_url), "b": provider(other.base_url, input_mtok=0.5)})
        for _ in range(3):
            assert said(CHAT, await ask(one, provider=order("a", "b"))) == "other"
        assert len(busy.requests) == 1
        alone = await ask(one, provider={"only": ["a"]})
        assert (alone.status_code, alone.headers["retry-after"]) == (429, "60")
        assert len(busy.requests) == 1
        records = await settled(one, 4)
        assert [r.attempts for r in records] == [2, 1, 1, 1]


@pytest.mark.parametrize("stream", [False, True])
async def test_hundreds_that_rest_are_passed_over(door: Make, stream: bool) -> None:
    names = [f"acme/m{n}" for n in range(32)]
    models = tuple(msgspec.structs.replace(FAST, id=name, upstream_id=name) for name in names)
    async with ScriptedProvider(says("the last")) as upstream:
        hosts = {f"p{n}": provider(upstream.base_url, models=models) for n in range(12)}
        one = await door(hosts)
        endpoints = [endpoint for name in names for endpoint in one.catalog.find(name)]
        assert len(endpoints) == 384
        for endpoint in endpoints:
            one.health.of(endpoint).failed("rate_limited", one.gateway.loop.time(), 60.0)
        answer = await ask(one, stream=stream, model=names[0], models=names)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert upstream.requests == []
        assert (await only(one)).attempts == 384
        last = endpoints[-1]
        one.health._vitals.clear()
        one.gateway.targets.clear()
        for endpoint in endpoints[:-1]:
            one.health.of(endpoint).failed("rate_limited", one.gateway.loop.time(), 60.0)
        assert said(CHAT, await ask(one, stream=stream, model=names[0], models=names)) == "the last"
        assert upstream.requests[0].body["model"] == last.upstream_id
        await settled(one, 2)


async def test_the_only_endpoint_is_asked_though_it_failed_again_and_again(door: Make) -> None:
    down = Reply(when=When(nth=(1, 2)), fault=Fault(kind="status", status=500))
    async with ScriptedProvider(replies(down, Reply(text="well again"))) as upstream:
        routing = RoutingSettings(breaker_failures=2, breaker_rest_s=60)
        one = await door({"acme": provider(upstream.base_url)}, routing=routing)
        assert [(await ask(one)).status_code for _ in range(3)] == [502, 502, 200]
        await settled(one, 3)


# --- comments while waiting ---------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers that are looked at so often that no test need wait for them."""
    monkeypatch.setattr(timers, "TICK_S", 0.02)


def watched(one: Any) -> list[Exchange]:
    """Requests that the sweeper still looks at."""
    return [each for each in one.sweeper._watched if isinstance(each, Exchange)]


@pytest.mark.usefixtures("quick")
async def test_comments_go_on_as_long_as_it_takes(door: Make) -> None:
    async with ScriptedProvider(says("at last", first_byte_delay_s=0.8)) as upstream:
        server = ServerSettings(comment_after_s=0.1)
        one = await door({"acme": provider(upstream.base_url)}, server=server, upstream=PATIENT)
        answer = await ask(one, stream=True)
        assert answer.text.startswith(COMMENT * 3)
        assert answer.text.count(COMMENT) <= 8
        assert said(CHAT, answer) == "at last"
        await only(one)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wire", PATHS)
@pytest.mark.parametrize("native", [True, False])
async def test_comments_come_while_a_stream_waits(door: Make, wire: str, native: bool) -> None:
    upstream_wire = wire if native else (MESSAGES if wire == CHAT else CHAT)
    script = replies(
        Reply(when=When(nth=1), text="at last", first_byte_delay_s=0.3),
        Reply(text="at last", first_chunk_delay_s=0.3),  # the provider's head comes at once
    )
    async with ScriptedProvider(script) as upstream:
        url = upstream.origin if upstream_wire == MESSAGES else upstream.base_url
        one = await door({"acme": provider(url, wire=upstream_wire)}, server=SOON, upstream=PATIENT)
        answer, by_sdk = await asyncio.gather(ask(one, wire, stream=True), sdk_says(one, wire))
        assert answer.text.startswith(COMMENT)
        assert 2 <= answer.text.count(COMMENT) <= 6
        assert answer.text.rindex(COMMENT) < answer.text.index("data: ")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert said(wire, answer) == by_sdk == "at last"
        for record in await settled(one, 2):
            assert (record.outcome, record.status, record.attempts) == ("ok", 200, 1)
            assert record.id == answer.headers["x-generation-id"] or record.ttft_us > 300_000
        assert not watched(one)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wire", PATHS)
async def test_whole_answers_get_no_comments(door: Make, wire: str) -> None:
    async with ScriptedProvider(says("late", first_byte_delay_s=0.3)) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, server=SOON, upstream=PATIENT)
        answer = await ask(one, wire)
        assert said(wire, answer) == "late"
        assert answer.headers["content-type"] == "application/json"
        await only(one)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wire", PATHS)
@pytest.mark.parametrize("case", ["500", "400", "close", "hang", "empty", "refused_here"])
async def test_a_failure_after_comments_is_told_inside_the_stream(door: Make, wire: str, case: str) -> None:
    fault = {
        "close": Fault(kind="close", delay_s=0.25),
        "hang": Fault(kind="hang"),
        "empty": Fault(kind="truncate", at_byte=0),
        "refused_here": Fault(kind="status", status=429, retry_after_s=9),
    }.get(case) or Fault(kind="status", status=int(case), message="because of this")
    delay = 0.0 if case in ("close", "hang") else 0.25
    limits = UpstreamSettings(first_byte_timeout_s=0.4, idle_timeout_s=5)
    async with ScriptedProvider(replies(Reply(text="x", first_byte_delay_s=delay, fault=fault))) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, server=SOON, upstream=limits)

        async def by_sdk() -> None:
            if case != "refused_here":  # of two, one might be refused before its first byte
                with pytest.raises((openai.APIError, anthropic.APIError), match=r"acme|because of this"):
                    await sdk_says(one, wire)

        answer, _ = await asyncio.gather(ask(one, wire, stream=True), by_sdk())
        assert answer.status_code == 200 and answer.text.startswith(COMMENT)
        text = complaint(wire, answer)
        assert "acme" in text or text == "because of this"
        records = await settled(one, 1 if case == "refused_here" else 2)
        want = {"400": "bad_request", "hang": "timeout"}.get(case, "upstream_error")
        assert records[0].outcome == want
        assert (records[0].status, records[0].cost_nano_usd, records[0].output_tokens) == (200, 0, 0)
        # the connection is good for the next one
        upstream.play(says("fine"))
        if case != "refused_here":
            assert said(wire, await ask(one, wire)) == "fine"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wire", PATHS)
async def test_the_next_endpoint_answers_after_comments(door: Make, wire: str) -> None:
    slow = replies(Reply(first_byte_delay_s=0.25, fault=Fault(kind="status", status=500)))
    async with ScriptedProvider(slow) as bad, ScriptedProvider(says("the other")) as good:
        one = await door(
            {"a": provider(bad.base_url), "b": provider(good.base_url)}, server=SOON, upstream=PATIENT
        )
        answer, by_sdk = await asyncio.gather(
            ask(one, wire, stream=True, provider=order("a", "b")),
            sdk_says(one, wire, provider=order("a", "b")),
        )
        assert answer.text.startswith(COMMENT)
        assert said(wire, answer) == by_sdk == "the other"
        for record in await settled(one, 2):
            assert (record.provider, record.reasons, record.outcome) == ("b", "a:500", "ok")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wire", PATHS)
async def test_a_caller_who_leaves_while_comments_are_sent(door: Make, wire: str) -> None:
    async with ScriptedProvider(says("never", first_byte_delay_s=30)) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, server=SOON, upstream=PATIENT)
        async with one.client.stream("POST", PATHS[wire], json=asked(wire, stream=True)) as answer:
            assert await anext(answer.aiter_bytes()) == SENT
        await upstream.until(lambda p: p.requests[0].cancelled)
        record = await only(one)
        assert (record.outcome, record.status, record.output_tokens) == ("client_gone", 200, 0)
        assert record.estimated and record.cost_nano_usd > 0, "the provider has read the prompt"
        await asyncio.sleep(0.1)
        assert not watched(one)
        assert upstream.open_streams == 0


async def test_a_caller_who_leaves_before_anything_was_sent(door: Make) -> None:
    """The provider can't be reached yet: nothing is used, and nothing is sent later."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        limits = UpstreamSettings(connect_timeout_s=0.6)
        one = await door({"acme": provider(f"https://127.0.0.1:{port}/v1")}, upstream=limits)
        with pytest.raises(httpx.ReadTimeout):
            await one.client.post(PATHS[CHAT], json=asked(), timeout=0.2)
        record = await only(one)
        assert (record.outcome, record.status, record.cost_nano_usd) == ("client_gone", 0, 0)
        await asyncio.sleep(0.7)  # until the connection has failed
        await settled(one)


async def test_a_caller_who_leaves_while_an_error_comes_is_charged_nothing(door: Make) -> None:
    refuse = Fault(kind="status", status=400, body="{" + " " * 200, content_type="application/json")
    script = replies(Reply(framing="chunked", first_chunk_delay_s=5, fault=refuse))
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, upstream=PATIENT)
        with pytest.raises(httpx.ReadTimeout):
            await one.client.post(PATHS[CHAT], json=asked(), timeout=0.3)
        record = await only(one)
        assert (record.outcome, record.cost_nano_usd) == ("client_gone", 0)


# --- engines of our own -------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wire", PATHS)
async def test_an_engine_is_waited_for_with_comments(
    door: Make, engine_settings: dict[str, Any], wire: str
) -> None:
    async with ScriptedProvider(says("from here")) as upstream:
        one = await door({}, engines=engine_settings, server=SOON)
        waiting = asyncio.create_task(ask(one, wire, stream=True, model="tiny"))
        await asyncio.sleep(0.25)
        assert one.asked == ["tiny"] and not waiting.done()
        one.engines.update(EngineState("tiny", "ready", port=upstream.port, api_key="k"))
        answer = await waiting
        assert answer.text.startswith(COMMENT)
        assert said(wire, answer) == "from here"
        assert upstream.requests[0].headers["authorization"] == "Bearer k"
        assert upstream.requests[0].path == "/v1/chat/completions"
        record = await only(one)
        assert (record.provider, record.model, record.cost_nano_usd) == ("local", "local/tiny", 0)


async def test_an_engine_that_fails_is_followed_by_the_next_model(
    door: Make, engine_settings: dict[str, Any]
) -> None:
    async with ScriptedProvider(says("bought")) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, engines=engine_settings)
        waiting = asyncio.create_task(ask(one, model="tiny", models=["acme/fast"]))
        await until(lambda: one.asked)
        one.engines.update(EngineState("tiny", "failed", reason="no such file"))
        assert said(CHAT, await waiting) == "bought"
        record = await only(one)
        assert (record.provider, record.attempts, record.reasons) == ("acme", 2, "local:engine")


async def test_an_engine_takes_over_from_a_provider(door: Make, engine_settings: dict[str, Any]) -> None:
    async with ScriptedProvider(fails(500)) as bad, ScriptedProvider(says("from here")) as upstream:
        one = await door({"acme": provider(bad.base_url)}, engines=engine_settings)
        waiting = asyncio.create_task(ask(one, models=["tiny"]))
        await until(lambda: one.asked)
        one.engines.update(EngineState("tiny", "ready", port=upstream.port, api_key="k"))
        assert said(CHAT, await waiting) == "from here"
        assert (await only(one)).reasons == "acme:500"
        failing = asyncio.create_task(ask(one, models=["tiny"]))
        one.engines.update(EngineState("tiny", "restarting", reason="died"))
        await until(lambda: len(one.asked) == 2)
        one.engines.update(EngineState("tiny", "failed", reason="died again"))
        answer = await failing
        assert answer.status_code == 503
        assert answer.json()["error"]["metadata"]["attempts"] == "acme:500 local:engine"
        assert (await settled(one, 2))[1].cost_nano_usd == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_leaves_while_an_engine_starts(
    door: Make, engine_settings: dict[str, Any], stream: bool
) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({}, engines=engine_settings)
        with pytest.raises(httpx.ReadTimeout):
            await one.client.post(PATHS[CHAT], json=asked(stream=stream, model="tiny"), timeout=0.2)
        record = await only(one)
        assert (record.outcome, record.cost_nano_usd, record.provider) == ("client_gone", 0, "local")
        one.engines.update(EngineState("tiny", "ready", port=upstream.port, api_key="k"))
        await asyncio.sleep(0.05)
        assert upstream.requests == [], "nobody asks for one who has left"


@pytest.mark.parametrize("state", ["ready", "failed"])
async def test_a_stop_while_an_engine_starts(door: Make, engine_settings: dict[str, Any], state: str) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({}, engines=engine_settings)
        waiting = asyncio.create_task(ask(one, model="tiny"))
        await until(lambda: one.asked)
        one.listener.drain()
        one.listener.cut()
        assert (await waiting).status_code == 503
        record = await only(one)
        assert (record.outcome, record.status) == ("shutdown", 503)
        one.engines.update(EngineState("tiny", state, port=upstream.port, api_key="k"))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        assert upstream.requests == []
        assert (await settled(one)) == [record]


@pytest.mark.usefixtures("quick")
async def test_a_stop_while_comments_are_sent(door: Make) -> None:
    async with ScriptedProvider(says("never", first_byte_delay_s=30)) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, server=SOON, upstream=PATIENT)
        waiting = asyncio.create_task(ask(one, RESPONSES, stream=True))
        await asyncio.sleep(0.25)
        one.listener.drain()
        one.listener.cut()
        assert "stopped" in complaint(RESPONSES, await waiting)
        record = await only(one)
        assert (record.outcome, record.status) == ("shutdown", 200)
        await upstream.until(lambda p: p.requests[0].cancelled)


# --- several keys of a provider -----------------------------------------------------------------

KEYS = {"acme": (ProviderKey("a", "sk-a", 3.0), ProviderKey("b", "sk-b", 1.0))}


def keys_seen(upstream: ScriptedProvider) -> str:
    """The keys of all requests so far, by their last letter, oldest first."""
    given = [each.headers.get("authorization") or each.headers["x-api-key"] for each in upstream.requests]
    return "".join(each.removeprefix("Bearer ").removeprefix("sk-") for each in given)


def refused(key: str, status: int, **more: Any) -> Reply:
    """What a provider says to this key."""
    return Reply(
        when=When(header=f"authorization: Bearer sk-{key}"), fault=Fault("status", status=status, **more)
    )


def of_key(one: Any, key: str) -> str:
    """A session that belongs to this key."""
    keyring = one.gateway.targets.keyrings["acme"]
    return next(str(n) for n in range(1000) if keyring.pick(f"session {n}").name == key)


def session(name: str) -> dict[str, Any]:
    return {"session_id": f"session {name}"}


@pytest.mark.parametrize("wire", [CHAT, MESSAGES])
async def test_keys_share_requests_by_weight_and_sessions_keep_theirs(door: Make, wire: str) -> None:
    async with ScriptedProvider() as upstream:
        url = upstream.origin if wire == MESSAGES else upstream.base_url
        one = await door({"acme": provider(url, wire=wire)}, provider_keys=KEYS)
        for n in range(200):
            await ask(one, wire, f"conversation {n}")
        seen = keys_seen(upstream)
        assert 0.65 <= seen.count("a") / len(seen) <= 0.85
        upstream.reset()
        for key in "ab" * 3:
            await ask(one, wire, **session(of_key(one, key)))
        assert keys_seen(upstream) == "ababab"
        upstream.reset()
        for _ in range(5):  # a conversation is a session too: its prompt is in one key's cache
            await ask(one, wire, "the same beginning")
        assert len(set(keys_seen(upstream))) == 1
        records = await settled(one, 211)
        assert {(r.attempts, r.outcome, r.reasons) for r in records} == {(1, "ok", "")}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [429, 401, 402, 403])
async def test_a_refused_key_is_replaced_within_the_request(door: Make, status: int, stream: bool) -> None:
    async with ScriptedProvider(replies(refused("a", status), Reply(text="fine"))) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, provider_keys=KEYS)
        mine = session(of_key(one, "a"))
        assert said(CHAT, await ask(one, stream=stream, **mine)) == "fine"
        assert keys_seen(upstream) == "ab"
        record = await only(one)
        assert (record.provider, record.attempts, record.reasons) == ("acme", 2, f"acme:{status}")
        assert (record.outcome, record.output_tokens) == ("ok", 1)
        for _ in range(3):  # it rests: its sessions go to the other one
            assert said(CHAT, await ask(one, stream=stream, **mine)) == "fine"
        assert keys_seen(upstream) == "abbbb"
        endpoint = one.catalog.find("acme/fast")[0]
        assert one.health.of(endpoint).state(one.gateway.loop.time()) == "closed", "the endpoint is well"
        assert [r.attempts for r in await settled(one, 4)] == [2, 1, 1, 1]


async def test_a_cooled_key_comes_back_when_its_time_is_over(door: Make) -> None:
    limited = msgspec.structs.replace(
        refused("a", 429, retry_after_s=1), when=When(header="authorization: Bearer sk-a", nth=1)
    )
    async with ScriptedProvider(replies(limited, Reply(text="fine"))) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, provider_keys=KEYS)
        mine = session(of_key(one, "a"))
        await ask(one, **mine)
        await ask(one, **mine)
        assert keys_seen(upstream) == "abb"
        await asyncio.sleep(1.05)
        await ask(one, **mine)
        assert keys_seen(upstream) == "abba"
        await settled(one, 3)


@pytest.mark.parametrize("status", [500, 503, 404])
async def test_what_is_no_fault_of_the_key_is_not_asked_with_another(door: Make, status: int) -> None:
    async with ScriptedProvider(fails(status)) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, provider_keys=KEYS)
        assert (await ask(one)).status_code == (503 if status == 503 else 502)
        assert len(upstream.requests) == 1
        assert (await only(one)).attempts == 1
        keyring = one.gateway.targets.keyrings["acme"]
        assert keyring.usable() == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_when_all_keys_rest_the_provider_is_left_alone(door: Make, stream: bool) -> None:
    script = replies(refused("a", 429, retry_after_s=60), refused("b", 429, retry_after_s=1))
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, provider_keys=KEYS)
        mine = session(of_key(one, "a"))
        before = time.monotonic()
        answer = await ask(one, stream=stream, **mine)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1"), "the first is back then"
        assert keys_seen(upstream) == "ab"
        answer = await ask(one, stream=stream, **mine)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert keys_seen(upstream) == "ab", "nobody was asked"
        upstream.play(replies(Reply(text="back")))
        await asyncio.sleep(before + 1.1 - time.monotonic())
        assert said(CHAT, await ask(one, stream=stream, **mine)) == "back"
        assert keys_seen(upstream) == "abb"
        records = await settled(one, 3)
        assert [r.reasons for r in records] == ["acme:429 acme:429", "acme:resting", ""]


async def test_keys_limited_without_a_time_are_tried_where_nobody_else_is_left(door: Make) -> None:
    """As with a provider of one key: only who says how long is left alone for so long."""
    async with ScriptedProvider(fails(429)) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, provider_keys=KEYS)
        assert [(await ask(one)).status_code for _ in range(2)] == [429, 429]
        upstream.play(replies(Reply(text="back")))
        assert said(CHAT, await ask(one)) == "back"
        await settled(one, 3)


async def test_rejected_keys_are_named_as_the_reason(door: Make) -> None:
    async with ScriptedProvider(fails(401, message="no such key")) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, provider_keys=KEYS)
        for count in (2, 3):
            answer = await ask(one)
            assert answer.status_code == 502
            assert "acme refused our key (HTTP 401): no such key" in complaint(CHAT, answer)
            assert len(upstream.requests) == count, "each once, then one of them again"
        await settled(one, 2)


async def test_other_models_of_a_provider_whose_keys_rest_go_elsewhere(door: Make) -> None:
    async with (
        ScriptedProvider(fails(429, retry_after_s=60)) as acme,
        ScriptedProvider(says("elsewhere")) as other,
    ):
        one = await door(
            {
                "acme": provider(acme.base_url, models=(FAST, LONG)),
                "beta": provider(other.base_url, models=(FAST, LONG)),
            },
            provider_keys=KEYS,
        )
        wish = {"provider": order("acme", "beta")}
        assert said(CHAT, await ask(one, **wish)) == "elsewhere"
        assert said(CHAT, await ask(one, model="acme/long", **wish)) == "elsewhere"
        assert said(CHAT, await ask(one, **wish)) == "elsewhere"
        assert len(acme.requests) == 2, "one for each key"
        records = await settled(one, 3)
        assert [r.reasons for r in records] == ["acme:429 acme:429", "acme:resting", ""]


async def test_keys_of_two_providers_may_have_the_same_names(door: Make) -> None:
    limited = Reply(when=When(nth=1), fault=Fault("status", status=429))
    both = KEYS | {"beta": (ProviderKey("a", "sk-c"), ProviderKey("b", "sk-d"))}
    async with (
        ScriptedProvider(fails(429)) as acme,
        ScriptedProvider(replies(limited, Reply(text="fine"))) as beta,
    ):
        one = await door(
            {"acme": provider(acme.base_url), "beta": provider(beta.base_url)}, provider_keys=both
        )
        assert said(CHAT, await ask(one, provider=order("acme", "beta"))) == "fine"
        assert sorted(keys_seen(acme)) == ["a", "b"] and sorted(keys_seen(beta)) == ["c", "d"]
        record = await only(one)
        assert (record.provider, record.attempts) == ("beta", 4)
        assert record.reasons == "acme:429 acme:429 beta:429"


async def test_a_single_named_key_is_sent(door: Make) -> None:
    keys = {"acme": (ProviderKey("mine", "sk-z"),)}
    async with ScriptedProvider(replies(refused("z", 429, retry_after_s=5))) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, provider_keys=keys)
        assert (await ask(one, models=["acme/fast"])).headers["retry-after"] == "5"
        assert keys_seen(upstream) == "z"
        assert "asked to be left alone" in complaint(CHAT, await ask(one))
        await settled(one, 2)


async def test_a_caller_cannot_choose_the_key(door: Make) -> None:
    """Neither by header nor by what it says; and our secrets never come back."""
    async with ScriptedProvider(fails(400, message="bad")) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, provider_keys=KEYS)
        answer = await one.client.post(PATHS[CHAT], json=asked(), headers={"x-api-key": "sk-evil"})
        assert keys_seen(upstream) in ("a", "b") and "x-api-key" not in upstream.requests[0].headers
        assert "sk-" not in answer.text
        await only(one)


# --- headers that are passed on -----------------------------------------------------------------


async def test_a_beta_header_goes_to_providers_of_the_callers_wire_only(door: Make) -> None:
    beta = {"anthropic-beta": "context-1m,other"}
    async with ScriptedProvider(fails(500)) as native, ScriptedProvider(says("fine")) as chat:
        one = await door(
            {"a": provider(native.origin, wire=MESSAGES), "b": provider(chat.base_url, wire=CHAT)}
        )
        for stream in (False, True):
            body = asked(MESSAGES, stream=stream, provider=order("a", "b"))
            answer = await one.client.post(PATHS[MESSAGES], json=body, headers=beta)
            assert said(MESSAGES, answer) == "fine"
        assert [each.headers.get("anthropic-beta") for each in native.requests] == ["context-1m,other"] * 2
        assert not any("anthropic-beta" in each.headers for each in chat.requests)
        answer = await one.client.post(PATHS[CHAT], json=asked(provider=order("a", "b")), headers=beta)
        assert said(CHAT, answer) == "fine" and "anthropic-beta" not in native.requests[2].headers
        await one.client.post(PATHS[MESSAGES], json=asked(MESSAGES, provider=order("a", "b")))
        assert "anthropic-beta" not in native.requests[3].headers
        await settled(one, 4)


async def test_a_folded_header_is_refused(door: Make) -> None:
    async with ScriptedProvider(says("fine")) as native:
        one = await door({"a": provider(native.origin, wire=MESSAGES)})
        body = msgspec.json.encode(asked(MESSAGES))
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        writer.write(
            b"POST /v1/messages HTTP/1.1\r\nhost: h\r\nauthorization: Bearer %b\r\n"
            b"anthropic-beta: a\r\n evil: 1\r\ncontent-length: %d\r\n\r\n%b"
            % (one.key.encode(), len(body), body)
        )
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()
        assert native.requests == []
