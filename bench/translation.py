"""Compares what a Messages request costs whose provider speaks chat. See bench/README.md.

python bench/translation.py --quick
python bench/translation.py --rounds 5 --json out.json
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

import procfs
from ccr import ClaudeCodeRouter
from gateway import Run, distrust, finish, log, names, prepare, say, stop
from instance import Bench, Cores, Failed, Instance, Load
from measure import Sample, measure
from native import BuildError, build
from peers import Absent, Peer, Tokenworks, peers
from report import summarize

CASE, SIZE = "20k", 20_000
MODES = ("answer", "stream", "short", "chunk")  # short is measured for the sake of chunk alone
UNTRANSLATED = ("direct", "nginx")  # they pass the same bytes on, and chat comes back
BASES = ("nginx", "ccr")
CONNECTIONS = 16  # of every gateway, as busy ones are cheaper per request
WARM_S = 2.0


def translators(tokenworks: Sequence[str] = ()) -> dict[str, Peer]:
    """The peers of this comparison by name, in the order of the tables."""
    known, ccr = peers(tokenworks), ClaudeCodeRouter()
    return {name: known[name] for name in ("direct", "nginx", "tokenworks")} | {ccr.name: ccr}


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; ``--quick`` changes defaults only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add, known = parser.add_argument, [name for name in translators() if name != "direct"]
    add("--gateways", default=",".join(known), help=f"of {','.join(known)} (default: all)")
    add("--rounds", type=int, default=None, help="default 5")
    add("--seconds", type=float, default=None, help="of one closed load, default 2")
    add("--streams", type=int, default=20, help="streams at once, the same for every gateway")
    add("--chunks", type=int, default=100, help="chunks of a stream; short ones have a fifth")
    add("--pace", type=int, default=20, help="milliseconds between two chunks of a stream")
    add("--quick", action="store_true", help="1 round, untrusted: shows that all is well")
    add("--json", metavar="FILE", help="write everything here; - prints it as one line")
    add("--cores", default="1,0", help="core of the gateways, core of upstream and load generator")
    add("--seed", type=int, default=None, help="of the random order of gateways")
    add("--tokenworks", default="", help="command that runs Tokenworks (default: this Python's module)")
    args = parser.parse_args(argv)
    args.gateways = names(parser, args.gateways, known)
    args.rounds = args.rounds or (1 if args.quick else 5)
    args.seconds = args.seconds or (1.0 if args.quick else 2.0)
    if args.chunks < 5:
        parser.error("a stream needs 5 chunks or more: short ones have a fifth")
    gateway, harness = (int(core) for core in args.cores.split(","))
    args.cores, args.cases, args.modes = Cores(gateway, harness), [CASE], ["answer", "stream"]
    return args


def asked(peer: Peer, mode: str, script: str, options: str) -> Load:
    """A load of Messages requests of ``SIZE`` bytes, whose answers must be what ``peer`` makes of them."""
    answers = "chat" if peer.name in UNTRANSLATED else "messages"
    options += f" --path /v1/messages --header anthropic-version:2023-06-01 --answers {answers}"
    return Load(mode, script, SIZE, options, "messages")


def chunk_alone(long: Sample, short: Sample) -> Sample:
    """What a chunk costs without its stream's set-up: as many longer streams less as many shorter ones."""
    units = long.units - short.units
    spent = long.cpu_us * long.units - short.cpu_us * short.units
    root = long.root_us * long.units - short.root_us * short.units
    alone = replace(long, mode="chunk", foreign=max(long.foreign, short.foreign))
    if not (long.valid and short.valid):
        error = long.first_error or short.first_error
        return replace(alone, units=0, errors=long.errors + short.errors, first_error=error)
    if units <= 0 or spent <= 0:
        return replace(alone, units=0, errors=1, first_error="longer streams did not cost more: noise")
    return replace(alone, units=units, cpu_us=spent / units, root_us=root / units)


