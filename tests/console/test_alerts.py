"""What needs a look, and what doesn't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, RoutingSettings
from tokenworks.console import alerts
from tokenworks.console.alerts import Alert
from tokenworks.ledger.limit_rows import ActionRow, PlanRow, SubscriptionRow, TeamRow, Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.plans import spec, window
from tokenworks.plans.account import account_id
from tokenworks.plans.granting import grant, top_up, written
from tokenworks.plans.spec import NANO_CREDIT, PlanSpec, PlanWindow
from tokenworks.routing.drift import Alarm
from tokenworks.routing.health import Health
from tokenworks.schema import NANO_USD

Opened = Callable[..., Any]
NOW_US = 1_790_000_000_000_000


def spend(store: Store, limit_id: str, subject: str, amount: int) -> None:
    account = account_id(limit_id, subject)
    store.lease("w1", [Want(account, limit_id, subject, 2**60, 0, amount, 0)], {}, [], 1)
    store.append("w1.1", 0, [Record(f"gen-{limit_id}-{subject}", NOW_US, charges=(account, 0, amount))])


def said(browser: Any, found: list[Alert]) -> list[tuple[str, str]]:
    t = browser.site.strings.translator("en")
    return [(alert.level, t(alert.text, **alert.values)) for alert in found]


async def test_a_quiet_site_has_none(opened: Opened) -> None:
    browser = opened(now_us=lambda: NOW_US)
    grant(browser.store, "key", browser.key_id, [written("$10"), written("$2/day")])
    assert alerts.of_store(browser.site, NOW_US) == []


async def test_limits_wallets_and_plans_that_are_nearly_or_wholly_used(opened: Opened) -> None:
    browser = opened(now_us=lambda: NOW_US)
    store = browser.store
    near, _ = browser.new_key("near")
    full, _ = browser.new_key("<b>full</b>")
    gone, _ = browser.new_key("gone")
    for key_id, used in ((near, 8), (full, 10), (gone, 10)):
        grant(store, "key", key_id, [written("$10")])
        limit = next(each for each in store.limits() if each.subject == key_id)
        spend(store, limit.id, key_id, used * NANO_USD)
    store.revoke_key(gone)
    top_up(store, "key", near, 5.0)
    wallet = next(each for each in store.limits() if each.purpose)
    spend(store, wallet.id, near, 5 * NANO_USD)
    store.add_team(TeamRow("t_1", "research", "", 1, 1))
    store.put_plan(PlanRow("pro", spec.write(PlanSpec("pro", windows=(PlanWindow(10.0, "lifetime"),))), 1, 1))
    store.subscribe(SubscriptionRow("team", "t_1", "pro", 1))
    spend(store, "plan:pro:lifetime", "team:t_1", 9 * NANO_CREDIT)
    spend(store, "plan:pro:lifetime", f"key:{near}", 10 * NANO_CREDIT)  # who has it no more
    found = alerts.sorted_alerts(alerts.of_store(browser.site, NOW_US))
    assert sorted(said(browser, found)) == [
        (
            "bad",
            "<b>full</b>: $10 is used up ($10.00 of $10.00). Raise the limit, or wait until it begins anew.",
        ),
        ("bad", "near: the wallet is empty ($5.00 of $5.00 spent). Top it up."),
        ("warn", "near: $10 is nearly used up ($8.00 of $10.00)."),
        ("warn", "research: pro lifetime is nearly used up (9 credits of 10 credits)."),
    ]
    assert [alert.level for alert in found] == ["bad", "bad", "warn", "warn"]
    assert {alert.path for alert in found} == {
        f"/console/keys/{near}",
        f"/console/keys/{full}",
        "/console/plans",
    }
    await browser.sign_in()
    shown = (await browser.get("/console/")).text
    assert "&lt;b&gt;full&lt;/b&gt;: $10 is used up" in shown and "<b>full" not in shown


async def test_limits_that_are_full_by_nature_say_nothing(opened: Opened) -> None:
    browser = opened(now_us=lambda: NOW_US)
    key_id, _ = browser.new_key("busy")
    grant(browser.store, "key", key_id, [written("60rpm"), written("2 concurrent"), written("60rph")])
    for number, limit in enumerate(browser.store.limits()):
        account = account_id(limit.id, key_id)
        browser.store.lease("w1", [Want(account, limit.id, key_id, 2**60, 0, 60, 0)], {}, [], 1)
        bucket = window.parse(limit.window, "UTC").bucket(NOW_US)[0]
        charge = (account, bucket, 60)
        browser.store.append("w1.1", number, [Record(f"gen-{number}", NOW_US, charges=charge)])
    assert [alert.values["limit"] for alert in alerts.of_store(browser.site, NOW_US)] == ["60rph"]


async def test_actions_that_stand_are_told_of(opened: Opened) -> None:
    browser = opened(now_us=lambda: NOW_US)
    t = browser.site.strings.translator("en")
    for action in ("slow", "cheaper_model", "metered", "suspend"):
        key_id, _ = browser.new_key(action)
        browser.store.set_action(ActionRow(key_id, action, "[]", 1, NOW_US + 1))
    over, _ = browser.new_key("over")
    browser.store.set_action(ActionRow(over, "slow", "[]", 1, NOW_US))
    found = alerts.of_store(browser.site, NOW_US)
    assert {alert.values["name"] for alert in found} == {"slow", "cheaper_model", "metered", "suspend"}
    assert all(t(alert.text, **alert.values).startswith("Fair use: ") for alert in found)


def acme(**more: Any) -> ProviderSettings:
    models = (ProviderModelSettings(id="acme/fast", context_length=8192),)
    return ProviderSettings(wire="openai_chat", base_url="https://acme.example/v1", models=models, **more)


async def test_a_provider_without_a_key_is_named_and_one_that_is_off_is_not(opened: Opened) -> None:
    browser = opened(providers={"acme": acme(), "off": acme(enabled=False)})
    assert said(browser, alerts.of_store(browser.site, NOW_US)) == [
        (
            "bad",
            "Provider acme is configured but has no key. Run: tokenworks provider key add acme NAME",
        )
    ]


async def test_endpoints_that_rest_are_told_of_until_they_may_be_asked_again(opened: Opened) -> None:
    health = Health(RoutingSettings(breaker_failures=3, breaker_rest_s=15.0))
    browser = opened(providers={"acme": acme()}, secrets={"acme": "sk"}, health=health)
    (endpoint,) = browser.site.catalog.endpoints["acme/fast"]
    assert alerts.resting(health, [endpoint], 100.0) == []
    for _ in range(3):
        health.of(endpoint).failed("server_error", 100.0)
    ((level, text),) = said(browser, alerts.resting(health, [endpoint], 101.0))
    assert level == "warn" and text.startswith("acme/fast at acme rests after failures")
    assert alerts.resting(health, [endpoint], 200.0) == []
    assert alerts.resting(None, [endpoint], 101.0) == []


async def test_drift_is_told_of_only_where_auto_is_on(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarm = Alarm("code", "refusals", 0.05, 0.2, 300, 1e-9)
    for auto, count in ((None, 0), (object(), 1)):
        browser = opened(auto=auto)
        reading = type(browser.site.drift.look(NOW_US))((alarm,), 1, True, NOW_US)
        monkeypatch.setattr(browser.site.drift, "look", lambda now_us, reading=reading: reading)
        found = alerts.of_store(browser.site, NOW_US)
        assert len(found) == count
    assert said(browser, found) == [
        ("warn", "Auto fares otherwise than before: code: refusals 5.0% -> 20.0%")
    ]
