"""What this machine is: cores that may be used, memory, caches, and what it calls itself."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import msgspec

_ROOT = Path("/")
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}
_ASSUMED_CACHE = 32 * 1024**2  # where the machine does not tell


class Machine(msgspec.Struct, frozen=True):
    """One computer, without what is plugged in."""

    processor: str
    cores: int  # that this process may use
    memory_bytes: int  # that this process may use
    cache_bytes: int  # of the last caches of these cores together
    power_limit_w: float | None = None  # of the processor packages together; None: it does not tell


def here(root: Path = _ROOT) -> Machine:
    """This machine, as the files below ``root``/proc and ``root``/sys tell it.

    A container's limits on cores and memory (cgroup v2 and v1) count, for nothing beyond them can be used.
    """
    return Machine(
        processor=_processor(root),
        cores=_cores(root),
        memory_bytes=_memory(root),
        cache_bytes=_cache(root, _cores(root)),
        power_limit_w=_power_limit(root),
    )


def _text(path: Path) -> str:
    """A small file's content; empty where it can't be read, for no such file is everywhere."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _processor(root: Path) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _text(root / "proc/cpuinfo"), re.MULTILINE)
    name = found.group(1) if found else platform.processor() or platform.machine()
    return " ".join(re.sub(r"\((R|TM|tm)\)", "", name).split()) or "unknown processor"


def _cores(root: Path) -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # only where the system has it
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, _, period = _text(root / "sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:
        quota = _text(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        period = _text(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit():  # "max" and -1 are no limits
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def _memory(root: Path) -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _text(root / "sys/fs/cgroup" / name)
        if limit.isdigit():
            total = min(total, int(limit))
    return total


def _cache(root: Path, cores: int) -> int:
    """The largest cache that one core sees, times how many of them ``cores`` cores have."""
    found = []
    for folder in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if size := re.fullmatch(r"(\d+)([KMG]?)", _text(folder / "size")):
            sharing = max(1, _listed(_text(folder / "shared_cpu_list")))
            found.append((int(size.group(1)) * _UNITS.get(size.group(2), 1), sharing))
    if not found:
        return _ASSUMED_CACHE
    size_bytes, sharing = max(found)
    return size_bytes * -(-cores // sharing)


def _listed(cores: str) -> int:
    """How many cores "0-3,8" names: 5."""
    spans = (part.partition("-") for part in cores.split(",") if part.replace("-", "").isdigit())
    return sum(int(last or first) - int(first) + 1 for first, _, last in spans)


def _power_limit(root: Path) -> float | None:
    """Long-term power limit of all packages, in watts, as powercap (RAPL) states it."""
    limits = [
        int(limit)
        for path in (root / "sys/class/powercap").glob("intel-rapl:[0-9]*/constraint_0_power_limit_uw")
        if ":" not in path.parent.name.partition(":")[2] and (limit := _text(path)).isdigit()
    ]
    return sum(limits) / 1e6 if limits else None
