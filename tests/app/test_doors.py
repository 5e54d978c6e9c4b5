"""The lock on a home and the sockets of a server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tokenworks.app import doors
from tokenworks.app.doors import back_door, front_doors, home_lock
from tokenworks.config.settings import ServerSettings
from tokenworks.errors import ConfigError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "PATIENCE_S", 0.0)


def test_a_home_has_one_server(tmp_path: Path) -> None:
    with home_lock(tmp_path), pytest.raises(ConfigError, match="another server runs on"), home_lock(tmp_path):
        pass
    assert (tmp_path / "run").stat().st_mode & 0o077 == 0
    with home_lock(tmp_path):  # it is free again
        pass


def test_every_worker_has_a_socket_on_one_port() -> None:
    found = front_doors(ServerSettings(host="127.0.0.1", port=0, workers=3))
    try:
        assert len({each.getsockname() for each in found}) == 1 and len(found) == 3
        port = found[0].getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        with pytest.raises(ConfigError, match=f"can't listen on 127.0.0.1:{port}: .*use --port"):
            front_doors(ServerSettings(host="127.0.0.1", port=port, workers=3))
    finally:
        for each in found:
            each.close()


def test_batches_knock_from_this_machine_only() -> None:
    with back_door() as door:
        assert door.getsockname()[0] == "127.0.0.1" and not door.getblocking()