class Translation(Run):
    """The comparison's rounds, with Messages requests."""

    def __init__(self, bench: Bench, args: argparse.Namespace, ready: list[Peer]) -> None:
        super().__init__(bench, args, ready)
        self.derived: list[Sample] = []
        self.silent: dict[str, tuple[int, int]] = {}  # streams whose answer told no tokens, of all

    def answer(self, peer: Peer, case: str, seconds: float) -> Load:
        return asked(peer, "closed", "answer", f"--connections {CONNECTIONS} --seconds {seconds}")

    def streams(self, peer: Peer, chunks: int) -> Load:
        options = f"--streams {self.args.streams} --chunks {chunks} --ramp-ms {self.args.pace * 10}"
        return asked(peer, "stream", f"stream-{chunks}-pace-{self.args.pace}", options)

    def start(self, peer: Peer, warmup: int) -> Instance:
        """A fresh instance after ``warmup`` requests and some seconds of streams."""
        probe = asked(peer, "closed", "answer", "--connections 1 --requests 1 --seconds 5")
        instance = self.bench.open(peer, probe)
        if instance.process:
            options = f"--requests {warmup} --seconds 10 --connections {CONNECTIONS}"
            self.bench.run(instance, asked(peer, "closed", "answer", options))
            chunks = self.args.chunks
            options = f"--streams {self.args.streams} --chunks {chunks} --renew --seconds {WARM_S}"
            self.bench.run(instance, asked(peer, "stream", f"stream-{chunks}", options))
        return instance

    def one(self, instance: Instance, case: str, mode: str, round_: int) -> None:
        """One load; in mode ``stream`` a second one with shorter streams, for the cost of a chunk alone."""
        peer = instance.peer
        if mode == "answer":
            seconds = min(1.0, self.args.seconds) if peer.name == "direct" else self.args.seconds
            self.keep(measure(self.bench, instance, self.answer(peer, case, seconds), case, mode, round_))
            return
        long = measure(self.bench, instance, self.streams(peer, self.args.chunks), case, "stream", round_)
        self.keep(long)
        if instance.process:
            load = self.streams(peer, self.args.chunks // 5)
            short = measure(self.bench, instance, load, case, "short", round_)
            self.keep(short)
            self.derived.append(chunk_alone(long, short))

    def keep(self, sample: Sample) -> None:
        self.samples.append(sample)
        if not sample.valid:
            what = sample.first_error or "no answer"
            log.print(f"{sample.gateway} {sample.mode}: {what}", style="red", markup=False)

    def check_ledger(self, instance: Instance, tokens: bool) -> None:
        """The ledger's counts, and whether callers were told the tokens of their streams."""
        super().check_ledger(instance, tokens)
        if not instance.process:
            return
        none, streams = instance.no_usage, instance.delivered["finished"]
        self.silent[instance.peer.name] = (none, streams)
        if isinstance(instance.peer, Tokenworks):
            check = self.ledger[-1]
            check["streams_with_usage"] = {"sent": streams, "recorded": streams - none}
            check["ok"] = check["ok"] and not none


def compare(args: argparse.Namespace) -> dict[str, Any]:
    """Runs everything, prints the tables and returns what ``--json`` holds."""
    began = time.monotonic()
    ready, versions, absent = prepare(args, translators(shlex.split(args.tokenworks)))
    result: dict[str, Any] = {"machine": procfs.machine(), "versions": versions, "absent": absent}
    chunks = (args.chunks, args.chunks // 5)
    scripts = ["answer", f"stream-{args.chunks}", *(f"stream-{n}-pace-{args.pace}" for n in chunks)]
    with Bench(args.cores, scripts) as bench:
        run = Translation(bench, args, ready)
        run.rounds()
    rows = summarize(run.samples + run.derived, BASES)
    order = [peer.name for peer in ready]
    rows.sort(key=lambda row: (MODES.index(row.mode), order.index(row.gateway)))
    result |= {
        "options": {name: str(value) for name, value in vars(args).items()},
        "bytes": SIZE,
        "untrusted": distrust(args, run.samples),
        "seconds": time.monotonic() - began,
        "failed": run.failed,
        "idle_core_share": run.idle,
        "ledger": run.ledger,
        "streams_without_usage": {
            name: {"streams": all_, "silent": none} for name, (none, all_) in run.silent.items()
        },
        "rows": [row.to_json() for row in rows],
        "samples": [one.to_json() for one in run.samples],
    }
    say(result, [row for row in rows if row.mode != "short"], [], [], BASES)
    say_more(run.silent)
    return result


def say_more(silent: dict[str, tuple[int, int]]) -> None:
    """What the tables do not tell."""
    console = Console(highlight=False)
    console.print(f"POST /v1/messages, {SIZE:,} bytes; direct and nginx pass it on and chat comes back")
    for name, (none, all_) in silent.items():
        if none:
            console.print(f"{name}: {none} of {all_} streams told no tokens at their end")


def main() -> int:
    args = parse()
    signal.signal(signal.SIGTERM, stop)
    try:
        build("upstream")
        if max(args.cores.gateway, args.cores.harness) >= (os.cpu_count() or 1):
            raise Failed(f"this machine has {os.cpu_count()} core(s): choose with --cores GATEWAY,HARNESS")
        procfs.pin([os.getpid()], args.cores.harness)
        result = compare(args)
    except (BuildError, Failed, Absent) as error:
        log.print(f"[red]{error}[/red]", markup=True)
        return 1
    return finish(args, result)


if __name__ == "__main__":
    sys.exit(main())
