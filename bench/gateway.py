"""Compares Tokenworks with other gateways on this machine. See bench/README.md.

python bench/gateway.py --quick
python bench/gateway.py --cases 1k,20k,300k --rounds 5 --json out.json
python bench/gateway.py --soak 600 --streams 1000 --gateways tokenworks
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

import procfs
from bodies import SIZES
from instance import Bench, Cores, Failed, Instance, Load
from measure import Held, Sample, hold, measure
from native import BuildError, build
from peers import Absent, Peer, Tokenworks, peers
from report import BASES, Row, Target, number, show, spread, summarize, targets
from soak import soak, soak_table

MODES = ("answer", "latency", "stream", "burst", "memory")
HELD = "stream-100000-pace-10000"  # an idle stream: a chunk every 10 s
log = Console(stderr=True, highlight=False)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; ``--quick`` changes defaults only, so that other options still count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--cases", default=None, help=f"sizes of request bodies, of {','.join(SIZES)} (default: all)")
    add("--modes", default="answer,latency,stream,memory", help=f"of {','.join(MODES)}")
    add("--gateways", default="nginx,tokenworks,vllm-router,litellm", help="also: bare, portkey")
    add("--rounds", type=int, default=None, help="default 5")
    add("--seconds", type=float, default=None, help="of one closed or fixed-rate load, default 2")
    add("--rate", type=float, default=300.0, help="requests/s of the fixed-rate load; slow peers get less")
    add("--relay-streams", type=int, default=100, help="streams at once in mode stream")
    add("--chunks", type=int, default=100, help="chunks of a stream")
    add("--pace", type=int, default=20, help="milliseconds between two chunks of a stream")
    add("--streams", type=int, default=None, help="streams held in mode memory and --soak, default 1000")
    add("--memory-cases", default=None, help="cases of mode memory, default 1k,20k")
    add("--soak", type=float, default=0, metavar="SECONDS", help="hold streams through the first gateway")
    add("--soak-pace", type=int, default=200, help="milliseconds between two chunks of a soaked stream")
    add("--quick", action="store_true", help="about two minutes: 1 round, 1k and 20k, untrusted")
    add("--json", metavar="FILE", help="write everything here; - prints it as one line")
    add("--cores", default="1,0", help="core of the gateways, core of upstream and load generator")
    add("--seed", type=int, default=None, help="of the random order of gateways")
    add("--tokenworks", default="", help="command that runs Tokenworks (default: this Python's module)")
    add("--prepare", action="store_true", help="install the peers, then stop")
    args = parser.parse_args(argv)
    quick = args.quick
    args.cases = names(parser, args.cases or ("1k,20k" if quick else ",".join(SIZES)), SIZES)
    args.memory_cases = names(parser, args.memory_cases or ("1k" if quick else "1k,20k"), SIZES)
    args.memory_cases = [case for case in args.memory_cases if case in args.cases]
    args.modes = names(parser, args.modes, MODES)
    args.gateways = names(parser, args.gateways, [name for name in peers() if name != "direct"])
    args.rounds = args.rounds or (1 if quick else 5)
    args.seconds = args.seconds or (1.0 if quick else 2.0)
    args.streams = args.streams or (300 if quick and not args.soak else 1000)
    if 0 < args.soak < 40:
        parser.error("a soak needs 40 s or more: memory is sampled each 10 s and the first fifth is warm-up")
    gateway, harness = (int(core) for core in args.cores.split(","))
    args.cores = Cores(gateway, harness)
    return args


def names(parser: argparse.ArgumentParser, text: str, known: Sequence[str] | dict[str, int]) -> list[str]:
    """A comma-separated list, each of it known."""
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            parser.error(f"unknown: {name} (known: {', '.join(known)})")
    return wanted


def prepare(
    args: argparse.Namespace, known: dict[str, Peer] | None = None
) -> tuple[list[Peer], dict[str, str], dict[str, str]]:
    """The peers that can run here with ``direct`` first, their versions, and why others are absent."""
    known = known or peers(shlex.split(args.tokenworks))
    ready, versions, absent = [known["direct"]], {}, {}
    for name in args.gateways:
        try:
            versions[name] = known[name].prepare()
            ready.append(known[name])
        except Absent as error:
            absent[name] = str(error)
            log.print(f"[yellow]{name} is absent:[/yellow] {error}")
    return ready, versions, absent


class Run:
    """One whole comparison: warm instances of every peer, rounds in random order, then memory."""

    def __init__(self, bench: Bench, args: argparse.Namespace, ready: list[Peer]) -> None:
        self.bench, self.args, self.ready = bench, args, ready
        self.samples: list[Sample] = []
        self.held: list[Held] = []
        self.ledger: list[dict[str, Any]] = []
        self.failed: dict[str, str] = {}  # peers that did not start, and why
        self.idle: dict[str, float] = {}  # share of a core used while nothing is asked
        self.cost_us: dict[tuple[str, str], float] = {}  # first estimate of CPU per request
        self.random = random.Random(args.seed)

    def answer(self, peer: Peer, case: str, seconds: float) -> Load:
        options = f"--connections {peer.connections} --seconds {seconds}"
        return Load("closed", "answer", SIZES[case], options)

    def load(self, peer: Peer, case: str, mode: str) -> tuple[Load, float]:
        """What is sent in one round, and the fixed rate in mode latency."""
        args, size = self.args, SIZES[case]
        if mode == "answer":
            seconds = min(1.0, args.seconds) if peer.name == "direct" else args.seconds
            return self.answer(peer, case, seconds), 0
        if mode == "latency":
            # A third of what its core can do at most: latency below saturation is what is compared.
            rate = min(args.rate, peer.rate, 0.3e6 / max(self.cost_us[peer.name, case], 1.0))
            rate = max(1.0, float(int(rate)))
            options = f"--rate {rate} --seconds {args.seconds} --warmup-ms 200 --connections 512"
            return Load("open", "answer", size, options), rate
        if mode == "burst":
            options = f"--streams {peer.connections} --chunks {args.chunks} --renew --seconds {args.seconds}"
            return Load("stream", f"stream-{args.chunks}", size, options), 0
        streams = max(1, int(args.relay_streams * peer.relay_share))
        options = f"--streams {streams} --chunks {args.chunks} --ramp-ms {args.pace * 10}"
        return Load("stream", f"stream-{args.chunks}-pace-{args.pace}", size, options), 0

    def start(self, peer: Peer, warmup: int) -> Instance:
        """A fresh instance after ``warmup`` requests and a few streams."""
        instance = self.bench.open(peer)
        if instance.process:
            options = f"--requests {warmup} --seconds 10 --connections {peer.connections}"
            self.bench.run(instance, Load("closed", "answer", SIZES["1k"], options))
            options = f"--streams 8 --chunks {self.args.chunks}"
            self.bench.run(instance, Load("stream", f"stream-{self.args.chunks}", SIZES["1k"], options))
        return instance

    def start_all(self) -> list[Instance]:
        """An instance of each peer. One that does not start is reported, and the others go on."""
        instances = []
        for peer in list(self.ready):
            try:
                instances.append(self.start(peer, peer.warmup))
            except (Absent, Failed) as error:
                self.failed[peer.name] = str(error)
                self.ready.remove(peer)
                log.print(f"{peer.name} did not start: {error}", style="red", markup=False)
        return instances

    def estimate(self, instance: Instance) -> None:
        """A short load of each case, for the fixed rate and to warm its code."""
        for case in self.args.cases:
            load = self.answer(instance.peer, case, 0.4)
            sample = measure(self.bench, instance, load, case, "answer", 0)
            self.cost_us[instance.peer.name, case] = sample.cpu_us
            if not sample.valid:
                log.print(f"[red]{instance.peer.name} fails at {case}: {sample.first_error}[/red]")

    def rounds(self) -> None:
        """Every case and mode for every peer, the peers in random order each time."""
        instances = self.start_all()
        for instance in instances:
            self.estimate(instance)
        self.measure_idle(instances)
        modes = [mode for mode in self.args.modes if mode != "memory"]
        for round_ in range(1, self.args.rounds + 1):
            for case in self.args.cases:
                for mode in modes:
                    for instance in self.random.sample(instances, len(instances)):
                        self.one(instance, case, mode, round_)
                    log.print(f"round {round_} {case} {mode} done", style="dim")
        for instance in instances:
            self.check_ledger(instance, tokens=True)
            self.bench.close(instance)

    def one(self, instance: Instance, case: str, mode: str, round_: int) -> None:
        load, rate = self.load(instance.peer, case, mode)
        sample = measure(self.bench, instance, load, case, mode, round_, rate)
        self.samples.append(sample)
        if not sample.valid:
            log.print(f"[red]{instance.peer.name} {case} {mode}: {sample.first_error or 'no answer'}[/red]")

    def measure_idle(self, instances: Sequence[Instance]) -> None:
        time.sleep(1.0)
        before, began = {one.peer.name: one.cpu_ns() for one in instances}, time.monotonic()
        time.sleep(2.0)
        seconds = time.monotonic() - began
        for one in instances:
            if one.process:
                self.idle[one.peer.name] = (one.cpu_ns() - before[one.peer.name]) / 1e9 / seconds

    def memory(self) -> None:
        """Memory of open streams, on fresh instances: a used one fills what it had freed before."""
        for case in self.args.memory_cases:
            for peer in self.random.sample(self.ready[1:], len(self.ready) - 1):
                instance = self.start(peer, warmup=40)
                held = hold(self.bench, instance, HELD, SIZES[case], case, self.args.streams)
                self.held.append(held)
                self.check_ledger(instance, tokens=False)
                self.bench.close(instance)
                log.print(f"memory {case} {peer.name}: {held.per_stream_kib:.1f} KiB per stream", style="dim")
        order = [peer.name for peer in self.ready]
        self.held.sort(key=lambda one: (self.args.memory_cases.index(one.case), order.index(one.gateway)))

    def check_ledger(self, instance: Instance, tokens: bool) -> None:
        """Whether Tokenworks recorded each request that was sent, and the tokens the upstream reported."""
        if isinstance(instance.peer, Tokenworks):
            self.ledger.append(ledger_check(instance.peer, instance, tokens))


def ledger_check(peer: Tokenworks, instance: Instance, tokens: bool) -> dict[str, Any]:
    """The ledger's counts beside those of the load generator and the upstream; ``ok`` if they agree."""
    time.sleep(1.5)
    usage = peer.usage(instance.place.folder)
    pairs = {"requests": (instance.sent, usage["requests"])}
    if tokens:
        pairs["input_tokens"] = (instance.delivered["prompt_tokens"], usage["input_tokens"])
        pairs["output_tokens"] = (instance.delivered["completion_tokens"], usage["output_tokens"])
    check: dict[str, Any] = {name: {"sent": sent, "recorded": seen} for name, (sent, seen) in pairs.items()}
    check["ok"] = all(sent == seen for sent, seen in pairs.values())
    return check


