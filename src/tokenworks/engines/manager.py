"""Starts the engines of a running server on demand, and watches them.

An engine that dies is started again after a pause that doubles from half a second to half a minute.
One that can't run as things are (no library, no model file, a damaged one) is left alone: asked for
again after a while, it is tried again, because by then somebody may have mended it.

Engines that somebody else runs are only watched: see ``openai_server``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import msgspec

from tokenworks.config.settings import EngineSettings
from tokenworks.engines.exposition import Page
from tokenworks.engines.llama_cpp import EXIT_FAULT, Launch, Launched
from tokenworks.engines.load import Looks
from tokenworks.engines.openai_server import ServerWatch
from tokenworks.engines.server_client import ServerClient
from tokenworks.engines.server_probe import metrics
from tokenworks.engines.state import EngineState, Phase
from tokenworks.errors import ConfigError

__all__ = ["EngineManager", "EngineState", "environment"]

log = logging.getLogger(__name__)

MODULES = {"llama_cpp": "tokenworks.engines.llama_cpp"}  # runtime → what to run
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0  # an engine that lived this long starts from the shortest pause again
MAX_STILLBORN = 3  # starts in a row that end before the engine could answer
RETRY_FAILED_S = 30.0
STOP_S = 2.0  # an engine ends within milliseconds of its standard input
MAX_LOG = 1 << 20  # a longer log is set aside at the next start
# An engine needs no secret of its surroundings, so it gets what processes and libraries need to run.
ENVIRONMENT = ("HOME", "LANG", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
ENVIRONMENT_PREFIXES = ("DYLD_", "GGML_", "GOMP_", "KMP_", "LC_", "LD_", "OMP_", "PYTHON")


class EngineManager:
    """All engines of this machine. Lives in one event loop, as one object."""

    def __init__(
        self,
        settings: Mapping[str, EngineSettings],
        on_change: Callable[[EngineState], None],
        log_dir: Path,
        keys: Mapping[str, str] = {},
    ) -> None:
        """``on_change`` hears of every new state. ``log_dir`` gets ``engine-NAME.log``. ``keys`` are those of
        servers that somebody else runs, by the engine's name."""
        self._threads = ThreadPoolExecutor(
            max(1, len(settings)), "engines"
        )  # one that hangs holds up no other
        self._engines: dict[str, _Engine | ServerWatch] = {
            name: ServerWatch(name, each, keys.get(name, ""), on_change, self._threads)
            if each.runs_elsewhere
            else _Engine(name, each, on_change, log_dir, self._threads)
            for name, each in settings.items()
        }

    def watch(self) -> None:
        """Look at all engines from now on: are they well, and what do they have to do?"""
        for engine in self._engines.values():
            engine.watch()

    def state(self, name: str) -> EngineState:
        """What is known now. Raises ConfigError for an unknown name."""
        return self._engine(name).state

    async def start(self, name: str) -> EngineState:
        """Have the engine run; its state once it is ready or has failed.

        Concurrent calls share one start. An engine that is not back within its ``start_timeout_s``
        counts as failed for this call.
        """
        return await self._engine(name).start()

    async def stop_all(self) -> None:
        """End every engine, and what waits for one."""
        await asyncio.gather(*(engine.stop() for engine in self._engines.values()))
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _engine(self, name: str) -> _Engine | ServerWatch:
        engine = self._engines.get(name)
        if engine is None:
            raise ConfigError(f'no engine is called "{name}"; tokenworks model list shows the models')
        return engine


class _End(msgspec.Struct):
    """How one life of an engine ended."""

    reason: str
    fault: bool = False  # starting again would end the same way
    steady_s: float = 0.0  # how long it could answer


