"""What a server opens before anything else: the lock on its home, the sockets that it listens on."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tokenworks.config.settings import ServerSettings
from tokenworks.errors import ConfigError

BACKLOG = 4096
PATIENCE_S = 3.0  # a server killed a moment ago may still be leaving its home and its port


@contextlib.contextmanager
def home_lock(home: Path) -> Iterator[IO[str]]:
    """Two servers on one home would move each other's journals. Raises ``ConfigError`` while another runs."""
    folder = home / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "serve.lock").open("w") as lock:
        deadline = time.monotonic() + PATIENCE_S
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


def front_doors(server: ServerSettings) -> list[socket.socket]:
    """One listening socket per worker on the same port.

    The first is bound without SO_REUSEPORT: with it, a second server of the same user would
    silently share the port. Raises ``ConfigError`` where the port can't be had.
    """
    infos = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, proto, _, address = infos[0]
    deadline = time.monotonic() + PATIENCE_S
    while True:
        probe = socket.socket(family, kind, proto)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            break
        except OSError as error:
            if time.monotonic() > deadline or error.errno != errno.EADDRINUSE:
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


def back_door() -> socket.socket:
    """Where batches knock: reached from this machine only."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    sock.setblocking(False)
    return sock
