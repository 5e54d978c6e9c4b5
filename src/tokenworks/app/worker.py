"""One data-plane process: ``python -m tokenworks.app.worker``, started by the supervisor only."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys

import uvloop

from tokenworks.api.entry import PREFIXES, spools
from tokenworks.app.deferred import Deferred
from tokenworks.app.handover import Birth, Channel, Message, unpack
from tokenworks.catalog.load import load as load_catalog
from tokenworks.catalog.load import refresh_prices
from tokenworks.energy import attribution
from tokenworks.engines.link import EngineLink
from tokenworks.errors import StoreError
from tokenworks.gateway.auto import Auto
from tokenworks.gateway.capture import Captures
from tokenworks.gateway.front import Gateway
from tokenworks.gateway.queue import Queue
from tokenworks.gateway.states import States
from tokenworks.http.asgi import App, AsgiBridge
from tokenworks.http.server import Listener
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool
from tokenworks.ledger.inflight import InFlight
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.store import open_store
from tokenworks.plans.book import Book
from tokenworks.plans.keys import KeyBook
from tokenworks.plans.leases import Leases
from tokenworks.providers.target import Targets
from tokenworks.routing.difficulty import Difficulty
from tokenworks.routing.health import Health
from tokenworks.routing.learner import Learner
from tokenworks.routing.rules import Rules
from tokenworks.routing.task import TASKS

log = logging.getLogger(__name__)

BACKLOG = 4096
PRICES_EVERY_S = 60.0
RATES_EVERY_S = 5.0  # joules of a token
HOUSEKEEPING_S = 0.5
BEHIND_NICE = 10  # of the one that serves batches: those who wait for an answer come first


class _Control(Channel):
    """The worker's end of the control socket."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.worker = worker

    def on_message(self, message: Message) -> None:
        if message.engine is not None:
            self.worker.engines.update(message.engine)
        if message.drain:
            self.worker.stop.set()

    def on_close(self) -> None:
        # The supervisor is gone. Nobody moves our journal or watches us: leave at once. What was
        # in flight stands in the in-flight slots, what was settled in the journal.
        os._exit(1)


