"""What a key may do follows from its own rules and limits and its team's: the stricter of both counts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store

from tokenworks.errors import Forbidden, PaymentRequired
from tokenworks.ledger.limit_rows import ActionRow, LimitRow
from tokenworks.plans import allowance as allowance_module
from tokenworks.plans.account import FOREVER, Kind
from tokenworks.plans.allowance import Allowance, accounts_of, loop_templates, template_of
from tokenworks.plans.leases import Leases
from tokenworks.plans.rules import LoopRules, Rules
from tokenworks.plans.spec import ModelClass, PlanSpec, PlanWindow
from tokenworks.plans.subscription import Subscription
from tokenworks.schema import Endpoint, Price, PriceTier

MONDAY_NOON_US = 1_799_625_600_000_000 + 12 * 3_600_000_000  # 2027-01-11
HOUR_US = 3_600_000_000


@pytest.fixture
async def leases(tmp_path: Path) -> Any:
    store = fresh_store(f"sqlite:///{tmp_path / 'store.db'}")
    made = Leases(store, asyncio.get_running_loop(), "w")
    yield made
    made.close()
    store.close()


def row(unit: str, amount: int, window: str = "day", **more: Any) -> LimitRow:
    given = {"id": f"l_{unit}{window}", "scope": "key", "subject": "k_1"} | more
    return LimitRow(unit=unit, amount=amount, window=window, created_us=0, updated_us=0, **given)


def allowance(leases: Leases | None, *rules: Rules, **more: Any) -> Allowance:
    rows = more.pop("rows", ())
    accounts = accounts_of(rows, leases, "test") if leases is not None else []
    given = {"accounts": accounts, "templates": (), "subscription": None, "action": None} | more
    return Allowance("k_1", "test", rules=rules, **given)


def endpoint(model: str = "acme/fast", provider: str = "acme", **price: Any) -> Endpoint:
    made = Price(f"{price}", **({"input_mtok": 1.0, "output_mtok": 2.0} | price))
    return Endpoint(model, provider, "fast-1", made, 8192)


# --- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "team", "private"),
    [(None, None, False), (True, None, True), (None, True, True), (False, True, True), (False, None, False)],
)
def test_private_is_what_key_or_team_calls_private(
    key: bool | None, team: bool | None, private: bool
) -> None:
    assert allowance(None, Rules(private=key), Rules(private=team)).private is private


@pytest.mark.parametrize(
    ("rules", "let_in", "kept_out"),
    [
        ({"models": ("acme/*", "!acme/dear")}, endpoint(), endpoint("acme/dear")),
        ({"models": ("acme/*",)}, endpoint("ACME/Fast"), endpoint("other/fast")),
        ({"providers": ("acme",)}, endpoint(), endpoint(provider="other")),
        ({"max_input_mtok": 1.0}, endpoint(), endpoint(input_mtok=1.01)),
        ({"max_output_mtok": 2.0}, endpoint(), endpoint(output_mtok=2.01)),
        ({"max_input_mtok": 0.0}, endpoint(input_mtok=0.0), endpoint(input_mtok=0.001)),
        ({"max_input_mtok": 1.0}, endpoint(), endpoint(tiers=(PriceTier(1000, 5.0, 2.0),))),
        ({"max_output_mtok": 2.0}, endpoint(), endpoint(tiers=(PriceTier(1000, 1.0, 5.0),))),
    ],
)
def test_which_endpoints_are_allowed(rules: dict[str, Any], let_in: Endpoint, kept_out: Endpoint) -> None:
    one = allowance(None, Rules(**rules))
    assert one.restricts
    for _ in range(2):  # the second time it is remembered
        assert one.allows(let_in) and not one.allows(kept_out)
    team = allowance(None, Rules(), Rules(**rules))
    assert team.allows(let_in) and not team.allows(kept_out)
    assert one.says()


def test_what_is_remembered_of_endpoints_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance_module, "MAX_SUBJECTS", 10)
    one = allowance(None, Rules(models=("acme/*",)))
    for number in range(100):
        assert one.allows(endpoint(f"acme/{number}")) and not one.allows(endpoint(f"other/{number}"))
    assert len(one._allowed) <= 10


@pytest.mark.parametrize(
    ("clients", "client", "app", "allowed"),
    [
        (("editor/*",), "editor/2.1", "", True),
        (("editor/*",), "curl/8", "", False),
        (("Writer",), "curl/8", "Writer", True),
        (("editor/*",), "", "", False),
        (("!bot/*",), "editor/2", "", True),
        (("!bot/*",), "bot/1", "", False),
        (("!bot/*",), "bot/1", "Writer", False),
        (("!Writer",), "editor/2", "Writer", False),
        (("*", "!bot/*"), "bot/1", "Writer", False),
    ],
)
def test_which_clients_are_allowed(clients: tuple[str, ...], client: str, app: str, allowed: bool) -> None:
    one = allowance(None, Rules(clients=clients))
    assert one.clients
    if allowed:
        one.check_client(client, app)
    else:
        with pytest.raises(Forbidden, match="may be used only by"):
            one.check_client(client, app)


def test_of_key_and_team_the_stricter_rule_counts() -> None:
    one = allowance(
        None,
        Rules(max_input_tokens=100, max_output_tokens=50, loops=LoopRules(iterations=10, spend_usd=5.0)),
        Rules(max_input_tokens=200, max_output_tokens=20, loops=LoopRules(iterations=30, wall_clock_s=60.0)),
    )
    assert (one.max_input_tokens, one.max_output_tokens) == (100, 20)
    assert one.loops == LoopRules(iterations=10, spend_usd=5.0, wall_clock_s=60.0)


# --- the time -------------------------------------------------------------------------------------


def test_hours_of_the_key_and_of_its_team() -> None:
    one = allowance(None, Rules(hours=("Mon-Fri 09:00-18:00",)), Rules(hours=("06:00-14:00",)))
    one.check(MONDAY_NOON_US)
    assert one.checked_until_us == MONDAY_NOON_US + 2 * HOUR_US
    with pytest.raises(Forbidden, match="06:00-14:00") as refused:
        one.check(MONDAY_NOON_US + 3 * HOUR_US)
    assert refused.value.retry_after_s == 15 * 3600
    with pytest.raises(Forbidden, match="Mon-Fri"):
        one.check(MONDAY_NOON_US + 5 * 24 * HOUR_US)


def test_without_hours_one_look_is_enough() -> None:
    one = allowance(None, Rules(models=("a",)))
    one.check(MONDAY_NOON_US)
    assert one.checked_until_us == FOREVER


def action(kind: str, until_us: int | None = None) -> ActionRow:
    return ActionRow("k_1", kind, "[]", 0, until_us)


def test_a_suspended_key_is_refused_until_its_time_is_over() -> None:
    one = allowance(None, action=action("suspend", MONDAY_NOON_US))
    for _ in range(2):
        with pytest.raises(Forbidden, match="fair-use lift k_1"):
            one.check(MONDAY_NOON_US - 1)
    one.check(MONDAY_NOON_US)
    assert one.action is None and one.checked_until_us == FOREVER
    with pytest.raises(Forbidden):
        allowance(None, action=action("suspend")).check(2**61)


def test_an_action_that_hinders_nothing_is_looked_at_again_when_it_ends() -> None:
    one = allowance(None, action=action("slow", MONDAY_NOON_US))
    one.check(MONDAY_NOON_US - 1)
    assert one.checked_until_us == MONDAY_NOON_US
    assert one.at_work("slow", MONDAY_NOON_US - 1) and not one.at_work("slow", MONDAY_NOON_US)
    assert not one.at_work("suspend", MONDAY_NOON_US - 1)


async def test_metered_is_for_keys_with_a_plan_only(leases: Leases) -> None:
    allowance(None, action=action("metered")).check(MONDAY_NOON_US)
    plan = Subscription(PlanSpec("flat"), "key:k_1", leases)
    with pytest.raises(PaymentRequired, match="metered"):
        allowance(None, action=action("metered"), subscription=plan).check(MONDAY_NOON_US)


# --- accounts -------------------------------------------------------------------------------------


async def test_what_counts_in_each_state_of_a_plan(leases: Leases) -> None:
    wallet = accounts_of([row("usd", 10**9, "lifetime", strict=True)], leases, "test")
    window = PlanWindow(5, "5h")
    classes = (ModelClass("all", ("*",), request=1.0),)
    plan = Subscription(PlanSpec("flat", windows=(window,), classes=classes), "key:k_1", leases, wallet)
    one = allowance(leases, rows=[row("requests", 10), row("usd", 10**9)], subscription=plan)
    assert [each.unit for each in one.rates] == ["requests"]
    assert [each.unit for each in one.of_plan] == ["requests", "credits"]
    assert [each.unit for each in one.of_wallet] == ["requests", "usd", "usd"]
    assert one.strict and one.cost_kind == Kind.MOST_USD and not one.plain


async def test_strict_where_any_limit_is(leases: Leases) -> None:
    assert not allowance(leases, rows=[row("usd", 10**9)]).strict
    assert allowance(leases, rows=[row("usd", 10**9, strict=True)]).strict
    assert not allowance(leases, rows=[row("requests", 10, strict=True)]).strict
    assert allowance(None, templates=loop_templates(LoopRules(spend_usd=1.0), "k_1")).strict


async def test_the_shortest_window_is_told(leases: Leases) -> None:
    rows = [
        row("requests", 10, "1d"),
        row("requests", 5, "1min"),
        row("tokens", 9, "1d"),
        row("requests", 99, "lifetime"),
    ]
    one = allowance(leases, rows=rows)
    assert one.told_requests is not None and one.told_requests.cap == 5
    assert one.told_tokens is not None and one.told_tokens.cap == 9
    assert allowance(leases, rows=[row("requests", 99, "lifetime")]).told_requests is None


async def test_one_long_answer_does_not_make_all_others_look_too_large(leases: Leases) -> None:
    one = allowance(leases, rows=[row("tokens", 1000, "1min"), row("output_tokens", 400, "day")])
    assert 1 <= one.most_typical <= 100
    assert allowance(leases, rows=[row("usd", 1)]).most_typical > 10**9


# --- templates ------------------------------------------------------------------------------------


async def test_each_user_has_an_account_and_nobody_none(leases: Leases) -> None:
    each = template_of(row("requests", 5, scope="user", subject="*"), "k_1")
    ann, bob = each.account(leases, "ann"), each.account(leases, "bob")
    assert ann is not None and bob is not None and ann.id != bob.id
    assert each.account(leases, "ann") is ann and each.account(leases, "") is None
    only = template_of(row("requests", 5, scope="user", subject="ann"), "k_1")
    assert only.account(leases, "ann") is not None and only.account(leases, "bob") is None


async def test_users_of_two_keys_are_the_same_users_and_sessions_are_not(leases: Leases) -> None:
    def of(key_id: str, scope: str) -> int:
        found = template_of(row("requests", 5, scope=scope, subject="*"), key_id).account(leases, "x")
        assert found is not None
        return found.id

    assert of("k_1", "user") == of("k_2", "user")
    assert of("k_1", "session") != of("k_2", "session")


async def test_what_is_forgotten_is_made_anew(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance_module, "MAX_SUBJECTS", 10)
    each = template_of(row("requests", 5, scope="session", subject="*"), "k_1")
    first = each.account(leases, "s0")
    assert first is not None
    for number in range(50):
        each.account(leases, f"s{number}")
    assert len(each.known) <= 10
    assert each.account(leases, "s0") is first  # one is one, as long as somebody knows it
    del leases.accounts[first.id]
    again = each.account(leases, "s0")
    assert again is not None and again is not first and leases.accounts[first.id] is again


def test_caps_of_a_session() -> None:
    found = {each.limit_id: each for each in loop_templates(LoopRules(iterations=5, spend_usd=0.25), "k_1")}
    assert found["loop:iterations"].cap == 5 and found["loop:spend"].cap == 250_000_000
    assert found["loop:spend"].kind == Kind.MOST_USD
    (clock,) = loop_templates(LoopRules(wall_clock_s=60), "k_1")
    assert clock.cap == 10**15
    assert loop_templates(LoopRules(repeats=5), "k_1") == []
