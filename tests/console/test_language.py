"""Language and theme: what the browser asks for, what was chosen, and where that is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.console.language import accepted


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("fr,zh;q=0.3,en;q=0.2", "zh"),
        ("de-DE,de;q=0.9", "en"),
        ("en;q=0.1,ZH-hant;q=0.5", "zh"),
        ("zh;q=nonsense,en", "en"),
        (",;q=,", "en"),
    ],
)
def test_the_browsers_wish(header: str, language: str) -> None:
    assert accepted(header) == language


async def test_the_switch_is_kept_and_goes_before_the_browsers_wish(browser: Any) -> None:
    wish = {"accept-language": "zh-CN"}
    shown = await browser.get("/console/", headers=wish)
    assert '<html lang="zh-Hans">' in shown.text and "排行" in shown.text
    answer = await browser.post("/console/looks", data={"language": "en", "next": "/console/?a=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/?a=1")
    for part in ("tokenworks_language=en", "HttpOnly", "Path=/console", "SameSite=lax"):
        assert part in answer.headers["set-cookie"]
    shown = await browser.get("/console/", headers=wish)
    assert '<html lang="en">' in shown.text and "Rankings" in shown.text


async def test_the_theme_stands_in_the_first_byte_of_the_page(browser: Any) -> None:
    assert "data-theme" not in (await browser.get("/console/")).text
    for theme in ("dark", "light"):
        await browser.post("/console/looks", data={"theme": theme})
        assert f'<html lang="en" data-theme="{theme}">' in (await browser.get("/console/")).text
    await browser.post("/console/looks", data={"theme": "auto"})
    assert "data-theme" not in (await browser.get("/console/")).text


async def test_unknown_choices_and_foreign_forms_change_nothing(opened: Callable[..., Any]) -> None:
    browser = opened()
    answer = await browser.post("/console/looks", data={"language": "xx", "theme": "<b>", "next": "//evil"})
    assert "set-cookie" not in answer.headers and answer.headers["location"] == "/console/"
    answer = await browser.post(
        "/console/looks", data={"theme": "dark"}, headers={"sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 403 and "set-cookie" not in answer.headers
    browser.cookies.set("tokenworks_language", "../en", path="/console")
    browser.cookies.set("tokenworks_theme", '"><b>', path="/console")
    shown = await browser.get("/console/sign-in")
    assert shown.status_code == 200 and "data-theme" not in shown.text