def distrust(args: argparse.Namespace, samples: Sequence[Sample]) -> list[str]:
    """Reasons not to quote this run; empty if there are none."""
    reasons = []
    if args.rounds < 3:
        reasons.append(f"{args.rounds} round(s), 3 are needed")
    if args.cores.gateway == args.cores.harness:
        reasons.append("gateway and harness shared a core")
    noisy = sum(not one.calm for one in samples)
    if samples and noisy / len(samples) > 0.1:
        reasons.append(f"{noisy} of {len(samples)} loads ran while others used the machine")
    for case in args.cases:
        alone = [s.per_second for s in samples if (s.gateway, s.mode, s.case) == ("direct", "answer", case)]
        if alone and min(alone) < 0.8 * max(alone):  # neighbours outside a virtual machine show only here
            reasons.append(
                f"the machine's speed changed: the harness alone made {min(alone):,.0f} to {max(alone):,.0f} "
                f"requests/s at {case}"
            )
    failed = sum(not one.valid for one in samples)
    if failed:
        reasons.append(f"{failed} loads had errors")
    return reasons


def say(
    result: dict[str, Any],
    rows: list[Row],
    held: list[Held],
    goals: list[Target],
    bases: Sequence[str] = BASES,
) -> None:
    """The tables, and below them what one must know to read them."""
    console = Console(highlight=False, width=max(150, Console().width))
    show(console, rows, held, goals, bases)
    box = result["machine"]
    console.print(f"{box['cpu']}, {box['cores']} cores, Linux {box['kernel']}, Python {box['python']}")
    console.print("versions: " + ", ".join(f"{name} {text}" for name, text in result["versions"].items()))
    for state in ("absent", "failed"):
        for name, reason in result[state].items():
            console.print(f"{state}: {name}: {reason}", markup=False)
    idle = ", ".join(f"{name} {share:.2%}" for name, share in result["idle_core_share"].items())
    console.print(f"idle, share of a core: {idle}")
    for row in rows:
        if row.gateway == "tokenworks" and row.rounds:
            total, root = row.cpu_us.median, row.root_us.median
            console.print(
                f"tokenworks {row.case} {row.mode}: worker {number(total - root)} µs, "
                f"supervisor with drainer {number(root)} µs"
            )
    direct = [row for row in rows if row.gateway == "direct" and row.mode == "answer"]
    for row in direct:
        console.print(f"ceiling of the harness alone at {row.case}: {row.per_second.best:,.0f} requests/s")
    for check in result["ledger"]:
        text = ", ".join(
            f"{name} {pair['recorded']} of {pair['sent']}" for name, pair in check.items() if name != "ok"
        )
        console.print(
            f"ledger: {text}" + (" [green]equal[/green]" if check["ok"] else " [red]DIFFERENT[/red]")
        )
    for reason in result["untrusted"]:
        console.print(f"[yellow]untrusted:[/yellow] {reason}")
    console.print(f"{result['seconds']:.0f} s in all")


