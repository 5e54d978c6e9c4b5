"""Attempts, relay and settlement: one record whatever happens, the right error, the next endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from doorway import Door, provider
from openai import APIError, AsyncOpenAI
from serving import chat

from tokenworks.config.settings import EngineSettings, UpstreamSettings
from tokenworks.engines.manager import EngineState
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, Tokens, When

Make = Callable[..., Any]


def sdk(one: Door) -> AsyncOpenAI:
    found = AsyncOpenAI(base_url=f"http://127.0.0.1:{one.port}/v1", api_key=one.key, max_retries=0)
    one.to_close.append(found.close)
    return found


async def until(condition: Callable[[], Any]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


def fails(kind: str, **more: Any) -> Script:
    return Script(reply=(Reply(text="one two three four five", fault=Fault(kind=kind, **more)),))


async def test_answer_carries_ids_names_usage_and_cost(door: Make) -> None:
    script = Script(
        reply=(Reply(text="hi", usage=Tokens(input_tokens=100, cache_read_tokens=40, output_tokens=7)),)
    )
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        answer = await one.post(chat())
        body = answer.json()
        assert body["id"] == answer.headers["x-generation-id"]
        assert (body["model"], body["provider"]) == ("acme/fast", "acme")
        assert "system_fingerprint" in body
        assert body["usage"]["prompt_tokens"] == 100
        record = one.record()
        # 60 fresh and 40 cached at $0.10/M (no cached price given), 7 out at $0.40/M, in nano-dollars.
        assert record.cost_nano_usd == 100 * 100 + 7 * 400
        assert body["usage"]["cost"] == pytest.approx(record.cost_nano_usd / 1e9, abs=0)
        assert (record.uncached_input_tokens, record.cache_read_tokens, record.output_tokens) == (60, 40, 7)
        assert (record.outcome, record.status, record.attempts) == ("ok", 200, 1)
        assert not record.estimated
        assert 0 < record.ttft_us <= record.latency_us
        assert one.store.generation(record.id) is not None
        assert one.inflight.count() == 0


async def test_stream_hides_usage_unless_asked_and_shows_cost_then(door: Make) -> None:
    async with ScriptedProvider(Script(reply=(Reply(text="a b c"),))) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        plain = [c async for c in await sdk(one).chat.completions.create(**chat(), stream=True)]
        assert all(c.choices for c in plain)
        assert {c.model for c in plain} == {"acme/fast"}
        told = [
            c
            async for c in await sdk(one).chat.completions.create(
                **chat(), stream=True, stream_options={"include_usage": True}
            )
        ]
        assert told[-1].choices == []
        assert told[-1].usage is not None and told[-1].usage.model_extra is not None
        first, second = one.records()
        assert told[-1].usage.model_extra["cost"] == pytest.approx(second.cost_nano_usd / 1e9)
        assert first.output_tokens == second.output_tokens == told[-1].usage.completion_tokens
        assert first.id == plain[0].id
        assert (first.finish_reason, first.stream) == ("stop", True)
        assert all(r.body["stream_options"]["include_usage"] for r in upstream.requests)


FAULTS: list[tuple[str, dict[str, Any], int, str]] = [
    ("status", {"status": 500}, 502, "failed (HTTP 500)"),
    ("status", {"status": 401}, 502, "refused our key"),
    ("status", {"status": 429, "retry_after_s": 7}, 429, "limits the rate"),
    ("status", {"status": 400, "message": "max_tokens is too large"}, 400, "max_tokens is too large"),
    ("html", {}, 502, "failed (HTTP 502)"),
    ("close", {}, 502, "connection closed before answering"),
    ("hang", {}, 504, "no answer within"),
    ("error_body", {"message": "overloaded"}, 502, "overloaded"),
    ("garbage", {"at_byte": 0}, 502, "unusable answer"),
    ("bad_chunk", {"at_byte": 5}, 502, "acme"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("kind", "more", "status", "words"), FAULTS)
async def test_fault_before_the_first_byte(
    door: Make, kind: str, more: dict[str, Any], status: int, words: str, stream: bool
) -> None:
    async with ScriptedProvider(fails(kind, **more)) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        answer = await one.post(chat(stream=stream))
        if stream and answer.status_code == 200:  # it had begun to stream
            assert b'"finish_reason":"error"' in answer.content
            assert answer.content.endswith(b"data: [DONE]\n\n")
        else:
            assert answer.status_code == status, answer.text
            error = answer.json()["error"]
            assert error["code"] == status
            assert words in error["message"]
            if status == 429:
                assert answer.headers["retry-after"] == "7"
        record = one.record()
        assert record.outcome in ("upstream_error", "timeout", "bad_request")
        assert record.reasons.startswith("acme:")
        assert one.inflight.count() == 0


@pytest.mark.parametrize("kind", ["early_close", "hang_mid", "truncate", "error_event", "bad_chunk"])
async def test_fault_in_mid_stream_is_seen_by_the_sdk_and_settled(door: Make, kind: str) -> None:
    async with ScriptedProvider(fails(kind, after_chunk=3)) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        seen = []
        with pytest.raises(APIError):
            async for chunk in await sdk(one).chat.completions.create(**chat(), stream=True):
                seen.append(chunk)
        assert len(seen) >= 2
        record = one.record()
        assert record.outcome == ("timeout" if kind == "hang_mid" else "upstream_error")
        assert record.status == 200
        assert record.estimated and 1 <= record.output_tokens <= 5
        assert one.inflight.count() == 0


@pytest.mark.parametrize("kind", ["early_close", "hang_mid", "truncate"])
async def test_fault_within_a_whole_answer(door: Make, kind: str) -> None:
    async with ScriptedProvider(fails(kind, at_byte=40)) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        answer = await one.post(chat())
        assert answer.status_code in (502, 504), answer.text
        assert one.record().outcome in ("upstream_error", "timeout")


@pytest.mark.parametrize(("kind", "more"), [(f[0], f[1]) for f in FAULTS if f[2] != 400])
async def test_next_endpoint_answers_and_the_reasons_are_kept(
    door: Make, kind: str, more: dict[str, Any]
) -> None:
    async with ScriptedProvider(fails(kind, **more)) as bad, ScriptedProvider() as good:
        one = await door({"acme": provider(bad.base_url), "beta": provider(good.base_url, input_mtok=0.2)})
        answer = await one.post(chat(provider={"order": ["acme"]}))
        assert answer.status_code == 200, answer.text
        assert answer.json()["provider"] == "beta"
        record = one.record()
        assert (record.provider, record.attempts, record.outcome) == ("beta", 2, "ok")
        assert record.reasons.startswith("acme:")


async def test_fallback_may_be_forbidden_and_order_chosen(door: Make) -> None:
    async with ScriptedProvider(fails("status", status=500)) as bad, ScriptedProvider() as good:
        one = await door({"acme": provider(bad.base_url), "beta": provider(good.base_url, input_mtok=0.2)})
        answer = await one.post(chat(provider={"order": ["acme"], "allow_fallbacks": False}))
        assert answer.status_code == 502
        assert good.requests == []
        answer = await one.post(chat(provider={"order": ["beta"]}))
        assert answer.json()["provider"] == "beta"
        assert len(bad.requests) == 1
        assert "provider" not in good.requests[0].body


async def test_nothing_listens(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        url = upstream.base_url
    one = await door({"acme": provider(url)})
    answer = await one.post(chat())
    assert answer.status_code == 502
    assert "could not be reached" in answer.json()["error"]["message"]


async def test_private_address_is_refused_unless_allowed(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url, allow_private=False)})
        answer = await one.post(chat())
        assert answer.status_code == 502
        assert "allow_private" in answer.json()["error"]["message"]
        assert upstream.requests == []


@pytest.mark.parametrize("stream", [False, True])
async def test_client_that_leaves_stops_the_provider(door: Make, stream: bool) -> None:
    script = Script(
        reply=(
            Reply(when=When(stream=True), tokens=500, chunk_delay_s=0.01),
            Reply(text="late", first_byte_delay_s=5),
        )
    )
    async with ScriptedProvider(script) as upstream:
        limits = UpstreamSettings(first_byte_timeout_s=10)
        one = await door({"acme": provider(upstream.base_url)}, upstream=limits)

        async def leave_early() -> None:
            async with one.client.stream("POST", "/v1/chat/completions", json=chat(stream=stream)) as answer:
                async for _ in answer.aiter_bytes():
                    await asyncio.sleep(0.1)
                    return

        with pytest.raises((TimeoutError, httpx.HTTPError)):
            async with asyncio.timeout(0.5):
                await leave_early()
                raise TimeoutError
        await one.client.aclose()
        for _ in range(100):
            if upstream.requests and upstream.requests[0].cancelled:
                break
            await asyncio.sleep(0.01)
        assert upstream.requests[0].cancelled
        record = one.record()
        assert record.outcome == "client_gone"
        assert record.estimated
        assert record.uncached_input_tokens > 0
        if stream:
            sent = upstream.requests[0].chunks_sent
            assert 0 < record.output_tokens <= sent
            assert record.output_tokens >= sent - 10
        assert one.inflight.count() == 0


async def test_slow_reader_pauses_the_provider(door: Make) -> None:
    script = Script(reply=(Reply(chunks=("x" * 4000,) * 5000),))
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, upstream=UpstreamSettings())
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port, limit=2**14)
        body = json.dumps(chat(stream=True)).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
            b"content-length: %d\r\n\r\n%b" % (one.key.encode(), len(body), body)
        )
        await reader.read(100)
        await asyncio.sleep(0.5)
        held = sum(c.transport.get_write_buffer_size() for c in one.listener.connections)
        assert held < 1 << 20
        first = upstream.requests[0].chunks_sent
        await asyncio.sleep(0.3)
        assert upstream.requests[0].chunks_sent == first < 5000
        data = b""
        while b"[DONE]" not in data[-200:]:
            piece = await asyncio.wait_for(reader.read(1 << 20), 10)
            assert piece
            data = (data + piece)[-400:]
        writer.close()
        assert one.record().outcome == "ok"


async def test_usage_missing_is_estimated_and_flagged(door: Make) -> None:
    script = Script(reply=(Reply(text="one two three four", usage_style="none"),))
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        assert (await one.post(chat("x" * 400))).json()["usage"]["total_tokens"] > 100
        await one.post(chat("x" * 400, stream=True))
        for record in one.records():
            assert record.estimated
            assert record.uncached_input_tokens > 100
            assert record.output_tokens >= 4


async def test_engine_is_asked_to_start_and_waited_for(door: Make, engine_settings: dict[str, Any]) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({}, engines=engine_settings)
        waiting = asyncio.create_task(one.post({**chat(), "model": "tiny"}))
        await until(lambda: one.asked)
        assert one.asked == ["tiny"]
        one.engines.update(EngineState("tiny", "ready", port=upstream.port, api_key="k"))
        answer = await waiting
        assert answer.json()["provider"] == "local"
        assert upstream.requests[0].headers["authorization"] == "Bearer k"
        await upstream.stop()  # killed; the worker has not heard of it yet
        answer = await one.post({**chat(), "model": "tiny"})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert "being restarted" in answer.json()["error"]["message"]
        one.engines.update(EngineState("tiny", "restarting", reason="died"))
        failing = asyncio.create_task(one.post({**chat(), "model": "tiny"}))
        await until(lambda: len(one.asked) == 2)
        one.engines.update(EngineState("tiny", "failed", reason="model file missing"))
        answer = await failing
        assert answer.status_code == 503
        assert "model file missing" in answer.json()["error"]["message"]
        assert [r.outcome for r in one.records()] == ["ok", "upstream_error", "upstream_error"]


async def test_a_server_of_ones_own_is_asked_where_it_is_and_not_while_it_is_away(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        url = f"http://127.0.0.1:{upstream.port}"
        settings = EngineSettings("acme/big", runtime="openai_server", url=url, served_as="Big-FP8")
        one = await door({}, engines={"big": settings})
        one.engines.update(EngineState("big", "ready", api_key="k", url=url, served_as="Big-FP8"))
        asked = {**chat(), "model": "acme/big"}
        answer = await one.post(asked)
        assert answer.status_code == 200 and answer.json()["provider"] == "local"
        assert upstream.requests[0].headers["authorization"] == "Bearer k"
        assert upstream.requests[0].body["model"] == "Big-FP8"
        one.engines.update(EngineState("big", "unreachable", url=url, reason="refuses connections"))
        answer = await one.post(asked)
        assert answer.status_code == 503 and not one.asked, "nobody here could start it"
        assert answer.json()["error"]["message"] == "engine big is not there: refuses connections"
        assert len(upstream.requests) == 1
        one.engines.update(EngineState("big", "ready", api_key="k", url=url, served_as="Big-FP8"))
        await upstream.stop()
        answer = await one.post(asked)
        assert answer.status_code == 502
        assert "being restarted" not in answer.text, "nobody here restarts it"
        assert [r.outcome for r in one.records()] == ["ok", "upstream_error", "upstream_error"]


async def test_shutdown_ends_streams_with_an_error_and_settles(door: Make) -> None:
    script = Script(reply=(Reply(tokens=500, chunk_delay_s=0.02),))
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        async with one.client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as answer:
            pieces = answer.aiter_bytes()
            data = await anext(pieces)
            one.listener.drain()
            one.listener.cut()
            async for piece in pieces:
                data += piece
        assert b'"finish_reason":"error"' in data and data.endswith(b"data: [DONE]\n\n")
        assert one.record().outcome == "shutdown"
