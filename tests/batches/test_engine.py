"""The engine itself, on SQLite; how it fares under kill -9 and on PostgreSQL is in test_worker.py."""

import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tokenworks.batches import engine as module
from tokenworks.batches.engine import OVER, PENDING, Engine, engine_url, job_id
from tokenworks.errors import ConfigError


def until(good: Callable[[], Any], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not good():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Done:
    """What was done, and what waits until it is let go."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, int]] = []
        self.groups: list[tuple[str, int, int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def job(self, batch_id: str, run: int) -> None:
        self.gate.wait(20)
        self.jobs.append((batch_id, run))
        if batch_id == "broken":
            raise RuntimeError("why")

    def group(self, batch_id: str, run: int, number: int) -> None:
        self.gate.wait(20)
        self.groups.append((batch_id, run, number))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Done, Path]]:
    path = tmp_path_factory.mktemp("engine") / "engine.db"
    engine, done = Engine(f"sqlite:///{path}", "w1", groups=2, poll_s=0.05), Done()
    engine.open(done.job, done.group)
    yield engine, done, path
    done.gate.set()
    engine.close()


def test_its_file_is_written_ahead_and_nobody_elses_business(opened) -> None:
    _, _, path = opened
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as found:
        assert found.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    found.close()


def test_a_run_is_done_once_however_often_it_is_started(opened) -> None:
    engine, done, path = opened
    assert engine.state("b1", 1) == ""
    for _ in range(3):
        engine.start("b1", 1)
    until(lambda: engine.state("b1", 1) == "SUCCESS")
    engine.start("b1", 1)
    engine.start("b1", 2)
    until(lambda: engine.state("b1", 2) in OVER)
    assert done.jobs == [("b1", 1), ("b1", 2)]
    with sqlite3.connect(path) as found:
        kept = "\n".join(found.iterdump())
    found.close()
    assert '"b1"' in kept and "gAS" not in kept, "JSON, and no pickle"


def test_one_that_breaks_off_is_told_from_one_that_ends(opened) -> None:
    engine, _, _ = opened
    engine.start("broken", 1)
    until(lambda: engine.state("broken", 1) == "ERROR")


def test_groups_are_spread_once_taken_back_and_forgotten(opened) -> None:
    engine, done, _ = opened
    done.gate.clear()
    engine.spread("b2", 1, range(5))
    engine.spread("b2", 1, range(5))
    until(lambda: list(engine.groups("b2", 1).values()).count(PENDING) == 2)  # as many as it may do at a time
    assert engine.owners() == {"w1"}
    states = engine.groups("b2", 1)
    assert set(states) == {f"{job_id('b2', 1)}.{n}" for n in range(5)}
    engine.cancel([name for name, state in states.items() if state != PENDING])
    done.gate.set()
    until(lambda: set(engine.groups("b2", 1).values()) == {"SUCCESS", "CANCELLED"})
    assert sorted(done.groups) == [("b2", 1, 0), ("b2", 1, 1)], "the first ones come first"
    assert engine.groups("b2", 2) == {} and engine.owners() == set()
    engine.clear("b2", 1)
    assert engine.groups("b2", 1) == {}


def test_what_a_dead_worker_had_under_way_is_done_by_another(opened) -> None:
    engine, done, path = opened
    done.groups.clear()
    done.gate.clear()
    engine.spread("b3", 1, range(1))
    until(lambda: engine.owners() == {"w1"})
    with sqlite3.connect(path) as found:  # as if another one had begun it and died
        found.execute("UPDATE workflow_status SET executor_id = 'dead' WHERE workflow_uuid = 'b3.1.0'")
    found.close()
    assert engine.owners() == {"dead"}
    assert engine.take_over(["dead", "unknown"]) == 1
    assert engine.take_over(["dead"]) == 0, "harmless if done twice"
    done.gate.set()
    until(lambda: engine.groups("b3", 1) == {"b3.1.0": "SUCCESS"})


def test_where_it_keeps_its_own() -> None:
    assert engine_url("sqlite:///x.db") == "sqlite:///x.db.batches"
    assert engine_url("postgresql://h/d") == "postgresql://h/d"


def test_without_its_library_it_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(module.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pip install 'tokenworks\[batch\]'"):
        Engine("sqlite:///x", "w", groups=1, poll_s=1.0)
