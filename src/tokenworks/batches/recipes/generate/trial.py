"""Runs tests against a file that a model wrote, in a restricted process. Only where somebody opted in.

Restricted: CPU and wall time, memory, size of files, open files, the environment (nothing of the gateway's),
and, where the system has namespaces for us, the network and processes left behind. Not restricted: the code
runs as the same user, so it can read what that user may read, and write small files where that user may
write. Where namespaces can't be made it reaches the network too (``given_tests.alone`` tells). Run it in a
container or as a user of its own.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenworks.errors import BadRequest
from tokenworks.routing.checks.given_tests import FILE_BYTES, MEMORY_BYTES, PROCESSES, alone

COMMAND_BYTES = 8 * MEMORY_BYTES  # runtimes of other languages map much more than they use
TOLD = 600  # characters of what a failed run said
_PATH = "/usr/local/bin:/usr/bin:/bin"
_PROGRAM = """\
import sys, types
sys.path.insert(0, "")
path, mark = {path!r}, {mark!r}
made = types.ModuleType("candidate")
made.__file__ = path
sys.modules["candidate"] = made
with open(path, encoding="utf-8") as source:
    exec(compile(source.read(), path, "exec"), made.__dict__)
exec(compile({tests!r}, "tests", "exec"), made.__dict__)
sys.stdout.write("\\n" + mark + "\\n")
"""


def asserts(path: str, tests: str, files: Mapping[str, str], timeout_s: float) -> str:
    """What goes wrong when ``tests``, Python that raises where it fails, run after the file ``path``.

    Empty where they pass. ``files`` are all that is there, by path, that one too. The tests see what the file
    defines; a file that ends the process early has not passed.
    """
    mark = f"passed-{secrets.token_hex(8)}"
    program = _PROGRAM.format(path=path, mark=mark, tests=tests)
    status, said = _run([sys.executable, "-I", "-S", "-c", program], files, timeout_s, MEMORY_BYTES)
    if status == 0 and mark in said.splitlines():
        return ""
    return _told(status, said, timeout_s) if status != 0 else "it ended before the tests were through"


def command(line: str, files: Mapping[str, str], timeout_s: float) -> str:
    """What goes wrong when the command ``line`` runs where ``files`` are; empty where it ends with 0.

    No shell: words as a shell would split them. ``python`` is the one that runs us.
    """
    status, said = _run(words(line), files, timeout_s, COMMAND_BYTES)
    return "" if status == 0 else _told(status, said, timeout_s)


def words(line: str) -> list[str]:
    """The program and its arguments. Raises ``BadRequest`` where there is none of that name."""
    try:
        found = shlex.split(line)
    except ValueError as error:
        raise BadRequest(f"the command can't be read ({error}): {line[:80]}") from error
    if not found:
        raise BadRequest("the command is empty")
    if found[0] in ("python", "python3"):
        return [sys.executable, *found[1:]]
    if shutil.which(found[0], path=_PATH) is None:
        raise BadRequest(f"the command {found[0][:80]} isn't installed here")
    return found


def _told(status: int | None, said: str, timeout_s: float) -> str:
    if status is None:
        return f"the tests were not done within {timeout_s:g} s"
    lines = [line for line in said.strip().splitlines() if line.strip()]
    if not lines:
        return f"the tests ended with {status}"
    where = next((line.strip() for line in reversed(lines) if line.strip().startswith("File ")), "")
    return f"the tests failed: {f'{lines[-1]} ({where})' if where else ' / '.join(lines[-4:])}"[:TOLD]


def _run(
    argv: Sequence[str], files: Mapping[str, str], timeout_s: float, memory_bytes: int
) -> tuple[int | None, str]:
    """(exit status, last words); the status is None after ``timeout_s``."""
    with tempfile.TemporaryDirectory(prefix="tokenworks-tests-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "work"
        home.mkdir()
        try:
            for path, text in files.items():
                (home / path).parent.mkdir(parents=True, exist_ok=True)
                (home / path).write_text(text, encoding="utf-8", errors="replace")
        except OSError as error:  # of files that we chose: a name that is a folder too, a full disk
            return 1, f"the files can't be put there: {error.strerror}"
        with (Path(folder) / "said").open("w+b") as said:  # a file: it can't outgrow the limit of files
            process = subprocess.Popen(
                [*alone(), *argv],
                cwd=home,
                env={"PATH": _PATH, "HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=functools.partial(_limit, max(1, round(timeout_s + 1)), memory_bytes),
            )
            try:
                status: int | None = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _end(process)
            said.seek(max(0, said.seek(0, os.SEEK_END) - 4000))
            return status, said.read().decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends it and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _limit(cpu_s: int, memory_bytes: int) -> None:
    """Called in the child: what it may use."""
    for what, most in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        resource.setrlimit(what, (most, most))
    if os.getuid() != 0:  # counted by user, and root is never refused
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
