"""The page of plans, and the forms on it."""

from __future__ import annotations

from typing import Any

import pytest

from tokenworks.console.plans import living, subject_of
from tokenworks.errors import BadRequest
from tokenworks.ledger.limit_rows import ActionRow, PlanRow, StopRow, SubscriptionRow, TeamRow
from tokenworks.plans.granting import grant, written

PRO = '{"name":"pro","price_usd":20,"windows":[{"credits":50,"window":"5h"}],"used_up":"queue"}'


async def text_of(browser: Any) -> str:
    answer = await browser.get("/console/plans")
    assert answer.status_code == 200, answer.text
    text: str = answer.text
    return text


def last(browser: Any) -> tuple[str, str, str]:
    (entry,) = browser.store.audit(limit=1)
    return entry.actor, entry.action, entry.target


async def test_nobody_sees_plans_without_signing_in(opened: Any) -> None:
    answer = await opened().get("/console/plans")
    assert answer.status_code == 303


async def test_an_empty_page_says_how_to_begin(browser: Any) -> None:
    text = await text_of(browser)
    for command in ("plan create pro", "team create research", "fair-use act KEY", "session stop SESSION"):
        assert f"tokenworks {command}" in text
    assert 'aria-current="page">Keys &amp; plans</a>' in text  # the way here in the head of the page


async def test_a_plan_is_shown_with_who_has_it(browser: Any) -> None:
    browser.store.put_plan(PlanRow("pro", PRO, 1, 1))
    assert "tokenworks plan assign pro --key KEY" in await text_of(browser)
    key_id, _ = browser.new_key("<b>ci")
    browser.store.subscribe(SubscriptionRow("key", key_id, "pro", 5))
    text = await text_of(browser)
    for each in ("$20", "50 credits each 5h", "waits in the queue", "0 of 50 credits", "&lt;b&gt;ci"):
        assert each in text, each
    assert "<b>" not in text


async def test_a_plan_is_given_and_taken_away(browser: Any) -> None:
    browser.store.put_plan(PlanRow("pro", PRO, 1, 1))
    browser.store.add_team(TeamRow("t_1", "research", "", 1, 1))
    key_id, _ = browser.new_key("ci")
    answer = await browser.send_form("/console/plans/assign", plan="pro", scope="key", subject="ci")
    assert answer.headers["location"] == "/console/plans?notice=plans.notice_assigned"
    assert last(browser) == (browser.key_id, "plan.subscribe", key_id)
    await browser.send_form("/console/plans/assign", plan="pro", scope="team", subject="research")
    have = [(each.scope, each.subject) for each in browser.store.subscriptions()]
    assert sorted(have) == [("key", key_id), ("team", "t_1")]
    assert "research" in await text_of(browser)
    await browser.send_form("/console/plans/unassign", scope="key", subject=key_id)
    assert [each.scope for each in browser.store.subscriptions()] == ["team"]
    answer = await browser.send_form("/console/plans/unassign", scope="key", subject=key_id)
    assert answer.status_code == 400


REFUSED = (
    (("gone", "key", "ci"), "that plan is gone"),
    (("pro", "app", "ci"), "choose one of key, team"),
    (("pro", "team", "ci"), "no team has that id or name"),
    (("pro", "key", "<i>"), "no key has that id or name"),
    (("pro", "key", "twin"), "2 keys have that name"),
)


async def test_what_cannot_be_given_is_said(browser: Any) -> None:
    browser.store.put_plan(PlanRow("pro", PRO, 1, 1))
    for name in ("ci", "twin", "twin"):
        browser.new_key(name)
    for (plan, scope, subject), complaint in REFUSED:
        answer = await browser.send_form("/console/plans/assign", plan=plan, scope=scope, subject=subject)
        assert answer.status_code == 400, complaint
        assert complaint in answer.text
        assert "<i>" not in answer.text
    assert browser.store.subscriptions() == []


async def test_an_action_is_shown_with_its_reasons_and_lifted(browser: Any) -> None:
    key_id, _ = browser.new_key("ci")
    browser.store.set_action(ActionRow(key_id, "slow", '["<u>no pause for 40 hours"]', 5, None))
    text = await text_of(browser)
    assert "&lt;u&gt;no pause for 40 hours" in text
    assert "slowed down" in text
    answer = await browser.send_form("/console/plans/lift", key_id=key_id)
    assert answer.headers["location"] == "/console/plans?notice=plans.notice_lifted"
    assert browser.store.actions() == []
    assert last(browser) == (browser.key_id, "fair_use.lift", key_id)
    answer = await browser.send_form("/console/plans/lift", key_id=key_id)
    assert answer.status_code == 400


async def test_a_stopped_session_is_resumed(browser: Any) -> None:
    browser.store.stop_session(StopRow(" <s>", "", 5))
    assert "&lt;s&gt;" in await text_of(browser)
    answer = await browser.send_form("/console/plans/resume", session=" <s>", key_id="")
    assert answer.headers["location"] == "/console/plans?notice=plans.notice_resumed"
    assert browser.store.stops() == []
    assert last(browser)[:2] == (browser.key_id, "session.resume")
    assert (await browser.send_form("/console/plans/resume", session="x")).status_code == 400


async def test_a_team_is_shown_with_its_limits(browser: Any) -> None:
    browser.store.add_team(TeamRow("t_1", "R&D <x>", "", 1, 1))
    browser.new_key("ci", team_id="t_1")
    grant(browser.store, "team", "t_1", [written("200/month")])
    text = await text_of(browser)
    assert "R&amp;D &lt;x&gt;" in text
    assert "/console/keys?q=R%26D%20%3Cx%3E" in text
    assert "$200/month" in text


async def test_no_change_without_the_sessions_token(browser: Any) -> None:
    key_id, _ = browser.new_key("ci")
    browser.store.put_plan(PlanRow("pro", PRO, 1, 1))
    browser.store.set_action(ActionRow(key_id, "slow", "[]", 5, None))
    browser.store.stop_session(StopRow("s", "", 5))
    fields = {"plan": "pro", "scope": "key", "subject": key_id, "key_id": key_id, "session": "s"}
    paths = [f"/console/plans/{action}" for action in ("assign", "unassign", "lift", "resume")]
    for path in paths:
        assert (await browser.post(path, data=fields)).status_code == 403, path
    browser.cookies.clear()
    for path in paths:
        assert (await browser.post(path, data=fields)).status_code == 303, path
    assert (len(browser.store.actions()), len(browser.store.stops())) == (1, 1)
    assert browser.store.subscriptions() == []


async def test_it_speaks_chinese(browser: Any) -> None:
    browser.store.put_plan(PlanRow("pro", PRO, 1, 1))
    answer = await browser.get("/console/plans", headers={"accept-language": "zh"})
    assert "每 5h 50 点" in answer.text


async def test_a_revoked_key_is_nobody(browser: Any) -> None:
    key_id, _ = browser.new_key("ci")
    assert subject_of(browser.store, "key", "ci") == key_id
    browser.store.revoke_key(key_id)
    assert [row.name for row in living(browser.store.keys())] == ["root"]
    with pytest.raises(BadRequest):
        subject_of(browser.store, "key", key_id)
