"""The parent process of a running server: sockets, workers, engines, the drainer.

It holds one listening socket per worker for as long as it lives, so a worker that dies is
replaced without a refused connection: what arrives meanwhile waits in the socket's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tokenworks.app.batch_keeper import BatchKeeper
from tokenworks.app.caretaker import Caretaker
from tokenworks.app.doors import back_door, front_doors, home_lock
from tokenworks.app.handover import Birth, Channel, Message, pack
from tokenworks.app.metrics import Metrics
from tokenworks.app.power_watch import PowerWatch
from tokenworks.app.tracing import tracing
from tokenworks.config.settings import Settings
from tokenworks.engines.board import Board
from tokenworks.engines.manager import EngineManager, EngineState
from tokenworks.ledger import pulse
from tokenworks.ledger.drainer import Drainer
from tokenworks.ledger.gateway_id import gateway_id
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import open_store

log = logging.getLogger(__name__)

RESTART_S = (0.1, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 30.0  # a worker that lived this long starts from the shortest pause again
METRICS_EVERY_S = 1.0
DRAIN_EVERY_S = 0.3  # larger batches cost less a record; usage is true within a second
BACK = -1  # the number of the worker that serves batches, on a socket of its own
BACK_STOP_S = 10.0
WORKER_ENV = {"MALLOC_ARENA_MAX": "1"}  # one thread allocates; more arenas only hold memory


def run(settings: Settings, on_ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or Ctrl-C; ``on_ready`` gets the base URL once requests are answered.

    Returns the process's exit status. Raises ConfigError when the port or the home is taken.
    """
    with home_lock(settings.home), contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(s) for s in front_doors(settings.server)]
        back = stack.enter_context(back_door())
        return asyncio.run(Supervisor(settings, sockets, back).run(on_ready))


class _Worker(Channel):
    """The supervisor's end of one worker."""

    def __init__(self, supervisor: Supervisor, index: int) -> None:
        super().__init__()
        self.supervisor = supervisor
        self.index = index
        self.name = f"{supervisor.gateway_id}-w{index}-{os.getpid()}-{time.time_ns() // 1_000_000}"
        self.ready = asyncio.Event()
        self.inflight = 0
        self.process: asyncio.subprocess.Process | None = None

    def on_message(self, message: Message) -> None:
        if message.ready:
            self.ready.set()
            for name in self.supervisor.settings.engines:  # news that came while it was being born
                self.send(Message(engine=self.supervisor.engines.state(name)))
            self.supervisor.tell_state()
        if message.refused is not None:
            self.supervisor.metrics.refuse(message.refused)
        if message.inflight is not None:
            self.inflight = message.inflight
        if message.start:
            self.supervisor.start_engine(message.start)

    def on_close(self) -> None:
        pass  # its process has ended or is about to: that is what is watched


