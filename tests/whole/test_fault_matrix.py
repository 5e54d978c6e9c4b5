"""Every way in which a provider fails × every caller's wire × streamed or not × wire of the provider.

Where another endpoint is left it answers; where none is, the error has the shape of the caller's wire;
in either case there is exactly one record, and nothing stays in flight.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from doorway import Door, provider

from tokenworks.config.settings import ProviderSettings, RoutingSettings, UpstreamSettings
from tokenworks.http import timers
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, When

CHAT, MESSAGES, RESPONSES = "openai_chat", "anthropic_messages", "openai_responses"
PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages", RESPONSES: "/v1/responses"}
TEXT = "one two three four five six"
ANSWERED = "the other one answers"
LIMITS = UpstreamSettings(connect_timeout_s=2, first_byte_timeout_s=5, idle_timeout_s=5)
# Long enough for an answer on a busy machine; those who never answer are waited for three times.
SHORT = UpstreamSettings(connect_timeout_s=2, first_byte_timeout_s=0.3, idle_timeout_s=0.3)

# name → fault (None: not by script), status of the error when nothing else is left
BEFORE: dict[str, tuple[dict[str, Any] | None, int]] = {
    "refused": (None, 502),
    "tls": (None, 502),
    "429": ({"kind": "status", "status": 429}, 429),
    "429_retry_after": ({"kind": "status", "status": 429, "retry_after_s": 7}, 429),
    "500": ({"kind": "status", "status": 500}, 502),
    "502_html": ({"kind": "html"}, 502),
    "hang": ({"kind": "hang"}, 504),
    "error_200": ({"kind": "error_body", "message": "out of order"}, 502),
}
WITHIN: dict[str, tuple[dict[str, Any], int]] = {
    "hang_mid": ({"kind": "hang_mid"}, 504),
    "truncated": ({"kind": "truncate"}, 502),
    "early_close": ({"kind": "early_close"}, 502),
}
# Wires: the caller's and the provider's.
WIRES = [
    (CHAT, CHAT),
    (MESSAGES, MESSAGES),
    (RESPONSES, RESPONSES),
    (CHAT, MESSAGES),
    (MESSAGES, CHAT),
    (RESPONSES, CHAT),
]


def body(wire: str, *, stream: bool, **more: Any) -> dict[str, Any]:
    """A small request on ``wire``."""
    say = [{"role": "user", "content": "hello"}]
    given: dict[str, Any] = {"model": "acme/fast", "stream": stream, **more}
    if wire == RESPONSES:
        return given | {"input": "hello"}
    return given | {"messages": say} | ({"max_tokens": 100} if wire == MESSAGES else {})


def at(upstream: ScriptedProvider, wire: str, **more: Any) -> ProviderSettings:
    """The provider that ``upstream`` plays, on ``wire``."""
    return provider(upstream.origin if wire == MESSAGES else upstream.base_url, wire=wire, **more)


def failing(fault: dict[str, Any]) -> Script:
    return Script(reply=(Reply(text=TEXT, fault=Fault(**fault)),))


GOOD = Script(reply=(Reply(text=ANSWERED),))


def said(wire: str, stream: bool, answer: httpx.Response) -> str:
    """The text of a good answer, whole or streamed."""
    if not stream:
        found = answer.json()
        if wire == CHAT:
            return str(found["choices"][0]["message"]["content"])
        parts = found["content"] if wire == MESSAGES else found["output"][0]["content"]
        return "".join(part["text"] for part in parts)
    out = ""
    for event in events(answer):
        if wire == CHAT and event.get("choices"):
            out += event["choices"][0]["delta"].get("content") or ""
        elif event.get("type") == "content_block_delta":
            out += event["delta"].get("text", "")
        elif event.get("type") == "response.output_text.delta":
            out += event["delta"]
    return out


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    found = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(each) for each in found if each != "[DONE]"]


def check_error(wire: str, status: int, answer: httpx.Response) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    found = answer.json()
    if wire == MESSAGES:
        assert found["type"] == "error"
        assert set(found["error"]) >= {"type", "message"}
        assert isinstance(found["error"]["type"], str) and found["error"]["message"]
    else:
        assert found["error"]["code"] == status
        assert found["error"]["message"]


def check_broken_stream(wire: str, answer: httpx.Response) -> None:
    """A stream that broke after its first byte says so in its own way, and ends."""
    assert answer.status_code == 200
    got = events(answer)
    last = got[-1]
    if wire == CHAT:
        assert answer.text.endswith("data: [DONE]\n\n")
        assert last["choices"][0]["finish_reason"] == "error"
        assert isinstance(last["error"]["code"], int) and last["error"]["message"]
    elif wire == MESSAGES:
        assert last["type"] == "error" and last["error"]["message"]
        assert not any(event["type"] == "message_stop" for event in got)
    else:
        assert last["type"] == "response.failed"
        assert last["response"]["status"] == "failed" and last["response"]["error"]["message"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers that are looked at so often that a timeout takes little longer than it says."""
    monkeypatch.setattr(timers, "TICK_S", 0.05)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    opened: list[Door] = []

    async def make(providers: dict[str, ProviderSettings], case: str = "", **more: Any) -> Door:
        limits = SHORT if case.startswith("hang") else LIMITS
        one = Door(tmp_path / f"home{len(opened)}", providers, upstream=limits, **more)
        opened.append(one)
        await one.open()
        return one

    yield make
    for one in opened:
        await one.close()


