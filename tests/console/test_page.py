"""What every page has around it."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from tokenworks.config.settings import RankingsSettings
from tokenworks.console.page import url


def request(query: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/console/activity",
            "query_string": query.encode(),
            "headers": [],
        }
    )


def test_a_pages_address_with_other_parameters() -> None:
    asked = request("model=a%2Fb&page=3&sort=-cost&notice=keys.notice_made")
    assert url(asked, sort="name") == "/console/activity?model=a%2Fb&sort=name"
    assert url(asked, page=4) == "/console/activity?model=a%2Fb&page=4&sort=-cost"
    assert url(asked, model=None, sort="") == "/console/activity"
    assert url(asked, q='"><b>&x=1') == "/console/activity?model=a%2Fb&sort=-cost&q=%22%3E%3Cb%3E%26x%3D1"


async def test_the_head_leads_everywhere_and_says_who_is_in(browser: Any) -> None:
    shown = (await browser.get("/console/")).text
    for part in ("rankings", "activity", "models", "keys", "routing", "batches", "energy"):
        assert f'<a href="/console/{part}">' in shown
    assert '<a href="/console/" aria-current="page">' in shown
    assert '<a class="skip" href="#main">' in shown and 'id="main"' in shown
    assert '<button title="root">' in shown


async def test_a_keys_name_is_text(opened: Any) -> None:
    browser = opened()
    await browser.sign_in(browser.new_key('"><img src=x onerror=1>', "admin")[1])
    shown = (await browser.get("/console/")).text
    assert "<img src=x" not in shown and "&lt;img src=x onerror=1&gt;" in shown


async def test_only_notices_that_we_wrote_are_shown(browser: Any) -> None:
    for given in ("home.title", "<b>x</b>", "home.notice_none", "shell.sign_in_wrong"):
        shown = (await browser.get("/console/", params={"notice": given})).text
        assert 'class="notice"' not in shown


async def test_pages_tell_language_zone_and_what_they_depend_on(opened: Any) -> None:
    browser = opened(rankings=RankingsSettings(timezone="Asia/Shanghai"))
    await browser.sign_in()
    answer = await browser.get("/console/", headers={"accept-language": "zh"})
    assert answer.headers["content-language"] == "zh"
    assert answer.headers["vary"] == "cookie, accept-language"
    assert "时区：Asia/Shanghai" in answer.text
