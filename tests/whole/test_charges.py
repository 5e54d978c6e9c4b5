"""However a request ends, its accounts are charged what its record says, and nothing stays reserved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from doorway import Door, provider
from limiting import leased, limit, spent
from serving import chat

from tokenworks.config.settings import LimitSettings, ProviderSettings, RoutingSettings
from tokenworks.gateway import hedge
from tokenworks.ledger.inflight import InFlight
from tokenworks.ledger.record import Record
from tokenworks.providers.scripted import Reply, Script, ScriptedProvider, When
from tokenworks.providers.scripted.reply import Tokens

Make = Callable[..., Any]
UNITS = ("usd", "requests", "input_tokens", "output_tokens", "tokens", "concurrent")
ENOUGH = {"usd": 100.0}
SAID = [{"role": "user", "content": "hi there"}]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Make]:
    opened: list[Door] = []

    async def make(providers: dict[str, ProviderSettings], **more: Any) -> Door:
        one = Door(tmp_path / f"home{len(opened)}", providers, **more)
        opened.append(one)
        await one.open()
        return one

    yield make
    for one in opened:
        await one.close()


@pytest.fixture(params=["stock", "each", "strict"])
def counted(request: pytest.FixtureRequest) -> str:
    """Out of a stock, account by account, or with the most that it may cost reserved."""
    return str(request.param)


async def limited(one: Door, counted: str) -> dict[str, str]:
    """A limit of every unit on the key; the ids by unit."""
    ids = {
        unit: limit(
            one.store,
            one.key_id,
            unit,
            ENOUGH.get(unit, 10_000_000),
            "lifetime" if unit == "concurrent" else "month",
            strict=counted == "strict",
        )
        for unit in UNITS
    }
    if counted == "each":  # a limit that depends on the request keeps it out of the stock
        limit(one.store, "", "requests", 10**6, "month", scope="user", subject="*")
    one.limits.reload_if_changed()
    return ids


def amounts(records: list[Record]) -> dict[str, int]:
    """By unit, what these records come to. A request that got to no endpoint is none."""
    begun = [each for each in records if each.attempts]
    inp = sum(r.uncached_input_tokens + r.cache_read_tokens + r.cache_write_tokens for r in begun)
    out = sum(r.output_tokens for r in begun)
    return {
        "usd": sum(r.cost_nano_usd for r in begun),
        "requests": len(begun),
        "input_tokens": inp,
        "output_tokens": out,
        "tokens": inp + out,
        "concurrent": 0,
    }


async def exact(one: Door, ids: dict[str, str], *outcomes: str) -> list[Record]:
    """The books of the worker, of the store and of the ledger agree."""
    for _ in range(400):
        if one.inflight.count() == 0 and not one.leases._busy:
            break
        await asyncio.sleep(0.005)
    records = one.records()
    assert [each.outcome for each in records] == list(outcomes)
    assert one.inflight.count() == 0 and not one.leases.waiting
    for block in one.leases.blocks:
        assert block.open == 0  # type: ignore[attr-defined]
        block.close()
    wanted = amounts(records)
    assert {unit: spent(one.store, ids[unit]) for unit in UNITS} == wanted
    for account in one.leases.accounts.values():
        if account.limit_id in ids.values():
            used = wanted[account.unit]
            assert account.granted - account.free == used, account.unit
            assert leased(one.store, account.limit_id) == account.free, account.unit
    return records


def says(text: str = "yes it is", **more: Any) -> Script:
    return Script(reply=(Reply(text=text, **more),))


# --- how it ends ----------------------------------------------------------------------------------


ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("chat/completions", chat(max_tokens=50)),
    ("chat/completions", chat(stream=True)),
    ("chat/completions", chat(n=2, max_tokens=50)),
    ("completions", {"model": "acme/fast", "prompt": "hi", "max_tokens": 50}),
    ("messages", {"model": "acme/fast", "messages": SAID, "max_tokens": 50}),
    ("messages", {"model": "acme/fast", "messages": SAID, "max_tokens": 50, "stream": True}),
    ("responses", {"model": "acme/fast", "input": "hi"}),
    ("responses", {"model": "acme/fast", "input": "hi", "stream": True}),
    ("embeddings", {"model": "acme/fast", "input": ["a", "b c"]}),
)


async def test_answers_on_every_wire(door: Make, counted: str) -> None:
    async with ScriptedProvider(says()) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        ids = await limited(one, counted)
        for path, body in ASKED:
            for _ in range(2):
                answer = await one.client.post(f"/v1/{path}", json=body)
                assert answer.status_code == 200, answer.text
        records = await exact(one, ids, *["ok"] * 2 * len(ASKED))
        assert all(each.cost_nano_usd > 0 for each in records)


async def test_a_question_for_the_number_of_tokens_costs_nothing(door: Make, counted: str) -> None:
    body = {"model": "acme/fast", "messages": SAID}
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url, wire="anthropic_messages")})
        ids = await limited(one, counted)
        answer = await one.client.post("/v1/messages/count_tokens", json=body)
        assert answer.status_code == 200 and answer.json()["input_tokens"] > 0
        (record,) = await exact(one, ids, "ok")
        assert record.cost_nano_usd == 0 and spent(one.store, ids["tokens"]) == 0


@pytest.mark.parametrize(
    ("fault", "stream", "outcome"),
    [
        ('{ kind = "status", status = 500 }', False, "upstream_error"),
        ('{ kind = "status", status = 400 }', True, "bad_request"),
        ('{ kind = "close" }', False, "upstream_error"),
        ('{ kind = "close", after_chunk = 3 }', True, "upstream_error"),
    ],
    ids=["500", "400", "close", "broken"],
)
async def test_a_provider_that_fails(
    door: Make, counted: str, fault: str, stream: bool, outcome: str
) -> None:
    script = f"[[reply]]\ntokens = 20\nfault = {fault}"
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        ids = await limited(one, counted)
        for _ in range(2):
            await one.post(chat(stream=stream, max_tokens=50))
        await exact(one, ids, outcome, outcome)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_that_came_to_nothing(door: Make, counted: str, stream: bool) -> None:
    async with ScriptedProvider(says("", finish="error", usage=Tokens(output_tokens=0))) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        ids = await limited(one, counted)
        await one.post(chat(stream=stream))
        records = one.records()
        assert len(records) == 1 and records[0].cost_nano_usd == 0
        await exact(one, ids, records[0].outcome)


@pytest.mark.parametrize("delay", ["first_byte_delay_s", "chunk_delay_s"])
async def test_a_client_that_leaves(door: Make, counted: str, delay: str) -> None:
    async with ScriptedProvider(Script(reply=(Reply(tokens=50, **{delay: 0.3}),))) as upstream:  # type: ignore[arg-type]
        one = await door({"acme": provider(upstream.base_url)})
        ids = await limited(one, counted)
        with pytest.raises(httpx.TimeoutException):
            async with asyncio.timeout(0.5):
                async with one.client.stream(
                    "POST", "/v1/chat/completions", json=chat(stream=True), timeout=0.15
                ) as answer:
                    async for _ in answer.aiter_raw():
                        pass
        (record,) = await exact(one, ids, "client_gone")
        assert record.estimated or record.output_tokens == 0


async def test_a_server_that_stops(door: Make, counted: str) -> None:
    begun = Reply(when=When(stream=True), tokens=50, chunk_delay_s=0.1)
    async with ScriptedProvider(Script(reply=(begun, Reply(first_byte_delay_s=0.5)))) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        ids = await limited(one, counted)
        asking = [asyncio.create_task(one.post(chat(stream=kind))) for kind in (True, False)]
        await upstream.until(lambda p: len(p.requests) == 2)
        await asyncio.sleep(0.15)
        one.listener.cut()
        await asyncio.gather(*asking, return_exceptions=True)
        await exact(one, ids, "shutdown", "shutdown")


async def test_an_answer_from_the_cache_is_free(door: Make, counted: str) -> None:
    async with ScriptedProvider(says()) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        ids = await limited(one, counted)
        wish = {"x-openrouter-cache": "true"}
        for _ in range(3):
            assert (await one.post(chat(), headers=wish)).status_code == 200
        records = await exact(one, ids, *["ok"] * 3)
        assert [each.provider for each in records] == ["acme", "cache", "cache"]


async def test_a_continued_response_is_charged_for_all_that_came_before(door: Make, counted: str) -> None:
    async with ScriptedProvider(says()) as upstream:
        one = await door({"acme": provider(upstream.base_url, wire="openai_responses")})
        ids = await limited(one, counted)
        body: dict[str, Any] = {"model": "acme/fast", "input": "a rather long beginning of it all"}
        for _ in range(3):
            answer = await one.client.post("/v1/responses", json=body)
            assert answer.status_code == 200, answer.text
            body = {"model": "acme/fast", "input": "more", "previous_response_id": answer.json()["id"]}
        records = await exact(one, ids, *["ok"] * 3)
        tokens = [each.uncached_input_tokens for each in records]
        assert tokens == sorted(tokens) and tokens[0] < tokens[2]


async def test_a_fallback_to_a_dearer_endpoint(door: Make, counted: str) -> None:
    failing = ScriptedProvider('[[reply]]\nfault = { kind = "status", status = 500 }')
    async with failing as bad, ScriptedProvider(says()) as good:
        cheap, dear = provider(bad.base_url, input_mtok=0.01), provider(good.base_url, input_mtok=90.0)
        one = await door({"a": cheap, "b": dear})
        ids = await limited(one, counted)
        answer = await one.post(chat(provider={"order": ["a", "b"]}, max_tokens=50))
        assert answer.status_code == 200
        (record,) = await exact(one, ids, "ok")
        assert record.provider == "b" and record.attempts == 2 and record.cost_nano_usd > 90_000


async def test_a_hedged_request(door: Make, counted: str) -> None:
    slow = Script(reply=(Reply(text="late", first_byte_delay_s=0.8),))
    async with ScriptedProvider(slow) as first, ScriptedProvider(says()) as second:
        pair = {"a": provider(first.base_url), "b": provider(second.base_url, input_mtok=9.0)}
        one = await door(pair, routing=RoutingSettings(hedge_percentile=50))
        ids = await limited(one, counted)
        body = chat(stream=True, provider={"order": ["a", "b"]}, max_tokens=50)
        real, hedge.FALLBACK_S = hedge.FALLBACK_S, 0.1
        try:
            assert (await one.post(body)).status_code == 200
        finally:
            hedge.FALLBACK_S = real
        (record,) = await exact(one, ids, "ok")
        assert record.provider == ("a" if counted == "strict" else "b")  # strict: never twice at once


async def test_a_request_that_finds_no_room_to_be_noted(door: Make, counted: str) -> None:
    async with ScriptedProvider(says()) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        ids = await limited(one, counted)
        assert (await one.post(chat(max_tokens=50))).status_code == 200
        real, InFlight.open = InFlight.open, _full  # type: ignore[method-assign,assignment]
        try:
            for _ in range(3):
                refused = await one.post(chat(max_tokens=50))
                assert refused.status_code == 503 and "no room" in refused.text
        finally:
            InFlight.open = real  # type: ignore[method-assign]
        assert (await one.post(chat(max_tokens=50))).status_code == 200
        await exact(one, ids, "ok", "denied", "denied", "denied", "ok")


def _full(*args: Any) -> int:
    raise OSError(28, "No space left on device")


async def test_more_limits_than_a_slot_has_room_for(door: Make) -> None:
    """They are refused in one line, and nothing stays reserved."""
    async with ScriptedProvider(says()) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        for number in range(120):
            limit(one.store, one.key_id, "requests", 1000 + number, f"{number + 1}h", strict=True)
        limit(one.store, one.key_id, "usd", 1.0, strict=True)
        one.limits.reload_if_changed()
        answer = await one.post(chat(max_tokens=50))
        assert answer.status_code in (200, 503)
        one.drainer.drain_once()
        for account in one.leases.accounts.values():
            assert account.granted - account.free == (answer.status_code == 200) or account.unit == "usd"


# --- what callers may try -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": 10**15},
        {"max_tokens": 5000, "MAX_TOKENS": 10**6},
        {"max_tokens": 5000, "n": 8},
        {"max_tokens": 5000, "models": ["acme/fast", "acme/fast:nitro"]},
        {"max_completion_tokens": 5000},
        {"tools": [{"type": "function", "function": {"name": "a", "description": "x" * 4000}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"a": "x" * 4000}}}},
        {"messages": [{"role": "user", "content": "word " * 1000}]},
    ],
    ids=lambda value: next(iter(value)),
)
async def test_no_request_spends_more_than_a_strict_budget_has(door: Make, more: dict[str, Any]) -> None:
    """The provider takes whatever the request lets it: all of its bytes as tokens, all of its limit."""
    cents = 0.004
    async with ScriptedProvider(Script(reply=(Reply(tokens=6000),))) as upstream:
        one = await door(
            {"acme": provider(upstream.base_url, input_mtok=1.0)}, limits=LimitSettings(wait_s=0.2)
        )
        budget = limit(one.store, one.key_id, "usd", cents, strict=True)
        one.limits.reload_if_changed()
        for _ in range(4):
            await asyncio.gather(*(one.post(chat() | more) for _ in range(4)))
            one.drainer.drain_once()
        assert spent(one.store, budget) <= cents * 10**9


@pytest.mark.parametrize("unit", ["output_tokens", "tokens"])
async def test_an_answer_is_cut_to_what_is_left_of_a_strict_limit_on_tokens(door: Make, unit: str) -> None:
    async with ScriptedProvider(
        Script(reply=(Reply(tokens=6000, usage=Tokens(input_tokens=5)),))
    ) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, limits=LimitSettings(wait_s=0.2))
        tokens = limit(one.store, one.key_id, unit, 1000, "1h", strict=True)
        one.limits.reload_if_changed()
        first = await one.post(chat())
        assert first.status_code == 200, first.text
        one.drainer.drain_once()
        used = spent(one.store, tokens)
        assert 500 <= used <= 1000
        for _ in range(3):  # what is left of tokens may be enough for another one
            last = await one.post(chat())
            one.drainer.drain_once()
        assert last.status_code == 429 and int(last.headers["retry-after"]) > 60
        assert spent(one.store, tokens) <= 1000
