"""A gateway in the test's own event loop: real sockets, real journal, real store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from fresh_store import fresh_store

from tokenworks.catalog.load import load as load_catalog
from tokenworks.config.settings import (
    LimitSettings,
    ProviderModelSettings,
    ProviderSettings,
    RoutingSettings,
    ServerSettings,
    Settings,
    UpstreamSettings,
)
from tokenworks.engines.link import EngineLink
from tokenworks.gateway.front import Gateway
from tokenworks.gateway.states import States
from tokenworks.http.server import Listener
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool
from tokenworks.ledger.drainer import Drainer
from tokenworks.ledger.inflight import InFlight
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.record import Record
from tokenworks.plans import keys
from tokenworks.plans.book import Book
from tokenworks.plans.leases import Leases
from tokenworks.providers.target import Targets
from tokenworks.routing.health import Health

PEPPER = b"p" * 32


def provider(base_url: str, **more: Any) -> ProviderSettings:
    """A provider of ``acme/fast`` at ``base_url``."""
    price = more.pop("input_mtok", 0.1)
    model = ProviderModelSettings(
        id="acme/fast", upstream_id="fast-1", context_length=131072, input_mtok=price, output_mtok=0.4
    )
    given = {"wire": "openai_chat", "allow_private": True, "models": (model,)} | more
    return ProviderSettings(base_url=base_url, **given)


class Door:
    """The gateway's parts, and a client that talks to it."""

    def __init__(self, home: Path, providers: dict[str, ProviderSettings], **more: Any) -> None:
        loop = asyncio.get_running_loop()
        self.settings = Settings(
            home=home,
            source=None,
            server=more.get("server", ServerSettings()),
            upstream=more.get("upstream", UpstreamSettings(first_byte_timeout_s=1.0, idle_timeout_s=1.0)),
            providers=providers,
            engines=more.get("engines", {}),
            secrets={name: "sk-upstream" for name in providers},
            routing=more.get("routing", RoutingSettings()),
            provider_keys=more.get("provider_keys", {}),
            presets=more.get("presets", {}),
            limits=more.get("limits", LimitSettings(wait_s=0.3)),
            pepper=PEPPER,
        )
        home.mkdir(parents=True, exist_ok=True)
        self.store = fresh_store(self.settings.store_url)
        self.key_id, self.key = keys.create(self.store, "test", PEPPER)
        self.sweeper = Sweeper(loop)
        self.pool = Pool(loop, self.settings.upstream, self.sweeper)
        self.book = keys.KeyBook(self.store, PEPPER)
        self.leases = Leases(self.store, loop, "w0")
        self.limits = Book(self.store, self.leases)
        self.asked: list[str] = []
        self.engines = EngineLink(self.asked.append)
        self.catalog = load_catalog(self.settings)
        folder = self.settings.journal_dir
        folder.mkdir(parents=True)
        self.journal = Journal(folder, "w0", fsync="never")
        self.inflight = InFlight(folder, "w0", slots=64)
        self.health = Health(self.settings.routing)
        targets = Targets(
            self.pool,
            self.catalog.providers,
            self.settings.secrets,
            self.settings.providers,
            self.settings.provider_keys,
            self.health.of,
        )
        self.states = States(self.store, loop)
        self.gateway = Gateway(
            self.settings,
            self.book,
            self.limits,
            self.leases,
            self.catalog,
            targets,
            self.engines,
            self.journal,
            self.inflight,
            self.states,
            self.health,
        )
        self.to_close: list[Callable[[], Awaitable[None]]] = []
        self.drained: list[Record] = []
        self.drainer = Drainer(folder, self.store, self.drained.extend)
        self.listener = Listener(
            self.settings.server, self.sweeper, self.gateway.handlers(), lambda r, c: c.send(404, b"", b"")
        )

    async def open(self) -> None:
        self.server = await asyncio.get_running_loop().create_server(self.listener, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"authorization": f"Bearer {self.key}"},
            timeout=20,
        )

    async def close(self) -> None:
        for close in self.to_close:
            await close()
        await self.client.aclose()
        self.server.close()
        self.listener.cut()
        self.pool.close()
        self.sweeper.stop()
        await asyncio.sleep(0.01)
        self.journal.close()
        self.inflight.close()
        self.states.close()
        self.leases.close()
        self.store.close()

    async def post(self, body: Any = None, **more: Any) -> httpx.Response:
        if isinstance(body, bytes):
            return await self.client.post("/v1/chat/completions", content=body, **more)
        return await self.client.post("/v1/chat/completions", json=body, **more)

    def records(self) -> list[Record]:
        """Everything recorded so far, oldest first."""
        self.drainer.drain_once()
        return list(self.drained)

    def record(self) -> Record:
        (one,) = self.records()
        return one
