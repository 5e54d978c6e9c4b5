"""The console as a whole: its headers, its errors, and that nothing given from outside is markup."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from limiting import limit
from ranking_records import MONDAY_US, ranking_records

from tokenworks.config.settings import RankingsSettings
from tokenworks.console import app as console
from tokenworks.console.app import POLICY
from tokenworks.console.drift_reading import DriftReading
from tokenworks.console.session import COOKIE
from tokenworks.ledger.store import Store

# What anybody may ask for, and what anybody may where rankings are public.
OPEN = {("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/looks"), ("GET", "/static/{name}")}
PUBLIC = {
    *(("GET", "/rankings"), ("GET", "/rankings/report"), ("GET", "/rankings/{view}")),
    *(("GET", f"/rankings/{{view}}{part}") for part in (".{kind}", "/chart", "/card")),
}
NAMES = {"name": "console.css", "view": "model", "kind": "csv", "action": "revoke"}

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


# --- who may ask for what, of every route there is


def routes(browser: Any) -> list[tuple[str, str]]:
    """Method and path of every route, as OpenAPI writes it."""
    paths = console.build(browser.site).openapi()["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert len(found) > 35 and set(found) >= OPEN | PUBLIC
    return found


def address(path: str, **names: str) -> str:
    """``path`` with something in its places."""
    return "/console" + re.sub(r"\{(\w+)\}", lambda place: {**NAMES, **names}.get(place[1], "k_1"), path)


async def closed(browser: Any) -> set[tuple[str, str]]:
    """The routes that lead this browser to the door."""
    browser.site.stop.set()  # were the stream open by mistake, it would end
    found = set()
    for method, path in routes(browser):
        answer = await browser.request(method, address(path))
        if answer.headers.get("location", "").startswith("/console/sign-in"):
            found.add((method, path))
            assert answer.status_code == 303 and answer.text == ""
    return found


@pytest.mark.parametrize("public", [False, True])
async def test_every_route_is_behind_the_door_but_those_that_are_named(
    opened: Callable[..., Any], public: bool
) -> None:
    browser = opened(rankings=RankingsSettings(public=public))
    wanted = set(routes(browser)) - OPEN - (PUBLIC if public else set())
    assert await closed(browser) == wanted
    for role in ("member", "manager"):  # nor is anything open with a session that such a key can't get
        key = browser.site.keys.check(browser.new_key(role, role)[1].encode())
        browser.cookies.set(COOKIE, browser.site.signer.new(key)[0], path="/console")
        assert await closed(browser) == wanted


async def test_every_form_needs_the_sessions_token_and_our_own_page(browser: Any) -> None:
    posts = [path for method, path in routes(browser) if method == "POST" and (method, path) not in OPEN]
    assert len(posts) > 15
    before, right = browser.store.audit(limit=100), {"csrf": browser.csrf}
    for path in posts:
        where = address(path, key_id=browser.key_id)
        assert (await browser.post(where, data={"csrf": "x" * 32})).status_code == 403, path
        assert (await browser.post(where, data={})).status_code == 403, path
        for name, value in (
            *(("origin", "https://evil.example"), ("origin", "http://tw:81"), ("origin", "http://[")),
            *(("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")),
        ):
            assert (await browser.post(where, data=right, headers={name: value})).status_code == 403, path
    assert browser.store.audit(limit=100) == before
    assert (await browser.get("/console/")).status_code == 200  # not signed out either
    for path in ("/sign-in", "/looks"):
        answer = await browser.post(address(path), data={}, headers={"origin": "https://evil.example"})
        assert answer.status_code == 403, path


# --- what pages cost


async def test_no_page_is_made_on_the_loop(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one of a template takes up to 100 ms, in which no request of the gateway would be served."""
    threads: list[int] = []
    get_template = browser.site.templates.get_template

    def noted(*given: Any) -> Any:
        threads.append(threading.get_ident())
        return get_template(*given)

    monkeypatch.setattr(browser.site.templates, "get_template", noted)
    for method, path in routes(browser):
        if path not in ("/live", "/sign-out"):
            right = {"csrf": browser.csrf, "key": "wrong", "prompt": "x", "name": "x"}
            form = {"data": right} if method == "POST" else {}
            await browser.request(method, address(path), **form)
    await browser.post("/console/routing", data={"csrf": browser.csrf}, headers={"hx-request": "true"})
    assert len(threads) > 25 and threading.get_ident() not in threads


class Counted:
    """A store that notes which thread asks it for what."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        def ask(*given: Any, **more: Any) -> Any:
            self.calls.append((name, threading.get_ident()))
            return getattr(self._store, name)(*given, **more)

        return ask


async def test_pages_ask_the_store_seldom_and_never_on_the_loop(opened: Callable[..., Any]) -> None:
    """On the loop requests of the gateway are served; what is asked for each line makes long lists slow."""
    browser = opened(now_us=lambda: MONDAY_US + 6 * 86_400_000_000)
    await browser.sign_in()
    browser.store.append("w", 1, ranking_records(100))
    asked: list[dict[str, int]] = []
    for keys in (1, 9):
        for number in range(keys):
            limit(browser.store, browser.new_key(f"key {keys} {number}")[0], "usd", 5, "month")
        browser.site.store = counted = Counted(browser.store)
        browser.site.drift = DriftReading(counted)  # type: ignore[arg-type]
        asked.append({})
        for method, path in routes(browser):
            counted.calls.clear()
            if method == "GET" and path not in ("/live", "/sign-in"):
                answer = await browser.get(address(path, key_id=browser.key_id, name="acme/fast"))
                assert answer.status_code in (200, 404), path
                asked[-1][path] = len(counted.calls)
            assert threading.get_ident() not in [thread for _, thread in counted.calls], path
        browser.site.store = browser.store
    first, then = asked
    assert {path: count for path, count in then.items() if count > first[path]} == {}
    assert max(count for path, count in first.items() if path != "/rankings/report") <= 14
    assert first["/activity"] > 0 and first["/keys"] > 0
