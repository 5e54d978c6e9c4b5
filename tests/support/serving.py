"""A real ``tokenworks serve`` for tests: its own home, its own port, killable."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenworks.cli.home import Place
from tokenworks.cli.init import prepare
from tokenworks.config.load import load
from tokenworks.ledger.store import open_store
from tokenworks.plans import keys

START_TIMEOUT_S = 30.0

ACME = """
[providers.{name}]
wire = "openai_chat"
base_url = "{base_url}"
api_key = "sk-upstream"
allow_private = true
[[providers.{name}.models]]
id = "acme/fast"
upstream_id = "fast-1"
context_length = 131072
input_mtok = {input_mtok}
output_mtok = {output_mtok}
cache_read_mtok = 0.01
"""


def acme(base_url: str, name: str = "acme", input_mtok: float = 0.10, output_mtok: float = 0.40) -> str:
    """Configuration of one provider of the model ``acme/fast``."""
    return ACME.format(name=name, base_url=base_url, input_mtok=input_mtok, output_mtok=output_mtok)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Server:
    """One home and the server on it, started and stopped as often as a test likes."""

    def __init__(self, home: Path, config: str, workers: int = 1) -> None:
        self.home = home
        self.port = free_port()
        self.workers = workers
        self.process: subprocess.Popen[str] | None = None
        home.mkdir(parents=True, exist_ok=True)
        (home / "tokenworks.toml").write_text(config)
        prepare(Place(home))
        self.key_id, self.key = self.new_key("test")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def cli(self, *args: str) -> Any:
        """Run a command on this home; its JSON when it prints some."""
        done = subprocess.run(
            [sys.executable, "-m", "tokenworks", "--home", str(self.home), *args],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    def new_key(self, name: str, *args: str) -> tuple[str, str]:
        """Id and secret; ``args`` are options of ``key create``."""
        if args:
            made = self.cli("key", "create", name, "--json", *args)
            return made["id"], made["key"]
        settings = load(self.home, require_secrets=False)  # as the command does, but in this process
        store = open_store(settings.store_url)
        try:
            return keys.create(store, name, settings.pepper)
        finally:
            store.close()

    def usage(self, by: str = "model") -> dict[str, Any]:
        found = self.cli("usage", "--by", by, "--json")
        assert isinstance(found, dict)
        return found

    @property
    def command(self) -> list[str]:
        where = ["--home", str(self.home), "--port", str(self.port), "--workers", str(self.workers)]
        return [sys.executable, "-m", "tokenworks", "serve", *where]

    def start(self) -> Server:
        assert self.process is None
        with (self.home / "serve.log").open("a") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True
            )
        self.until_ready()
        return self

    def refusal(self) -> str:
        """What it says when it can't start."""
        done = subprocess.run(self.command, capture_output=True, text=True, timeout=START_TIMEOUT_S)
        assert done.returncode != 0
        return done.stderr

    def until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            if self._answers():
                return
            assert self.process is not None and self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def _answers(self) -> bool:
        probe = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)  # of all clients the cheapest
        try:
            probe.request("GET", "/healthz")
            return probe.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            probe.close()

    def until_all_ready(self) -> None:
        """Until every worker of a server on a new home serves; it is ready when the first one does."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self.home / "run" / "server.json").exists():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL to the process a user sees; its children must take care of themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, timeout_s: float = 60.0) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout_s)
        self.process = None
        return status

    def worker_pids(self) -> list[int]:
        self.until_all_ready()  # who they are is told when all serve
        found = json.loads((self.home / "run" / "server.json").read_text())["workers"]
        return [int(pid) for pid in found]

    def log(self) -> str:
        return (self.home / "serve.log").read_text()

    def close(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None


@contextmanager
def serving(home: Path, config: str, workers: int = 1) -> Iterator[Server]:
    """A started server, gone at the end of the block."""
    server = Server(home, config, workers)
    try:
        yield server.start()
    finally:
        server.close()


def chat(text: str = "hello", **more: Any) -> dict[str, Any]:
    """A chat request body."""
    return {"model": "acme/fast", "messages": [{"role": "user", "content": text}], **more}
