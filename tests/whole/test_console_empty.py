"""The console of a server that nobody has used yet, in a real browser: each page tells the next step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import NARROW, WIDE, Watched, browser, chromium_running, faults, shoot, spills
from console_serving import House, check, visit, wide
from serving import Server

# What each page says to do.
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
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Signed in at a server with a key and nothing else."""
    server = Server(tmp_path_factory.mktemp("fresh") / "home", "")
    try:
        _, admin = server.new_key("chief", "--admin")
        server.start()
        with chromium_running() as program, browser(program, server.url, locale="en-US") as opened:
            House(server, "", admin, "", "", {}).enter(opened.page())
            yield opened
    finally:
        server.close()


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
