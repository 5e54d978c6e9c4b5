"""The pages of rankings in a real browser, on real requests and on an imported week.

``test_picture_for_the_readme`` draws what ``docs/rankings.png`` shows: copy it there from
``test-output/screenshots/readme-rankings.png`` when the page changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import DRAWN, NARROW, SHOTS, WIDE, Watched, browser, chromium_running, faults, shoot
from console_serving import (
    SOURCE,
    WEEK,
    House,
    check,
    sound,
    sound_in_chinese,
    used_house,
    visit,
    wide,
)
from playwright.sync_api import Browser, Page

from tokenworks.rankings.views import VIEWS

OUTSIDE = f"source={SOURCE}&at={WEEK}"
PAGES = {
    "rankings": "",
    "rankings-article": f"?{OUTSIDE}",
    **{f"rankings-{view}": f"/{view}" for view in VIEWS},
    "rankings-article-model": f"/model?{OUTSIDE}",
    "rankings-against": f"/model?against={SOURCE}",
    "rankings-import": "/import",
}
CHINESE = ("rankings", "rankings-article", "rankings-model", "rankings-speed", "rankings-category")
# All views are one template: these show each of its parts, and the other templates.
COLOURS = (*CHINESE, "rankings-savings", "rankings-energy", "rankings-against", "rankings-import")
README = (1440, 900)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with used_house(tmp_path_factory.mktemp("rankings") / "home", public=True) as made:
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


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound_at_both_widths_and_in_both_themes(watched: Watched, name: str) -> None:
    sound(watched, "/console/rankings" + PAGES[name], name, colours=name in COLOURS)


@pytest.mark.parametrize("name", CHINESE)
def test_page_is_sound_in_chinese(chinese: Watched, name: str) -> None:
    sound_in_chinese(chinese, "/console/rankings" + PAGES[name], name)


def cells(page: Page, table: str) -> dict[str, list[str]]:
    """The texts of each row of a table by its name."""
    rows = page.locator(f"{table} tbody tr").all()
    return {
        row.locator("th").inner_text().split("\n")[0].strip(" ◇"): row.inner_text().split("\t")
        for row in rows
    }


def test_article_week_tells_its_story(watched: Watched) -> None:
    page = watched.context.pages[0]
    page.set_viewport_size(wide(WIDE))
    visit(page, f"/console/rankings?{OUTSIDE}")
    story = page.locator(".story").inner_text()
    for said in ("8.70T", "61 %", "China", "minimax/minimax-m2.5", "2.45T", "+197 %"):
        assert said in story
    models = cells(page, "section[aria-labelledby=leaders]")
    for rank, name, *figures in (
        ("1", "minimax/minimax-m2.5", "2.45T", "+197 %"),
        ("2", "moonshotai/kimi-k2.5", "1.21T", "-20 %"),
        ("3", "z-ai/glm-5", "+158 %"),
        ("5", "deepseek/deepseek-v3.2"),
    ):
        row = " ".join(models[name])
        assert row.startswith(rank) and all(figure in row for figure in figures), row
    assert "5.30T" in " ".join(cells(page, "#card-country")["China"])
    marked = page.locator("section[aria-labelledby=leaders] tbody .filled")
    assert marked.count() == 8  # all but the two figures that were reported
    with page.expect_download() as kept:
        page.click("text=Report of this period")
    report = Path(kept.value.path()).read_text()
    assert "8.7T tokens together; models from China 5.3T of them (61 %)" in " ".join(report.split())
    check(watched)


def test_public_rankings_show_no_keys_and_no_money(house: House, program: Browser) -> None:
    with browser(program, house.url, viewport=wide(WIDE), locale="en-US") as opened:
        page = opened.page()
        for path in ("", "/model", "/app", "/category", f"?{OUTSIDE}"):
            visit(page, f"/console/rankings{path}")
            text = page.locator("body").inner_text()
            assert "/console/rankings" in page.url and "Total" in text
            assert not [word for word in ("$", "Cost", "alice", "delta/quiet") if word in text]
            assert page.locator("nav >> text=Keys").count() == 0
        shoot(page, "rankings-public", WIDE)
        assert faults(page) == []
        closed = ("key", "user", "spend", "session", "savings", "speed", "energy", "import")
        elsewhere = ("", "activity", "models", "keys", "plans", "routing", "batches", "energy")
        for path in (*(f"rankings/{view}" for view in closed), *elsewhere):
            answer = opened.context.request.get(f"/console/{path}")
            assert "/console/sign-in" in answer.url, path
            assert not [word for word in ("$", "alice", "Total") if word in answer.text()], path
        check(opened)


def test_picture_for_the_readme(watched: Watched) -> None:
    page = watched.context.pages[0]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(wide(README))
    visit(page, f"/console/rankings?{OUTSIDE}")
    page.evaluate(DRAWN)
    file = SHOTS / "readme-rankings.png"
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file)
    assert file.stat().st_size < 300_000
    check(watched)
