"""Holds many streams through one gateway for a long time and tells whether its memory stays flat."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

import procfs
from instance import Bench, Instance, Load
from report import plain_table

SAMPLE_S = 10.0


@dataclass(frozen=True)
class Point:
    """The gateway at one moment. Sizes in KiB, CPU in µs per chunk since the point before."""

    t: float
    pss_kib: int
    rss_kib: int
    open: int
    chunks: int
    cpu_us: float


@dataclass(frozen=True)
class Growth:
    """Growth of memory after warm-up: medians of the first and last three points, and a fitted line."""

    start_kib: float
    end_kib: float
    percent: float
    slope_kib_per_minute: float


def warmup_s(seconds: float) -> float:
    """A fifth of the soak, at most a minute, does not count."""
    return min(60.0, seconds / 5)


def growth(points: Sequence[tuple[float, float]]) -> Growth:
    """Growth over points of (seconds, KiB). Raises ValueError for fewer than two."""
    if len(points) < 2:
        raise ValueError(f"growth needs two points after warm-up, there are {len(points)}: soak for longer")
    start, end = median(y for _, y in points[:3]), median(y for _, y in points[-3:])
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    across = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / across
    return Growth(start, end, (end / start - 1) * 100, slope * 60)


def soak(bench: Bench, instance: Instance, load: Load, seconds: float, console: Console) -> dict[str, Any]:
    """Runs ``load`` (streams that are renewed) for ``seconds`` and samples the gateway each 10 s."""
    points: list[Point] = []
    last_ns, last_chunks, due = instance.cpu_ns(), 0, 0.0
    with bench.generate(instance, load) as popen:
        assert popen.stdout is not None
        report: dict[str, Any] = {}
        for line in popen.stdout:  # a line each second is the clock
            event = json.loads(line)
            if event["event"] == "end":
                report = event
                break
            if event["t"] < due or event["t"] > seconds + 0.5:
                continue
            due += SAMPLE_S
            now_ns, memory = instance.cpu_ns(), instance.memory()
            chunks = event["chunks"] - last_chunks
            cpu_us = (now_ns - last_ns) / 1000 / chunks if chunks else 0.0
            last_ns, last_chunks = now_ns, event["chunks"]
            point = Point(event["t"], memory.pss_kib, memory.rss_kib, event["open"], event["chunks"], cpu_us)
            points.append(point)
            console.print(
                f"{point.t:6.0f} s  PSS {point.pss_kib / 1024:7.1f} MiB  RSS {point.rss_kib / 1024:7.1f}  "
                f"{point.open} open  {point.cpu_us:.1f} µs/chunk  {event['errors']} errors"
            )
    instance.sent += report["sent"]
    settled = [point for point in points if point.t >= warmup_s(seconds)]
    return {
        "seconds": seconds,
        "warmup_s": warmup_s(seconds),
        "points": [asdict(point) for point in points],
        "pss": asdict(growth([(point.t, float(point.pss_kib)) for point in settled])),
        "rss": asdict(growth([(point.t, float(point.rss_kib)) for point in settled])),
        "load": report,
        "errors": report["errors"],
        "after_kib": asdict(procfs.memory(instance.process.pids())) if instance.process else None,
    }


def soak_table(result: dict[str, Any]) -> Table:
    """Growth as a table."""
    title = f"Growth after {result['warmup_s']:.0f} s of warm-up"
    table = plain_table(title, [""], ["start MiB", "end MiB", "growth %", "KiB per minute"])
    for name in ("pss", "rss"):
        one = result[name]
        sizes = [f"{one['start_kib'] / 1024:.1f}", f"{one['end_kib'] / 1024:.1f}"]
        table.add_row(name.upper(), *sizes, f"{one['percent']:+.1f}", f"{one['slope_kib_per_minute']:+.1f}")
    return table
