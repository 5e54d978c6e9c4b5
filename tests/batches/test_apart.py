"""The process and its watcher; what becomes of files is in test_splitting.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from deadly_recipe import RECIPE

from tokenworks.batches import apart, phase
from tokenworks.batches.apart import LEAST_BYTES, MOST_BYTES, Died, memory_limit, run
from tokenworks.batches.phase import Task, place_of


def task(folder: Path, *lines: str) -> Task:
    (folder / "a.txt").write_text("\n".join(lines))
    lines_at = str(folder / "split.jsonl")
    return Task(phase.SPLIT, place_of(RECIPE), (str(folder / "a.txt"),), LEAST_BYTES, 60.0, lines=lines_at)


def test_the_limit_is_within_bounds() -> None:
    assert LEAST_BYTES <= memory_limit() <= MOST_BYTES


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os; os.abort()", r"it crashed \(SIGABRT\)"),
        ("import os; os.kill(os.getpid(), 9)", r"it crashed \(SIGKILL\)"),
        ("raise ValueError('broken page 7')", "ValueError: broken page 7"),
        ("pass", "exit 0"),
    ],
)
def test_a_process_that_says_nothing_has_died(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, told: str
) -> None:
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}"\n')
    script.chmod(0o755)
    monkeypatch.setattr(apart.sys, "executable", str(script))
    with pytest.raises(Died, match=told) as death:
        run(task(tmp_path, "one"), tmp_path)
    assert death.value.at is None


def test_how_it_died_is_known_even_if_it_never_read_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec <&-\nkill -9 $$\n")
    script.chmod(0o755)
    monkeypatch.setattr(apart.sys, "executable", str(script))
    real = apart._tell

    def late(pipe: Any, line: bytes) -> None:
        time.sleep(0.2)  # until it is gone
        real(pipe, line)

    monkeypatch.setattr(apart, "_tell", late)
    with pytest.raises(Died, match=r"it crashed \(SIGKILL\)"):
        run(task(tmp_path, "one"), tmp_path)


def test_none_of_our_secrets_are_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\n")
    script.chmod(0o755)
    monkeypatch.setattr(apart.sys, "executable", str(script))
    monkeypatch.setenv("SOME_API_KEY", "sk-1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    with pytest.raises(Died):
        run(task(tmp_path, "one"), tmp_path)
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "seen").read_text().splitlines())
    assert "SOME_API_KEY" not in seen and seen["LC_ALL"] == "C.UTF-8" and seen["TMPDIR"] == str(tmp_path)


def test_it_is_nice_and_has_a_session_of_its_own(tmp_path: Path) -> None:
    looked = msgspec.structs.replace(task(tmp_path, "hang"), work=phase.PROBE)
    command = f"""
from pathlib import Path
import msgspec
from tokenworks.batches import apart, phase
apart.run(msgspec.json.decode({msgspec.json.encode(looked)!r}, type=phase.Task), Path({str(tmp_path)!r}))
"""
    support = Path(__file__).parents[1] / "support"
    environment = {**os.environ, "PYTHONPATH": str(support)}
    parent = subprocess.Popen([sys.executable, "-c", command], env=environment)
    try:
        deadline = time.monotonic() + 20
        child = None
        while child is None or child.nice() < phase.NICE:
            assert time.monotonic() < deadline and parent.poll() is None
            child = next(iter(psutil.Process(parent.pid).children()), None)
            time.sleep(0.02)
        assert os.getsid(child.pid) == child.pid
        assert child.rlimit(psutil.RLIMIT_AS)[0] == LEAST_BYTES
        while not (grandchildren := child.children()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)  # until they know that they are to die with their parents
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        child.wait(10)  # raises where it lives on
        grandchildren[0].wait(10)
    finally:
        parent.kill()
        parent.wait()
