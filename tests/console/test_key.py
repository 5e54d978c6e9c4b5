"""One key: its page, and the forms that change it."""

from __future__ import annotations

import re
import time
from typing import Any

from tokenworks.console.key import uses
from tokenworks.ledger.limit_rows import ActionRow, PlanRow, StopRow, TeamRow
from tokenworks.ledger.record import Record
from tokenworks.plans.granting import grant, own_limits, spelled, top_up, written

SECRET = re.compile(r"tw-[\w-]{43}")


async def text_of(browser: Any, key_id: str) -> str:
    answer = await browser.get(f"/console/keys/{key_id}")
    assert answer.status_code == 200, answer.text
    text: str = answer.text
    return text


def audited(browser: Any, target: str) -> list[tuple[str, str]]:
    return [(each.actor, each.action) for each in browser.store.audit(target=target)]


async def test_a_key_is_renamed_and_the_change_is_noted(browser: Any) -> None:
    key_id, _ = browser.new_key("old")
    answer = await browser.send_form(f"/console/keys/{key_id}/rename", name="new")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/console/keys/{key_id}?notice=keys.notice_renamed"
    assert browser.store.key(key_id).name == "new"
    assert audited(browser, key_id)[0] == (browser.key_id, "key.update")
    assert "Renamed." in (await browser.get(answer.headers["location"])).text


async def test_a_name_that_cannot_be_is_refused_on_the_keys_page(browser: Any) -> None:
    key_id, _ = browser.new_key("old")
    answer = await browser.send_form(f"/console/keys/{key_id}/rename", name="a\x07b")
    assert answer.status_code == 400
    assert "a name has 1 to 100" in answer.text
    assert browser.store.key(key_id).name == "old"


async def test_a_disabled_key_is_refused_and_an_enabled_one_is_not(browser: Any) -> None:
    key_id, secret = browser.new_key("ci")
    assert browser.site.keys.check(secret.encode()) is not None
    await browser.send_form(f"/console/keys/{key_id}/disable")
    assert browser.site.keys.check(secret.encode()) is None
    assert "Disabled" in await text_of(browser, key_id)
    await browser.send_form(f"/console/keys/{key_id}/enable")
    assert browser.site.keys.check(secret.encode()) is not None
    assert audited(browser, key_id)[:2] == [(browser.key_id, "key.update")] * 2


async def test_revoking_is_asked_for_once_more(browser: Any) -> None:
    key_id, secret = browser.new_key("ci")
    answer = await browser.send_form(f"/console/keys/{key_id}/revoke")
    assert answer.headers["location"] == f"/console/keys/{key_id}/revoke"
    assert browser.site.keys.check(secret.encode()) is not None
    asked = await browser.get(f"/console/keys/{key_id}/revoke")
    assert f'name="confirm" value="{key_id}"' in asked.text
    assert "last active admin" not in asked.text
    await browser.send_form(f"/console/keys/{key_id}/revoke", confirm=key_id)
    assert browser.site.keys.check(secret.encode()) is None
    assert audited(browser, key_id)[0] == (browser.key_id, "key.revoke")
    text = await text_of(browser, key_id)
    assert "/rename" not in text  # nothing of it can be changed any more
    answer = await browser.send_form(f"/console/keys/{key_id}/rename", name="again")
    assert answer.status_code == 404


async def test_the_last_admin_is_warned_before_it_locks_itself_out(browser: Any) -> None:
    text = (await browser.get(f"/console/keys/{browser.key_id}/revoke")).text
    assert "You will be signed out" in text
    assert "last active admin key" in text
    answer = await browser.send_form(f"/console/keys/{browser.key_id}/disable")
    assert answer.headers["location"] == f"/console/keys/{browser.key_id}/disable"
    assert not browser.store.key(browser.key_id).disabled
    await browser.send_form(f"/console/keys/{browser.key_id}/disable", confirm=browser.key_id)
    assert browser.store.key(browser.key_id).disabled
    assert (await browser.get("/console/keys")).status_code == 303


async def test_a_new_secret_is_shown_once_and_the_old_one_is_good_for_a_while(browser: Any) -> None:
    key_id, old = browser.new_key("ci")
    answer = await browser.send_form(f"/console/keys/{key_id}/rotate", overlap_h="1")
    assert answer.headers["cache-control"] == "no-store"
    (new,) = set(SECRET.findall(answer.text))
    assert new != old
    assert "stays good until" in answer.text
    assert all(browser.site.keys.check(each.encode()) for each in (new, old))
    assert new not in await text_of(browser, key_id)
    assert audited(browser, key_id)[0] == (browser.key_id, "key.rotate")
    answer = await browser.send_form(f"/console/keys/{key_id}/rotate", overlap_h="0")
    assert "stays good until" not in answer.text
    assert browser.site.keys.check(new.encode()) is None


async def test_an_overlap_that_is_none_changes_nothing(browser: Any) -> None:
    key_id, secret = browser.new_key("ci")
    for overlap in ("-1", "9000", "soon", "nan"):
        answer = await browser.send_form(f"/console/keys/{key_id}/rotate", overlap_h=overlap)
        assert answer.status_code == 400, overlap
        assert not SECRET.search(answer.text)
    assert browser.store.key(key_id).hint[-4:] == secret[-4:]


