"""Every page of the console but rankings in a real browser, on what real requests left behind.

Pictures of all pages lie in ``test-output/screenshots`` afterwards.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest
from browsing import NARROW, Watched, browser, chromium_running
from console_serving import (
    EVIL_MODEL,
    MINIMAX,
    House,
    sound,
    sound_in_chinese,
    used_house,
    visit,
    wide,
)
from playwright.sync_api import Browser

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
        house.enter(opened.page())
        yield opened


@pytest.fixture(scope="module")
def chinese(house: House, program: Browser) -> Iterator[Watched]:
    with browser(program, house.url, viewport=wide(NARROW), color_scheme="dark", locale="zh-CN") as opened:
        house.enter(opened.page())
        yield opened


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
    sound(watched, address(house, name), name, dark=name in CHINESE)


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