class _Engine:
    """One engine: its state, and the task that keeps it running."""

    def __init__(
        self,
        name: str,
        settings: EngineSettings,
        on_change: Callable[[EngineState], None],
        log_dir: Path,
        threads: Executor,
    ) -> None:
        self.state = EngineState(name)
        self.settings = settings
        self.on_change = on_change
        self.log_path = log_dir / f"engine-{name}.log"
        self.threads = threads
        self.keeper: asyncio.Task[None] | None = None
        self.watcher: asyncio.Task[None] | None = None
        self.client = ServerClient("")
        self.looking: asyncio.Future[Page | None] | None = None
        self.process: Process | None = None
        self.changed = asyncio.Event()
        self.retry_at = 0.0

    async def start(self) -> EngineState:
        if self.state.state == "failed" and time.monotonic() < self.retry_at:
            return self.state
        if self.keeper is None or self.keeper.done():
            self.keeper = asyncio.get_running_loop().create_task(self._keep())
            self._enter("starting")
        patience = self.settings.start_timeout_s + STOP_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self.state.state in ("starting", "restarting"):
                    await self.changed.wait()
        if self.state.state in ("starting", "restarting"):
            reason = f"not back after {patience:.0f} s; {self.state.reason or f'see {self.log_path}'}"
            return EngineState(self.state.name, "failed", reason=reason)
        return self.state

    def watch(self) -> None:
        if self.watcher is None:
            self.watcher = asyncio.get_running_loop().create_task(self._watch_load())

    async def stop(self) -> None:
        if self.watcher is not None:
            self.watcher.cancel()
            await asyncio.gather(self.watcher, return_exceptions=True)
            self.watcher = None
            await self.client.end(self.looking)
        if self.keeper is not None:
            self.keeper.cancel()
            await asyncio.gather(self.keeper, return_exceptions=True)
            self.keeper = None
            self._enter("stopped")

    def _enter(
        self, state: Phase, reason: str = "", launched: Launched | None = None, api_key: str = ""
    ) -> None:
        at = launched or Launched()
        self.state = EngineState(self.state.name, state, at.port, api_key, at.pid, reason, kind="llama_cpp")
        self.changed.set()  # wakes everybody who waits now
        self.changed = asyncio.Event()
        self.on_change(self.state)

    # --- what it has to do --------------------------------------------------------------------

    async def _watch_load(self) -> None:
        """Ask it for its load while it is ready, and tell where that has changed."""
        loop = asyncio.get_running_loop()
        pid, looks = 0, Looks()
        while True:
            await asyncio.sleep(self.settings.watch_s)
            state = self.state
            if state.state != "ready":
                continue
            if state.pid != pid:
                self.client.close()
                self.client = ServerClient(f"http://127.0.0.1:{state.port}", state.api_key)
                pid, looks = state.pid, Looks()
            try:
                self.looking = loop.run_in_executor(self.threads, metrics, self.client)
                page = await asyncio.shield(self.looking)
            except OSError:  # it is busy, or about to end: the keeper sees that
                continue
            load = None if page is None else looks.see(time.monotonic(), page)
            if self.state is state and load != state.load:
                self.state = msgspec.structs.replace(state, load=load)
                self.on_change(self.state)

    # --- the keeper ---------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Run it, again and again, until it is stopped or has a fault."""
        name = self.state.name
        pause, stillborn = 0.0, 0
        while True:
            try:
                end = await self._live()
            except (OSError, msgspec.DecodeError) as error:  # no process, no log file, no sense in its answer
                end = _End(f"can't be started: {error}")
            stillborn = 0 if end.steady_s else stillborn + 1
            if end.fault or stillborn >= MAX_STILLBORN:
                log.error("engine %s can't run: %s", name, end.reason)
                self.retry_at = time.monotonic() + RETRY_FAILED_S
                self._enter("failed", end.reason)
                return
            pause = FIRST_PAUSE_S if end.steady_s > STEADY_S or not pause else min(2 * pause, LONGEST_PAUSE_S)
            log.error("engine %s: %s; starting it again in %.1f s", name, end.reason, pause)
            self._enter("restarting", end.reason)
            await asyncio.sleep(pause)

    async def _live(self) -> _End:
        """One life of the process, from its start to its end."""
        api_key = secrets.token_urlsafe(32)
        with self._open_log() as log_file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # modules are not looked for in whatever folder this is
                "-m",
                MODULES[self.settings.runtime],
                stdin=PIPE,
                stdout=PIPE,
                stderr=log_file,
                env=environment(),
                start_new_session=True,  # Ctrl-C is for the server, which ends its engines last
            )
        try:
            launch = Launch(self.state.name, self.settings, api_key)
            return await self._watch(process, launch)
        finally:
            await _end(process)

    async def _watch(self, process: Process, launch: Launch) -> _End:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(msgspec.json.encode(launch) + b"\n")
        patience = self.settings.start_timeout_s
        try:
            async with asyncio.timeout(patience):
                line = await process.stdout.readline()
        except TimeoutError:
            process.kill()
            fix = f"raise start_timeout_s of engine {launch.name}, or see {self.log_path}"
            return _End(f"was not ready after {patience:g} s; {fix}", fault=True)
        if not line:
            return self._stillborn(await process.wait())
        launched = msgspec.json.decode(line, type=Launched)
        if launched.error:
            return _End(launched.error, fault=await process.wait() == EXIT_FAULT)
        born = time.monotonic()
        self._enter("ready", launched=launched, api_key=launch.api_key)
        status = await process.wait()
        return _End(f"ended ({_means(status)}); see {self.log_path}", steady_s=time.monotonic() - born)

    def _stillborn(self, status: int) -> _End:
        if status == -signal.SIGILL:
            return _End("this processor lacks instructions that the engine is built for (AVX2)", fault=True)
        if status == -signal.SIGKILL:
            fix = "fewer slots, a smaller context_length or a quantised kv_cache_type help"
            return _End(f"was killed while it started, probably because memory is short; {fix}")
        return _End(f"ended while it started ({_means(status)}); see {self.log_path}")

    def _open_log(self) -> IO[bytes]:
        """The log to append to. Errors can quote requests, so it is the owner's only."""
        self.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > MAX_LOG:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))
        return open(self.log_path, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))


async def _end(process: Process) -> None:
    """Let the process end by itself (its input ends), else kill it."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def environment() -> dict[str, str]:
    """What an engine's process sees of ours: what processes and libraries need, and no secret."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in ENVIRONMENT or name.startswith(ENVIRONMENT_PREFIXES)
    }


def _means(status: int) -> str:
    """An exit status in words."""
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
