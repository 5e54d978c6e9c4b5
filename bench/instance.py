"""Running processes of a benchmark: the upstream, one instance of each gateway, and one load at a time."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import procfs
from bodies import BODIES
from native import WORK, build
from peers import Launch, Peer, Place

READY_S = 120.0


class Failed(Exception):
    """A process did not start or died; the text holds the end of its log."""


@dataclass(frozen=True)
class Cores:
    """Which core runs what. Equal numbers: everything shares one core, and the figures mean little."""

    gateway: int
    harness: int


@dataclass
class Process:
    """A started process tree and its log."""

    popen: subprocess.Popen[bytes]
    log: Path

    def pids(self) -> list[int]:
        return procfs.tree(self.popen.pid)

    def cpu_ns(self) -> int:
        return procfs.cpu_ns(self.pids())

    def check(self) -> None:
        """Raises Failed if it has ended."""
        if self.popen.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise Failed(f"{self.popen.args!r} ended with {self.popen.returncode}:\n{tail}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for whatever of the tree is left after 15 s."""
        pids = self.pids()
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pid in pids:
            if pid != self.popen.pid and (procfs.PROC / str(pid)).exists():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def start(argv: Sequence[str], core: int, log: Path, env: dict[str, str], cwd: Path) -> Process:
    """Starts a process bound to one core; what it starts inherits that."""
    with log.open("wb") as out:
        popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    return Process(popen, log)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def fetch(port: int, path: str, timeout_s: float = 5.0) -> tuple[int, bytes]:
    """GET on the loopback interface: status and body. Raises OSError while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@dataclass
class Instance:
    """One running gateway (or none, for ``direct``) with what was sent to it so far."""

    peer: Peer
    launch: Launch
    place: Place
    process: Process | None
    sent: int = 0
    delivered: dict[str, int] = field(default_factory=dict)  # the upstream's counts of its loads, summed
    no_usage: int = 0  # whole streams on the messages wire that told no tokens

    def cpu_ns(self) -> int:
        return self.process.cpu_ns() if self.process else 0

    def root_ns(self) -> int:
        """CPU time of the started process alone, without what it started: a supervisor's, for instance."""
        return procfs.cpu_ns([self.process.popen.pid]) if self.process else 0

    def memory(self) -> procfs.Memory:
        return procfs.memory(self.process.pids()) if self.process else procfs.Memory(0, 0)


@dataclass
class Upstream:
    """The running scripted upstream."""

    process: Process
    port: int

    def stats(self) -> dict[str, int]:
        """What it received and sent since its start."""
        counts: dict[str, int] = json.loads(fetch(self.port, "/stats")[1])
        return counts


@dataclass(frozen=True)
class Load:
    """One load: the load generator's mode and options, and the request it repeats."""

    mode: str  # closed, open, stream
    script: str  # model name that the upstream understands
    size: int  # bytes of the body
    options: str = ""
    body: str = "chat"  # or messages


PROBE = Load("closed", "answer", 1000, "--connections 1 --requests 1 --seconds 5")


class Bench:
    """Starts processes in a scratch folder, and ends all of them when the ``with`` block is left."""

    def __init__(self, cores: Cores, scripts: Sequence[str]) -> None:
        self.cores = cores
        self.scripts = list(scripts)
        self.started: list[Process] = []
        self.folder = Path()

    def __enter__(self) -> Bench:
        runs = WORK / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=runs))
        self.loadgen = build("loadgen")
        upstream, port = build("upstream"), free_ports(1)[0]
        argv, log = [str(upstream), str(port)], self.folder / "upstream.log"
        self.upstream = Upstream(self.start(argv, self.cores.harness, log, {}), port)
        self.wait_ready(self.upstream.process, port, "/stats")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        for process in reversed(self.started):
            process.stop()
        if kind is None:
            shutil.rmtree(self.folder)  # kept after an error: the logs tell why

    def start(self, argv: Sequence[str], core: int, log: Path, env: dict[str, str]) -> Process:
        process = start(argv, core, log, {**os.environ, **env}, self.folder)
        self.started.append(process)
        return process

    def wait_ready(self, process: Process, port: int, path: str) -> None:
        """Returns once GET ``path`` is answered below 400. Raises Failed if that takes too long."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            process.check()
            try:
                if fetch(port, path)[0] < 400:
                    return
            except (OSError, http.client.HTTPException):
                pass  # not listening yet
            time.sleep(0.1)
        raise Failed(f"{process.popen.args!r} was not ready after {READY_S:.0f} s, see {process.log}")

    def open(self, peer: Peer, probe: Load = PROBE) -> Instance:
        """Starts a fresh instance of a prepared peer and warms nothing. Raises Failed or Absent."""
        folder = Path(tempfile.mkdtemp(prefix=f"{peer.name}-", dir=self.folder))
        port, stream_port, spare_port = free_ports(3)
        place = Place(folder, port, stream_port, spare_port, self.upstream.port, self.scripts)
        launch = peer.launch(place)
        if not launch.argv:
            return Instance(peer, launch, place, None)
        process = self.start(launch.argv, self.cores.gateway, folder / "log.txt", dict(launch.env))
        self.wait_ready(process, launch.port, launch.ready_path)
        instance = Instance(peer, launch, place, process)
        if launch.probe:
            self.probe(instance, probe)
        return instance

    def probe(self, instance: Instance, probe: Load) -> None:
        """Waits until one request goes through: some peers listen before they know their upstream."""
        for _ in range(50):
            if self.run(instance, probe)["completed"]:
                return
            time.sleep(0.3)
        raise Failed(f"{instance.peer.name} passes no request on, see {instance.place.folder}")

    def close(self, instance: Instance) -> None:
        """Ends an instance before the bench ends."""
        if instance.process:
            instance.process.stop()
            self.started.remove(instance.process)

    @contextmanager
    def generate(self, instance: Instance, load: Load) -> Iterator[subprocess.Popen[bytes]]:
        """Runs the load generator; its standard output is a pipe of JSON lines."""
        launch, streams = instance.launch, load.mode == "stream"
        body = self.folder / "body.json"
        body.write_bytes(BODIES[load.body](launch.model_prefix + load.script, load.size, streams))
        argv = [str(self.loadgen), load.mode, "--port", str(launch.stream_port if streams else launch.port)]
        argv += ["--body", str(body), "--key", launch.key, *load.options.split()]
        for header in launch.headers:
            argv += ["--header", header]
        popen = subprocess.Popen(
            argv, stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, {self.cores.harness})
        )
        try:
            yield popen
        finally:
            popen.kill()
            popen.wait()
            if popen.stdout:
                popen.stdout.close()

    def run(self, instance: Instance, load: Load) -> dict[str, Any]:
        """Runs one load to its end; the load generator's report, with the upstream's counts of it added."""
        before = self.upstream.stats()
        with self.generate(instance, load) as popen:
            report = self.finish(instance, popen)
        after = self.upstream.stats()
        report["upstream"] = {name: after[name] - before[name] for name in after}
        for name, value in report["upstream"].items():
            instance.delivered[name] = instance.delivered.get(name, 0) + value
        return report

    def finish(self, instance: Instance, popen: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Reads the load generator until its report, the last line."""
        assert popen.stdout is not None
        report: dict[str, Any] = json.loads(last(popen.stdout))
        instance.sent += report["sent"]
        instance.no_usage += report["no_usage"]
        return report


def last(lines: IO[bytes]) -> bytes:
    """The last line of a pipe, read to its end. Raises Failed if there is none."""
    line = b""
    for one in lines:
        line = one
    if not line:
        raise Failed("the load generator printed no report")
    return line
