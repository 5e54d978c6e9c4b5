"""The door: who gets in, who doesn't, and what they are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.console.form import MAX_OPEN
from tokenworks.console.session import COOKIE
from tokenworks.console.sign_in import path_to
from tokenworks.console.slowing import PER_ADDRESS
from tokenworks.plans import keys

Opened = Callable[..., Any]
PEPPER = b"p" * 32


async def test_an_admin_gets_in_and_goes_on_to_the_page_it_wanted(opened: Opened) -> None:
    browser = opened()
    asked = await browser.get("/console/activity?model=a%2Fb")
    assert asked.status_code == 303
    form = await browser.get(asked.headers["location"])
    assert form.status_code == 200
    assert 'name="next" value="/console/activity?model=a%2Fb"' in form.text
    answer = await browser.sign_in(next="/console/activity?model=a%2Fb")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/activity?model=a%2Fb")
    assert (await browser.get("/console/")).status_code == 200
    again = await browser.get("/console/sign-in?next=/console/keys")
    assert (again.status_code, again.headers["location"]) == (303, "/console/keys")


async def test_the_cookie_is_for_the_console_alone_and_knows_no_secret(opened: Opened) -> None:
    browser = opened()
    set_cookie = (await browser.sign_in()).headers["set-cookie"]
    for part in ("HttpOnly", "Path=/console", "SameSite=strict", "Max-Age=43200"):
        assert part in set_cookie
    assert "Secure" not in set_cookie
    assert browser.secret[3:] not in set_cookie
    answer = await browser.post(
        "/console/sign-in", data={"key": browser.secret}, headers={"x-forwarded-proto": "https"}
    )
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("secret", ["tw-nonsense", "tw-" + "x" * 43, " ", "ключ", "a\x00b"])
async def test_a_wrong_key_is_told_so(opened: Opened, secret: str) -> None:
    browser = opened()
    answer = await browser.sign_in(secret)
    assert answer.status_code == 403
    assert "This key is not valid here" in answer.text and 'aria-invalid="true"' in answer.text
    assert secret.strip() == "" or secret not in answer.text
    assert COOKIE not in browser.cookies
    assert (await browser.get("/console/")).status_code == 303


async def test_the_secret_before_a_rotation_opens_nothing_here(opened: Opened) -> None:
    """It still calls for a while; a session would outlast it."""
    browser = opened()
    keys.rotate(browser.store, browser.key_id, PEPPER, 3600)
    browser.site.keys.reload_if_changed()
    assert browser.site.keys.check(browser.secret.encode()) is not None
    assert (await browser.sign_in()).status_code == 403
    assert COOKIE not in browser.cookies


async def test_a_session_that_was_there_before_is_not_gone_on_with(opened: Opened) -> None:
    """Who plants a cookie knows nothing of the session after it."""
    browser = opened()
    await browser.sign_in()
    planted, csrf = browser.cookies[COOKIE], browser.csrf
    await browser.sign_in(browser.new_key("other", "admin")[1])
    assert browser.cookies[COOKIE] != planted and browser.csrf != csrf


async def test_open_forms_are_short(opened: Opened) -> None:
    browser = opened()
    for path in ("/console/sign-in", "/console/looks"):
        answer = await browser.post(path, data={"next": "%" * MAX_OPEN})
        assert answer.status_code == 413 and str(MAX_OPEN) in answer.text


async def test_who_a_proxy_says_it_asks_for_is_not_believed(opened: Opened) -> None:
    browser = opened()
    for number in range(PER_ADDRESS + 1):
        form, headers = {"key": "tw-" + "x" * 43}, {"x-forwarded-for": f"10.0.0.{number}"}
        answer = await browser.post("/console/sign-in", data=form, headers=headers)
    assert answer.status_code == 429


@pytest.mark.parametrize("role", ["member", "manager"])
async def test_other_roles_are_told_what_is_needed(opened: Opened, role: str) -> None:
    browser = opened()
    answer = await browser.sign_in(browser.new_key("some", role)[1])
    assert answer.status_code == 403
    assert f"it is a {role}" in answer.text and "tokenworks key create NAME --admin" in answer.text
    assert COOKIE not in browser.cookies


async def test_revoked_and_expired_keys_do_not_open(opened: Opened) -> None:
    browser = opened()
    revoked, secret = browser.new_key("gone", "admin")
    browser.store.revoke_key(revoked)
    browser.site.keys.reload_if_changed()
    assert (await browser.sign_in(secret)).status_code == 403
    _, old = browser.new_key("old", "admin", expires_us=time.time_ns() // 1000 - 1)
    assert (await browser.sign_in(old)).status_code == 403


async def test_guessing_is_slowed_down(opened: Opened) -> None:
    now = [1_790_000_000_000_000]
    browser = opened(now_us=lambda: now[0])
    for _ in range(PER_ADDRESS):
        assert (await browser.sign_in("tw-" + "x" * 43)).status_code == 403
    answer = await browser.sign_in("tw-" + "x" * 43)
    assert answer.status_code == 429 and answer.headers["retry-after"] == "60"
    assert "Try again in 60 seconds" in answer.text
    assert (await browser.sign_in()).status_code == 429  # the right one has to wait as well
    now[0] += 60_000_000
    assert (await browser.sign_in()).status_code == 303


@pytest.mark.parametrize(
    "after", ["https://evil.example", "//evil.example", "/\\evil.example", "/v1/keys", "javascript:1"]
)
async def test_nobody_is_led_away(opened: Opened, after: str) -> None:
    browser = opened()
    shown = await browser.get("/console/sign-in", params={"next": after})
    assert 'name="next" value="/console/"' in shown.text
    answer = await browser.sign_in(next=after)
    assert answer.headers["location"] == "/console/"


async def test_another_sites_form_does_not_sign_in(opened: Opened) -> None:
    browser = opened()
    answer = await browser.post(
        "/console/sign-in", data={"key": browser.secret}, headers={"sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


async def test_signing_out_drops_the_cookie_and_needs_the_token(browser: Any) -> None:
    assert (await browser.post("/console/sign-out", data={})).status_code == 403
    assert (await browser.get("/console/")).status_code == 200
    answer = await browser.send_form("/console/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    assert COOKIE not in browser.cookies
    assert (await browser.get("/console/")).status_code == 303


async def test_a_page_asked_from_elsewhere_looks_once_for_its_cookie(opened: Opened) -> None:
    shown = await opened().get("/console/sign-in?next=/console/keys%3Fa%3D1")
    assert 'data-door="/console/sign-in?next=/console/keys%3Fa%3D1&amp;again=1"' in shown.text


def test_home_needs_no_next() -> None:
    assert path_to("/console/") == "/console/sign-in"
    assert path_to("/console/activity?a=1&b=2") == "/console/sign-in?next=/console/activity%3Fa%3D1%26b%3D2"
