"""Whose joules they were, on a machine whose counters, processor time and engines are all made up."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tokenworks.energy.attribution import ESTIMATED, MEASURED
from tokenworks.energy.counters import Counters, Domain
from tokenworks.energy.engine_metrics import Counts
from tokenworks.energy.meter import (
    FLOOR_BUCKET_S,
    FLOOR_BUCKETS,
    FULL_W_PER_CORE,
    IDLE_W_PER_CORE,
    Floor,
    Meter,
    Watched,
)

HZ = os.sysconf("SC_CLK_TCK")
CORES = 4


class Made:
    """A counter that says what it is told to."""

    problem = ""
    sampled = False

    def __init__(self, *domains: Domain) -> None:
        self.domains = list(domains)

    def read(self, now_s: float) -> None:
        pass


class World:
    """/proc of a machine, its counters, and engines that answer."""

    def __init__(self, root: Path, *domains: Domain) -> None:
        self.root = root
        self.domains = {domain.kind: domain for domain in domains}
        self.counts: dict[str, Counts | None] = {}
        self.asked: list[str] = []
        self.busy_s = 0.0
        self.cpu_s: dict[int, float] = {}
        self.tick()

    def tick(self) -> None:
        ticks = round(self.busy_s * HZ)
        (self.root / "stat").write_text(f"cpu {ticks} 0 0 1000 0 0 0 0 0 0\n")
        for pid, seconds in self.cpu_s.items():
            (self.root / str(pid)).mkdir(exist_ok=True)
            fields = ["S", *["0"] * 10, str(round(seconds * HZ)), "0", "0"]
            (self.root / str(pid) / "stat").write_text(f"{pid} (engine) {' '.join(fields)}\n")

    def ask(self, url: str, api_key: str) -> Counts | None:
        self.asked.append(url)
        return self.counts.get(url)

    def meter(self, **more: float) -> Meter:
        return Meter(
            Counters([Made(*self.domains.values())]), cores=CORES, proc=self.root, ask=self.ask, **more
        )


def on_cpu(name: str, pid: int) -> Watched:
    return Watched(name, "local", f"acme/{name}", "cpu", name, pid=pid)


def on_gpu(name: str) -> Watched:
    return Watched(name, "local", f"acme/{name}", "gpu", name)


def counts(prefill: float, decode: float, prefill_s: float, decode_s: float, running: int = 0) -> Counts:
    return Counts(prefill, 0, decode, prefill_s, decode_s, running=running)


def test_measured_joules_go_by_processor_time_and_none_is_lost(tmp_path: Path) -> None:
    world = World(tmp_path, Domain("package-0", "cpu"), Domain("dram", "dram"))
    world.cpu_s = {1: 0.0, 2: 0.0}
    world.tick()
    meter, engines = world.meter(), [on_cpu("a", 1), on_cpu("b", 2)]
    world.counts = {"a": counts(0, 0, 0, 0), "b": counts(0, 0, 0, 0)}
    meter.turn(0.0, engines)
    world.domains["cpu"].joules += 90.0  # 10 s of idle: 10 W with the memory
    world.domains["dram"].joules += 10.0
    meter.turn(10.0, engines)
    assert (meter.idle_joules, meter.watts, meter.idle_watts, meter.basis) == (100.0, 10.0, 10.0, MEASURED)
    world.domains["cpu"].joules += 500.0
    world.busy_s += 20  # of 40 seconds of cores
    world.cpu_s = {1: 12.0, 2: 4.0}
    world.tick()
    world.counts = {"a": counts(1000, 100, 2, 6), "b": counts(10, 10, 1, 1)}
    meter.turn(20.0, engines)
    # 400 J above the floor by 20 s of work, and 100 J of floor by 40 s that there were.
    assert meter.engines["a"].phases.joules == pytest.approx(12 * 20 + 12 * 2.5)
    assert meter.engines["b"].phases.joules == pytest.approx(4 * 20 + 4 * 2.5)
    assert meter.other_joules == pytest.approx(4 * 20 + 4 * 2.5)
    assert meter.idle_joules == pytest.approx(100 + 20 * 2.5)
    assert meter.engines_joules + meter.other_joules + meter.idle_joules == pytest.approx(600.0)
    token = meter.per_token("a")
    assert token is not None
    assert token.prefill_uj == pytest.approx(270e6 / 4 / 1000)
    assert meter.engines["a"].basis == MEASURED


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_no_joule_is_lost_or_made_up(tmp_path: Path, seed: int) -> None:
    """Engines come, go and begin anew, answers fail, looks are late: the sums are what the counters say."""
    dice = random.Random(seed)
    world = World(tmp_path, Domain("package-0", "cpu"), Domain("gpu 0", "gpu"))
    meter, engines = world.meter(), [on_cpu("a", 1), on_cpu("b", 2), on_gpu("c"), on_gpu("d")]
    totals = dict.fromkeys("abcd", 0)
    now_s, began = 0.0, False
    for _ in range(60):
        for pid in (1, 2):
            world.cpu_s[pid] = world.cpu_s.get(pid, 0.0) + dice.choice((0.0, 0.0, 3.0))
        world.busy_s += dice.choice((0.0, 1.0, 9.0))
        world.tick()
        for name in "abcd":
            totals[name] = 0 if dice.random() < 0.1 else totals[name] + dice.choice((0, 0, 50))
            done = counts(
                totals[name], totals[name], totals[name] / 100, totals[name] / 20, dice.choice((0, 3))
            )
            world.counts[name] = None if dice.random() < 0.1 else done
        if began:
            world.domains["cpu"].joules += dice.choice((0.0, 50.0, 500.0))
            world.domains["gpu"].joules += dice.choice((0.0, 300.0, 3500.0))
        meter.turn(now_s, [each for each in engines if dice.random() < 0.9])
        began = True
        now_s += dice.choice((0.2, 5.0, 5.0, 900.0))
        sums = (meter.engines_joules, meter.other_joules, meter.idle_joules)
        assert min(sums) >= 0
        assert sum(sums) == pytest.approx(sum(each.joules for each in world.domains.values()))
        assert sum(each.phases.joules for each in meter.engines.values()) <= meter.engines_joules + 1e-6
        for name in meter.engines:
            token = meter.per_token(name)
            assert token is None or (token.prefill_uj >= 0 and token.decode_uj >= 0)


def test_without_counters_it_is_an_estimate_by_time(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.cpu_s = {1: 0.0}
    world.tick()
    world.counts = {"a": counts(0, 0, 0, 0)}
    meter = world.meter()
    meter.turn(0.0, [on_cpu("a", 1)])
    world.busy_s, world.cpu_s = 15.0, {1: 10.0}
    world.tick()
    world.counts = {"a": counts(100, 100, 1, 9)}
    meter.turn(10.0, [on_cpu("a", 1)])
    assert (meter.basis, meter.engines["a"].basis) == (ESTIMATED, ESTIMATED)
    assert meter.engines["a"].phases.joules == pytest.approx(10 * FULL_W_PER_CORE)
    assert meter.other_joules == pytest.approx(5 * FULL_W_PER_CORE)
    assert meter.idle_joules == pytest.approx((4 * 10 - 15) * IDLE_W_PER_CORE)
    assert meter.idle_watts == pytest.approx(4 * IDLE_W_PER_CORE)


def test_watts_of_this_machine_that_are_known_are_used(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.cpu_s = {1: 0.0}
    world.tick()
    world.counts = {"a": counts(0, 0, 0, 0)}
    meter = world.meter(idle_watts=20.0, full_watts=100.0)
    meter.turn(0.0, [on_cpu("a", 1)])
    world.busy_s, world.cpu_s = 40.0, {1: 40.0}  # all cores
    world.tick()
    world.counts = {"a": counts(100, 100, 1, 9)}
    meter.turn(10.0, [on_cpu("a", 1)])
    assert (meter.watts, meter.engines_joules, meter.idle_joules) == (100.0, 1000.0, 0.0)
    assert meter.idle_watts == 20.0


def test_an_engine_without_requests_takes_none_and_is_not_asked(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.cpu_s = {1: 0.0}
    world.tick()
    world.counts = {"a": counts(0, 0, 0, 0)}
    meter = world.meter()
    for second in (0.0, 10.0, 20.0):
        meter.turn(second, [on_cpu("a", 1)])
    assert len(world.asked) == 1, "nothing woke it up"
    world.busy_s, world.cpu_s = 1.0, {1: 1.0}  # it did something, for nobody
    world.tick()
    meter.turn(30.0, [on_cpu("a", 1)])
    assert meter.engines["a"].phases.joules == 0.0
    assert meter.other_joules == pytest.approx(FULL_W_PER_CORE)


def test_an_answer_that_takes_many_turns_gets_all_its_joules(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.cpu_s = {1: 0.0}
    world.tick()
    world.counts = {"a": counts(0, 0, 0, 0)}
    meter = world.meter()
    meter.turn(0.0, [on_cpu("a", 1)])
    for turn in range(1, 5):
        world.busy_s = world.cpu_s[1] = 10.0 * turn
        world.tick()
        # It doesn't answer in the middle, and counts at the end.
        world.counts = {"a": None if turn == 2 else counts(0, 0, 0, 0, running=1)}
        if turn == 4:
            world.counts = {"a": counts(50, 400, 2, 38)}
        meter.turn(10.0 * turn, [on_cpu("a", 1)])
    token = meter.per_token("a")
    assert token is not None
    assert 50 * token.prefill_uj + 400 * token.decode_uj == pytest.approx(40 * FULL_W_PER_CORE * 1e6)
    assert meter.other_joules == pytest.approx(0.0)


def test_a_restarted_engine_keeps_what_was_learnt_and_counts_anew(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.cpu_s = {1: 0.0, 2: 500.0}
    world.tick()
    world.counts = {"a": counts(0, 0, 0, 0)}
    meter = world.meter()
    meter.turn(0.0, [on_cpu("a", 1)])
    world.busy_s, world.cpu_s[1] = 10.0, 10.0
    world.tick()
    world.counts = {"a": counts(100, 100, 5, 5)}
    meter.turn(10.0, [on_cpu("a", 1)])
    before = meter.per_token("a")
    world.counts = {"a": counts(3, 3, 1, 1)}
    meter.turn(20.0, [on_cpu("a", 2)])
    assert meter.per_token("a") == before and before is not None
    meter.turn(30.0, [])
    assert meter.per_token("a") is None and meter.engines == {}


def test_gpus_are_paid_by_who_had_requests(tmp_path: Path) -> None:
    world = World(tmp_path, Domain("gpu 0", "gpu"))
    world.counts = {"a": counts(0, 0, 0, 0), "b": counts(0, 0, 0, 0)}
    meter, engines = world.meter(), [on_gpu("a"), on_gpu("b")]
    meter.turn(0.0, engines)
    gpu = world.domains["gpu"]
    gpu.joules += 700.0  # 70 W
    meter.turn(10.0, engines)
    gpu.joules += 4000.0
    world.counts["a"] = counts(0, 0, 0, 0, running=2)  # came in between
    meter.turn(20.0, engines)
    gpu.joules += 6000.0
    world.counts["a"] = counts(1000, 500, 3, 12, running=1)
    meter.turn(30.0, engines)
    # 70 W idle for 10 s, and for half of the next; all else was for requests.
    cpu_idle = meter.idle_joules - (700 + 350)
    assert cpu_idle == pytest.approx(30 * CORES * IDLE_W_PER_CORE)
    assert meter.engines["a"].phases.joules == pytest.approx(3300 + 350 + 6000)
    assert meter.engines["b"].phases.joules == 0.0
    assert (meter.engines["a"].basis, meter.basis) == (MEASURED, MEASURED)
    gpu.joules += 5000.0
    world.counts["a"] = counts(1000, 500, 3, 12)
    meter.turn(40.0, engines)
    engines_before = meter.engines_joules
    gpu.joules += 2000.0  # somebody else's
    meter.turn(50.0, engines)
    assert meter.engines_joules == engines_before
    assert meter.other_joules == pytest.approx(1300.0)


def test_short_requests_that_no_look_saw_pay_for_their_seconds(tmp_path: Path) -> None:
    world = World(tmp_path, Domain("gpu 0", "gpu"))
    world.counts = {"a": counts(0, 0, 0, 0)}
    meter = world.meter()
    meter.turn(0.0, [on_gpu("a")])
    world.domains["gpu"].joules += 1000.0
    meter.turn(10.0, [on_gpu("a")])
    world.domains["gpu"].joules += 1600.0
    world.counts["a"] = counts(10, 10, 0.5, 1.5)
    meter.turn(20.0, [on_gpu("a")])
    assert meter.engines["a"].phases.joules == pytest.approx(600 + 0.2 * 1000)


def test_where_processor_time_can_not_be_read_the_engine_s_own_seconds_count(tmp_path: Path) -> None:
    world = World(tmp_path)
    meter = world.meter()
    far = Watched("a", "local", "acme/a", "cpu", "a", threads=2)
    world.counts = {"a": counts(0, 0, 0, 0)}
    meter.turn(0.0, [far])
    world.counts = {"a": counts(100, 100, 1, 4)}
    meter.turn(10.0, [far])
    assert meter.engines["a"].phases.joules == pytest.approx(5 * 2 * FULL_W_PER_CORE)


def test_the_floor_is_the_least_of_two_hours() -> None:
    floor = Floor()
    assert floor.watts == 0.0
    floor.see(0.0, 30.0)
    floor.see(1.0, 10.0)
    floor.see(FLOOR_BUCKET_S, 20.0)
    assert floor.watts == 10.0
    for bucket in range(2, FLOOR_BUCKETS + 1):
        floor.see(bucket * FLOOR_BUCKET_S, 50.0)
    assert floor.watts == 20.0, "the first five minutes are too long ago"


def test_keys_of_engines_stay_out_of_logs() -> None:
    assert "k-secret" not in repr(Watched("a", "local", "m", "cpu", "u", "k-secret"))