async def bad_one(case: str, wire: str, upstream: ScriptedProvider) -> ProviderSettings:
    """The provider that fails as ``case`` says."""
    if case == "refused":
        found = at(upstream, wire)
        await upstream.stop()
        return found
    if case == "tls":  # it speaks no TLS at all
        url = (upstream.origin if wire == MESSAGES else upstream.base_url).replace("http:", "https:")
        return provider(url, wire=wire)
    return at(upstream, wire)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("caller", "wire"), WIRES)
@pytest.mark.parametrize("case", BEFORE)
async def test_failure_before_the_first_byte(
    door: Callable[..., Any], case: str, caller: str, wire: str, stream: bool
) -> None:
    fault, status = BEFORE[case]
    script = failing(fault) if fault else GOOD
    async with ScriptedProvider(script) as upstream, ScriptedProvider(GOOD) as good:
        acme = await bad_one(case, wire, upstream)
        alone = await door({"acme": acme}, case)
        both = await door({"acme": acme, "beta": at(good, wire, input_mtok=5.0)}, case)

        async def told() -> None:
            answer = await alone.client.post(PATHS[caller], json=body(caller, stream=stream))
            if stream and case == "error_200" and answer.status_code == 200:
                check_broken_stream(caller, answer)
            else:
                check_error(caller, status, answer)
            if case == "429_retry_after":
                assert answer.headers["retry-after"] == "7"
            record = alone.record()
            assert record.outcome in ("upstream_error", "timeout") and record.reasons.startswith("acme:")
            assert (record.cost_nano_usd, record.output_tokens) == (0, 0)
            assert alone.inflight.count() == 0

        async def passed_on() -> None:
            answer = await both.client.post(
                PATHS[caller], json=body(caller, stream=stream, provider={"order": ["acme", "beta"]})
            )
            assert answer.status_code == 200, answer.text
            assert said(caller, stream, answer) == ANSWERED
            record = both.record()
            assert (record.provider, record.attempts, record.outcome) == ("beta", 2, "ok")
            assert record.reasons.startswith("acme:")
            assert both.inflight.count() == 0

            answer = await both.client.post(
                PATHS[caller],
                json=body(caller, stream=stream, provider={"order": ["acme"], "allow_fallbacks": False}),
            )
            assert answer.status_code in (200, 429, 502, 503, 504)
            assert len(good.requests) == 1, "no fallback where none is allowed"

        await asyncio.gather(told(), passed_on())  # at once: each may wait out a timeout


@pytest.mark.parametrize(("caller", "wire"), WIRES)
@pytest.mark.parametrize("case", WITHIN)
async def test_failure_within_a_stream(door: Callable[..., Any], case: str, caller: str, wire: str) -> None:
    fault, _ = WITHIN[case]
    after = 8 if wire == RESPONSES else 4
    async with ScriptedProvider(failing({**fault, "after_chunk": after})) as upstream:
        alone = await door({"acme": at(upstream, wire)}, case)
        answer = await alone.client.post(PATHS[caller], json=body(caller, stream=True))
        check_broken_stream(caller, answer)
        assert said(caller, True, answer), "what came before the failure was delivered"
        record = alone.record()
        assert record.outcome == ("timeout" if case == "hang_mid" else "upstream_error")
        assert (record.status, record.finish_reason, record.attempts) == (200, "error", 1)
        assert record.output_tokens > 0 and record.cost_nano_usd > 0, "settled by what was delivered"
        assert record.estimated
        assert alone.inflight.count() == 0


