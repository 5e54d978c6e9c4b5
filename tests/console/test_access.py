"""Sessions: for how long they are good, and which forms they may send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.config.settings import RankingsSettings
from tokenworks.console.session import COOKIE, MAX_AGE_S
from tokenworks.plans import keys

Opened = Callable[..., Any]
PEPPER = b"p" * 32


def change_cookie(browser: Any, value: str) -> None:
    browser.cookies.clear()
    browser.cookies.set(COOKIE, value, path="/console")


async def is_in(browser: Any) -> bool:
    answer = await browser.get("/console/")
    assert answer.status_code in (200, 303)
    return bool(answer.status_code == 200)


async def test_a_session_ends_with_its_key(browser: Any) -> None:
    assert await is_in(browser)
    browser.store.revoke_key(browser.key_id)
    browser.site.keys.reload_if_changed()
    assert not await is_in(browser)


async def test_a_session_ends_when_its_key_is_disabled_demoted_or_rotated(opened: Opened) -> None:
    for change in (
        lambda store, key_id: store.update_key(key_id, disabled=True),
        lambda store, key_id: store.update_key(key_id, role="member"),
        lambda store, key_id: keys.rotate(store, key_id, PEPPER, 3600),
    ):
        browser = opened()
        await browser.sign_in()
        assert await is_in(browser)
        change(browser.store, browser.key_id)
        browser.site.keys.reload_if_changed()
        assert not await is_in(browser)


async def test_a_session_ends_when_its_key_expires_or_it_is_too_old(opened: Opened) -> None:
    start = 4_000_000_000_000_000  # long after the clock that the key book reads
    now = [start]
    browser = opened(now_us=lambda: now[0])
    _, expiring = browser.new_key("guest", "admin", expires_us=start + 3600 * 1_000_000)
    await browser.sign_in(expiring)
    assert await is_in(browser)
    now[0] += 3600 * 1_000_000
    assert not await is_in(browser)
    await browser.sign_in()
    now[0] += MAX_AGE_S * 1_000_000
    assert await is_in(browser)
    now[0] += 1_000_000
    assert not await is_in(browser)


async def test_tampered_cookies_open_nothing(browser: Any) -> None:
    good = browser.cookies[COOKIE]
    payload, stamp, signature = good.split(".")
    for bad in (
        f"{payload}.{stamp}.{signature[::-1]}",
        f"{payload[:-2]}.{stamp}.{signature}",
        "nonsense",
        browser.key_id,
        browser.secret,
    ):
        change_cookie(browser, bad)
        assert not await is_in(browser)
    change_cookie(browser, good)
    assert await is_in(browser)


async def test_forms_need_the_sessions_own_token(opened: Opened) -> None:
    browser, other = opened(), opened()
    await browser.sign_in()
    await other.sign_in()
    for token in ("", "wrong", other.csrf, "é"):
        answer = await browser.post("/console/sign-out", data={"csrf": token})
        assert answer.status_code == 403
        assert "reload the page" in answer.text and answer.text.startswith("<!doctype html>")
    right = {"csrf": browser.csrf}
    answer = await browser.post("/console/sign-out", data=right, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403 and await is_in(browser)
    assert (await browser.post("/console/sign-out", data=right)).status_code == 303


async def test_htmx_sends_the_token_as_a_header(browser: Any) -> None:
    shown = (await browser.get("/console/")).text
    assert f"""hx-headers='{{"x-csrf-token": "{browser.csrf}"}}'""" in shown
    headers = {"x-csrf-token": browser.csrf}
    assert (await browser.post("/console/sign-out", data={}, headers=headers)).status_code == 303


async def test_forms_of_nobody_lead_to_the_door(opened: Opened) -> None:
    answer = await opened().post("/console/sign-out", data={"csrf": "x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")


async def test_htmx_and_event_streams_are_told_in_their_own_ways(opened: Opened) -> None:
    browser = opened()
    answer = await browser.get("/console/activity?a=1", headers={"hx-request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/console/sign-in?next=/console/activity%3Fa%3D1"
    answer = await browser.get("/console/live", headers={"accept": "text/event-stream"})
    assert answer.status_code == 401


@pytest.mark.parametrize("public", [False, True])
async def test_rankings_are_for_everybody_only_where_they_are_public(opened: Opened, public: bool) -> None:
    browser = opened(rankings=RankingsSettings(public=public))
    answer = await browser.get("/console/rankings")
    assert answer.status_code == (200 if public else 303)
    assert ('href="/console/keys"' in answer.text) is False
    assert (await browser.get("/console/activity")).status_code == 303
    if public:
        assert 'href="/console/sign-in' in answer.text and "sign-out" not in answer.text
