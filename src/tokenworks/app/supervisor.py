"""The parent process of a running server: sockets, workers, engines, the drainer.

It holds one listening socket per worker for as long as it lives, so a worker that dies is
replaced without a refused connection: what arrives meanwhile waits in the socket's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from tokenworks.app.batch_keeper import BatchKeeper
from tokenworks.app.caretaker import Caretaker
from tokenworks.app.handover import Birth, Channel, Message, pack
from tokenworks.app.metrics import Metrics
from tokenworks.app.tracing import tracing
from tokenworks.config.settings import ServerSettings, Settings
from tokenworks.engines.manager import EngineManager, EngineState
from tokenworks.errors import ConfigError
from tokenworks.ledger import pulse
from tokenworks.ledger.drainer import Drainer
from tokenworks.ledger.gateway_id import gateway_id
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import open_store

log = logging.getLogger(__name__)

BACKLOG = 4096
BIND_PATIENCE_S = 3.0  # a server killed a moment ago may still be leaving its port
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
    with _home_lock(settings.home), contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(s) for s in _bind(settings.server)]
        back = stack.enter_context(_bind_back())
        return asyncio.run(Supervisor(settings, sockets, back).run(on_ready))


@contextlib.contextmanager
def _home_lock(home: Path) -> Iterator[IO[str]]:
    """Two servers on one home would move each other's journals."""
    folder = home / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "serve.lock").open("w") as lock:
        deadline = time.monotonic() + BIND_PATIENCE_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConfigError(
                        f"another server runs on {home}; stop it or use another --home"
                    ) from None
                time.sleep(0.05)
        yield lock


def _bind(server: ServerSettings) -> list[socket.socket]:
    """One listening socket per worker on the same port.

    The first is bound without SO_REUSEPORT: with it, a second server of the same user would
    silently share the port.
    """
    infos = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, proto, _, address = infos[0]
    deadline = time.monotonic() + BIND_PATIENCE_S
    while True:
        probe = socket.socket(family, kind, proto)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            break
        except OSError as error:
            if time.monotonic() > deadline or error.errno != 98:
                where = f"{server.host}:{server.port}"
                raise ConfigError(
                    f"can't listen on {where}: {error.strerror}; use --port for another port"
                ) from None
            time.sleep(0.05)
        finally:
            if sys.exc_info()[0] is not None:
                probe.close()
    address = (server.host, probe.getsockname()[1], *address[2:])
    probe.close()
    sockets = []
    for _ in range(server.workers):
        sock = socket.socket(family, kind, proto)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if server.workers > 1:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
        sockets.append(sock)
    return sockets


def _bind_back() -> socket.socket:
    """Where batches knock: reached from this machine only."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    sock.setblocking(False)
    return sock


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
        self.engines = EngineManager(settings.engines, self._engine_changed, settings.home / "run")
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
            await self._stop_workers()
            await asyncio.gather(*keepers, return_exceptions=True)
            await self.engines.stop_all()
            caring.set()
            await asyncio.to_thread(caretaker.join)
            draining.set()
            await asyncio.to_thread(drainer.join)
            self.drainer.recover()
            metrics.cancel()
            if self.tracing is not None:
                await asyncio.to_thread(self.tracing.close)
            self._write_metrics_now()
            self._state_file.unlink(missing_ok=True)
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
            worker = await self._start_worker(index)
            assert worker.process is not None
            status = await worker.process.wait()
            await asyncio.to_thread(self.drainer.bury, worker.name)
            if closed.is_set():
                return
            if not worker.ready.is_set() and failures >= len(RESTART_S) and index != BACK:
                log.error("worker %d can't start (exit status %s); giving up", index, status)
                self.stopping.set()
                return
            failures = 0 if time.monotonic() - born > STEADY_S else failures + 1
            pause = RESTART_S[min(failures, len(RESTART_S)) - 1] if failures else 0.0
            log.error("worker %d ended (exit status %s); starting another in %.1f s", index, status, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closed.wait(), pause)

    async def _open_back(self) -> None:
        """Have a worker that serves batches. What comes before it is ready waits in the socket's queue."""
        if self.back_keeper is None:
            self.back_closed.clear()
            self.back_keeper = asyncio.get_running_loop().create_task(self._keep(BACK, self.back_closed))

    async def _close_back(self) -> None:
        """End it, once nobody asks it any more."""
        self.back_closed.set()
        keeper, self.back_keeper = self.back_keeper, None
        if keeper is None:
            return
        worker = self.workers.get(BACK)
        if worker is not None:
            worker.send(Message(drain=True))
        done, _ = await asyncio.wait([keeper], timeout=BACK_STOP_S)
        if not done and worker is not None and worker.process is not None:
            worker.process.kill()
            await keeper
        self.workers.pop(BACK, None)

    async def _start_worker(self, index: int) -> _Worker:
        worker = _Worker(self, index)
        ours, theirs = socket.socketpair()
        listen = (self.back if index == BACK else self.sockets[index]).fileno()
        with theirs:
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
        await asyncio.get_running_loop().create_connection(lambda: worker, sock=ours)
        self.workers[index] = worker
        return worker

    async def _stop_workers(self) -> None:
        """Ask every worker to finish its open answers; kill what outlives the deadline."""
        for worker in self.workers.values():
            worker.send(Message(drain=True))
        deadline = time.monotonic() + self.settings.server.drain_s + 5
        for worker in self.workers.values():
            process = worker.process
            if process is None:
                continue
            try:
                await asyncio.wait_for(process.wait(), max(0.1, deadline - time.monotonic()))
            except TimeoutError:
                log.error("worker %d did not stop in time; killed", worker.index)
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
        try:
            self.metrics.write(inflight)
            pulse.write(self.settings.home, self.beat.pulse(inflight, time.time_ns() // 1000))
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
