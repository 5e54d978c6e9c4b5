"""The page of keys, and the form that makes one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tokenworks.console.keys import expiry, named
from tokenworks.errors import BadRequest
from tokenworks.ledger.limit_rows import PlanRow, TeamRow
from tokenworks.ledger.rows import KeyRow
from tokenworks.plans.granting import spelled

NAMES = re.compile(r'href="/console/keys/(k_[0-9a-f]+)">([^<]*)</a>')
SECRET = re.compile(r"tw-[\w-]{43}")


def names(browser: Any) -> list[str]:
    every = browser.store.keys()
    return [row.name for row in every]


def key_named(browser: Any, name: str) -> KeyRow:
    every = browser.store.keys()
    return next(row for row in every if row.name == name)


async def listed(browser: Any, query: str = "") -> list[str]:
    answer = await browser.get(f"/console/keys{query}")
    assert answer.status_code == 200, answer.text
    return [name for _, name in NAMES.findall(answer.text)]


async def test_nobody_sees_or_makes_keys_without_signing_in(opened: Any) -> None:
    browser = opened()
    for path in ("/console/keys", "/console/new-key"):
        answer = await browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/sign-in")
    answer = await browser.post("/console/keys", data={"name": "x"})
    assert answer.status_code == 303
    assert names(browser) == ["root"]


async def test_a_form_from_elsewhere_makes_nothing(browser: Any) -> None:
    answer = await browser.post("/console/keys", data={"name": "x", "csrf": "wrong"})
    assert answer.status_code == 403
    answer = await browser.post("/console/keys", data={"name": "x"})
    assert answer.status_code == 403
    assert names(browser) == ["root"]


async def test_a_secret_is_shown_once_and_works(browser: Any) -> None:
    answer = await browser.send_form("/console/keys", name="ci")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    (secret,) = set(SECRET.findall(answer.text))
    assert "data-copy" in answer.text
    row = key_named(browser, "ci")
    key = browser.site.keys.check(secret.encode())
    assert key is not None
    assert (key.id, row.role, row.hint[-4:]) == (row.id, "member", secret[-4:])
    for path in ("/console/keys", f"/console/keys/{row.id}"):
        assert secret not in (await browser.get(path)).text
    (entry,) = browser.store.audit(target=row.id)
    assert (entry.actor, entry.action) == (browser.key_id, "key.create")
    assert secret not in entry.detail


async def test_a_key_gets_all_that_its_form_says(browser: Any) -> None:
    browser.store.add_team(TeamRow("t_1", "research", "", 1, 1))
    browser.store.put_plan(PlanRow("pro", '{"name":"pro"}', 1, 1))
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    answer = await browser.send_form(
        "/console/keys",
        name="lab",
        role="manager",
        team="t_1",
        plan="pro",
        limit="$12.50",
        window="week",
        strict="1",
        expires=day.isoformat(),
    )
    assert answer.status_code == 200, answer.text
    row = key_named(browser, "lab")
    assert (row.role, row.team_id) == ("manager", "t_1")
    assert datetime.fromtimestamp((row.expires_us or 0) / 1e6, UTC).strftime("%F %T") == f"{day} 23:59:59"
    (limit,) = browser.store.limits()
    assert (spelled(limit), limit.subject, limit.strict) == ("$12.5/week", row.id, True)
    (subscription,) = browser.store.subscriptions()
    assert (subscription.subject, subscription.plan) == (row.id, "pro")
    text = (await browser.get("/console/keys")).text
    assert "$12.5/week" in text
    assert "research" in text


REFUSED = (
    ({"name": ""}, "a name has 1 to 100"),
    ({"name": "a\x07b"}, "a name has 1 to 100"),
    ({"name": "x", "role": "god"}, "role: use one of"),
    ({"name": "x", "role": "manager"}, "a manager manages a team"),
    ({"name": "x", "team": "t_9"}, "that team is gone"),
    ({"name": "x", "plan": "none"}, "that plan is gone"),
    ({"name": "x", "limit": "much"}, "budget &#39;$much/month&#39;"),
    ({"name": "x", "limit": "20/5h"}, "dollars alone"),
    ({"name": "x", "limit": "-1"}, "budget"),
    ({"name": "x", "limit": "5", "window": "eon"}, "dollars alone"),
    ({"name": "x", "expires": "2001-01-01"}, "that day is over"),
    ({"name": "x", "expires": "tomorrow"}, "give a day such as"),
)


async def test_what_cannot_be_is_said_on_the_form_and_makes_nothing(browser: Any) -> None:
    for fields, complaint in REFUSED:
        answer = await browser.send_form("/console/keys", **fields)
        assert answer.status_code == 400, fields
        assert complaint in answer.text, fields
        assert 'role="alert"' in answer.text
        if fields["name"] == "x":
            assert 'name="name" type="text" value="x"' in answer.text  # nothing has to be typed again
    assert names(browser) == ["root"]


async def test_a_list_is_searched_and_sorted_by_the_server(browser: Any) -> None:
    for name in ("beta", "Alpha", "gamma"):
        browser.new_key(name)
    assert await listed(browser, "?sort=name") == ["Alpha", "beta", "gamma", "root"]
    assert await listed(browser, "?sort=-name") == ["root", "gamma", "beta", "Alpha"]
    assert await listed(browser, "?sort=nonsense") == ["gamma", "Alpha", "beta", "root"]  # the newest first
    assert await listed(browser, "?q=ALPH") == ["Alpha"]
    assert await listed(browser, "?q=nobody") == []


async def test_revoked_keys_are_shown_where_they_are_asked_for(browser: Any) -> None:
    key_id, _ = browser.new_key("old")
    browser.store.revoke_key(key_id)
    assert await listed(browser) == ["root"]
    assert await listed(browser, "?state=revoked") == ["old"]
    assert await listed(browser, "?state=disabled") == []


async def test_fifty_keys_stand_on_a_page(browser: Any) -> None:
    for number in range(60):
        browser.new_key(f"k{number:02}")
    assert len(await listed(browser, "?sort=name")) == 50
    assert (await listed(browser, "?sort=name&page=2"))[-1] == "root"
    assert len(await listed(browser, "?page=99")) == 11
    assert (await browser.get("/console/keys?page=0")).status_code == 400


async def test_html_in_names_is_inert(browser: Any) -> None:
    name = "<script>alert(1)</script>\"onx='"
    answer = await browser.send_form("/console/keys", name=name)
    row = browser.store.keys()[-1]
    assert row.name == name
    pages = [answer, await browser.get("/console/keys"), await browser.get(f"/console/keys/{row.id}")]
    pages.append(await browser.get(f"/console/keys/{row.id}/revoke"))
    pages.append(await browser.get("/console/keys", params={"q": name}))
    for each in pages:
        assert "<script>alert" not in each.text
        assert "&lt;script&gt;alert" in each.text


async def test_an_empty_list_says_what_to_do_next(browser: Any) -> None:
    text = (await browser.get("/console/keys?q=nobody")).text
    assert "tokenworks key create NAME --budget 20/month" in text


async def test_it_speaks_chinese(browser: Any) -> None:
    for path in ("/console/keys", "/console/new-key"):
        text = (await browser.get(path, headers={"accept-language": "zh-CN"})).text
        assert "新建密钥" in text


def test_names() -> None:
    assert named("Team Ä") == "Team Ä"
    for bad in ("", "a\nb", "x" * 101):
        with pytest.raises(BadRequest):
            named(bad)


def test_an_expiry_is_the_end_of_its_day() -> None:
    now_us = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp() * 1e6)
    assert expiry("", now_us) is None
    assert expiry("2026-11-26", now_us) == int(
        datetime(2026, 11, 26, 23, 59, 59, tzinfo=UTC).timestamp() * 1e6
    )
    with pytest.raises(BadRequest):
        expiry("2026-11-25", now_us)
