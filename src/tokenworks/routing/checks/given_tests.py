"""Runs tests that the caller gave against code that a model wrote. Only ever called where somebody opted in.

What it protects against: endless loops (CPU and wall time), filling memory, disk or the table of
processes, reading the environment of the gateway, and, where the system lets us make namespaces, the
network. What it does not: the code runs as the same user, so it can read what that user may read, and
write small files where that user may write. Run it in a container or as a user of its own, never in
a worker that serves requests.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenworks.routing.checks.code import PYTHON, blocks
from tokenworks.routing.checks.finding import Answer, Finding

MEMORY_BYTES = 512 * 1024 * 1024
FILE_BYTES = 1024 * 1024
PROCESSES = 512  # of this user altogether, so that ours still start
TOLD = 300  # characters of what a failed run said


def run(answer: Answer, tests: str, *, timeout_s: float = 5.0) -> Finding | None:
    """Do ``tests`` (Python that raises where it fails) pass after the code in ``answer``?

    None where the answer holds no Python. Fatal where they fail, take longer than ``timeout_s`` or leave
    the limits. Blocks until it is known.
    """
    found = [code for name, code in blocks(answer.text) if name in PYTHON]
    if not found:
        return None
    mark = secrets.token_hex(16)  # told at the very end: code that ends the program early passes nothing
    told = f"__import__('sys').stderr.write('\\n{mark}')"
    done, output = execute("\n\n".join([*found, tests, told]), timeout_s)
    if done == 0 and output.endswith(mark):
        return Finding("tests", True)
    said = output.strip().splitlines()[-1][:TOLD] if output.strip() else f"it ended with {done}"
    return Finding("tests", False, True, said if done is not None else f"not done within {timeout_s:g} s")


def execute(program: str, timeout_s: float) -> tuple[int | None, str]:
    """(exit status, last words) of ``program`` in its own process; the status is None after ``timeout_s``."""
    with tempfile.TemporaryDirectory(prefix="tokenworks-tests-") as folder:
        file = Path(folder) / "program.py"
        file.write_text(program)
        command = [*alone(), sys.executable, "-I", "-S", str(file)]
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=functools.partial(limit, max(1, round(timeout_s + 1))),
        )
        try:
            _, said = process.communicate(timeout=timeout_s)
            status: int | None = process.returncode
        except subprocess.TimeoutExpired:
            status, said = None, b""
        finally:
            _end(process)
    return status, said[-4000:].decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends it and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if process.stderr is not None:
        process.stderr.close()


def limit(cpu_s: int) -> None:
    """Called in the child: what it may use."""
    for what, most in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))
    if os.getuid() != 0:  # counted by user, and root is never refused
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))


@functools.cache
def alone() -> tuple[str, ...]:
    """The command that cuts a program off from the network; empty where the system has no such."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    command = (unshare, "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
    tried = subprocess.run([*command, "true"], capture_output=True, timeout=10, check=False)
    return command if tried.returncode == 0 else ()
