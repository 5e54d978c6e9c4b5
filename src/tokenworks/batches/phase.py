"""A recipe's split or merge in a process of its own: ``python -m tokenworks.batches.phase``.

A document can take down what reads it, by a crash within a library or by all the memory there is: here it
takes nothing else with it. The task comes as JSON on standard input; lines of JSON go out: which file is read
now, and in the end what came of it. Large things lie in files of the job's folder, a value in each line.
``apart.py`` is the other side.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import os
import resource
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from tokenworks.batches.cookbook import recipe as recipe_called
from tokenworks.batches.recipes.recipe import Checked, Output, Part, Recipe, Skipped, Split
from tokenworks.errors import TokenworksError

SPLIT, MERGE, PROBE = "split", "merge", "probe"
DONE, REFUSED, NO_ROOM, NO_MEMORY, BROKE = "done", "refused", "no room", "no memory", "broke"
NICE = 10
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_DEAD = {NO_MEMORY: 3, BROKE: 4}  # exit statuses of a probe
_prctl: Any = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
_CUT = 300  # characters of a message


class Task(msgspec.Struct, frozen=True):
    """What is to be done, and at what price."""

    work: str
    recipe: str  # its name, or "module:Class"
    files: tuple[str, ...]  # paths
    memory_bytes: int
    file_s: float  # that one file may take a probe
    options: dict[str, str] = {}
    lines: str = ""  # the file that a split writes, or a merge reads
    folder: str = ""  # into which a merge writes
    thin: bool = False  # parts without their data: for an estimate


class Head(msgspec.Struct, frozen=True):
    """The first line of such a file; parts follow, for a merge each with its result."""

    shared: dict[str, Any] = {}
    skipped: tuple[Skipped, ...] = ()


class Result(msgspec.Struct, frozen=True):
    """A line of what is merged."""

    part: Part
    checked: Checked


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of standard output. With an outcome it is the last one."""

    at: int | None = None  # which file is being read
    outcome: str = ""
    message: str = ""
    outputs: tuple[Output, ...] = ()
    bad: dict[int, str] = {}  # files that kill what reads them, and how


class Seen(type(Path())):  # type: ignore[misc]
    """A path that says when its file is looked at or read. What is derived from it says nothing."""

    number: int = 0
    tell: Any = None

    def __fspath__(self) -> str:
        if self.tell is not None:
            self.tell(self.number)
        return str(self)


class _Channel:
    """Standard output, for lines only: whatever else prints goes to standard error."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._last: int | None = None

    def say(self, line: Line) -> None:
        self._out.write(msgspec.json.encode(line) + b"\n")

    def at(self, number: int) -> None:
        if number != self._last:
            self._last = number
            self.say(Line(at=number))


def main() -> None:
    """Do what standard input says."""
    source = sys.stdin.buffer
    task = msgspec.json.decode(source.readline(), type=Task)
    _bound(task.memory_bytes)
    _die_with_parent(source)
    channel = _Channel()
    try:
        line = _done(task, channel)
    except BaseException as error:
        line = _failure(error)
        if line.outcome == BROKE:
            traceback.print_exc()
    channel.say(line)
    sys.stderr.flush()
    os._exit(0)  # no library is asked for its opinion at the end


def _done(task: Task, channel: _Channel) -> Line:
    recipe = found(task.recipe)
    files = [seen(Path(path), n, channel.at) for n, path in enumerate(task.files)]
    if task.work == SPLIT:
        split = recipe.split(files, task.options)
        parts = split.parts
        if task.thin:
            parts = tuple(msgspec.structs.replace(part, data={}) for part in parts)
        with Path(task.lines).open("wb") as out:
            write(out, Head({} if task.thin else split.shared, split.skipped), parts)
        return Line(outcome=DONE)
    if task.work == PROBE:
        return Line(outcome=DONE, bad=_probed(recipe, task, channel))
    with Path(task.lines).open("rb") as source:
        head = msgspec.json.decode(source.readline(), type=Head)
        rows = [msgspec.json.decode(line, type=Result) for line in source]
    parts = tuple(row.part for row in rows)
    results = {row.part.id: row.checked for row in rows}
    folder = Path(task.folder)
    outputs = recipe.merge(files, Split(parts, head.shared, head.skipped), results, folder)
    return Line(outcome=DONE, outputs=tuple(outputs))


def write(out: BinaryIO, head: Head, rows: Iterator[Result] | Sequence[Part]) -> None:
    """A file of lines: the head, then what belongs to it."""
    encode = msgspec.json.Encoder().encode
    out.write(encode(head) + b"\n")
    for row in rows:
        out.write(encode(row) + b"\n")


def seen(path: Path, number: int, tell: Any) -> Path:
    """``path``, which calls ``tell`` with its number whenever its file is looked at."""
    made = Seen(path)
    made.number, made.tell = number, tell
    return cast(Path, made)


def found(word: str) -> Recipe:
    """The recipe of a name, or of the module and class that it stands in."""
    module, _, name = word.partition(":")
    if not name:
        return recipe_called(word)
    return cast(Recipe, getattr(importlib.import_module(module), name)())


def place_of(recipe: Recipe) -> str:
    """``recipe`` as another process finds it."""
    kind = type(recipe)
    return f"{kind.__module__}:{kind.__qualname__}"


def _failure(error: BaseException) -> Line:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return Line(outcome=NO_MEMORY)
    if isinstance(error, OSError) and error.errno in FULL:
        return Line(outcome=NO_ROOM, message=str(error))
    if isinstance(error, TokenworksError):
        return Line(outcome=REFUSED, message=error.message)
    return Line(outcome=BROKE, message=f"{type(error).__name__}: {error}"[:_CUT])


# --- each file by itself


def _probed(recipe: Recipe, task: Task, channel: _Channel) -> dict[int, str]:
    """Files that can't be read even alone, and what they do; each is read in a process of its own."""
    bad = {}
    for number, path in enumerate(task.files):
        channel.at(number)
        if reason := _killed_by(recipe, Path(path), task):
            bad[number] = reason
    return bad


