"""Who works at a batch while it is watched: the server's own worker, or one started here."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tokenworks.cli.home import no_server

if TYPE_CHECKING:
    from tokenworks.config.settings import Settings

LOOK_S = 5.0  # between two looks whether the server still runs
LOG = "batch-worker.log"  # under HOME/run: what a worker started here says
ENDS_S = 30.0  # for answers under way, when it is told to stop


@contextlib.contextmanager
def working(settings: Settings, url: str | None) -> Iterator[Callable[[], None]]:
    """Somebody works while this is open. Call what it gives now and then: it raises ``ConfigError`` once
    nobody does.

    Without ``url`` that is the running server; with it a worker of our own, against that gateway.
    """
    if url is None:
        yield _server(settings)
        return
    log = settings.home / "run" / LOG
    log.parent.mkdir(mode=0o700, exist_ok=True)
    with log.open("a") as said:
        process = _start(settings, url, said.fileno())
    try:
        yield lambda: _lives(process, log)
    finally:
        _end(process)


def _server(settings: Settings) -> Callable[[], None]:
    from tokenworks.errors import ConfigError

    looked = time.monotonic()

    def alive() -> None:
        nonlocal looked
        if time.monotonic() - looked < LOOK_S:
            return
        with no_server(settings.home) as idle:
            pass
        looked = time.monotonic()
        if idle:
            raise ConfigError(
                f"the server on {settings.home} has stopped; the batch goes on with: tokenworks serve "
                f"--home {settings.home}"
            )

    return alive


def reach(url: str) -> None:
    """Raises ``ConfigError`` where nothing answers at ``url``."""
    import httpx

    from tokenworks.errors import ConfigError

    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=10.0, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"--url {url}: {error or type(error).__name__}; is a server running there?"
        ) from error


def _start(settings: Settings, url: str, log: int) -> subprocess.Popen[bytes]:
    from tokenworks.app.batch_birth import BatchBirth, pack
    from tokenworks.ledger.gateway_id import gateway_id

    command = [sys.executable, "-m", "tokenworks.app.batch_worker"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
    assert process.stdin is not None
    name = f"{gateway_id(settings.home)}-cli-{os.getpid()}"
    with contextlib.suppress(BrokenPipeError):  # it has ended already, and said why
        process.stdin.write(pack(BatchBirth(settings, name, url)))
        process.stdin.flush()
    return process


def _lives(process: subprocess.Popen[bytes], log: Path) -> None:
    from tokenworks.errors import ConfigError

    if process.poll() is not None:
        last = log.read_text(errors="replace").strip().rpartition("\n")[2]
        raise ConfigError(f"the worker has ended ({last[-200:]}); the batch waits for another, see {log}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