class Supervisor:
    """Starts everything, watches it, and takes it down in order."""

    def __init__(self, settings: Settings, sockets: list[socket.socket], back: socket.socket) -> None:
        self.settings = settings
        self.sockets = sockets
        self.back = back
        self.back_closed = asyncio.Event()
        self.back_keeper: asyncio.Task[None] | None = None
        self.port = sockets[0].getsockname()[1]
        self.workers: dict[int, _Worker] = {}
        self.stopping = asyncio.Event()
        self.all_ready = asyncio.Event()
        self.engines = EngineManager(
            settings.engines, self._engine_changed, settings.home / "run", settings.engine_keys
        )
        self.board = Board(settings.home)
        self.engine_tasks: set[asyncio.Task[None]] = set()
        self.gateway_id = gateway_id(settings.journal_dir)
        self.store = open_store(settings.store_url, fsync=settings.ledger.fsync)
        self.metrics = Metrics(settings.home / "run" / "metrics.prom")
        self.beat = pulse.Beat(settings.rankings.timezone)
        self.tracing = tracing(settings.observability, self.gateway_id)
        self.drainer = Drainer(settings.journal_dir, self.store, self._stored)
        back_url = f"http://127.0.0.1:{back.getsockname()[1]}"
        self.batches = BatchKeeper(
            settings, self.store, self.gateway_id, back_url, self._open_back, self._close_back
        )
        self.power = PowerWatch(settings, self._engine_states)

    @property
    def url(self) -> str:
        host = self.settings.server.host
        if ":" in host:
            host = "[::1]" if host == "::" else f"[{host}]"
        elif host == "0.0.0.0":  # noqa: S104 - compared with, not bound to
            host = "127.0.0.1"
        return f"http://{host}:{self.port}"

    async def run(self, on_ready: Callable[[str], None]) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        self.settings.journal_dir.mkdir(mode=0o700, exist_ok=True)
        self.store.migrate()
        self.beat.begin(self.store, time.time_ns() // 1000)
        self.drainer.recover()
        draining = threading.Event()
        drainer = threading.Thread(
            target=self.drainer.run, args=(draining, DRAIN_EVERY_S), name="drainer", daemon=True
        )
        drainer.start()
        caring = threading.Event()
        caretaker = threading.Thread(
            target=Caretaker(
                self.store, self.metrics.drifted, keep_batches_days=self.settings.batches.keep_days
            ).run,
            args=(caring,),
            name="caretaker",
            daemon=True,
        )
        caretaker.start()
        metering = threading.Event()
        meter = threading.Thread(target=self.power.run, args=(metering,), name="power", daemon=True)
        meter.start()
        self.engines.watch()
        metrics = loop.create_task(self._write_metrics())
        keepers = [loop.create_task(self._keep(i, self.stopping)) for i in range(len(self.sockets))]
        status = 0
        try:
            if await self._all_ready(keepers):
                batches = loop.create_task(self.batches.run())
                on_ready(self.url)
                await self.stopping.wait()
                batches.cancel()
                await asyncio.gather(batches, return_exceptions=True)
            else:
                status = 1
        finally:
            self.stopping.set()
            await self.batches.stop()
            await self._stop_workers(keepers)
            await asyncio.gather(*keepers, return_exceptions=True)
            await self.engines.stop_all()
            caring.set()
            metering.set()
            await asyncio.to_thread(caretaker.join)
            await asyncio.to_thread(meter.join)
            draining.set()
            await asyncio.to_thread(drainer.join)
            self.drainer.recover()
            metrics.cancel()
            if self.tracing is not None:
                await asyncio.to_thread(self.tracing.close)
            self._write_metrics_now()
            self._state_file.unlink(missing_ok=True)
            self.board.clear()
            pulse.path(self.settings.home).unlink(missing_ok=True)
            self.store.close()
        return status

    # --- workers ------------------------------------------------------------------------------

    async def _all_ready(self, keepers: list[asyncio.Task[None]]) -> bool:
        """False when stopped, or a worker failed, before all of them could serve."""
        loop = asyncio.get_running_loop()
        ready, stopping = loop.create_task(self.all_ready.wait()), loop.create_task(self.stopping.wait())
        await asyncio.wait([ready, stopping, *keepers], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ready.done():
            ready.cancel()
        return self.all_ready.is_set()

    async def _keep(self, index: int, closed: asyncio.Event) -> None:
        """Keep worker ``index`` until ``closed``: start it, wait for its end, bury it, start the next."""
        failures = 0
        while not closed.is_set():
            born = time.monotonic()
            ready, how = await self._live(index, closed)
            if closed.is_set():
                return
            if not ready and failures >= len(RESTART_S) and index != BACK:
                log.error("worker %d can't start (%s); giving up", index, how)
                self.stopping.set()
                return
            failures = 0 if time.monotonic() - born > STEADY_S else failures + 1
            pause = RESTART_S[min(failures, len(RESTART_S)) - 1] if failures else 0.0
            log.error("worker %d ended (%s); starting another in %.1f s", index, how, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closed.wait(), pause)

    async def _live(self, index: int, closed: asyncio.Event) -> tuple[bool, str]:
        """One worker from its birth to its burial: whether it could serve, and how it ended."""
        try:
            worker = await self._start_worker(index)
        except OSError as error:  # no more processes or sockets are to be had
            return False, f"no process: {error.strerror}"
        if closed.is_set():  # it was not known yet to whoever told the others
            worker.send(Message(drain=True))
        assert worker.process is not None
        status = await worker.process.wait()
        await asyncio.to_thread(self.drainer.bury, worker.name)
        return worker.ready.is_set(), f"exit status {status}"

    async def _open_back(self) -> None:
        """Have a worker that serves batches. What comes before it is ready waits in the socket's queue."""
        if self.back_keeper is None or self.back_keeper.done():
            self.back_closed.clear()
            self.back_keeper = asyncio.get_running_loop().create_task(self._keep(BACK, self.back_closed))

    async def _close_back(self) -> None:
        """End it, once nobody asks it any more. Cut short, it may be called again."""
        keeper = self.back_keeper
        if keeper is None:
            return
        self.back_closed.set()
        self._drain([BACK])
        done, _ = await asyncio.wait([keeper], timeout=BACK_STOP_S)
        if not done:
            self._kill([BACK])
            await asyncio.wait([keeper])
        self.back_keeper = None
        self.workers.pop(BACK, None)

    async def _start_worker(self, index: int) -> _Worker:
        worker = _Worker(self, index)
        ours, theirs = socket.socketpair()
        listen = (self.back if index == BACK else self.sockets[index]).fileno()
        with contextlib.ExitStack() as unless_born, theirs:
            unless_born.callback(ours.close)
            worker.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tokenworks.app.worker",
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(listen, theirs.fileno()),
                env={**WORKER_ENV, **os.environ},
                start_new_session=True,
            )
            birth = Birth(
                settings=self.settings,
                name=worker.name,
                listen_fd=listen,
                control_fd=theirs.fileno(),
                engines=[self.engines.state(name) for name in self.settings.engines],
                behind=index == BACK,
            )
            stdin = worker.process.stdin
            assert stdin is not None
            stdin.write(pack(birth))
            stdin.close()
            unless_born.pop_all()
        await asyncio.get_running_loop().create_connection(lambda: worker, sock=ours)
        self.workers[index] = worker
        return worker

    async def _stop_workers(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        """Ask every worker to finish its open answers; kill what outlives the deadline."""
        self._drain(self.workers)
        _, late = await asyncio.wait(keepers, timeout=self.settings.server.drain_s + 5)
        if late:
            self._kill(self.workers)
            await asyncio.wait(late)

    def _drain(self, indexes: Iterable[int]) -> None:
        for index in indexes:
            worker = self.workers.get(index)
            if worker is not None:
                worker.send(Message(drain=True))

    def _kill(self, indexes: Iterable[int]) -> None:
        """Those that still run; a process that has ended may be not buried yet."""
        for index in indexes:
            worker = self.workers.get(index)
            process = worker.process if worker is not None else None
            if process is not None and process.returncode is None:
                log.error("worker %d did not stop in time; killed", index)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    # --- engines ------------------------------------------------------------------------------

    def start_engine(self, name: str) -> None:
        """A worker has a request for this engine."""
        if name in self.settings.engines and not self.stopping.is_set():
            task = asyncio.get_running_loop().create_task(self._start_engine(name))
            self.engine_tasks.add(task)
            task.add_done_callback(self.engine_tasks.discard)

    async def _start_engine(self, name: str) -> None:
        self._engine_changed(await self.engines.start(name))

    def _engine_states(self) -> list[EngineState]:
        """Of all engines; from any thread."""
        return [self.engines.state(name) for name in self.settings.engines]

    def _engine_changed(self, state: EngineState) -> None:
        for worker in self.workers.values():
            worker.send(Message(engine=state))

    # --- metrics ------------------------------------------------------------------------------

    def _stored(self, records: Sequence[Record]) -> None:
        """Called in the drainer's thread."""
        self.metrics.observe(records)
        self.beat.observe(records)
        if self.tracing is not None:
            self.tracing.observe(records)

    async def _write_metrics(self) -> None:
        while True:
            await asyncio.sleep(METRICS_EVERY_S)
            self._write_metrics_now()

    def _write_metrics_now(self) -> None:
        inflight = sum(w.inflight for w in self.workers.values())
        if self.tracing is not None:
            self.metrics.traced(self.tracing.sent, self.tracing.dropped)
        self.metrics.powered(self.power.rates)
        try:
            self.metrics.write(inflight)
            pulse.write(self.settings.home, self.beat.pulse(inflight, time.time_ns() // 1000))
            self.board.write(self._engine_states(), time.time_ns() // 1000)
        except OSError as error:  # a full disk must not end the server
            log.error("metrics: %s", error)

    # --- what others may know -----------------------------------------------------------------

    @property
    def _state_file(self) -> Path:
        return self.settings.home / "run" / "server.json"

    def tell_state(self) -> None:
        """Write who serves where, once every worker does, and again when one was replaced."""
        workers = [worker for worker in self.workers.values() if worker.index != BACK]
        if len(workers) < len(self.sockets) or not all(w.ready.is_set() for w in workers):
            return
        state = {
            "url": self.url,
            "pid": os.getpid(),
            "workers": [w.process.pid for w in workers if w.process is not None],
        }
        part = self._state_file.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(json.dumps(state))
        part.replace(self._state_file)
        self.all_ready.set()
