"""The meter of this machine: whose joules were those of the last seconds?

Of what the processors took, what is above the idle floor is shared by processor time; of the floor, each pays
for the cores that it kept busy, and the rest is nobody's: it is told as idle, not put on the tokens. Of what
GPUs took, what is above the floor is for the engines that had requests, and so is the floor while they had.
Nothing is lost: engines, other programs and idle add up to what the counters say.

Where no counter can be read the same is done with watts by processor time, and called an estimate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tokenworks.energy import cpu_time
from tokenworks.energy.attribution import ESTIMATED, MEASURED
from tokenworks.energy.counters import Counters
from tokenworks.energy.engine_metrics import Counts, fetch
from tokenworks.energy.phases import PerToken, Phases, work_s

# Watts of one hardware thread of a server without work and at full load: what Cloud Carbon Footprint
# (methodology, appendix I) made of SPECpower_ssj2008 for one large cloud; others 0.71, 0.78; 4.26, 3.76
IDLE_W_PER_CORE = 0.74
FULL_W_PER_CORE = 3.5
FLOOR_BUCKET_S = 300.0
FLOOR_BUCKETS = 24  # the floor is the least of two hours

_NOTHING = Counts(0, 0, 0)

Ask = Callable[[str, str], Counts | None]


class Watched(msgspec.Struct, frozen=True):
    """One running engine: who it is, and where its work can be seen."""

    name: str
    provider: str  # as records name it
    model: str
    on: Literal["cpu", "gpu"]
    url: str  # of its /metrics
    api_key: str = ""
    pid: int = 0  # 0: not a process of ours
    threads: int = 0  # that it works with, for where its processor time can't be read

    def __repr__(self) -> str:  # the key stays out of logs
        return f"Watched({self.name!r}, {self.on!r}, pid={self.pid})"


class Seen(msgspec.Struct):
    """What the meter knows of one engine."""

    watched: Watched
    counts: Counts | None = None
    cpu_s: float | None = None
    running: bool = False  # at the last look
    phases: Phases = msgspec.field(default_factory=Phases)
    basis: str = ESTIMATED
    watts: float = 0.0


class Floor:
    """What is taken where nothing works: the least watts of the last two hours."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, float]] = deque(maxlen=FLOOR_BUCKETS)

    def see(self, now_s: float, watts: float) -> None:
        """These were taken just now."""
        bucket = int(now_s // FLOOR_BUCKET_S)
        if self._buckets and self._buckets[-1][0] == bucket:
            self._buckets[-1] = bucket, min(watts, self._buckets[-1][1])
        else:
            self._buckets.append((bucket, watts))

    @property
    def watts(self) -> float:
        """0 before anything was seen."""
        return min((watts for _, watts in self._buckets), default=0.0)


class Meter:
    """One thread's. ``now_s`` is always of a clock that never goes back."""

    def __init__(
        self,
        counters: Counters,
        *,
        cores: int,
        idle_watts: float | None = None,
        full_watts: float | None = None,
        proc: Path = cpu_time.PROC,
        ask: Ask = fetch,
    ) -> None:
        """``cores``: hardware threads of this machine. ``idle_watts``, ``full_watts``: of all of it without
        work and at full load, where they are known: for estimates, and the first also as the floor."""
        self.counters = counters
        self.engines: dict[str, Seen] = {}
        self.engines_joules = self.other_joules = self.idle_joules = 0.0
        self.watts = 0.0
        self._cores = cores
        self._idle_watts = idle_watts
        self._idle_per_core = IDLE_W_PER_CORE if idle_watts is None else idle_watts / cores
        self._full_per_core = FULL_W_PER_CORE if full_watts is None else full_watts / cores
        self._proc = proc
        self._ask = ask
        self._cpu_floor, self._gpu_floor = Floor(), Floor()
        self._last_s: float | None = None
        self._last_busy_s: float | None = None
        self._last_cpu_j = self._last_gpu_j = 0.0

    @property
    def basis(self) -> str:
        """How this machine's energy is known. Counters of GPUs are enough: then processors are estimated."""
        return MEASURED if self.counters.joules("cpu", "gpu") is not None else ESTIMATED

    @property
    def idle_watts(self) -> float:
        """What is taken where nothing works, as far as that is known."""
        cpu = self._cpu_floor.watts if self._idle_watts is None else self._idle_watts
        if self.counters.joules("cpu") is None:
            cpu = self._idle_per_core * self._cores
        return cpu + self._gpu_floor.watts

    def turn(self, now_s: float, watched: Sequence[Watched]) -> None:
        """Look at everything; what was used since the last turn is put on whom it belongs to."""
        self.counters.read(now_s)
        busy_s = cpu_time.of_machine(self._proc)
        self._keep(watched)
        done = {name: self._look(seen) for name, seen in self.engines.items()}
        cpu_j = self.counters.joules("cpu", "dram") if self.counters.joules("cpu") is not None else None
        gpu_j = self.counters.joules("gpu")
        took_s = now_s - self._last_s if self._last_s is not None else 0.0
        if took_s > 0:
            worked_s = None if busy_s is None or self._last_busy_s is None else busy_s - self._last_busy_s
            cpu = None if cpu_j is None else cpu_j - self._last_cpu_j
            gpu = None if gpu_j is None else gpu_j - self._last_gpu_j
            joules = self._of_cpu(now_s, took_s, cpu, worked_s, done)
            joules |= self._of_gpu(now_s, took_s, gpu, done)
            for name, work in done.items():
                self._book(name, joules.get(name, 0.0), work, took_s)
        self._last_s, self._last_busy_s = now_s, busy_s
        self._last_cpu_j, self._last_gpu_j = cpu_j or 0.0, gpu_j or 0.0

    # --- what engines did -----------------------------------------------------------------------

    def _keep(self, watched: Sequence[Watched]) -> None:
        """Engines that are gone are dropped; one that was started again keeps what was learnt."""
        there = {each.name: each for each in watched}
        for name in [name for name in self.engines if name not in there]:
            del self.engines[name]
        for name, each in there.items():
            seen = self.engines.get(name)
            if seen is None or seen.watched.model != each.model:
                self.engines[name] = Seen(each)
            elif seen.watched != each:
                seen.watched, seen.counts, seen.cpu_s = each, None, None

    def _look(self, seen: Seen) -> _Work:
        """What this engine did since the last time. One that did nothing at all is not asked."""
        each = seen.watched
        cpu_s = cpu_time.of_process(each.pid, self._proc) if each.pid else None
        known = cpu_s is not None and seen.cpu_s is not None
        worked_s = cpu_s - seen.cpu_s if known else None  # type: ignore[operator]
        seen.cpu_s = cpu_s
        if each.on == "cpu" and worked_s == 0.0 and seen.counts is not None and not seen.running:
            return _Work(0.0, _NOTHING, False, False)
        counts = self._ask(each.url, each.api_key)
        if counts is None:  # it answers between two batches
            busy = seen.running or bool(worked_s)
            return _Work(worked_s, _NOTHING, busy, busy)
        done = _NOTHING if seen.counts is None else counts.since(seen.counts)
        was, seen.running = seen.running, bool(counts.running)
        seen.counts = counts
        return _Work(worked_s, done, was, seen.running)

    # --- whose joules they were -----------------------------------------------------------------

    def _of_cpu(
        self, now_s: float, took_s: float, used: float | None, worked_s: float | None, done: dict[str, _Work]
    ) -> dict[str, float]:
        """Joules of the engines on processors, by name; the others' and nobody's are added to their sums."""
        mine = {name: work for name, work in done.items() if self.engines[name].watched.on == "cpu"}
        cpu_s = {name: self._cpu_s(self.engines[name].watched, work) for name, work in mine.items()}
        capacity_s = self._cores * took_s
        busy_s = max(worked_s or 0.0, sum(cpu_s.values()))
        if used is None:
            found = {name: self._full_per_core * each for name, each in cpu_s.items()}
            idle = self._idle_per_core * max(0.0, capacity_s - busy_s)
            used = self._full_per_core * busy_s + idle
            basis = ESTIMATED
        else:
            self._cpu_floor.see(now_s, used / took_s)
            floor_w = self._cpu_floor.watts if self._idle_watts is None else self._idle_watts
            floor = min(used, floor_w * took_s)
            per_s = (used - floor) / busy_s if busy_s else 0.0
            floor_per_s = floor / max(capacity_s, busy_s)
            found = {name: (per_s + floor_per_s) * each for name, each in cpu_s.items()}
            idle = used - (per_s + floor_per_s) * busy_s
            basis = MEASURED
        for name in mine:
            self.engines[name].basis = basis
        self.watts = used / took_s
        self.idle_joules += idle
        self.other_joules += max(0.0, used - idle - sum(found.values()))
        return found

    def _cpu_s(self, watched: Watched, work: _Work) -> float:
        """Processor time of an engine; where it can't be read, that of its threads while it worked."""
        if work.cpu_s is not None:
            return work.cpu_s
        if not work.done.timed:
            return 0.0
        return sum(work_s(work.done)) * (watched.threads or self._cores)

    def _of_gpu(
        self, now_s: float, took_s: float, used: float | None, done: dict[str, _Work]
    ) -> dict[str, float]:
        """Joules of the engines on GPUs, by name. Several that work at a time share by how long each did."""
        if used is None:
            return {}
        self.watts += used / took_s
        self._gpu_floor.see(now_s, used / took_s)
        floor = min(used, self._gpu_floor.watts * took_s)
        mine = {name: work for name, work in done.items() if self.engines[name].watched.on == "gpu"}
        busy = {name: work.busy(took_s) for name, work in mine.items()}
        whole = sum(busy.values())
        share = min(1.0, max(busy.values(), default=0.0))
        engines = (used - floor + floor * share) if whole else 0.0
        self.idle_joules += floor * (1 - share)
        self.other_joules += used - floor * (1 - share) - engines
        for name in mine:
            self.engines[name].basis = MEASURED
        return {name: engines * each / whole for name, each in busy.items()} if whole else {}

    def _book(self, name: str, joules: float, work: _Work, took_s: float) -> None:
        """An engine's joules: for its requests where it had any, else they are other programs'."""
        seen = self.engines[name]
        seen.watts = joules / took_s
        if work.moved or work.began or work.ended:
            self.engines_joules += joules
            seen.phases.add(joules, work.done)
        else:
            self.other_joules += joules

    def per_token(self, name: str) -> PerToken | None:
        """What a token of this engine takes; None where that isn't known yet."""
        seen = self.engines.get(name)
        return None if seen is None else seen.phases.per_token()


class _Work(msgspec.Struct, frozen=True):
    """What one engine did between two looks."""

    cpu_s: float | None
    done: Counts
    began: bool  # it had requests at the first look
    ended: bool  # at the second

    @property
    def moved(self) -> bool:
        """Whether its counters did."""
        return self.done.prefill_tokens > 0 or self.done.decode_tokens > 0

    def busy(self, took_s: float) -> float:
        """The part of this time in which it had requests."""
        if self.began or self.ended:
            return (self.began + self.ended) / 2
        if not self.moved:
            return 0.0
        if not self.done.timed:
            return 0.5
        return min(1.0, sum(work_s(self.done)) / took_s)
