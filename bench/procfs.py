"""What the kernel says of processes: CPU time, memory and the process tree. Linux only."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Memory of a set of processes in KiB. PSS shares each page among those that map it."""

    pss_kib: int
    rss_kib: int


def parse_parent(stat: str) -> int:
    """Parent's pid from the text of ``/proc/PID/stat``; the command in it may hold spaces and brackets."""
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def parse_schedstat(text: str) -> int:
    """Nanoseconds on a CPU from the text of ``/proc/PID/task/TID/schedstat``."""
    return int(text.split()[0])


def parse_rollup(text: str) -> Memory:
    """PSS and RSS from the text of ``/proc/PID/smaps_rollup``."""
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines() if line.endswith(" kB")}
    return Memory(pss_kib=sizes["Pss"], rss_kib=sizes["Rss"])


def parse_busy(text: str) -> float:
    """Seconds that all CPUs together were not idle (steal included), from the text of ``/proc/stat``."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(x) for x in text.split()[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK_S


def descendants(root: int, parents: dict[int, int]) -> list[int]:
    """``root`` and all below it, given each pid's parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def tree(root: int) -> list[int]:
    """Pids of the process ``root`` and everything it started, directly or not."""
    parents = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = parse_parent((folder / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
    return descendants(root, parents)


def cpu_ns(pids: list[int]) -> int:
    """CPU time of these processes, all threads, in nanoseconds. Ended processes count nothing.

    The sum over ``task/*/schedstat`` forgets threads that have ended; the process's CPU clock keeps them
    but exists only on kernels that allow reading it. The larger of the two is the truth.
    """
    total = 0
    for pid in pids:
        try:
            tasks = [parse_schedstat(p.read_text()) for p in (PROC / str(pid) / "task").glob("*/schedstat")]
        except (FileNotFoundError, ProcessLookupError):
            tasks = []
        try:
            clock = time.clock_gettime_ns(
                (~pid << 3) | 2
            )  # clock id of a process: see clock_getcpuclockid(3)
        except OSError:
            clock = 0
        total += max(sum(tasks), clock)
    return total


def memory(pids: list[int]) -> Memory:
    """Memory of these processes together."""
    pss = rss = 0
    for pid in pids:
        try:
            one = parse_rollup((PROC / str(pid) / "smaps_rollup").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
        pss += one.pss_kib
        rss += one.rss_kib
    return Memory(pss_kib=pss, rss_kib=rss)


def busy_s() -> float:
    """Seconds since boot that all CPUs together were not idle."""
    return parse_busy((PROC / "stat").read_text())


def pin(pids: list[int], core: int) -> None:
    """Binds every thread of these processes to one core."""
    for pid in pids:
        for task in (PROC / str(pid) / "task").glob("*"):
            try:
                os.sched_setaffinity(int(task.name), {core})
            except ProcessLookupError:
                continue


def machine() -> dict[str, Any]:
    """What this machine is, and its load now."""
    lines = (PROC / "cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
    }