def compare(args: argparse.Namespace, ready: list[Peer]) -> tuple[Run, list[str]]:
    """Runs everything asked for."""
    scripts = ["answer", "fast-1", HELD, f"stream-{args.chunks}", f"stream-{args.chunks}-pace-{args.pace}"]
    with Bench(args.cores, scripts) as bench:
        run = Run(bench, args, ready)
        if set(args.modes) - {"memory"}:
            run.rounds()
        if "memory" in args.modes:
            run.memory()
    return run, distrust(args, run.samples)


def main_compare(args: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()
    ready, versions, absent = prepare(args)
    result: dict[str, Any] = {"machine": procfs.machine(), "versions": versions, "absent": absent}
    run, reasons = compare(args, ready)
    rows = summarize(run.samples)
    order = {peer.name: number for number, peer in enumerate(ready)}
    rows.sort(key=lambda row: (args.cases.index(row.case), order[row.gateway]))
    goals = targets(rows, run.held)
    result |= {
        "options": {name: str(value) for name, value in vars(args).items()},
        "untrusted": reasons,
        "seconds": time.monotonic() - began,
        "failed": run.failed,
        "idle_core_share": run.idle,
        "ledger": run.ledger,
        "rows": [row.to_json() for row in rows],
        "memory": [one.to_json() for one in run.held],
        "targets": [goal.to_json() for goal in goals],
        "samples": [one.to_json() for one in run.samples],
    }
    say(result, rows, run.held, goals)
    return result


def main_soak(args: argparse.Namespace) -> dict[str, Any]:
    """Soaks the first gateway of the list that can run here."""
    ready, versions, absent = prepare(args)
    if len(ready) < 2:
        raise Failed("no gateway to soak: " + "; ".join(f"{name}: {why}" for name, why in absent.items()))
    peer, script = ready[1], f"stream-{args.chunks}-pace-{args.soak_pace}"
    options = f"--streams {args.streams} --renew --seconds {args.soak} --ramp-ms 5000 --chunks {args.chunks}"
    load = Load("stream", script, SIZES[args.cases[0]], options)
    with Bench(args.cores, ["answer", script]) as bench:
        instance = bench.open(peer)
        result = soak(bench, instance, load, args.soak, log)
        result |= {
            "gateway": peer.name,
            "version": versions[peer.name],
            "machine": procfs.machine(),
            "ledger": [],
        }
        if isinstance(peer, Tokenworks):
            result["ledger"].append(ledger_check(peer, instance, tokens=False))
    console = Console(highlight=False)
    console.print(soak_table(result))
    cost = spread(point["cpu_us"] for point in result["points"][1:])
    console.print(f"{peer.name}: {cost.median:.1f} µs CPU per chunk, errors {result['errors']['total']}")
    for check in result["ledger"]:
        console.print(f"ledger: {check}")
    return result


def stop(_number: int, _frame: object) -> None:
    raise SystemExit("stopped")


def main() -> int:
    args = parse()
    signal.signal(signal.SIGTERM, stop)
    try:
        build("upstream")
        if args.prepare:
            print(json.dumps(dict(zip(("versions", "absent"), prepare(args)[1:], strict=True))))
            return 0
        if max(args.cores.gateway, args.cores.harness) >= (os.cpu_count() or 1):
            raise Failed(f"this machine has {os.cpu_count()} core(s): choose with --cores GATEWAY,HARNESS")
        procfs.pin([os.getpid()], args.cores.harness)
        result = main_soak(args) if args.soak else main_compare(args)
    except (BuildError, Failed, Absent) as error:
        log.print(f"[red]{error}[/red]", markup=True)
        return 1
    return finish(args, result)


def finish(args: argparse.Namespace, result: dict[str, Any]) -> int:
    """Writes the result where ``--json`` says. The exit status: 0 if nothing failed and the ledger agreed."""
    if args.json == "-":
        print(json.dumps(result))
    elif args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    bad = (
        bool(result.get("failed"))
        or any(one["errors"] for one in result.get("samples", []))
        or not all(c["ok"] for c in result["ledger"])
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
