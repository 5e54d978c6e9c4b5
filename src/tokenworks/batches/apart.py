"""Starts what a recipe reads or writes files with as another process, and watches it: see ``phase.py``.

It has a session of its own, a limit of memory and of the time that one file may take, and dies with this
process. What it can't survive is raised here as ``Died``, with the file that it was at.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import msgspec

from tokenworks.batches import phase
from tokenworks.batches.phase import Ending, Line, Task
from tokenworks.errors import BadRequest

log = logging.getLogger(__name__)

FILE_S = 600.0  # that one file may take: two thousand pages of PDF take about one
LEAST_BYTES, MOST_BYTES = 2 << 30, 4 << 30
_PASSED = frozenset(
    ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "PYTHONUTF8")
)
_LAST = 4096  # bytes of its standard error that are kept
_MARGIN_S = 30.0
_ENDING_S = 5.0
_line = msgspec.json.Decoder(Line)


class Died(Exception):
    """The process did not live to say what came of it. ``str(error)``: why, in a few words."""

    def __init__(self, ending: Ending, at: int | None) -> None:
        super().__init__(ending.plain)
        self.of_file = ending.of_file
        self.at = at  # the file that it read


class NoRoom(Exception):
    """The disk is full. ``str(error)`` says which, in one line."""


class Late(Exception):
    """It took longer than it may altogether."""


def memory_limit() -> int:
    """Bytes that such a process may have: half of this machine's, within bounds."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return LEAST_BYTES
    return min(max(whole // 2, LEAST_BYTES), MOST_BYTES)


def run(task: Task, folder: Path, *, whole_s: float | None = None) -> Line:
    """What came of ``task``, done in ``folder``. Raises Died, NoRoom, Late, and BadRequest as recipes do."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "tokenworks.batches.phase"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=_environment(folder),
        start_new_session=True,
    )
    with child:
        try:
            return _watched(child, task, whole_s)
        finally:
            if child.returncode is None:
                _kill(child)


def _environment(folder: Path) -> dict[str, str]:
    """None of our secrets: it reads what strangers have made. What it leaves behind goes with ``folder``."""
    passed = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith("LC_")}
    return {
        "MALLOC_ARENA_MAX": "2",  # else each thread takes 64 MiB of addresses
        **passed,
        "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path),
        "TMPDIR": str(folder),
    }


def _watched(child: subprocess.Popen[bytes], task: Task, whole_s: float | None) -> Line:
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    _tell(child.stdin, msgspec.json.encode(task) + b"\n")
    last: Line | None = None
    at: int | None = None
    said = errors = b""
    end = time.monotonic() + whole_s if whole_s is not None else None
    quiet_s = task.file_s + (_MARGIN_S if task.work == phase.PROBE else 0.0)  # which ends them by itself
    quiet = time.monotonic() + quiet_s
    with selectors.DefaultSelector() as selector:
        for stream in (child.stdout, child.stderr):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            now = time.monotonic()
            if end is not None and now >= end:
                raise Late
            if now >= quiet and last is not None:
                break
            if now >= quiet:
                raise Died(phase.too_slow(task.file_s), at)
            wait_s = (quiet if end is None else min(quiet, end)) - now
            for key, _ in selector.select(wait_s):
                data = os.read(key.fd, 1 << 16)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is child.stderr:
                    errors = (errors + data)[-_LAST:]
                else:
                    *lines, said = (said + data).split(b"\n")
                    for line in map(_line.decode, lines):
                        at, last = (at, line) if line.at is None else (line.at, last)
                    quiet = time.monotonic() + (quiet_s if last is None else _ENDING_S)
    return _outcome(child, last, at, errors, task)


def _tell(pipe: IO[bytes], line: bytes) -> None:
    """Write ``line``. Who has ended before reading it shows that by what it leaves, as any other does."""
    try:
        pipe.write(line)
        pipe.flush()
    except BrokenPipeError:
        with contextlib.suppress(BrokenPipeError):  # what it did not take would be written again
            pipe.close()


def _outcome(
    child: subprocess.Popen[bytes], last: Line | None, at: int | None, errors: bytes, task: Task
) -> Line:
    if last is not None:
        _kill(child)
    status = child.wait()
    _kill(child)  # that is, whatever it has started and left
    told = errors.decode("utf-8", "replace").strip()
    if last is None:
        if told:
            log.warning("batches: a process of %s ended (%d): %s", task.recipe, status, told)
        if status < 0:
            ending = phase.crashed(-status)
        else:
            ending = phase.broken(told.rpartition("\n")[2][:300] or f"exit {status}")
        raise Died(ending, at)
    if last.outcome == phase.REFUSED:
        raise BadRequest(last.message)
    if last.outcome == phase.NO_ROOM:
        raise NoRoom(last.message)
    if last.outcome == phase.NO_MEMORY:
        raise Died(phase.too_large(task.memory_bytes), at)
    if last.outcome == phase.BROKE:
        log.warning("batches: %s: %s", task.recipe, told)
        raise Died(phase.broken(last.message), at)
    return last


def _kill(child: subprocess.Popen[bytes]) -> None:
    """It and whatever it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
        os.killpg(child.pid, signal.SIGKILL)