class Worker:
    """Everything one process holds, built once."""

    def __init__(self, birth: Birth, loop: asyncio.AbstractEventLoop) -> None:
        settings = birth.settings
        self.birth = birth
        self.settings = settings
        self.loop = loop
        self.stop = asyncio.Event()
        self.told = 0  # requests in flight, as the supervisor was told last
        self.sweeper = Sweeper(loop)
        self.pool = Pool(loop, settings.upstream, self.sweeper)
        self.store = open_store(settings.store_url, fsync=settings.ledger.fsync)
        self.keys = KeyBook(self.store, settings.pepper)
        self.keys_version = self.keys.version
        self.leases = Leases(self.store, loop, birth.name, workers=settings.server.workers)
        self.book = Book(self.store, self.leases)
        self.catalog = load_catalog(settings)
        self.control = _Control(self)
        self.engines = EngineLink(lambda name: self.control.send(Message(start=name)))
        for state in birth.engines:
            self.engines.update(state)
        self.journal = Journal(settings.journal_dir, birth.name, fsync=settings.ledger.fsync)
        self.inflight = InFlight(settings.journal_dir, birth.name)
        self.health = Health(settings.routing)
        self.targets = Targets(
            self.pool,
            self.catalog.providers,
            settings.secrets,
            settings.providers,
            settings.provider_keys,
            self.health.of,
            behind=birth.behind,
        )
        self.states = States(self.store, loop)
        self.gateway = Gateway(
            settings,
            self.keys,
            self.book,
            self.leases,
            self.catalog,
            self.targets,
            self.engines,
            self.journal,
            self.inflight,
            self.states,
            self.health,
        )
        self.learner = Learner(self.store)
        self.captures: Captures | None = None
        auto = settings.routing.auto
        if auto.enabled:
            self.gateway.choose_by(
                Auto(
                    auto,
                    Rules(settings.routes, TASKS),
                    self.catalog,
                    self.health,
                    self.gateway.affinity,
                    Difficulty.load(),
                    self.learner,
                    loop.time,
                )
            )
            if auto.capture != "off":
                self.captures = self.gateway.captures = Captures(self.store, auto.capture_days)
        self.queue = self.gateway.queue = Queue(self.gateway, self.store, birth.name)
        self.beside = Deferred(self._make_beside, loop)
        hot = self.gateway.handlers(PREFIXES)
        uploads = spools(settings.home / "run", self.keys)
        self.listener = Listener(
            settings.server, self.sweeper, hot, AsgiBridge(self.beside, loop), spools=uploads
        )

    def _make_beside(self) -> App:
        """The API and the console: imported here, for they take longer than all else together."""
        from tokenworks.api.app import build  # noqa: PLC0415 - see above
        from tokenworks.console import app as console  # noqa: PLC0415
        from tokenworks.console.site import Site  # noqa: PLC0415

        settings, catalog, store, keys = self.settings, self.catalog, self.store, self.keys
        api = build(settings, catalog, store, keys, health=self.health, states=self.states)
        site = Site(
            settings,
            catalog,
            store,
            keys,
            health=self.health,
            auto=self.gateway.auto,
            engines=self.engines,
            stop=self.stop,
        )
        console.install(api, site)
        return api

    async def run(self) -> None:
        """Serve until told to stop, then finish open answers within the deadline."""
        loop = self.loop
        control = socket.socket(fileno=self.birth.control_fd)
        await loop.create_connection(lambda: self.control, sock=control)
        listening = socket.socket(fileno=self.birth.listen_fd)
        server = await loop.create_server(self.listener, sock=listening, backlog=BACKLOG)
        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        housekeeping = loop.create_task(self._keep_house())
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        if self.gateway.auto is not None:
            self.learner.start()
        self.control.send(Message(ready=True))
        self.beside.make_soon()
        await self.stop.wait()
        self.listener.drain()
        self.queue.drain()
        with contextlib.suppress(TimeoutError):
            open_answers = asyncio.gather(self.listener.idle.wait(), self.queue.idle.wait())
            await asyncio.wait_for(open_answers, self.settings.server.drain_s)
        self.listener.cut()
        self.gateway.cut()
        self.queue.close()
        housekeeping.cancel()
        server.close()
        self.pool.close()
        self.sweeper.stop()
        self.journal.close()
        self.inflight.close()
        self.states.close()
        self.leases.close()
        self.learner.close()
        if self.captures is not None:
            self.captures.close()
        self.store.close()

    async def _keep_house(self) -> None:
        prices_at = self.loop.time() + PRICES_EVERY_S
        rates_at, rates = self.loop.time(), attribution.path(self.settings.home)
        self.gateway.rates = attribution.read(rates)
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                self._keep_house_now()
                if self.loop.time() >= rates_at:
                    rates_at = self.loop.time() + RATES_EVERY_S
                    self.gateway.rates = attribution.read(rates)
                if self.loop.time() >= prices_at:
                    prices_at += PRICES_EVERY_S
                    if refresh_prices(self.catalog):
                        self.targets.clear()
            except Exception:  # it must go on: without it revoked keys would stay valid
                log.exception("housekeeping")

    def _keep_house_now(self) -> None:
        self.gateway.set_clock()
        if self.told != self.inflight.count():
            self.told = self.inflight.count()
            self.control.send(Message(inflight=self.told))
        if self.gateway.refused:
            self.control.send(Message(refused=self.gateway.refused))
            self.gateway.refused = {}
        if not self.journal.healthy and self.gateway.retry_journal():
            log.warning("journal: writable again")
        self.leases.housekeeping()
        if not self.birth.behind:  # what was queued by people is run by those who serve people
            self.queue.housekeeping()
        try:
            self.keys.reload_if_changed()
            if self.keys.version != self.keys_version:  # by whomever they were read again
                self.keys_version = self.keys.version
                self.book.keys_changed()
            self.book.reload_if_changed()
        except StoreError as error:
            log.error("keys and limits: %s; those known stay valid", error)


def main() -> None:
    """Read the birth message and serve."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the supervisor's business
    birth = unpack(sys.stdin.buffer.read())
    if birth.behind:
        os.nice(BEHIND_NICE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def serve() -> None:
            await Worker(birth, asyncio.get_running_loop()).run()

        runner.run(serve())


if __name__ == "__main__":
    main()
