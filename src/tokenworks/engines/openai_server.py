"""An engine that somebody else starts and stops: a server at a URL. It is looked at every few seconds.

Three looks in a row without an answer make it unreachable: it gets no requests until it answers again.
Whether it still serves the model is asked whenever it comes back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor

import msgspec

from tokenworks.config.settings import EngineSettings
from tokenworks.engines import server_probe
from tokenworks.engines.exposition import Page
from tokenworks.engines.load import Load, Looks
from tokenworks.engines.server_client import ServerClient, why
from tokenworks.engines.state import EngineState, Phase
from tokenworks.errors import ConfigError

log = logging.getLogger(__name__)

MISSES = 3  # looks in a row without an answer
NO_METRICS_S = 30.0  # between two questions for metrics that were not there


class ServerWatch:
    """One server: what is known of it, and the task that looks at it."""

    def __init__(
        self,
        name: str,
        settings: EngineSettings,
        api_key: str,
        on_change: Callable[[EngineState], None],
        threads: Executor | None = None,
    ) -> None:
        """``threads``: where it may wait for an answer, one at a time."""
        self.settings = settings
        self.state = EngineState(
            name,
            "starting",
            api_key=api_key,
            url=settings.url,
            served_as=settings.served_as or settings.model,
            kind=settings.kind,
        )
        self._on_change = on_change
        self._threads = threads
        self._client = ServerClient(settings.url, api_key)
        self._looks = Looks()
        self._watcher: asyncio.Task[None] | None = None
        self._known = asyncio.Event()  # after the first look
        self._looking: asyncio.Future[tuple[str, Load | None]] | None = None
        self._misses = 0
        self._verified = False  # it serves the model, as far as is known
        self._metrics_at = 0.0
        self._kind = settings.kind  # as its metrics tell, where they do

    async def start(self) -> EngineState:
        """Its state, once it is known."""
        self.watch()
        await self._known.wait()
        return self.state

    def watch(self) -> None:
        """Have it looked at, from now on."""
        if self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Look no more; the server goes on."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        self._known.set()
        await self._client.end(self._looking)

    def glance(self) -> EngineState:
        """Look once and tell how it is. For who does not watch; may take seconds."""
        self._take(*self._look())
        self._client.close()
        return self.state

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._looking = loop.run_in_executor(self._threads, self._look)
                self._take(*await asyncio.shield(self._looking))
            except Exception:  # whatever a server answers, the next look must come
                log.exception("engine %s: unexpected", self.state.name)
                self._take("sends what makes no sense", None)
            self._known.set()
            await asyncio.sleep(self.settings.watch_s)

    def _look(self) -> tuple[str, Load | None]:
        """What is wrong, else its load. In a thread."""
        try:
            complaint = server_probe.health(self._client)
            if not complaint and not self._verified:
                complaint = self._other_model()
            if complaint:
                return complaint, None
            page = self._page()
        except OSError as error:
            return why(error), None
        return "", None if page is None else self._looks.see(time.monotonic(), page)

    def _other_model(self) -> str:
        """Empty where it serves the model that it is here for."""
        wanted = self.state.served_as
        try:
            models = server_probe.list_models(self._client, self.settings.url)
        except ConfigError as error:
            return error.message.removeprefix(f"{self.settings.url} ")
        if not any(each.id == wanted for each in models):
            return f"serves {', '.join(each.id for each in models[:3])} and not {wanted}"
        self._verified = True
        return ""

    def _page(self) -> Page | None:
        now = time.monotonic()
        if now < self._metrics_at:
            return None
        page = server_probe.metrics(self._client)
        self._kind = self._kind if page is None else page.kind
        self._metrics_at = 0.0 if page is not None else now + NO_METRICS_S
        return page

    def _take(self, complaint: str, load: Load | None) -> None:
        """Draw the consequences of a look."""
        if not complaint:
            self._misses = 0
            self._enter("ready", "", load)
            return
        self._misses += 1
        answered = self.state.state == "ready" and self._misses < MISSES
        if answered:  # it may only be busy
            self._enter("ready", complaint, self.state.load)
            return
        if self.state.state != "unreachable":
            log.error("engine %s at %s: %s", self.state.name, self.settings.url, complaint)
        self._verified, self._metrics_at = False, 0.0
        self._looks.forget()
        self._enter("unreachable", complaint, None)

    def _enter(self, phase: Phase, reason: str, load: Load | None) -> None:
        former = self.state
        self.state = msgspec.structs.replace(former, state=phase, reason=reason, load=load, kind=self._kind)
        if self.state != former:
            if phase == "ready" and former.state != "ready":
                log.info("engine %s answers at %s", former.name, self.settings.url)
            self._on_change(self.state)
