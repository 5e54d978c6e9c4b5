"""The console with a real store and catalogue, called without a socket by somebody who is signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fresh_store import fresh_store

from tokenworks.catalog.load import load
from tokenworks.config.settings import Settings
from tokenworks.console.app import install
from tokenworks.console.site import Site
from tokenworks.ledger.store import Store
from tokenworks.plans import keys
from tokenworks.plans.keys import KeyBook

PEPPER = b"p" * 32


class Browser(httpx.AsyncClient):
    """A client that keeps cookies and knows the site it looks at."""

    def __init__(self, app: FastAPI, site: Site, **more: Any) -> None:
        # raise_app_exceptions: what would be a 500 is this test's failure
        super().__init__(transport=httpx.ASGITransport(app), base_url="http://tw", **more)
        self.app = app
        self.site = site
        self.store: Store = site.store
        self.key_id, self.secret = self.new_key("root", "admin")

    def new_key(self, name: str = "somebody", role: str = "member", **more: Any) -> tuple[str, str]:
        """A key's id and its secret."""
        made = keys.create(self.store, name, PEPPER, role, **more)
        self.site.keys.reload_if_changed()
        return made

    async def sign_in(self, secret: str = "", **more: Any) -> httpx.Response:
        """Post the sign-in form; with the admin's own key if no other is given."""
        form = {"key": secret or self.secret, **more}
        return await self.post("/console/sign-in", data=form)

    @property
    def csrf(self) -> str:
        """What the forms of this session carry."""
        session = self.site.signer.read(self.cookies["tokenworks_console"])
        assert session is not None
        return session.csrf

    async def send_form(self, path: str, **fields: Any) -> httpx.Response:
        """Post a form as a page of the console does."""
        return await self.post(path, data={"csrf": self.csrf, **fields})


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Callable[..., Browser]]:
    """``opened(health=..., now_us=..., **settings)``: a browser at a fresh site, not signed in."""
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    browsers: list[Browser] = []

    def make(**given: Any) -> Browser:
        parts = {name: given.pop(name) for name in ("health", "auto", "stop", "now_us") if name in given}
        settings = Settings(home=tmp_path, source=None, pepper=PEPPER, **given)
        site = Site(settings, load(settings), store, KeyBook(store, PEPPER), strict=True, **parts)
        app = FastAPI()
        install(app, site)
        browsers.append(Browser(app, site))
        return browsers[-1]

    yield make
    for browser in browsers:
        await browser.aclose()
    store.close()


@pytest.fixture
async def browser(opened: Callable[..., Browser]) -> Browser:
    """A browser at a fresh site, signed in with an admin key."""
    made = opened()
    assert (await made.sign_in()).status_code == 303
    return made
