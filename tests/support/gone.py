"""Whether a process has ended."""

from __future__ import annotations

import psutil


def gone(pid: int) -> bool:
    """Ended, though perhaps nobody has asked for its exit status."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
