"""Rules that keep requests out, whatever the connection, the wire or the spelling."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from doorway import Door, provider
from limiting import limit, rule, subscribe
from serving import chat

from tokenworks.config.settings import ProviderModelSettings, ProviderSettings
from tokenworks.gateway.guard import turn_to, warning
from tokenworks.gateway.way import WAYS
from tokenworks.ledger.limit_rows import ActionRow, StopRow
from tokenworks.plans.rules import LoopRules
from tokenworks.plans.spec import FairUse, ModelClass, PlanSpec
from tokenworks.providers.scripted import Reply, Script, ScriptedProvider

Make = Callable[..., Any]


def error_of(answer: httpx.Response) -> dict[str, Any]:
    error = answer.json()["error"]
    assert "\n" not in error["message"]
    return dict(error)


async def changed(one: Door) -> None:
    """What housekeeping does twice a second."""
    if one.book.reload_if_changed():
        one.limits.keys_changed()
    one.limits.reload_if_changed()


def now_us() -> int:
    return time.time_ns() // 1000


async def test_a_changed_rule_takes_effect_on_the_same_connection(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(
            base_url=one.client.base_url, headers=one.client.headers, limits=limits
        ) as client:

            async def post() -> int:
                return (await client.post("/v1/chat/completions", json=chat())).status_code

            assert [await post() for _ in range(3)] == [200] * 3
            rule(one.store, one.key_id, clients=("editor/*",))
            await changed(one)
            assert [await post() for _ in range(2)] == [403] * 2
            rule(one.store, one.key_id, clients=("python-httpx/*",))
            await changed(one)
            assert [await post() for _ in range(2)] == [200] * 2
            one.store.set_action(ActionRow(one.key_id, "suspend", "[]", now_us()))
            await changed(one)
            assert await post() == 403
            one.store.lift_action(one.key_id)
            await changed(one)
            assert await post() == 200
            rule(one.store, one.key_id)
            await changed(one)
            assert await post() == 200
            assert len(one.listener.connections) == 1


async def test_hours_that_are_over_say_when_they_begin_again(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        hour = time.gmtime().tm_hour
        rule(one.store, one.key_id, hours=(f"{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00",))
        await changed(one)
        refused = await one.post(chat())
        assert refused.status_code == 403 and "may be used only at" in error_of(refused)["message"]
        assert 3600 <= int(refused.headers["retry-after"]) <= 2 * 3600
        rule(one.store, one.key_id, hours=(f"{hour:02}:00-{(hour + 2) % 24:02}:00",))
        await changed(one)
        assert (await one.post(chat())).status_code == 200
        assert [r.outcome for r in one.records()] == ["denied", "ok"]


async def test_an_action_ends_by_itself(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        one.store.set_action(ActionRow(one.key_id, "suspend", "[]", now_us(), now_us() + 150_000))
        await changed(one)
        assert (await one.post(chat())).status_code == 403
        await asyncio.sleep(0.16)
        assert (await one.post(chat())).status_code == 200


async def test_a_slowed_key_waits_before_each_request(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        classes = (ModelClass("all", ("*",)),)
        subscribe(
            one.store, one.key_id, PlanSpec("flat", classes=classes, fair_use=FairUse("slow", slow_s=0.3))
        )
        one.store.set_action(ActionRow(one.key_id, "slow", "[]", now_us()))
        await changed(one)
        begun = time.monotonic()
        assert (await one.post(chat())).status_code == 200
        assert 0.28 < time.monotonic() - begun < 1.5
        one.store.lift_action(one.key_id)
        await changed(one)
        begun = time.monotonic()
        assert (await one.post(chat())).status_code == 200
        assert time.monotonic() - begun < 0.28


async def test_metered_asks_for_another_key(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        subscribe(one.store, one.key_id, PlanSpec("flat", classes=(ModelClass("all", ("*",)),)))
        one.store.set_action(ActionRow(one.key_id, "metered", "[]", now_us()))
        await changed(one)
        refused = await one.post(chat())
        assert refused.status_code == 402 and "metered key" in error_of(refused)["message"]


# --- sessions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limited", [False, True])
async def test_a_stopped_session_is_stopped_whatever_limits_its_key(door: Make, limited: bool) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        if limited:
            limit(one.store, one.key_id, "requests", 100, "day")
        await changed(one)
        at = {"x-session-id": "s1"}
        assert (await one.post(chat(), headers=at)).status_code == 200
        one.store.stop_session(StopRow("s1", "", now_us()))
        await changed(one)
        refused = await one.post(chat(), headers=at)
        assert refused.status_code == 400 and error_of(refused)["type"] == "loop_stopped"
        assert (await one.post({**chat(), "session_id": "s1"})).status_code == 400
        assert (await one.post(chat(), headers={"x-session-id": "s2"})).status_code == 200
        assert (await one.post(chat())).status_code == 200
        one.store.resume_session("s1")
        await changed(one)
        assert (await one.post(chat(), headers=at)).status_code == 200


async def test_a_session_without_a_name_is_known_by_how_it_begins(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        rule(one.store, one.key_id, loops=LoopRules(iterations=3))
        await changed(one)
        turns = [{"role": "user", "content": "begin"}]
        codes = []
        for number in range(5):
            codes.append((await one.post({"model": "acme/fast", "messages": turns})).status_code)
            turns += [{"role": "assistant", "content": "ok"}, {"role": "user", "content": f"{number}"}]
        assert codes == [200] * 3 + [400] * 2
        assert (await one.post(chat("another beginning"))).status_code == 200
        records = one.records()
        assert len({r.session for r in records[:5]}) == 1 and records[0].session


async def test_a_continued_response_is_the_same_session_and_as_long_as_it_is(door: Make) -> None:
    async with ScriptedProvider(Script(reply=(Reply(text="yes"),))) as upstream:
        one = await door({"acme": provider(upstream.base_url, wire="openai_responses")})
        rule(one.store, one.key_id, loops=LoopRules(iterations=3))
        await changed(one)

        async def turn(text: str, previous: str | None) -> httpx.Response:
            body = {"model": "acme/fast", "input": text} | (
                {"previous_response_id": previous} if previous else {}
            )
            answer = await one.client.post("/v1/responses", json=body)
            assert isinstance(answer, httpx.Response)
            return answer

        answer = await turn("begin", None)
        for number in range(2):
            answer = await turn(f"more {number}", answer.json()["id"])
            assert answer.status_code == 200, answer.text
        last = answer.json()["id"]
        assert (await turn("and more", last)).status_code == 400  # the fourth iteration
        rule(one.store, one.key_id, max_input_tokens=30)
        await changed(one)
        assert (await turn("short", None)).status_code == 200
        long = await turn("short", last)
        assert long.status_code == 400 and "input tokens" in error_of(long)["message"]


async def test_key_and_team_loops_count_each_request_once(door: Make) -> None:
    from tokenworks.ledger.limit_rows import TeamRow
    from tokenworks.plans.rules import Rules, write

    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        text = write(Rules(loops=LoopRules(iterations=6)))
        one.store.add_team(TeamRow("t_1", "us", text, now_us(), now_us()))
        one.store.update_key(one.key_id, team_id="t_1", rules=write(Rules(loops=LoopRules(iterations=4))))
        await changed(one)
        codes = [(await one.post(chat())).status_code for _ in range(6)]
        assert codes == [200] * 4 + [400] * 2


# --- models ---------------------------------------------------------------------------------------


def two_models(base_url: str) -> ProviderSettings:
    models = tuple(
        ProviderModelSettings(
            id=f"acme/{name}", upstream_id=name, context_length=8192, input_mtok=price, output_mtok=price
        )
        for name, price in (("cheap", 0.01), ("dear", 100.0))
    )
    return ProviderSettings(wire="openai_chat", base_url=base_url, allow_private=True, models=models)


NAMED: tuple[dict[str, Any], ...] = (
    {"model": "acme/dear"},
    {"model": "ACME/DEAR"},
    {"model": "acme/dear:nitro"},
    {"models": ["acme/dear"], "model": ""},
    {"model": "@preset/dear"},
    {"model": "acme/cheap@preset/dear"},
    {"model": "acme/dear-20250101"},
)


async def test_a_model_that_is_not_allowed_is_not_asked_however_it_is_named(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        presets = {"dear": {"model": "acme/dear", "models": ["acme/dear"]}}
        one = await door({"acme": two_models(upstream.base_url)}, presets=presets)
        for body in NAMED:
            await one.post({**chat(), **body})
        assert len([each for each in upstream.requests if each.body["model"] == "dear"]) >= 5
        rule(one.store, one.key_id, models=("acme/cheap",))
        await changed(one)
        for body in NAMED:
            before = len(upstream.requests)
            await one.post({**chat(), **body})
            assert {each.body["model"] for each in upstream.requests[before:]} <= {"cheap"}, body


async def test_fallbacks_lead_to_no_model_that_is_not_allowed(door: Make) -> None:
    script = '[[reply]]\nwhen = { model = "cheap" }\nfault = { kind = "status", status = 400 }'
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": two_models(upstream.base_url)})
        rule(one.store, one.key_id, models=("acme/cheap",))
        await changed(one)
        answer = await one.post({**chat(), "model": "acme/cheap", "models": ["acme/dear"]})
        assert answer.status_code == 400
        answer = await one.post({**chat(), "model": "acme/cheap", "fallbacks": [{"model": "acme/dear"}]})
        assert answer.status_code == 400
        assert {each.body["model"] for each in upstream.requests} == {"cheap"}


async def test_the_most_output_tokens_of_the_rules(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        rule(one.store, one.key_id, max_output_tokens=10)
        await changed(one)
        given = {
            name: (None, 5, 10**6, 5.0, 1000.0, "1000") for name in ("max_tokens", "max_completion_tokens")
        }
        for values in itertools.product(*given.values()):
            more = {name: value for name, value in zip(given, values, strict=True) if value is not None}
            assert (await one.post(chat(**more))).status_code == 200
            sent = upstream.requests[-1].body
            asked = [sent[name] for name in given if name in sent]
            assert asked and all(isinstance(each, int) and each <= 10 for each in asked), more


# --- words ----------------------------------------------------------------------------------------


def test_turning_to_another_model_leaves_no_way_back() -> None:
    body = b'{"model":"a","models":["b"],"fallbacks":[{"model":"c"}],"messages":[]}'
    asked = WAYS["/v1/chat/completions"].read(body)
    turn_to(asked, "d")
    assert asked.model == "d" and bytes(asked.fields["model"]) == b'"d"'
    assert asked.fields.keys() == {"model", "messages"}


def test_a_warning_is_one_line_of_ascii() -> None:
    line = warning("sess\r\nset-cookie: a=b\n\u00e9" + "x" * 1000)
    assert line.startswith(b"x-tokenworks-warning: ") and line.count(b"\r\n") == 1 and line.endswith(b"\r\n")
    assert len(line) < 300 and line.isascii()
    assert b"\0" not in warning("a\0b")
