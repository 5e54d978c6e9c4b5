"""Time that processors worked: for one process, and for everybody on this machine."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
_FIELDS_BEFORE = 2  # pid and the name in brackets
_UTIME, _STIME = 14 - _FIELDS_BEFORE - 1, 15 - _FIELDS_BEFORE - 1  # fields 14 and 15 of proc(5)
_IDLE, _IOWAIT, _COUNTED = 3, 4, 8  # of the line "cpu"; guest time, behind them, is part of user time


def of_process(pid: int, proc: Path = PROC) -> float | None:
    """Seconds that all threads of this process have worked; None where that can't be read."""
    try:
        text = (proc / str(pid) / "stat").read_text()
        fields = text.rpartition(")")[2].split()  # the name may hold anything
        return (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def of_machine(proc: Path = PROC) -> float | None:
    """Seconds that all processors together have worked since the start; None where that can't be read."""
    try:
        line = (proc / "stat").read_text().partition("\n")[0]
        ticks = [int(each) for each in line.split()[1 : 1 + _COUNTED]]
        return (sum(ticks) - ticks[_IDLE] - ticks[_IOWAIT]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
