"""Keeps a worker of batches running as long as there is a batch, as one of the supervisor's children."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from tokenworks.app.batch_birth import BatchBirth, pack
from tokenworks.batches.timing import Timing
from tokenworks.config.settings import Settings
from tokenworks.errors import StoreError
from tokenworks.ledger.batched import ON_ITS_OWN, PAUSED, RUNNING
from tokenworks.ledger.store import Store

log = logging.getLogger(__name__)

LOOK_S = 1.0
IDLE_S = 60.0  # without a batch, before the worker is stopped
RESTART_S = (0.1, 1.0, 5.0, 15.0, 60.0)
STEADY_S = 60.0
STOP_S = 30.0  # more than a worker takes for answers under way


class BatchKeeper:
    """One in a supervisor. Use from its loop."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        gateway_id: str,
        url: str,
        opening: Callable[[], Awaitable[None]],
        closing: Callable[[], Awaitable[None]],
    ) -> None:
        """``url``: of the gateway that the worker asks, which ``opening`` begins and ``closing`` ends."""
        self._opening, self._closing = opening, closing
        self._settings, self._store, self._url = settings, store, url
        # Always the same: what its predecessor had under way is its own, and begun anew at once.
        self._name = f"{gateway_id}-batches"
        self._process: asyncio.subprocess.Process | None = None
        self._opened = False  # its gateway
        self._failures = 0
        self._born = 0.0
        self._in_the_dark = False  # the store does not say whether there is a batch

    async def run(self) -> None:
        """Until cancelled; ``stop`` must follow."""
        if not self._settings.batches.enabled:
            return
        wanted_at, not_before = -IDLE_S, 0.0
        while True:
            now = time.monotonic()
            if await self._wanted():
                wanted_at = now
            if self._process is not None and self._process.returncode is not None:
                not_before = now + self._bury(f"ended (exit status {self._process.returncode})", now)
            if self._process is None and now - wanted_at < LOOK_S and now >= not_before:
                try:
                    await self._start()
                except OSError as error:  # no more processes are to be had
                    not_before = now + self._bury(f"can't be started ({error.strerror})", now)
            elif self._opened and now - wanted_at > IDLE_S:
                await self.stop()
            await asyncio.sleep(LOOK_S)

    async def stop(self) -> None:
        """Let it finish what it asked for, and end it. Cut short, it may be called again."""
        process = self._process
        if process is not None and process.returncode is None:
            await self._end(process)
        self._process = None
        await self._closing()
        self._opened = False

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            log.error("the worker of batches did not stop in time; killed")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @property
    def pid(self) -> int | None:
        """Of the worker, while there is one."""
        return self._process.pid if self._process is not None else None

    async def _wanted(self) -> bool:
        """Whether there is a batch that somebody has to do something about."""
        try:
            wanted = await asyncio.to_thread(self._any)
        except StoreError as error:
            if not self._in_the_dark:  # once is enough
                log.warning("batches: %s; going on when the store answers", error)
            self._in_the_dark = True
            return False
        self._in_the_dark = False
        return wanted

    def _any(self) -> bool:
        if self._store.batches(limit=1, statuses=RUNNING):
            return True
        paused = self._store.batches(limit=1000, statuses=(PAUSED,))
        return any(batch.note.startswith(ON_ITS_OWN) for batch in paused)

    async def _start(self) -> None:
        self._born = time.monotonic()
        self._opened = True
        await self._opening()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tokenworks.app.batch_worker",
            stdin=asyncio.subprocess.PIPE,
            env={"MALLOC_ARENA_MAX": "2", **os.environ},
            start_new_session=True,
        )
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(pack(BatchBirth(self._settings, self._name, self._url, Timing())))
        with contextlib.suppress(ConnectionError):  # it has ended already, and said why
            await stdin.drain()

    def _bury(self, how: str, now: float) -> float:
        """How long to wait before the next one is started."""
        self._process = None
        if now - self._born > STEADY_S:
            self._failures = 0
        pause = RESTART_S[min(self._failures, len(RESTART_S) - 1)]
        self._failures += 1
        log.error("the worker of batches %s; another in %.1f s", how, pause)
        return pause
