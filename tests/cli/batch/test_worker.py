"""Who works at a batch that is watched."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tokenworks.cli.batch import worker
from tokenworks.cli.batch.worker import LOG, reach, working
from tokenworks.config.settings import LedgerSettings, Settings
from tokenworks.errors import ConfigError


def test_a_server_that_stops_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOK_S", 0)
    settings = Settings(home=tmp_path, source=None, pepper=b"p")
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with working(settings, None) as alive:
            alive()
            fcntl.flock(lock, fcntl.LOCK_UN)
            with pytest.raises(ConfigError, match="has stopped; the batch goes on with: tokenworks serve"):
                alive()


def test_where_nothing_answers_is_told() -> None:
    with pytest.raises(ConfigError, match=r"--url http://127.0.0.1:9: .*is a server running there"):
        reach("http://127.0.0.1:9")


def test_a_worker_of_our_own_that_ends_says_why(tmp_path: Path) -> None:
    """It can't open its store: the folder is none."""
    (tmp_path / "file").write_text("")
    ledger = LedgerSettings(store=f"sqlite:///{tmp_path}/file/tokenworks.db")
    settings = Settings(home=tmp_path, source=None, pepper=b"p", ledger=ledger)
    ended = pytest.raises(ConfigError, match=r"the worker has ended \(.*; the batch waits for another")
    with working(settings, "http://127.0.0.1:9") as alive, ended:
        for _ in range(3000):
            alive()
            worker.time.sleep(0.01)
    assert "batches:" in (tmp_path / "run" / LOG).read_text()
