"""The application with a real store and catalogue, called without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tokenworks.api.app import build
from tokenworks.catalog.load import load
from tokenworks.config.settings import ServerSettings, Settings
from tokenworks.ledger.store import open_store
from tokenworks.plans.keys import KeyBook

PEPPER = b"p" * 32


@pytest.fixture
async def called(tmp_path: Path) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """``called(host=..., **settings)``: a client of a fresh application; ``client.app`` is that."""
    store = open_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    store.migrate()
    clients: list[httpx.AsyncClient] = []

    def make(host: str = "127.0.0.1", **given: Any) -> httpx.AsyncClient:
        settings = Settings(
            home=tmp_path, source=None, server=ServerSettings(host=host), pepper=PEPPER, **given
        )
        app = build(settings, load(settings), store, KeyBook(store, PEPPER))
        # raise_app_exceptions: what would be a 500 is this test's failure
        client = Client(app, transport=httpx.ASGITransport(app), base_url="http://tw")
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
    store.close()


class Client(httpx.AsyncClient):
    """A client that knows the application it calls."""

    def __init__(self, app: FastAPI, **more: Any) -> None:
        super().__init__(**more)
        self.app = app
