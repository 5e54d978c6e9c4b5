"""What people do with the console: in a real browser, against a real server."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browsing import NARROW, WIDE, Watched, browser, chromium_running, faults, shoot, spills
from console_serving import (
    DEEPSEEK,
    EVIL_APP,
    GLM,
    MINIMAX,
    SETTLED,
    SOURCE,
    House,
    check,
    used_house,
    visit,
    wide,
)
from playwright.sync_api import Browser, Locator, Page, expect
from pyarrow import parquet

from tokenworks.console.live import MOST_STREAMS
from tokenworks.ledger.store import open_store

PATIENCE_S = 10.0  # for what comes at once, unless the machine is busy


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with used_house(tmp_path_factory.mktemp("console") / "home") as made:
        yield made


@pytest.fixture(scope="module")
def program() -> Iterator[Browser]:
    with chromium_running() as running:
        yield running


@pytest.fixture
def stranger(house: House, program: Browser) -> Iterator[Watched]:
    """A browser that has never been here."""
    with browser(program, house.url, viewport=wide(WIDE), locale="en-US") as opened:
        opened.page()
        yield opened
        check(opened)


@pytest.fixture
def scriptless(house: House, program: Browser) -> Iterator[Watched]:
    """The same without JavaScript."""
    with browser(program, house.url, viewport=wide(WIDE), java_script_enabled=False) as opened:
        opened.page()
        yield opened
        opened.check()


@pytest.fixture(scope="module")
def kept(house: House, program: Browser) -> Iterator[Watched]:
    """One that most tests share, since its cache has all scripts."""
    with browser(program, house.url, viewport=wide(WIDE), locale="en-US") as opened:
        opened.page()
        yield opened


@pytest.fixture
def signed_in(house: House, kept: Watched) -> Iterator[Watched]:
    """The shared one: an admin has signed in and chosen nothing yet."""
    house.admit(kept)
    kept.context.pages[0].set_viewport_size(wide(WIDE))
    yield kept
    check(kept)


@pytest.fixture
def page(signed_in: Watched) -> Page:
    """Its tab, wherever the test before has left it."""
    return signed_in.context.pages[0]


def column(page: Page | Locator, number: int) -> list[str]:
    """The texts of a column of the first table."""
    return [each.strip() for each in page.locator(f"table tbody tr > :nth-child({number})").all_inner_texts()]


def settled(page: Page) -> None:
    page.wait_for_function(SETTLED)


# --- coming and going -------------------------------------------------------------------------------


def test_sign_in_refuses_wrong_keys_and_leads_on(house: House, stranger: Watched) -> None:
    page = stranger.context.pages[0]
    page.goto("/console/activity?outcome=ok")
    expect(page).to_have_title(re.compile("Sign in"))
    shoot(page, "sign-in", WIDE)
    assert spills(page) + faults(page) == []
    for key, said in (("tw-wrong", "not valid"), (house.server.key, "admin")):
        page.fill("#f-key", key)
        page.click("main button.primary")
        expect(page.get_by_role("alert")).to_contain_text(said)
    stranger.expect("403")
    shoot(page, "sign-in-wrong", NARROW)
    assert spills(page) + faults(page) == []
    page.fill("#f-key", house.admin)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/activity?outcome=ok")
    cookie = next(each for each in stranger.context.cookies() if each["path"] == "/console")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict") and house.admin not in cookie["value"]


def test_sign_out_ends_it(page: Page) -> None:
    visit(page, "/console/")
    page.click("text=Sign out")
    page.wait_for_url("**/console/sign-in")
    page.goto("/console/keys")
    assert "/console/sign-in?next=" in page.url
    page.go_back()
    page.reload()
    expect(page.locator("#f-key")).to_be_visible()


def test_a_form_without_the_sessions_token_is_refused(house: House, signed_in: Watched, page: Page) -> None:
    visit(page, "/console/")
    headers = {"origin": house.url}
    for form in ({"name": "forged"}, {"name": "forged", "csrf": "x" * 43}):
        answer = signed_in.context.request.post("/console/keys", form=form, headers=headers)
        assert answer.status == 403 and "session" in answer.text()
    token = page.locator("form[action='/console/sign-out'] [name=csrf]").get_attribute("value")
    form = {"name": "forged", "csrf": token or ""}
    elsewhere = {"origin": "http://evil.example"}
    assert signed_in.context.request.post("/console/keys", form=form, headers=elsewhere).status == 403
    visit(page, "/console/keys?q=forged")
    expect(page.locator("tbody tr")).to_have_count(0)
    visit(page, "/console/keys?q=alice")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_language_and_theme_stay(page: Page) -> None:
    visit(page, "/console/keys?sort=name")
    page.click("button[value=zh]")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.locator("h1")).to_have_text("密钥")
    assert page.url.endswith("/console/keys?sort=name")
    page.click("button[value=dark]")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    visit(page, "/console/activity")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.locator("body")).to_have_css("background-color", "rgb(20, 24, 28)")
    assert faults(page) == []
    page.click("button[value=light]")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator("body")).to_have_css("background-color", "rgb(246, 247, 248)")
    page.click("button[value=en]")
    expect(page.locator("html")).to_have_attribute("lang", "en")


# --- finding ----------------------------------------------------------------------------------------


def test_models_are_sorted_filtered_and_opened(page: Page) -> None:
    visit(page, "/console/models")
    page.check("#f-mine")
    page.fill("#f-q", "minimax")
    page.click("main button.primary")
    expect(page.locator("#found tbody tr")).to_have_count(2)
    assert "q=minimax" in page.url
    page.click("#found a.sort:has-text('Output')")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Output")
    assert column(page.locator("#found"), 7) == ["$1.20", "$1.80"]
    page.click("#found a.sort:has-text('Output')")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Output")
    assert column(page.locator("#found"), 7) == ["$1.80", "$1.20"]
    page.click("#found tbody th a >> nth=0")
    page.wait_for_url(f"**/console/models/{MINIMAX}")
    expect(page.locator("h1")).to_contain_text(MINIMAX)
    expect(page.locator("thead >> nth=0")).to_contain_text("charlie")
    assert page.evaluate("Object.keys(Chart.instances).length") == 2
    page.click("main a:has-text('Zed')")
    page.wait_for_url("**/console/activity?**")
    assert set(column(page, 6)) == {"Zed"}
    page.go_back()
    page.go_back()
    settled(page)
    assert column(page.locator("#found"), 7) == ["$1.80", "$1.20"]
    page.go_back()
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Output")
    settled(page)
    page.go_forward()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Output")


def test_pages_of_a_table_are_turned(page: Page) -> None:
    visit(page, "/console/models")
    first = column(page.locator("#found"), 1)
    page.click("text=Next")
    expect(page.locator("#found .pager")).to_contain_text("page 2 of")
    second = column(page.locator("#found"), 1)
    assert "page=2" in page.url and second != first and len(second) == len(first) == 50
    page.go_back()
    expect(page.locator("#found .pager")).to_contain_text("page 1 of")
    assert column(page.locator("#found"), 1) == first


def test_a_session_that_ended_leads_to_the_door(signed_in: Watched, page: Page) -> None:
    visit(page, "/console/keys")
    signed_in.context.clear_cookies()
    page.click("th >> text=Name")  # only a part of the page is asked for
    page.wait_for_url("**/console/sign-in?next=/console/keys**")
    signed_in.expect("401")


def test_activity_is_filtered_exported_and_explained(house: House, page: Page) -> None:
    visit(page, "/console/activity")
    page.fill("#f-app", EVIL_APP)
    page.select_option("#f-span", "24h")
    page.click("main button.primary")
    expect(page.locator("#found tbody tr")).to_have_count(4)
    assert set(column(page, 6)) == {EVIL_APP}
    with page.expect_download() as kept:
        page.click("text=Export as CSV")
    rows = list(csv.DictReader(io.StringIO(Path(kept.value.path()).read_text())))
    assert [row["app"].removeprefix("'") for row in rows] == [EVIL_APP] * 4
    page.click("text=Clear")
    settled(page)
    page.click(f"#found a[href$='{house.cascade}']")
    page.wait_for_url(f"**/console/activity/{house.cascade}")
    told = page.locator("section:has(> h2:has-text('How the model was chosen'))")
    for said in ("cascade", "refusal", "alpha/swift-32b", "gamma/strong-opus", "served"):
        expect(told).to_contain_text(said)
    expect(page.locator("main")).to_contain_text("The answer is 68.")  # capture is on
    page.click("main a[href*='key=']")
    page.wait_for_url(f"**/console/activity?key={house.ids['test']}")
    assert set(column(page, 5)) == {"test"}


def test_rankings_are_sorted_narrowed_and_exported(page: Page) -> None:
    visit(page, "/console/rankings/model")
    page.click("#sort-requests")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Requests")
    settled(page)
    assert column(page.locator("section[aria-labelledby=table-title]"), 2)[0].startswith(MINIMAX)
    told = {kind: exported(page, kind) for kind in ("csv", "parquet", "json")}
    tables = [
        list(csv.DictReader(io.StringIO(told["csv"].decode()))),
        parquet.read_table(io.BytesIO(told["parquet"])).to_pylist(),
        json.loads(told["json"])["rows"],
    ]
    for rows in tables:
        assert (rows[0]["model"], int(rows[0]["requests"])) == (MINIMAX, 13)
        assert len(rows) == len(tables[0]) > 5
    page.click("td a:has-text('China') >> nth=0")
    settled(page)
    assert "country=CN" in page.url
    expect(page.locator(".filters")).to_contain_text("China")
    page.click(".filters a")
    settled(page)
    expect(page.locator(".filters")).to_have_count(0)
    page.go_back()
    expect(page.locator(".filters")).to_contain_text("China")
    settled(page)
    assert page.evaluate("Object.keys(Chart.instances).length") == 1


def exported(page: Page, kind: str) -> bytes:
    """What the link gives."""
    with page.expect_download() as kept:
        page.click(f"a.button:has-text('{kind.upper()}')")
    assert kept.value.suggested_filename.endswith(f".{kind}")
    return Path(kept.value.path()).read_bytes()


def test_malformed_imports_name_line_and_column_and_import_nothing(signed_in: Watched, page: Page) -> None:
    visit(page, "/console/rankings/import")
    page.fill("#f-source", "pasted")
    page.fill("#f-text", "week,model,tokens\n2026-W08,acme/one,12\n2026-W08,acme/two,many\n")
    page.click("main button.primary")
    expect(page.get_by_role("alert")).to_contain_text(":3:3 (tokens): 'many'")
    signed_in.expect("400")
    shoot(page, "rankings-import-refused", NARROW)
    assert faults(page) == []
    assert column(page, 1) == [SOURCE]
    page.fill("#f-text", "week,model,tokens\n2026-W08,acme/one,12\n2026-W08,<b id=injected>two</b>,30\n")
    page.click("main button.primary")
    page.wait_for_url("**/console/rankings?source=pasted**")
    expect(page.locator("table").first).to_contain_text("<b id=injected>two</b>")
    visit(page, "/console/rankings/import")
    page.click("summary:has-text('Forget') >> nth=1")
    page.click("button.danger:has-text('pasted')")
    expect(page.get_by_role("status")).to_be_visible()


# --- doing ------------------------------------------------------------------------------------------


def status(house: House, secret: str, status: int) -> None:
    """Until a request with the key is answered so; what is changed holds within half a second."""
    deadline = time.monotonic() + PATIENCE_S
    while (got := house.ask(key=secret).status_code) != status:
        assert time.monotonic() < deadline, f"{got} instead of {status}"
        time.sleep(0.02)


def test_a_key_is_made_used_disabled_and_revoked(house: House, signed_in: Watched, page: Page) -> None:
    visit(page, "/console/keys")
    page.click("text=New key")
    page.click("main button.primary")  # the browser itself asks for a name
    assert page.url.endswith("/console/new-key")
    page.fill("#f-name", "<b id=injected>made</b>")
    page.fill("#f-limit", "0.50")
    page.click("main button.primary")
    secret = page.locator(".copy code").first.inner_text()
    assert secret.startswith("tw-") and faults(page) == []
    signed_in.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("[data-copy] >> nth=0")
    expect(page.locator("[data-copy]").first).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    shoot(page, "keys-secret", WIDE)
    status(house, secret, 200)
    page.click("main a.button >> nth=0")
    expect(page.locator("h1")).to_contain_text("<b id=injected>made</b>")
    address = page.url
    page.click("button:has-text('Disable')")
    expect(page.get_by_role("status")).to_be_visible()
    status(house, secret, 401)
    page.click("button:has-text('Enable')")
    expect(page.locator("h1")).to_contain_text("Active")
    status(house, secret, 200)
    page.fill("#f-limit", "2/day")
    page.click("text=Set limit")
    expect(page.locator("section:has(#h-limits)")).to_contain_text("$2")
    page.fill("#f-limit", "plenty")
    page.click("text=Set limit")
    expect(page.get_by_role("alert")).to_be_visible()
    signed_in.expect("400")
    visit(page, address)
    page.click("text=Revoke…")
    page.click("button.danger")
    expect(page.locator("h1")).to_contain_text("Revoked")
    status(house, secret, 401)


def requests(house: House) -> int:
    """So many are in the ledger."""
    store = open_store(f"sqlite:///{house.server.home / 'tokenworks.db'}")
    try:
        return store.totals(0).requests
    finally:
        store.close()


def test_a_prompt_is_tried_and_nothing_is_asked(house: House, page: Page) -> None:
    visit(page, "/console/routing")
    before = requests(house)
    page.fill("#f-prompt", "<img src=x onerror=alert(3)> What is the capital of France?")
    page.fill("#f-quality", "0.9")
    page.click("text=Decide")
    expect(page.locator("#tried")).to_contain_text("gamma/strong-opus")
    shoot(page, "routing-tried", WIDE)
    assert spills(page) + faults(page) == [] and page.url.endswith("/console/routing")
    page.fill("#f-models", "nobody/*")
    page.click("text=Decide")
    expect(page.locator("#tried").get_by_role("alert")).to_be_visible()
    assert requests(house) == before


def test_a_plan_is_given_and_taken_away(page: Page) -> None:
    visit(page, "/console/plans")
    page.select_option("[name=plan]", "small")
    page.fill("form:has(select) input[type=text]", "alice")
    page.click("text=Give plan")
    expect(page.get_by_role("status")).to_be_visible()
    row = page.locator("tbody tr:has-text('alice')")
    expect(row).to_contain_text("0 of 1 credits")
    row.get_by_role("button").click()
    expect(row).to_have_count(0)


def test_a_queued_request_is_cancelled(page: Page) -> None:
    visit(page, "/console/batches")
    page.click("button:has-text('Cancel')")
    expect(page.get_by_role("status")).to_be_visible()
    expect(page.locator("tbody .badge")).to_have_text("Cancelled")


# --- what happens now -------------------------------------------------------------------------------


def live(page: Page, name: str) -> Locator:
    return page.locator(f"[data-live-value={name}]")


def test_live_numbers_follow_requests(house: House, page: Page) -> None:
    visit(page, "/console/")
    expect(page.locator("[data-live-state]")).to_have_attribute("data-state", "on")
    before = int(live(page, "requests_today").inner_text())
    for _ in range(3):
        house.ask(GLM)
    expect(live(page, "requests_today")).to_have_text(str(before + 3), timeout=8000)
    expect(live(page, "tokens_per_s")).not_to_have_text("0")


@contextlib.contextmanager
def all_but_one(house: House) -> Iterator[httpx.Client]:
    """All streams that the worker gives, but one."""
    limits = httpx.Limits(max_connections=None)
    with httpx.Client(base_url=house.url, verify=False, limits=limits, timeout=20) as client:
        client.post("/console/sign-in", data={"key": house.admin})
        wanted = [client.build_request("GET", "/console/live") for _ in range(MOST_STREAMS - 1)]
        opened = [client.send(each, stream=True) for each in wanted]
        assert {each.status_code for each in opened} == {200}
        yield client
        for each in opened:
            each.close()


def freed(client: httpx.Client) -> bool:
    """The server has room for one more stream, soon."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with client.stream("GET", "/console/live") as answer:
            if answer.status_code == 200:
                return True
            assert answer.status_code == 429
        time.sleep(0.02)
    return False


HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_the_stream_is_closed_when_nobody_looks(house: House, page: Page, signed_in: Watched) -> None:
    page.goto("/console/keys")  # until all that earlier tests opened is gone
    with all_but_one(house) as client:
        assert freed(client)
        page.goto("/console/")
        state = page.locator("[data-live-state]")
        expect(state).to_have_attribute("data-state", "on", timeout=1000 * PATIENCE_S)
        with client.stream("GET", "/console/live") as refused:
            assert refused.status_code == 429  # the page has the last one
        page.evaluate(HIDE, True)
        assert freed(client)
        state.evaluate("part => { part.dataset.state = ''; }")  # until the new stream says it again
        page.evaluate(HIDE, False)
        expect(state).to_have_attribute("data-state", "on", timeout=1000 * PATIENCE_S)
        with client.stream("GET", "/console/live") as refused:
            assert refused.status_code == 429
        page.click("nav >> text=Keys")
        assert freed(client)
    signed_in.expect("429")  # it asks again where the stream that looked for room had still been there


# --- by keyboard, and without scripts -----------------------------------------------------------------


FOCUSED = """() => {
  const e = document.activeElement;
  return [(e.textContent || e.ariaLabel || e.name || '').trim(), getComputedStyle(e).outlineStyle];
}"""


