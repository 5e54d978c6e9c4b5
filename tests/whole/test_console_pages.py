"""Every page of the console but rankings in a real browser: after real requests, and on a new server.

``CONSOLE_SHOTS=folder`` leaves pictures of all pages in that folder.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator

import pytest
from browsing import NARROW, WIDE, Watched, browser, chromium_running, faults, shoot, spills
from console_serving import (
    EVIL_MODEL,
    MINIMAX,
    House,
    check,
    new_admin,
    sound,
    sound_in_chinese,
    used_house,
    visit,
    wide,
)
from playwright.sync_api import Browser
from serving import Server

from tokenworks.ledger.store import open_store

PAGES = {
    "home": "",
    "activity": "activity",
    "activity-found": "activity?span=7d&outcome=upstream_error&provider=bravo",
    "activity-one": "activity/{cascade}",
    "activity-evil": "activity/{evil}",
    "activity-none": "activity/gen-none",
    "models": "models?mine=1",
    "models-all": "models",
    "models-one": f"models/{MINIMAX}",
    "models-evil": f"models/{EVIL_MODEL.partition('/')[2]}",
    "keys": "keys",
    "keys-one": "keys/{key}",
    "keys-limited": "keys/{limited}",
    "keys-new": "new-key",
    "keys-revoke": "keys/{key}/revoke",
    "plans": "plans",
    "routing": "routing",
    "batches": "batches",
    "energy": "energy",
    "none": "no-such-page",
}
CHINESE = ("home", "activity", "activity-one", "models", "models-one", "keys", "keys-one", "plans", "routing")
CHINESE += ("batches", "energy")
# The same templates as others, with the same parts.
ALIKE = ("activity-found", "activity-evil", "models-all", "models-evil", "keys-limited")
# What each page of a server that nobody has used yet says to do.
STEPS = {
    "": "tokenworks chat",
    "rankings": "tokenworks rankings import",
    "activity": "tokenworks chat",
    "models?mine=1": "tokenworks provider key add",
    "keys": "New key",
    "plans": "tokenworks plan create",
    "routing": "tokenworks chat auto",
    "batches": "--used-up queue",
    "energy": "tokenworks model add",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with used_house(tmp_path_factory.mktemp("console") / "home") as made:
        yield made


@pytest.fixture(scope="module")
def program() -> Iterator[Browser]:
    with chromium_running() as running:
        yield running


@pytest.fixture(scope="module")
def watched(house: House, program: Browser) -> Iterator[Watched]:
    """Signed in, in English."""
    with browser(program, house.url, locale="en-US") as opened:
        house.admit(opened)
        opened.page()
        yield opened


@pytest.fixture(scope="module")
def chinese(house: House, program: Browser) -> Iterator[Watched]:
    with browser(program, house.url, viewport=wide(NARROW), color_scheme="dark", locale="zh-CN") as opened:
        house.admit(opened)
        opened.page()
        yield opened


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, program: Browser) -> Iterator[Watched]:
    """Signed in at a server with a key and nothing else."""
    home = tmp_path_factory.mktemp("fresh") / "home"
    server = Server(home, "")
    try:
        with contextlib.closing(open_store(f"sqlite:///{home / 'tokenworks.db'}")) as store:
            _, admin = new_admin(server, store)
        server.start()
        with browser(program, server.url, locale="en-US") as opened:
            House(server, "", admin, "", "", {}).admit(opened)
            opened.page()
            yield opened
    finally:
        server.close()


def address(house: House, name: str) -> str:
    ids = {
        "cascade": house.cascade,
        "evil": house.evil,
        "key": house.ids["alice"],
        "limited": house.ids["limited"],
    }
    return "/console/" + PAGES[name].format(**ids)


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound_at_both_widths_and_in_both_themes(house: House, watched: Watched, name: str) -> None:
    if name in ("none", "activity-none"):
        watched.expect("404")
    sound(watched, address(house, name), name, colours=name not in ALIKE)


@pytest.mark.parametrize("name", CHINESE)
def test_page_is_sound_in_chinese(house: House, chinese: Watched, name: str) -> None:
    sound_in_chinese(chinese, address(house, name), name)


def test_a_model_that_is_passed_on_can_be_called(house: House, watched: Watched) -> None:
    page = watched.context.pages[0]
    visit(page, address(house, "models-evil"))
    text = page.locator("main").inner_text()
    assert "delta" in text and "Nobody sells" not in text and "need a key" not in text
    asked = page.locator(".copy code").inner_text()
    assert json.loads(shlex.split(asked)[-1])["model"] == EVIL_MODEL


@pytest.mark.parametrize("path", STEPS)
def test_empty_page_tells_the_next_step(fresh: Watched, path: str) -> None:
    page = fresh.context.pages[0]
    page.set_viewport_size(wide(WIDE))
    visit(page, f"/console/{path}")
    assert STEPS[path] in page.locator("main").inner_text()
    name = f"empty-{path.partition('?')[0] or 'home'}"
    shoot(page, name, WIDE)
    wrong = spills(page) + faults(page)
    shoot(page, name, NARROW)
    wrong += spills(page)
    assert not wrong, wrong
    check(fresh)
