"""The application with a real store and catalogue, called without a socket."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fresh_store import fresh_store
from starlette.routing import BaseRoute

from tokenworks.api.app import build
from tokenworks.catalog.load import load
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, ServerSettings, Settings
from tokenworks.ledger.limit_rows import TeamRow, Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.plans import keys
from tokenworks.plans.account import account_id
from tokenworks.plans.keys import KeyBook

PEPPER = b"p" * 32
ROUTES: list[BaseRoute] = []


class Client(httpx.AsyncClient):
    """A client that knows the application it calls, and can put into its store what others would."""

    def __init__(self, app: FastAPI, **more: Any) -> None:
        super().__init__(**more)
        self.app = app
        self.store: Store = app.state.store
        self._serial = itertools.count(1)

    def new_key(
        self, name: str = "somebody", role: str = "member", *, team_id: str = ""
    ) -> tuple[str, dict[str, str]]:
        """A key's id and the headers to send it with."""
        key_id, secret = keys.create(self.store, name, PEPPER, role, team_id=team_id)
        return key_id, {"authorization": f"Bearer {secret}"}

    def new_team(self, name: str = "research") -> str:
        """A team's id."""
        team_id = f"t_{next(self._serial):016x}"
        assert self.store.add_team(TeamRow(team_id, name, "", 1, 1))
        return team_id

    def spend(self, limit_id: str, subject: str, amount: int, *, bucket: int = 0, leased: int = 0) -> int:
        """An account of this limit of which ``amount`` was spent and ``leased`` is held; its id."""
        account = account_id(limit_id, subject)
        cap = 2**60
        self.store.lease("w1", [Want(account, limit_id, subject, cap, 0, amount + leased, 0)], {}, [], 1)
        self.record("k_spent", charges=(account, bucket, amount))
        return account

    def record(self, key_id: str, age_s: float = 60.0, **fields: Any) -> Record:
        """One finished request of this key in the ledger."""
        number = next(self._serial)
        second = int(time.time() - age_s)
        given = {
            "model": "acme/fast",
            "requested_model": "quick",
            "provider": "acme",
            "outcome": "ok",
            "status": 200,
            "attempts": 1,
            **fields,
        }
        one = Record(id=f"gen-{second}-t{number:x}", time_us=second * 1_000_000, key_id=key_id, **given)
        self.store.append("w1.0001", number, [one])
        return one


@pytest.fixture
async def called(tmp_path: Path) -> AsyncIterator[Callable[..., Client]]:
    """``called(host=..., health=..., **settings)``: a client of a fresh application."""
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    clients: list[Client] = []

    def make(host: str = "127.0.0.1", health: Any = None, **given: Any) -> Client:
        settings = Settings(
            home=tmp_path, source=None, server=ServerSettings(host=host), pepper=PEPPER, **given
        )
        app = build(settings, load(settings), store, KeyBook(store, PEPPER), health=health)
        # Routes find an application's parts through the request. Each application would prepare its own anew
        # at its first request, which takes longer than all the rest of a test.
        ROUTES.extend(() if ROUTES else app.routes)
        app.router.routes[:] = ROUTES
        # raise_app_exceptions: what would be a 500 is this test's failure
        client = Client(app, transport=httpx.ASGITransport(app), base_url="http://tw")
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
    store.close()


@pytest.fixture
def acme() -> Callable[..., dict[str, Any]]:
    """``acme(*models, **provider)``: settings of one provider, as keyword arguments."""

    def settings(*models: ProviderModelSettings, name: str = "acme", **more: Any) -> dict[str, Any]:
        made = ProviderSettings(
            wire="openai_chat", base_url=f"https://{name}.example/v1", models=models, **more
        )
        return {"providers": {name: made}, "secrets": {name: "sk"}}

    return settings