def test_keyboard_is_enough(page: Page) -> None:
    visit(page, "/console/keys")
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(FOCUSED)
        assert outline != "none", f"nobody sees where the focus is: {name}"
        seen.append(name)
        if name.startswith("State"):
            break
    wanted = [
        "Tokenworks",
        "Home",
        "Rankings",
        "Keys & plans",
        "Energy",
        "中文",
        "Sign out",
        "Plans",
        "New key",
    ]
    assert [each for each in seen if each in wanted] == wanted
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("State")
    page.keyboard.press("Tab")
    page.goto("/console/keys")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_everything_works_without_scripts(house: House, scriptless: Watched) -> None:
    page = scriptless.context.pages[0]
    house.enter(page, "/console/keys")
    page.click("th >> text=Name")
    assert page.url.endswith("sort=name")
    names = [each.split("\n")[0].lower() for each in column(page, 1)]
    assert names == sorted(names)
    page.fill("#f-q", "alice")
    page.click("button:has-text('Search')")
    assert len(column(page, 1)) == 1
    page.click("text=New key")
    page.fill("#f-name", "plain")
    page.click("main button.primary")
    status(house, page.locator(".copy code").first.inner_text(), 200)
    page.goto("/console/activity")
    page.fill("#f-model", DEEPSEEK)
    page.click("main button.primary")
    assert len(column(page, 1)) == 6
    page.goto("/console/rankings/model")
    page.click("#sort-requests")
    assert "sort=-requests" in page.url
    page.click(".later a")
    page.click("summary")
    expect(page.locator("figure table")).to_contain_text(MINIMAX)
    page.goto("/console/routing")
    page.fill("#f-prompt", "What is the capital of France?")
    page.click("text=Decide")
    expect(page.locator("#tried")).to_contain_text("gamma/strong-opus")
