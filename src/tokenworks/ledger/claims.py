"""Files that their living owner keeps locked, so that a dead owner's files can be told apart.

A claimed file ``WORKER.SEQ.SUFFIX`` comes into being under its name already locked and with its
header written; an unlocked one is therefore finished for good. The lock (flock) belongs to the
process, and the kernel drops it however the process ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"(?P<worker>[A-Za-z0-9_-]{1,64})\.(?P<seq>\d{6,12})\.(?P<suffix>journal|inflight)")
_WORKER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP)
_STALE_S = 60.0


class Claim(NamedTuple):
    """A file just made: open, locked, and ours until the fd is closed."""

    fd: int
    path: Path
    seq: int


class Claimed(NamedTuple):
    """A file found in the folder."""

    worker: str
    seq: int
    suffix: str
    path: Path
    inode: int


def claim(folder: Path, worker: str, suffix: str, header: bytes, *, flags: int, durable: bool) -> Claim:
    """Make the worker's next file, locked, with ``header`` in it; ``durable`` also syncs the folder.

    Raises ``OSError`` when the disk refuses, ``ValueError`` for a worker's name that is no file name.
    """
    if not _WORKER.fullmatch(worker):
        raise ValueError(f"worker name {worker!r}: use up to 64 letters, digits, '-' and '_'")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = folder / f"{worker}.{os.getpid()}.{time.monotonic_ns()}.tmp"
    fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | flags, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.write(fd, header) != len(header):
            raise OSError(errno.ENOSPC, "no room for the header", str(temporary))
        if durable:
            os.fdatasync(fd)
        seq = max((c.seq for c in listed(folder) if c.worker == worker), default=0) + 1
        while True:
            path = folder / f"{worker}.{seq:06d}.{suffix}"
            try:
                _name(temporary, path)
                break
            except FileExistsError:
                seq += 1
        if durable:
            sync_folder(folder)
    except BaseException:
        os.close(fd)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    return Claim(fd, path, seq)


def _name(temporary: Path, path: Path) -> None:
    """Give the file its name, never taking another file's."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, "already there", str(path)) from error
        temporary.rename(path)


def listed(folder: Path) -> list[Claimed]:
    """Every claimed file in ``folder``, by worker and then oldest first; none where it doesn't exist."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if match := _NAME.fullmatch(entry.name):
                    worker, seq, suffix = match.group("worker", "seq", "suffix")
                    found.append(Claimed(worker, int(seq), suffix, Path(entry.path), entry.inode()))
    except FileNotFoundError:
        return []
    found.sort()
    return found


def is_abandoned(fd: int) -> bool:
    """Whether nobody holds the file's lock: its owner closed it or is dead."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


def sweep(folder: Path) -> None:
    """Remove half-made files of processes killed while making them."""
    for path in folder.glob("*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_S:
                path.unlink()
        except FileNotFoundError:  # its maker has just finished
            continue


def sync_folder(folder: Path) -> None:
    """Make the folder's entries survive power loss."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
