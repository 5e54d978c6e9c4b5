"""What a key's limits do to its requests: reserved before, settled after, cut or refused in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from doorway import Door, provider
from limiting import leased, limit, rule, spent, subscribe
from serving import chat

from tokenworks.config.settings import LimitSettings
from tokenworks.ledger.limit_rows import ActionRow
from tokenworks.plans.rules import LoopRules
from tokenworks.plans.spec import FairUse, ModelClass, PlanSpec, PlanWindow
from tokenworks.providers.scripted import Reply, Script, ScriptedProvider
from tokenworks.providers.scripted.reply import Tokens

Make = Callable[..., Any]
MTOK = {"input_mtok": 1.0}  # acme/fast: $1 and $0.40 per million tokens
OUTPUT_NANO = 400  # of one token of output, at $0.40 a million


def error_of(answer: httpx.Response) -> dict[str, Any]:
    error = answer.json()["error"]
    assert "\n" not in error["message"]
    return dict(error)


def says(tokens: int, delay_s: float = 0.0) -> Script:
    return Script(reply=(Reply(tokens=tokens, first_byte_delay_s=delay_s, usage=Tokens(input_tokens=0)),))


async def settled(one: Door, limit_id: str, at_most_s: float = 3.0) -> int:
    """What is spent, once everything is drained."""
    one.drainer.drain_once()
    return spent(one.store, limit_id)


async def drained_all_along(one: Door) -> None:
    """What the supervisor does."""
    while True:
        one.drainer.drain_once()
        await asyncio.sleep(0.05)


async def changed(one: Door) -> None:
    """What housekeeping does twice a second."""
    if one.book.reload_if_changed():
        one.limits.keys_changed()
    one.limits.reload_if_changed()


async def test_a_budget_counts_what_was_used_and_nothing_else(door: Make) -> None:
    async with ScriptedProvider(says(50)) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        budget = limit(one.store, one.key_id, "usd", 1.0, "month")
        requests = limit(one.store, one.key_id, "requests", 100, "day")
        output = limit(one.store, one.key_id, "output_tokens", 10_000, "5h")
        await changed(one)
        for _ in range(3):
            assert (await one.post(chat())).status_code == 200
        records = one.records()
        assert await settled(one, budget) == sum(r.cost_nano_usd for r in records) == 3 * 50 * OUTPUT_NANO
        assert await settled(one, requests) == 3
        assert await settled(one, output) == 150


async def test_a_request_that_does_not_fit_is_cut_to_what_is_left(door: Make) -> None:
    async with ScriptedProvider(says(5000)) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        budget = limit(one.store, one.key_id, "usd", 0.001, strict=True)
        await changed(one)
        answer = await one.post(chat("hi", max_tokens=5000))
        assert answer.status_code == 200, answer.text
        sent = upstream.requests[0].body
        assert 16 <= sent["max_tokens"] < 2500
        assert await settled(one, budget) <= 1_000_000
        assert await settled(one, budget) > 950_000  # next to nothing is left over
        again = await one.post(chat("hi", max_tokens=5000))
        if again.status_code == 200:  # a few tokens were left
            again = await one.post(chat("hi", max_tokens=5000))
        assert again.status_code == 402
        error = error_of(again)
        assert error["type"] == "insufficient_credits" and "budget of key test" in error["message"]
        assert await settled(one, budget) <= 1_000_000


async def test_strict_sets_a_limit_where_the_caller_named_none(door: Make) -> None:
    async with ScriptedProvider(says(100)) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        limit(one.store, one.key_id, "usd", 0.01, strict=True)
        await changed(one)
        assert (await one.post(chat())).status_code == 200
        assert upstream.requests[0].body["max_tokens"] <= 0.01 / 0.4e-6
        bad = await one.post(chat(max_tokens="many"))
        assert bad.status_code == 400 and "max_tokens" in error_of(bad)["message"]


async def test_reservations_of_concurrent_requests_never_exceed_the_budget(door: Make) -> None:
    async with ScriptedProvider(says(100, delay_s=0.05)) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, limits=LimitSettings(wait_s=3.0))
        budget = limit(one.store, one.key_id, "usd", 0.0005, strict=True)  # 1,250 tokens of output
        await changed(one)
        draining = asyncio.ensure_future(drained_all_along(one))
        answers = await asyncio.gather(*(one.post(chat(max_tokens=200)) for _ in range(40)))
        draining.cancel()
        codes = {answer.status_code for answer in answers}
        assert codes <= {200, 402}
        served = sum(answer.status_code == 200 for answer in answers)
        assert served >= 12
        assert 480_000 <= await settled(one, budget) <= 500_000


async def test_a_rate_limit_answers_429_and_says_when(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        limit(one.store, one.key_id, "requests", 5, "1min")
        await changed(one)
        answers = [await one.post(chat()) for _ in range(7)]
        assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
        assert answers[0].headers["x-ratelimit-limit-requests"] == "5"
        assert [int(a.headers["x-ratelimit-remaining-requests"]) for a in answers[:5]] == [4, 3, 2, 1, 0]
        refused = answers[-1]
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        assert 50 <= int(refused.headers["retry-after"]) <= 62
        assert error_of(refused)["type"] == "rate_limit_error"
        assert [r.outcome for r in one.records()] == ["ok"] * 5 + ["denied"] * 2


async def test_concurrent_requests_are_counted_while_they_run(door: Make) -> None:
    async with ScriptedProvider(says(10, delay_s=0.5)) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, limits=LimitSettings(wait_s=0.1))
        streams = limit(one.store, one.key_id, "concurrent", 2)
        await changed(one)
        answers = await asyncio.gather(*(one.post(chat()) for _ in range(4)))
        assert sorted(a.status_code for a in answers) == [200, 200, 429, 429]
        assert (await one.post(chat())).status_code == 200
        assert await settled(one, streams) == 0


async def test_who_waits_is_served_when_another_ends(door: Make) -> None:
    async with ScriptedProvider(says(10, delay_s=0.2)) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, limits=LimitSettings(wait_s=3.0))
        limit(one.store, one.key_id, "concurrent", 1)
        await changed(one)
        begun = time.monotonic()
        answers = await asyncio.gather(*(one.post(chat()) for _ in range(3)))
        assert [a.status_code for a in answers] == [200] * 3
        assert 0.55 <= time.monotonic() - begun < 2.0


async def test_a_caller_that_leaves_while_waiting_leaves_nothing_behind(door: Make) -> None:
    async with ScriptedProvider(says(10, delay_s=0.6)) as upstream:
        one = await door({"acme": provider(upstream.base_url)}, limits=LimitSettings(wait_s=5.0))
        limit(one.store, one.key_id, "concurrent", 1)
        await changed(one)
        first = asyncio.ensure_future(one.post(chat()))
        await upstream.until(lambda p: len(p.requests) == 1)
        with pytest.raises(httpx.TimeoutException):
            await one.post(chat(), timeout=0.2)
        await asyncio.sleep(0.05)
        assert not one.leases.waiting
        assert (await first).status_code == 200
        assert (await one.post(chat())).status_code == 200
        assert sorted(r.outcome for r in one.records()) == ["client_gone", "ok", "ok"]


async def test_failures_are_given_back(door: Make) -> None:
    async with ScriptedProvider("""
        [[reply]]
        fault = { kind = "status", status = 500 }
    """) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        budget = limit(one.store, one.key_id, "usd", 1.0, strict=True)
        await changed(one)
        for _ in range(3):
            assert (await one.post(chat(max_tokens=1000))).status_code in (502, 503, 429)
        assert await settled(one, budget) == 0
        account = next(a for a in one.leases.accounts.values() if a.limit_id == budget)
        assert account.free == account.granted == leased(one.store, budget)


async def test_limits_of_team_app_user_and_session(door: Make) -> None:
    async with ScriptedProvider(says(10)) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        each_user = limit(one.store, "", "requests", 2, "day", scope="user", subject="*", within=one.key_id)
        app = limit(one.store, "", "usd", 10, "day", scope="app", subject="Writer")
        await changed(one)
        assert [(await one.post(chat(user="ann"))).status_code for _ in range(3)] == [200, 200, 429]
        assert (await one.post(chat(user="bob"))).status_code == 200
        assert (await one.post(chat())).status_code == 200  # of nobody in particular
        assert (await one.post(chat(), headers={"x-title": "Writer"})).status_code == 200
        assert await settled(one, each_user) == 3
        assert await settled(one, app) == 10 * OUTPUT_NANO
        standing = {row.subject: row.spent for row in one.store.standings([each_user])}
        assert standing == {"ann": 2, "bob": 1}


async def test_rules(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})

        async def tried(headers: dict[str, str] | None = None, /, **rules: Any) -> httpx.Response:
            rule(one.store, one.key_id, **rules)
            await changed(one)
            answer = await one.post(chat("word " * 100, max_tokens=50), headers=headers or {})
            assert isinstance(answer, httpx.Response)
            return answer

        assert (await tried(models=("acme/*",))).status_code == 200
        for rules, word in (
            ({"models": ("other/*",)}, "models other/*"),
            ({"providers": ("other",)}, "providers other"),
            ({"max_input_mtok": 0.01}, "$0.01"),
            ({"clients": ("claude-code*",)}, "claude-code*"),
        ):
            refused = await tried(**rules)
            assert refused.status_code == 403 and word in error_of(refused)["message"], refused.text
        assert (await tried({"user-agent": "claude-code/2"}, clients=("claude-code*",))).status_code == 200
        assert (await tried(max_input_tokens=20)).status_code == 400
        assert (await tried(max_output_tokens=7)).status_code == 200
        assert upstream.requests[-1].body["max_tokens"] == 7
        assert (await tried()).status_code == 200


async def test_session_caps(door: Make) -> None:
    async with ScriptedProvider(says(10)) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        rule(one.store, one.key_id, loops=LoopRules(iterations=12))
        await changed(one)
        at = {"x-session-id": "s1"}
        answers = [await one.post(chat(), headers=at) for _ in range(14)]
        assert [a.status_code for a in answers] == [200] * 12 + [400] * 2
        assert "x-tokenworks-warning" not in answers[5].headers
        assert "s1" in answers[11].headers["x-tokenworks-warning"]
        assert error_of(answers[-1])["type"] == "loop_stopped"
        assert (await one.post(chat(), headers={"x-session-id": "s2"})).status_code == 200
        rule(one.store, one.key_id, loops=LoopRules(wall_clock_s=0.3))
        await changed(one)
        at = {"x-session-id": "s3"}
        assert (await one.post(chat(), headers=at)).status_code == 200
        await asyncio.sleep(0.4)
        late = await one.post(chat(), headers=at)
        assert late.status_code == 400 and "longer than" in error_of(late)["message"]


def plan_of(used_up: str, **more: Any) -> PlanSpec:
    one_each = ModelClass(name="all", models=("acme/fast",), request=1.0)
    return PlanSpec(
        name="flat",
        windows=(PlanWindow(3, "5h"),),
        classes=(one_each,),
        used_up=used_up,
        **more,  # type: ignore[arg-type]
    )


async def test_a_plan_then_its_wallet_then_402(door: Make) -> None:
    async with ScriptedProvider(says(1000)) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        subscribe(one.store, one.key_id, plan_of("pay_as_you_go"))
        wallet = limit(one.store, one.key_id, "usd", 0.0009, strict=True, purpose="wallet")
        await changed(one)
        answers = [await one.post(chat(max_tokens=1000)) for _ in range(7)]
        states = [a.headers.get("x-tokenworks-plan") for a in answers]
        assert states[:3] == ["flat; plan"] * 3
        assert states[3:5] == ["flat; wallet"] * 2
        assert [a.status_code for a in answers][:5] == [200] * 5
        assert answers[-1].status_code == 402
        assert 800_000 <= await settled(one, wallet) <= 900_000
        reasons = [r.reasons for r in one.records()]
        assert reasons[:4] == ["", "", "", "plan:wallet"]


async def test_a_plan_that_stops_and_one_that_goes_on_with_a_cheaper_model(door: Make) -> None:
    async with ScriptedProvider(says(10)) as upstream:
        one = await door({"acme": provider(upstream.base_url), "beta": provider_of(upstream.base_url)})
        subscribe(one.store, one.key_id, plan_of("stop"))
        await changed(one)
        answers = [await one.post(chat()) for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert 17_000 <= int(answers[-1].headers["retry-after"]) <= 18_400
        subscribe(one.store, one.key_id, plan_of("cheaper_model", cheaper_model="acme/cheap"))
        await changed(one)
        answer = await one.post(chat())
        assert answer.status_code == 200 and answer.json()["model"] == "acme/cheap"
        assert answer.headers["x-tokenworks-plan"] == "flat; cheaper_model"
        other = await one.post({**chat(), "model": "acme/cheap"})
        assert other.status_code == 403 and "does not include" in error_of(other)["message"]


async def test_fair_use_slows_down_turns_to_a_cheaper_model_suspends_and_is_lifted(door: Make) -> None:
    async with ScriptedProvider(says(10)) as upstream:
        one = await door({"acme": provider(upstream.base_url), "beta": provider_of(upstream.base_url)})
        spec = plan_of("stop", cheaper_model="acme/cheap", fair_use=FairUse(action="slow", slow_s=0.4))
        subscribe(one.store, one.key_id, msgspec.structs.replace(spec, windows=(PlanWindow(1000, "5h"),)))

        async def under(action: str, until_us: int | None = None) -> httpx.Response:
            one.store.set_action(ActionRow(one.key_id, action, "[]", 0, until_us))
            await changed(one)
            answer = await one.post(chat())
            assert isinstance(answer, httpx.Response)
            return answer

        begun = time.monotonic()
        assert (await under("slow")).status_code == 200
        assert time.monotonic() - begun > 0.4
        assert (await under("cheaper_model")).json()["model"] == "acme/cheap"
        assert (await under("metered")).status_code == 402
        suspended = await under("suspend")
        assert suspended.status_code == 403 and "fair-use lift" in error_of(suspended)["message"]
        assert (await under("suspend", until_us=time.time_ns() // 1000 - 1)).status_code == 200
        await under("suspend")
        assert one.store.lift_action(one.key_id)
        await changed(one)
        begun = time.monotonic()
        assert (await one.post(chat())).json()["model"] == "acme/fast"
        assert time.monotonic() - begun < 0.3


def provider_of(base_url: str) -> Any:
    from tokenworks.config.settings import ProviderModelSettings, ProviderSettings

    model = ProviderModelSettings(
        id="acme/cheap", upstream_id="cheap-1", context_length=8192, input_mtok=0.01, output_mtok=0.01
    )
    return ProviderSettings(wire="openai_chat", base_url=base_url, allow_private=True, models=(model,))


async def test_no_limit_never_blocks(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        limit(one.store, "k_other", "requests", 1, "day")
        limit(one.store, "t_other", "usd", 0.000001, scope="team", subject="t_other")
        limit(one.store, "", "requests", 1, scope="app", subject="Other")
        await changed(one)
        answers = await asyncio.gather(*(one.post(chat(max_tokens=100_000)) for _ in range(50)))
        assert {a.status_code for a in answers} == {200}
        assert not one.leases.accounts
