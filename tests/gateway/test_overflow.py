"""What becomes of requests that a plan has no room for, and that no way around it is left open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from doorway import Door
from limiting import limit, rule, spent, subscribe
from serving import chat

from tokenworks.config.settings import LimitSettings, ProviderModelSettings, ProviderSettings
from tokenworks.errors import Forbidden, RateLimited
from tokenworks.gateway.admission import UsedUp
from tokenworks.gateway.overflow import overflow
from tokenworks.gateway.way import WAYS
from tokenworks.plans.account import Account, Kind
from tokenworks.plans.allowance import Allowance
from tokenworks.plans.rules import LoopRules
from tokenworks.plans.spec import NANO_CREDIT, ModelClass, PlanSpec, PlanWindow
from tokenworks.plans.subscription import CHEAPER, WALLET, Subscription
from tokenworks.plans.window import parse
from tokenworks.providers.scripted import Reply, Script, ScriptedProvider
from tokenworks.providers.scripted.reply import Tokens

Make = Callable[..., Any]
CHEAP, DEAR = "acme/cheap", "acme/dear"


def models(base_url: str) -> ProviderSettings:
    made = tuple(
        ProviderModelSettings(
            id=name, upstream_id=name[5:], context_length=8192, input_mtok=price, output_mtok=price
        )
        for name, price in ((CHEAP, 0.01), (DEAR, 100.0))
    )
    return ProviderSettings(wire="openai_chat", base_url=base_url, allow_private=True, models=made)


def says(tokens: int) -> Script:
    return Script(reply=(Reply(tokens=tokens, usage=Tokens(input_tokens=0)),))


async def changed(one: Door) -> None:
    if one.book.reload_if_changed():
        one.limits.keys_changed()
    one.limits.reload_if_changed()


async def drained_all_along(one: Door) -> None:
    """What the supervisor does."""
    while True:
        one.drainer.drain_once()
        await asyncio.sleep(0.02)


def flat(credits: float = 3, *classes: ModelClass, **more: Any) -> PlanSpec:
    classes = classes or (ModelClass("cheap", (CHEAP,), request=1.0),)
    return PlanSpec("flat", windows=(PlanWindow(credits, "5h"),), classes=classes, **more)


def counted(one: Door, unit: str = "credits") -> float:
    """Credits spent by the books of the store."""
    one.drainer.drain_once()
    total = 0
    for account in one.leases.accounts.values():
        if account.unit == unit:
            total += spent(one.store, account.limit_id)
    return total / NANO_CREDIT


def ask(model: str, **more: Any) -> dict[str, Any]:
    return {**chat(**more), "model": model}


# --- by itself ------------------------------------------------------------------------------------


class _Kept:
    def keep(self, account: Account) -> Account:
        return account


def used(spec: PlanSpec, account: Account | None = None) -> tuple[str, Any]:
    plan = Subscription(spec, "key:k", _Kept())  # type: ignore[arg-type]
    allowance = Allowance("k", "test", rules=(), accounts=(), templates=(), subscription=plan, action=None)
    asked = WAYS["/v1/chat/completions"].read(b'{"model":"acme/dear","models":["x"],"messages":[]}')
    now_us = time.time_ns() // 1000
    return overflow(allowance, asked, UsedUp(account), now_us), asked


def window(unit: str = "credits") -> Account:
    made = Account("l", "k", "plan", "flat", unit, int(Kind.CREDITS), 3, parse("5h"))
    made.roll(time.time_ns() // 1000)
    return made


def test_pay_as_you_go_is_the_wallet_whatever_is_used_up() -> None:
    for account in (None, window(), window("concurrent")):
        state, asked = used(flat(used_up="pay_as_you_go"), account)
        assert state == WALLET and asked.model == DEAR


def test_the_cheaper_model_is_for_what_the_plan_includes_only() -> None:
    state, asked = used(flat(used_up="cheaper_model", cheaper_model=CHEAP), window())
    assert state == CHEAPER and asked.model == CHEAP and "models" not in asked.fields
    with pytest.raises(Forbidden, match="does not include 'acme/dear'"):
        used(flat(used_up="cheaper_model", cheaper_model=CHEAP))


def test_stop_says_when_there_is_room_again() -> None:
    with pytest.raises(RateLimited, match="used up") as refused:
        used(flat(), window())
    assert 5 * 3600 < (refused.value.retry_after_s or 0) <= 5 * 3600 + 301
    with pytest.raises(RateLimited, match="3 requests at a time") as refused:
        used(flat(), window("concurrent"))
    assert refused.value.retry_after_s == 1
    with pytest.raises(Forbidden, match="no models"):
        used(PlanSpec("empty"))


# --- through the gateway --------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["models", "fallbacks"])
async def test_an_included_model_falls_back_to_none_that_is_not(door: Make, where: str) -> None:
    """Or anybody would be served the dearest model by naming one first that refuses his request."""
    script = '[[reply]]\nwhen = { model = "cheap" }\nfault = { kind = "status", status = 400 }'
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        subscribe(one.store, one.key_id, flat())
        await changed(one)
        more = {"models": [DEAR]} if where == "models" else {"fallbacks": [{"model": DEAR}]}
        answer = await one.post(ask(CHEAP, **more))
        assert answer.status_code == 400
        assert {each.body["model"] for each in upstream.requests} == {"cheap"}


async def test_a_fallback_weighs_what_its_own_model_weighs(door: Make) -> None:
    script = (
        '[[reply]]\nwhen = { model = "cheap" }\nfault = { kind = "status", status = 400 }\n'
        "[[reply]]\ntokens = 10\nusage = { input_tokens = 0 }"
    )
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        heavy = ModelClass("dear", (DEAR,), output_mtok=100_000.0)  # 0.1 credits a token
        subscribe(one.store, one.key_id, flat(100, ModelClass("cheap", (CHEAP,), request=0.001), heavy))
        await changed(one)
        assert (await one.post(ask(CHEAP, models=[DEAR]))).status_code == 200
        assert counted(one) == 1.0


async def test_an_answer_that_came_to_nothing_takes_no_credits(door: Make) -> None:
    script = '[[reply]]\ntext = ""\nfinish = "error"\nusage = { output_tokens = 0 }'
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        subscribe(one.store, one.key_id, flat())
        await changed(one)
        await one.post(ask(CHEAP))
        (record,) = one.records()
        assert record.cost_nano_usd == 0 and counted(one) == 0


async def test_a_request_dearer_than_a_window_is_served_when_it_is_untouched(door: Make) -> None:
    """What is expected is a guess: it must not keep anybody out for ever."""
    async with ScriptedProvider(says(10)) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        heavy = ModelClass("all", (CHEAP,), output_mtok=1_000_000.0)  # a credit a token; 512 are expected
        subscribe(one.store, one.key_id, flat(100, heavy))
        await changed(one)
        assert [(await one.post(ask(CHEAP))).status_code for _ in range(2)] == [200, 200]
        assert counted(one) == 20


async def test_one_long_answer_does_not_lock_a_key_out(door: Make) -> None:
    async with ScriptedProvider(says(7000)) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        limit(one.store, one.key_id, "output_tokens", 1000, "1s")
        await changed(one)
        assert (await one.post(ask(CHEAP))).status_code == 200
        one.drainer.drain_once()
        await asyncio.sleep(2.1)  # it counts no longer
        answer = await one.post(ask(CHEAP))
        assert answer.status_code == 200, answer.text


async def test_a_small_limit_on_tokens_lets_small_answers_through(door: Make) -> None:
    async with ScriptedProvider(says(10)) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        limit(one.store, one.key_id, "output_tokens", 100, "1min")
        await changed(one)
        codes = [(await one.post(ask(CHEAP))).status_code for _ in range(5)]
        assert codes == [200] * 5


async def test_the_cheaper_model_is_what_a_request_that_waited_gets_too(door: Make) -> None:
    """It waits for the plan, is turned to the cheaper model, waits for a rate: it is still served."""
    async with ScriptedProvider(Script(reply=(Reply(tokens=5, first_byte_delay_s=0.4),))) as upstream:
        one = await door({"acme": models(upstream.base_url)}, limits=LimitSettings(wait_s=3.0))
        dear = ModelClass("dear", (DEAR,), request=1.0)
        subscribe(one.store, one.key_id, flat(1, dear, used_up="cheaper_model", cheaper_model=CHEAP))
        limit(one.store, one.key_id, "concurrent", 1)
        await changed(one)
        draining = asyncio.ensure_future(drained_all_along(one))
        answers = await asyncio.gather(*(one.post(ask(DEAR)) for _ in range(3)))
        draining.cancel()
        assert [each.status_code for each in answers] == [200] * 3, [each.text for each in answers]
        assert sorted(each.json()["model"] for each in answers) == [CHEAP, CHEAP, DEAR]


async def test_a_session_runs_away_on_a_plan_no_further_than_elsewhere(door: Make) -> None:
    async with ScriptedProvider(says(100)) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        subscribe(one.store, one.key_id, flat(1000, ModelClass("all", (DEAR,), request=0.1)))
        rule(one.store, one.key_id, loops=LoopRules(spend_usd=0.035))  # an answer costs $0.01
        await changed(one)
        body = ask(DEAR, max_tokens=100)
        codes = [(await one.post(body, headers={"x-session-id": "s"})).status_code for _ in range(5)]
        assert codes[0] == 200 and codes[-2:] == [400, 400]


async def test_windows_of_a_teams_plan_are_shared_by_its_keys(door: Make) -> None:
    from tokenworks.ledger.limit_rows import PlanRow, SubscriptionRow, TeamRow
    from tokenworks.plans import keys
    from tokenworks.plans.spec import write

    async with ScriptedProvider(says(5)) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        now_us = time.time_ns() // 1000
        one.store.add_team(TeamRow("t_1", "us", "", now_us, now_us))
        one.store.update_key(one.key_id, team_id="t_1")
        _, other = keys.create(one.store, "other", b"p" * 32, team_id="t_1")
        one.store.put_plan(PlanRow("flat", write(flat(3)), now_us, now_us))
        one.store.subscribe(SubscriptionRow("team", "t_1", "flat", now_us))
        await changed(one)
        heads = [{}, {"authorization": f"Bearer {other}"}] * 2
        codes = [(await one.post(ask(CHEAP), headers=each)).status_code for each in heads]
        assert codes == [200] * 3 + [429]


async def test_a_plan_that_changes_while_requests_run(door: Make) -> None:
    async with ScriptedProvider(Script(reply=(Reply(tokens=5, first_byte_delay_s=0.3),))) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        subscribe(one.store, one.key_id, flat(5))
        await changed(one)
        running = [asyncio.ensure_future(one.post(ask(CHEAP))) for _ in range(3)]
        await upstream.until(lambda p: len(p.requests) == 3)
        subscribe(one.store, one.key_id, flat(4, ModelClass("cheap", (CHEAP,), request=2.0)))
        await changed(one)
        assert (await one.post(ask(CHEAP))).status_code == 429  # three of four are under way
        assert [(await each).status_code for each in running] == [200] * 3
        assert counted(one) == 3  # as they weighed when they were begun
        one.store.unsubscribe("key", one.key_id)
        await changed(one)
        answer: httpx.Response = await one.post(ask(DEAR))
        assert answer.status_code == 200 and "x-tokenworks-plan" not in answer.headers


async def test_a_plan_for_other_clients_is_as_good_as_none(door: Make) -> None:
    async with ScriptedProvider(says(5)) as upstream:
        one = await door({"acme": models(upstream.base_url)})
        subscribe(one.store, one.key_id, flat(5, clients=("editor/*",)))
        await changed(one)
        assert (await one.post(ask(CHEAP))).status_code == 403
        assert (await one.post(ask(CHEAP), headers={"user-agent": "editor/2"})).status_code == 200
        subscribe(one.store, one.key_id, flat(5, clients=("editor/*",), used_up="pay_as_you_go"))
        wallet = limit(one.store, one.key_id, "usd", 1.0, strict=True, purpose="wallet")
        await changed(one)
        answer = await one.post(ask(CHEAP))
        assert answer.status_code == 200 and answer.headers["x-tokenworks-plan"] == "flat; wallet"
        one.drainer.drain_once()
        assert spent(one.store, wallet) == 50  # 5 tokens at $0.01 a million
