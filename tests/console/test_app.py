"""The console as a whole: its headers, its errors, and that nothing given from outside is markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tokenworks.config.settings import RankingsSettings
from tokenworks.console import app as console
from tokenworks.console.app import POLICY

CONSOLE = Path(console.__file__).parent
PAGES = ("", "rankings", "activity", "models", "keys", "plans", "routing", "batches", "energy")


def sealed(answer: Any) -> None:
    headers = answer.headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    if "static" not in str(answer.url):
        assert headers["cache-control"] == "no-store"


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    allowed = dict(part.split(" ", 1) for part in POLICY.split("; "))
    assert allowed["default-src"] == "'none'"
    assert {name: value for name, value in allowed.items() if value not in ("'self'", "'none'")} == {
        "img-src": "'self' data:"
    }


async def test_every_answer_is_sealed(browser: Any, opened: Callable[..., Any]) -> None:
    stranger = opened()
    for path in ("/console", *(f"/console/{page}" for page in PAGES), "/console/none", "/console/sign-in"):
        sealed(await browser.get(path))
        sealed(await stranger.get(path))
    asset = browser.site.shelf.url("console.css")
    for answer in (
        await browser.get(asset),
        await browser.get("/console/static/none"),
        await browser.post("/console/sign-out", data={}),
        await browser.put("/console/keys"),
        await stranger.sign_in("wrong"),
        await stranger.post("/console/looks", data={"theme": "dark"}),
    ):
        sealed(answer)


async def test_every_page_is_shown_and_is_marked_in_the_head(browser: Any) -> None:
    for path in PAGES:
        answer = await browser.get(f"/console/{path}")
        assert answer.status_code == 200, path
        assert answer.text.partition("</header>")[0].count('aria-current="page"') == 1, path
        assert answer.text.count("<h1") == 1, path
        assert (
            "<script>" not in answer.text and " style=" not in answer.text and " onclick=" not in answer.text
        )
        for reached in re.findall(r'(?:src|action|href)="([^"]*)"', answer.text):
            assert reached.startswith(("/", "#", "?")) and not reached.startswith("//"), reached


async def test_what_is_not_there_is_a_page(browser: Any) -> None:
    answer = await browser.get("/console/no/such")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text and 'href="/console/keys"' in answer.text
    assert (await browser.put("/console/")).status_code == 405


async def test_errors_say_what_to_do(opened: Callable[..., Any]) -> None:
    answer = await opened().post("/console/sign-in", json={"key": "x"})
    assert answer.status_code == 400 and "application/x-www-form-urlencoded" in answer.text
    answer = await opened().post("/console/sign-in", content=b"a" * 2_000_000)
    assert answer.status_code == 400


async def test_what_breaks_is_a_page_too_and_reaches_the_log(browser: Any) -> None:
    def broken() -> None:
        raise ZeroDivisionError("<b>secret</b>")

    browser.site.store.usage = lambda *_: broken()
    with pytest.raises(ZeroDivisionError):  # for the server, which logs it
        await browser.get("/console/")
    browser._transport.raise_app_exceptions = False
    answer = await browser.get("/console/")
    assert answer.status_code == 500
    assert "Something broke here" in answer.text and "secret" not in answer.text
    sealed(answer)


async def test_paths_and_parameters_are_never_markup(opened: Callable[..., Any]) -> None:
    browser = opened(rankings=RankingsSettings(public=True))
    await browser.sign_in()
    evil = "\"'><script>alert(1)</script>"
    for page in PAGES:
        answer = await browser.get(
            f"/console/{page}", params=dict.fromkeys(("sort", "q", "model", "at"), evil)
        )
        assert answer.status_code in (200, 400), page
        assert "<script>alert" not in answer.text, page
    answer = await browser.get("/console/<script>alert(1)</script>")
    assert answer.status_code == 404 and "<script>alert" not in answer.text


def test_no_template_marks_data_as_safe_or_has_inline_code() -> None:
    for template in (CONSOLE / "templates").glob("*.html"):
        text = template.read_text()
        assert not re.search(r"\|\s*safe|autoescape", text), template.name
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|hx-on|javascript:", text), template.name
        for script in re.findall(r"<script[^>]*>", text):
            assert "src=" in script or 'type="application/json"' in script, (template.name, script)
        assert not re.search(r"https?://", text), template.name