async def test_limits_are_set_and_removed_but_never_a_wallet(browser: Any) -> None:
    key_id, _ = browser.new_key("ci")
    store = browser.store
    for text in ("20/month", "60rpm", "30/month"):
        await browser.send_form(f"/console/keys/{key_id}/limit", limit=text)
    own = own_limits(store.limits(), "key", key_id)
    assert [spelled(each) for each in own] == ["$30/month", "60rpm"]
    assert "$30/month" in await text_of(browser, key_id)
    answer = await browser.send_form(f"/console/keys/{key_id}/limit", limit="lots")
    assert answer.status_code == 400
    assert "limit &#39;lots&#39;" in answer.text
    await browser.send_form(f"/console/keys/{key_id}/unlimit", limit_id=own[0].id)
    assert [spelled(each) for each in store.limits()] == ["60rpm"]
    assert audited(browser, own[0].id)[0] == (browser.key_id, "limit.remove")
    wallet = top_up(store, "key", key_id, 5.0)
    other, _ = browser.new_key("other")
    for key, limit_id in ((key_id, wallet.id), (other, own[1].id)):
        answer = await browser.send_form(f"/console/keys/{key}/unlimit", limit_id=limit_id)
        assert answer.status_code == 400
    assert len(store.limits()) == 2


async def test_a_plan_is_given_and_taken(browser: Any) -> None:
    key_id, _ = browser.new_key("ci")
    browser.store.put_plan(PlanRow("pro", '{"name":"pro","windows":[{"credits":50,"window":"5h"}]}', 1, 1))
    await browser.send_form(f"/console/keys/{key_id}/plan", plan="pro")
    assert [each.plan for each in browser.store.subscriptions()] == ["pro"]
    assert "0 of 50 credits" in await text_of(browser, key_id)
    answer = await browser.send_form(f"/console/keys/{key_id}/plan", plan="gone")
    assert answer.status_code == 400
    await browser.send_form(f"/console/keys/{key_id}/plan", plan="")
    assert browser.store.subscriptions() == []


async def test_a_page_tells_what_a_key_did_and_what_was_done_to_it(browser: Any) -> None:
    store = browser.store
    store.add_team(TeamRow("t_1", "research", "", 1, 1))
    key_id, _ = browser.new_key("ci", team_id="t_1", rules='{"models":["acme/*"],"private":true}')
    grant(store, "team", "t_1", [written("200/month")])
    now_us = time.time_ns() // 1000
    used = Record("gen-1", now_us, key_id, model="acme/<b>", provider="acme", outcome="ok", status=200)
    used.uncached_input_tokens, used.output_tokens, used.cost_nano_usd = 1500, 500, 2_500_000_000
    store.append("w.1", 0, [used])
    store.stop_session(StopRow("s<i>", key_id, 5))
    store.set_action(ActionRow(key_id, "slow", '["no pause for 40 hours"]', 5))
    text = await text_of(browser, key_id)
    for each in ("research", "$200/month", "acme/&lt;b&gt;", "1.5K", "$2.50", "s&lt;i&gt;", "key.create"):
        assert each in text, each
    assert "slowed down" in text
    assert "no pause for 40 hours" in text
    assert "acme/*" in text
    assert "left out of rankings" in text
    assert ">Private<" in (await browser.get("/console/keys")).text
    assert "<b>" not in text


async def test_an_unused_key_says_how_to_use_it(browser: Any) -> None:
    key_id, _ = browser.new_key("ci")
    assert "curl http://tw/v1/chat/completions" in await text_of(browser, key_id)


async def test_what_is_not_there_is_404(browser: Any) -> None:
    for path in ("k_none", "k_none/revoke", "x/y"):
        assert (await browser.get(f"/console/keys/{path}")).status_code == 404, path


async def test_no_change_without_session_and_token(browser: Any) -> None:
    key_id, secret = browser.new_key("ci")
    fields = {"name": "x", "confirm": key_id, "limit": "1/day", "overlap_h": "0"}
    actions = ("rename", "disable", "enable", "revoke", "rotate", "limit", "unlimit", "plan")
    paths = [f"/console/keys/{key_id}/{action}" for action in actions]
    foreign = {"origin": "https://elsewhere.example"}
    for path in paths:
        assert (await browser.post(path, data=fields)).status_code == 403, path
        sent = await browser.post(path, data={**fields, "csrf": browser.csrf}, headers=foreign)
        assert sent.status_code == 403, path
    browser.cookies.clear()
    for path in paths:
        assert (await browser.post(path, data=fields)).status_code == 303, path
    assert len(browser.store.audit(target=key_id)) == 1  # that it was made
    assert browser.site.keys.check(secret.encode()) is not None


async def test_an_other_month_does_not_count(browser: Any) -> None:
    now_us = 1_795_694_400_000_000  # 2026-11-26
    before = now_us - 27 * 86_400_000_000
    rows = [Record(f"gen-{at}", at, "k_1", model="acme/a", output_tokens=3) for at in (now_us, before)]
    browser.store.append("w.1", 0, rows)
    (use,) = uses(browser.store, "k_1", now_us)
    assert (use.requests, use.output_tokens) == (1, 3)
