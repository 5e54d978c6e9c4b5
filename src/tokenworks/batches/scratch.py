"""Folders that a worker works in. One that died in the middle leaves some; the next one removes them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "tokenworks-batch-"
_LOCK = ".lock"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A fresh one, gone at the end. Raises ``OSError`` where there is no room."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as made:
        lock = os.open(Path(made) / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(made)
        finally:
            os.close(lock)


def sweep() -> int:
    """Remove those of dead workers; how many."""
    removed = 0
    for each in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if each.is_symlink() or each.lstat().st_uid != os.getuid():
                continue
            lock = os.open(each / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(each)
                removed += 1
            finally:
                os.close(lock)
    return removed