@pytest.mark.parametrize(("caller", "wire"), WIRES)
@pytest.mark.parametrize("case", WITHIN)
async def test_failure_within_a_whole_answer(
    door: Callable[..., Any], case: str, caller: str, wire: str
) -> None:
    fault, status = WITHIN[case]
    async with (
        ScriptedProvider(failing({**fault, "at_byte": 40})) as upstream,
        ScriptedProvider(GOOD) as good,
    ):
        alone = await door({"acme": at(upstream, wire)}, case)
        both = await door({"acme": at(upstream, wire), "beta": at(good, wire, input_mtok=5.0)}, case)
        order = {"order": ["acme", "beta"]}
        told, answer = await asyncio.gather(  # at once: each may wait out a timeout
            alone.client.post(PATHS[caller], json=body(caller, stream=False)),
            both.client.post(PATHS[caller], json=body(caller, stream=False, provider=order)),
        )
        check_error(caller, status, told)
        assert alone.record().cost_nano_usd == 0
        assert said(caller, False, answer) == ANSWERED
        assert (both.record().provider, both.record().attempts) == ("beta", 2)


@pytest.mark.parametrize(("caller", "wire"), WIRES)
async def test_wrong_content_type(door: Callable[..., Any], caller: str, wire: str) -> None:
    """A whole answer is judged by what it is; what does not say it is a stream is not relayed as one."""
    async with (
        ScriptedProvider(failing({"kind": "content_type", "content_type": "text/plain"})) as upstream,
        ScriptedProvider(GOOD) as good,
    ):
        both = await door({"acme": at(upstream, wire), "beta": at(good, wire, input_mtok=5.0)})
        order = {"order": ["acme", "beta"]}
        answer = await both.client.post(PATHS[caller], json=body(caller, stream=False, provider=order))
        assert said(caller, False, answer) == TEXT
        answer = await both.client.post(PATHS[caller], json=body(caller, stream=True, provider=order))
        assert said(caller, True, answer) == ANSWERED
        alone = await door({"acme": at(upstream, wire)})
        check_error(caller, 502, await alone.client.post(PATHS[caller], json=body(caller, stream=True)))
        assert [r.attempts for r in both.records()] == [1, 2]


async def test_a_certificate_nobody_vouches_for(door: Callable[..., Any]) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with ScriptedProvider(GOOD, ssl=context) as upstream:
        for caller, path in PATHS.items():
            alone = await door({"acme": at(upstream, CHAT)})
            answer = await alone.client.post(path, json=body(caller, stream=False))
            check_error(caller, 502, answer)
            assert "certificate" in answer.text
            assert alone.record().reasons == "acme:tls"
        assert upstream.requests == []


@pytest.mark.parametrize("caller", PATHS)
async def test_the_breaker_opens_and_recovers(door: Callable[..., Any], caller: str) -> None:
    down = Reply(when=When(nth=tuple(range(1, 6))), fault=Fault(kind="status", status=500))
    async with (
        ScriptedProvider(Script(reply=(down, Reply(text="back again")))) as upstream,
        ScriptedProvider(GOOD) as good,
    ):
        routing = RoutingSettings(breaker_failures=3, breaker_rest_s=0.3)
        both = await door(
            {"acme": at(upstream, CHAT), "beta": at(good, CHAT, input_mtok=5.0)}, routing=routing
        )
        asked = body(caller, stream=False, provider={"order": ["acme", "beta"]})
        for _ in range(8):
            answer = await both.client.post(PATHS[caller], json=asked)
            assert said(caller, False, answer) == ANSWERED
        assert len(upstream.requests) == 3, "an open breaker keeps requests away"
        view = both.health.view(both.catalog.find("acme/fast")[0], both.gateway.loop.time())
        assert view.state == "open"
        deadline = both.gateway.loop.time() + 10
        while said(caller, False, await both.client.post(PATHS[caller], json=asked)) == ANSWERED:
            assert both.gateway.loop.time() < deadline, "the breaker never let anybody try again"
            await asyncio.sleep(0.05)
        assert len(upstream.requests) == 6, (
            "one request at a time tried: three opened it, two failed, one passed"
        )
        for _ in range(3):
            assert said(caller, False, await both.client.post(PATHS[caller], json=asked)) == "back again"
