"""A real browser for tests: Debian's Chromium driven by Playwright, which sees every complaint and request.

Pictures are dear and no check looks at them. Those of ``PICTURED`` are kept, at both widths, in
``test-output/screenshots``; where ``CONSOLE_SHOTS`` names a folder, all of them are, there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "tests" / "vendor" / "axe" / "axe.min.js"
SHOTS = Path(os.environ.get("CONSOLE_SHOTS") or ROOT / "test-output" / "screenshots")
ALL_SHOTS = bool(os.environ.get("CONSOLE_SHOTS"))
PICTURED = frozenset(
    f"{page}{dark}"
    for page in ("home", "activity", "models", "keys", "plans", "routing", "batches", "energy", "rankings")
    for dark in ("", "-dark")
)
NARROW, WIDE = (360, 780), (1440, 900)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    # Each page is seen once: to compile its scripts well costs more than it saves.
    "--js-flags=--no-turbofan --no-maglev",
    # Nothing but this machine is found. To stop requests one by one would also turn the browser's cache off,
    # and every page would fetch and compile all scripts anew.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
# Charts follow the window's size with the next frames.
DRAWN = "async () => { for (let at = 0; at < 4; at++) await new Promise(requestAnimationFrame); }"
SERIOUS = ("serious", "critical")


def chromium() -> str:
    """The program. Skips the test where there is none."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium to test pages with; on Debian: apt-get install chromium")
    return found


class Watched:
    """One browser context, and what went wrong in it."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.context, self.origin = context, origin
        self.complaints: list[str] = []  # errors on the console and in scripts
        self.strayed: list[str] = []  # requests to anywhere else
        self.failed: list[str] = []  # answers of 5xx, and requests that came to nothing
        self._expected = ""
        self.dialogs: list[str] = []  # what a script made pop up
        context.on("request", self._see)
        context.on("page", self._watch)

    def page(self) -> Page:
        """A new tab."""
        return self.context.new_page()

    def expect(self, status: str) -> None:
        """Until the next check the browser may say that it was answered with this status, such as "404"."""
        self._expected = status

    def check(self) -> None:
        """Nothing went wrong since the last check."""
        wrong = {
            "requests that leave the machine": self.strayed,
            "the browser complains": self.complaints,
            "failed requests": self.failed,
            "dialogs": self.dialogs,
        }
        if self._expected:  # the browser itself tells of every answer that is no success
            told = f"status of {self._expected} "
            self.complaints[:] = [line for line in self.complaints if told not in line]
            self._expected = ""
        found = {name: [*lines] for name, lines in wrong.items() if lines}
        for lines in wrong.values():
            lines.clear()
        assert not found, found

    def _see(self, request: Request) -> None:
        url = request.url
        if urlsplit(url).netloc != urlsplit(self.origin).netloc and not url.startswith(("data:", "blob:")):
            self.strayed.append(url)

    def _watch(self, page: Page) -> None:
        page.on(
            "console",
            lambda said: self.complaints.append(f"{page.url}: {said.text}") if said.type == "error" else None,
        )
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on(
            "response",
            lambda answer: (
                self.failed.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None
            ),
        )
        page.on("requestfailed", self._fail)
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _fail(self, request: Request) -> None:
        # A page that is left ends what it still waits for, its live part among them.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.failed.append(f"{request.url}: {request.failure}")


@contextmanager
def chromium_running() -> Iterator[Browser]:
    """The program, without a window. While it runs no event loop can be started in this thread."""
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS], headless=True)
        try:
            yield program
        finally:
            program.close()


@contextmanager
def browser(program: Browser, origin: str, **options: Any) -> Iterator[Watched]:
    """Without cookies, and it may ask ``origin`` alone; ``options`` are those of a Playwright context."""
    # nothing moves, so that what is looked at has arrived
    context = program.new_context(base_url=origin, reduced_motion="reduce", **options)
    context.set_default_timeout(15_000)
    try:
        yield Watched(context, origin)
    finally:
        context.close()


# What may differ where the same page is only drawn in other colours, at another width, or with other words.
OF_COLOURS = ("color-contrast", "link-in-text-block")
OF_WIDTH = ("scrollable-region-focusable", "target-size")
OF_WORDS = (
    "button-name",
    "link-name",
    "label",
    "label-content-name-mismatch",
    "document-title",
    "valid-lang",
)
OF_LOOKS = (*OF_COLOURS, *OF_WIDTH)


def faults(page: Page, *, only: Sequence[str] = (), but: Sequence[str] = ()) -> list[str]:
    """What axe-core finds seriously wrong with the page as it stands.

    By all its rules, by ``only`` these, or by all ``but`` these.
    """
    # The page's policy lets no script in but its own; the browser's own channel is not the page's.
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate(
        """async ([only, but]) => await axe.run(document, {
          resultTypes: ['violations'], preload: false, ...(only.length && {runOnly: only}),
          rules: Object.fromEntries(but.map((rule) => [rule, {enabled: false}]))})""",
        [[*only], [*but]],
    )
    return [
        f"{each['id']} ({each['impact']}): {json.dumps(each['nodes'][0]['html'])[:200]}"
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]


def shoot(page: Page, name: str, size: tuple[int, int]) -> None:
    """Bring the page to ``size``, and take a picture of all of it where they are wanted."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.evaluate(DRAWN)
    if ALL_SHOTS or name in PICTURED:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}-{size[0]}.png", full_page=True)


def spills(page: Page) -> list[str]:
    """Elements that reach beyond the window's right edge and can't be scrolled inside their own part."""
    return page.evaluate(
        """() => {
          const wide = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= wide) return [];
          const kept = (e) => { for (let p = e.parentElement; p; p = p.parentElement) {
              const o = getComputedStyle(p).overflowX;
              if (o === 'auto' || o === 'scroll' || o === 'hidden') return true; } return false; };
          return [...document.querySelectorAll('body *')].filter(
              (e) => e.getBoundingClientRect().right > wide + 1 && !kept(e)).slice(0, 5).map(
              (e) => e.outerHTML.slice(0, 120));
        }"""
    )