def _killed_by(recipe: Recipe, path: Path, task: Task) -> str:
    """What became of a process that read ``path`` alone; empty where it lived."""
    hear, say = os.pipe()
    parent, child = os.getpid(), os.fork()
    if not child:
        os.close(hear)
        _die_with(parent)
        try:
            recipe.split([path], task.options)
        except BaseException as error:
            line = _failure(error)
            os.write(say, line.message.encode("utf-8", "replace")[: select.PIPE_BUF])
            os._exit(_DEAD.get(line.outcome, 0))
        os._exit(0)
    os.close(say)
    deadline = time.monotonic() + task.file_s
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(hear)
            return too_slow(task.file_s).of_file
        time.sleep(0.01)
    with os.fdopen(hear, "rb") as pipe:
        message = pipe.read().decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(status)
    if code == _DEAD[NO_MEMORY]:
        return too_large(task.memory_bytes).of_file
    if code == _DEAD[BROKE]:
        return broken(message).of_file
    return crashed(-code).of_file if code < 0 else ""


class Ending(msgspec.Struct, frozen=True):
    """How a process ended that did not come to its end, in words."""

    plain: str  # of the process
    of_file: str  # of the file that it was at, and what to do


def too_slow(limit_s: float) -> Ending:
    """It was quiet for too long."""
    much = f"more than {limit_s:,.0f} s"
    return Ending(f"it takes {much}", f"takes {much} to read; split it, or save it anew")


def too_large(memory_bytes: int) -> Ending:
    """It reached its limit."""
    much = f"more than {memory_bytes >> 20:,} MiB of memory"
    return Ending(f"it takes {much}", f"takes {much} to read; split it")


def broken(message: str) -> Ending:
    """An exception that nobody expected."""
    what = " ".join(message.split())
    return Ending(what, f"can't be read ({what}); save it anew")


def crashed(number: int) -> Ending:
    """By the signal of this number."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return Ending(
        f"it crashed ({name})", f"crashes what reads it ({name}); save it anew with another program"
    )


# --- bounds


def _bound(memory_bytes: int) -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICE))
    for kind, most in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):  # not everywhere can they be set
            resource.setrlimit(kind, (most, most))


def _die_with(parent: int) -> None:
    """The same for a fork of ours."""
    if sys.platform == "linux":
        _prctl(_KILL_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before that
        os._exit(1)


def _die_with_parent(source: BinaryIO) -> None:
    if sys.platform == "linux":  # by the kernel: a library in a loop may never let a thread of ours run
        _prctl(_KILL_WITH_PARENT, signal.SIGKILL)
        if select.select([source], [], [], 0)[0]:  # it has ended before that, for it says nothing more
            os._exit(1)
        return

    def wait() -> None:
        source.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
