"""One measured load: CPU of each side, rates, latencies, and whether the figures can be believed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import Any

import procfs
from instance import Bench, Instance, Load

NOISE = 0.05  # share of the machine that others used during a load, above which a figure is not trusted
BUSY = 0.9  # share of its core from which a process counts as saturated


@dataclass(frozen=True)
class Sample:
    """What one load of one gateway showed. ``unit`` is a request, or a chunk for streams."""

    gateway: str
    case: str
    mode: str
    round: int
    units: int
    cpu_us: float  # of the gateway's whole process tree, per unit
    root_us: float  # of the process that was started, without its children: a supervisor's part of cpu_us
    per_second: float  # units
    p50_us: float  # latency of a request, or a chunk's delay from the upstream to the client
    p99_us: float
    latencies: int  # how many the percentiles stand on
    gateway_core: float  # share of the gateway's core
    upstream_core: float  # shares of the harness's core
    loadgen_core: float
    foreign: float  # share of the whole machine used by neither gateways nor harness
    errors: int
    first_error: str
    rate: float = 0.0  # requests per second that were asked for, in the open loop

    @property
    def valid(self) -> bool:
        """No request failed, and there was at least one."""
        return self.errors == 0 and self.units > 0

    @property
    def calm(self) -> bool:
        return self.foreign <= NOISE

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "valid": self.valid, "calm": self.calm}


@dataclass(frozen=True)
class Snapshot:
    """Counters before and after a load."""

    at: float
    gateway_ns: int
    root_ns: int
    upstream_ns: int
    own_s: float
    others_ns: int
    busy_s: float


def snapshot(bench: Bench, instance: Instance) -> Snapshot:
    """Counters now. ``others`` are the gateways that stand by: theirs is not foreign work."""
    own = os.times()
    gateway = instance.cpu_ns()
    trees = [one for one in bench.started if one is not instance.process and one.popen.poll() is None]
    others = sum(one.cpu_ns() for one in trees)
    upstream = bench.upstream.process.cpu_ns()
    return Snapshot(
        time.monotonic(),
        gateway,
        instance.root_ns(),
        upstream,
        own.user + own.system,
        others - upstream,
        procfs.busy_s(),
    )


def foreign_share(before: Snapshot, after: Snapshot, loadgen_s: float) -> float:
    """Share of all cores that somebody else used between two snapshots, at least 0."""
    ours = (after.gateway_ns - before.gateway_ns + after.upstream_ns - before.upstream_ns) / 1e9
    ours += (after.others_ns - before.others_ns) / 1e9 + after.own_s - before.own_s + loadgen_s
    room = (after.at - before.at) * (os.cpu_count() or 1)
    return max(0.0, (after.busy_s - before.busy_s - ours) / room)


def lost_or_repeated(report: dict[str, Any]) -> str:
    """Empty if the upstream answered exactly the requests that were completed, else what differs."""
    answered = report["upstream"]["answers"] + report["upstream"]["finished"]
    if report["errors"]["total"] == 0 and answered != report["completed"]:
        return f"upstream answered {answered} requests, the client got {report['completed']}"
    return ""


def measure(
    bench: Bench, instance: Instance, load: Load, case: str, mode: str, round_: int, rate: float = 0
) -> Sample:
    """Runs one load and returns what it cost. The gateway's trailing work is counted with it."""
    before = snapshot(bench, instance)
    report: dict[str, Any] = bench.run(instance, load)
    time.sleep(instance.peer.settle_s)
    after = snapshot(bench, instance)
    if instance.process:
        instance.process.check()
    stream = load.mode == "stream"
    units = report["chunks"] if stream else report["completed"]
    seconds = report["seconds"] or 1e9
    gateway_s = (after.gateway_ns - before.gateway_ns) / 1e9
    upstream_s = (after.upstream_ns - before.upstream_ns) / 1e9
    delay = report["chunk_delay_us" if stream else "latency_us"]
    mismatch = lost_or_repeated(report)
    return Sample(
        gateway=instance.peer.name,
        case=case,
        mode=mode,
        round=round_,
        units=units,
        cpu_us=gateway_s * 1e6 / units if units else 0.0,
        root_us=(after.root_ns - before.root_ns) / 1e3 / units if units else 0.0,
        per_second=units / seconds,
        p50_us=delay["p50"],
        p99_us=delay["p99"],
        latencies=delay["count"],
        gateway_core=min(1.0, gateway_s / seconds),
        upstream_core=min(1.0, upstream_s / seconds),
        loadgen_core=min(1.0, report["cpu_s"] / seconds),
        foreign=foreign_share(before, after, report["cpu_s"]),
        errors=report["errors"]["total"] + bool(mismatch),
        first_error=report["errors"]["first"] or mismatch,
        rate=rate,
    )


@dataclass(frozen=True)
class Held:
    """Memory of a gateway that holds many idle streams, in KiB. Requests that wait to be served take memory
    too, so the growth is divided by all that were sent."""

    gateway: str
    case: str
    sent: int
    open: int
    base_kib: int
    held_kib: int
    errors: int

    @property
    def per_stream_kib(self) -> float:
        return (self.held_kib - self.base_kib) / self.sent if self.open else 0.0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "per_stream_kib": self.per_stream_kib}


def hold(bench: Bench, instance: Instance, script: str, size: int, case: str, streams: int) -> Held:
    """Opens ``streams`` streams and reads the growth of PSS over the process tree once all are open.

    Waits while the number of open streams grows, and goes on with fewer if it has stood still for 10 s.
    """
    base = instance.memory().pss_kib
    options = f"--streams {streams} --hold --seconds 180 --ramp-ms 2000"
    with bench.generate(instance, Load("stream", script, size, options)) as popen:
        opened = wait_open(popen, streams)
        time.sleep(2.0)  # buffers of the opening are given back
        held = instance.memory().pss_kib
        popen.send_signal(signal.SIGTERM)
        report: dict[str, Any] = bench.finish(instance, popen)
    errors = report["errors"]["total"]
    return Held(instance.peer.name, case, report["sent"], opened, base, held, errors)


def wait_open(popen: subprocess.Popen[bytes], wanted: int) -> int:
    """Streams that are open, once all are or no more come."""
    assert popen.stdout is not None
    opened, grew = 0, time.monotonic()
    for line in popen.stdout:
        event = json.loads(line)
        if event["event"] == "end":
            break
        if event["open"] > opened:
            opened, grew = event["open"], time.monotonic()
        if opened >= wanted or time.monotonic() - grew > 10.0:
            break
    return opened
