"""Fits and checks the score of fair use on subscribers made from real traces. See docs/fair-use.md.

python bench/fair_use.py                       # fit on one half, judge the other, print tables
python bench/fair_use.py --shipped             # judge with the weights that are shipped, fit nothing
python bench/fair_use.py --write               # make the weights of this fit the shipped ones
python bench/fair_use.py --plot docs/fair-use.svg --json out.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from rich.console import Console

from fitting import fit
from report import plain_table
from subscribers import DAY_S, KINDS, subscriber
from tokenworks.plans.fair_use.score import WEIGHTS, Weights, score
from tokenworks.plans.fair_use.signals import Signals, signals, slot_counts
from tokenworks.plans.fair_use.trail import KEEP
from tokenworks.plans.spec import FairUse
from trace_samples import NoTraces, Samples, load

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TOKENWORKS_TEST_DATA") or ROOT.parent / "shared" / "data")
SHIPPED = ROOT / "src" / "tokenworks" / "plans" / "fair_use" / "weights.json"
REVIEWS = 12  # of a subscriber's second day
THRESHOLD = FairUse().threshold
RARE = 0.05  # share of programs that an operator may have rather than that of this population
STEPS = 200  # of the threshold curve


@dataclass(frozen=True)
class Day:
    """What was seen of one subscriber whenever it was looked at."""

    kind: str
    number: int
    automated: bool
    looks: list[Signals]

    def score(self, weights: Weights) -> float:
        """The highest of the day: any threshold up to it would have been met."""
        return max(score(look, weights).value for look in self.looks)


_samples: list[Samples] = []  # of a worker process


def _start(folder: Path) -> None:
    _samples.append(load(folder))


def day_of(kind_number: tuple[str, int], seed: int, samples: Samples | None = None) -> Day:
    """Looks at a subscriber twelve times in his second day, at random minutes, with what a trail keeps."""
    who = subscriber(*kind_number, samples or _samples[0], seed)
    rng, found = Random(f"{seed}/{who.name}/looks"), []
    for at in range(REVIEWS):
        now_us = who.begin_us + int((1 + (at + rng.random()) / REVIEWS) * DAY_S * 1e6)
        past = [one for one in who.seen if now_us - int(DAY_S * 1e6) < one.time_us <= now_us]
        found.append(signals(past[-KEEP:], who.clients, now_us, slot_counts(past, now_us)))
    return Day(*kind_number, who.automated, found)


def population(folder: Path, seed: int, people: int, programs: int, workers: int = 1) -> list[Day]:
    """``people`` subscribers of each kind of person and ``programs`` of each kind of program."""
    counts = {kind: programs if automated else people for kind, (_, automated) in KINDS.items()}
    wanted = [(kind, number) for kind, count in counts.items() for number in range(count)]
    if workers < 2:
        samples = load(folder)
        return [day_of(one, seed, samples) for one in wanted]
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(folder,)) as pool:
        return list(pool.map(partial(day_of, seed=seed), wanted, chunksize=4))


def halves(days: Sequence[Day]) -> tuple[list[Day], list[Day]]:
    """Subscribers to fit on and others to judge, as many of each kind."""
    return [day for day in days if day.number % 2 == 0], [day for day in days if day.number % 2]


@dataclass(frozen=True)
class Confusion:
    """Subscribers by what they are and what was said of them."""

    caught: int  # programs called programs
    missed: int  # programs called people
    wronged: int  # people called programs
    cleared: int  # people called people

    @property
    def precision(self) -> float:
        return self.caught / max(self.caught + self.wronged, 1)

    @property
    def recall(self) -> float:
        return self.caught / max(self.caught + self.missed, 1)

    @property
    def false_alarms(self) -> float:
        """The share of people who were called programs."""
        return self.wronged / max(self.wronged + self.cleared, 1)

    def precision_where(self, share: float) -> float:
        """Precision where programs are ``share`` of all subscribers."""
        right, wrong = share * self.recall, (1 - share) * self.false_alarms
        return right / (right + wrong) if right + wrong else 0.0


Scored = Sequence[tuple[Day, float]]


def confusion(scored: Scored, threshold: float) -> Confusion:
    """What a threshold makes of these."""
    said = [(day.automated, value >= threshold) for day, value in scored]
    return Confusion(
        *(said.count(one) for one in ((True, True), (True, False), (False, True), (False, False)))
    )


def unseen(train: Sequence[Day], test: Sequence[Day]) -> dict[str, float]:
    """For each kind, the share called programs by weights that were fitted without that kind."""
    found = {}
    for kind in KINDS:
        weights = fit([day for day in train if day.kind != kind], "")
        values = [day.score(weights) for day in test if day.kind == kind]
        found[kind] = sum(value >= THRESHOLD for value in values) / max(len(values), 1)
    return found


def result_of(weights: Weights, test: Sequence[Day], strangers: dict[str, float]) -> dict[str, Any]:
    """Everything that is printed and written."""
    scored = [(day, day.score(weights)) for day in test]
    at = confusion(scored, THRESHOLD)
    kinds = {}
    for kind, (_, automated) in KINDS.items():
        values = sorted(value for day, value in scored if day.kind == kind)
        kinds[kind] = {
            "automated": automated,
            "subscribers": len(values),
            "called_programs": sum(value >= THRESHOLD for value in values),
            "median": values[len(values) // 2] if values else None,
            "highest": values[-1] if values else None,
            "unseen": strangers.get(kind),
        }
    curve = [(step / STEPS, confusion(scored, step / STEPS)) for step in range(1, STEPS)]
    return {
        "threshold": THRESHOLD,
        "confusion": msgspec.to_builtins(at),
        "precision": at.precision,
        "recall": at.recall,
        "false_alarms": at.false_alarms,
        "precision_where_rare": at.precision_where(RARE),
        "kinds": kinds,
        "curve": [[step, one.precision, one.recall, one.false_alarms] for step, one in curve],
        "weights": msgspec.to_builtins(weights),
    }


def say(result: dict[str, Any], console: Console) -> None:
    """The tables."""
    at = result["confusion"]
    table = plain_table("Held-out subscribers", ["who"], ["called a program", "called a person"])
    table.add_row("programs", str(at["caught"]), str(at["missed"]))
    table.add_row("people", str(at["wronged"]), str(at["cleared"]))
    console.print(table)
    console.print(
        f"threshold {result['threshold']:g}: precision {result['precision']:.3f}, recall "
        f"{result['recall']:.3f}; {result['false_alarms']:.1%} of the people called programs. Where programs "
        f"are {RARE:.0%} of all: precision {result['precision_where_rare']:.2f}\n"
    )
    columns = ["of", "called programs", "if never seen", "median", "highest"]
    table = plain_table("By kind", ["kind", "is"], columns)
    for kind, row in result["kinds"].items():
        without = "" if row["unseen"] is None else f"{row['unseen']:.0%}"
        numbers = (row["subscribers"], row["called_programs"], without)
        ends = ("" if row[name] is None else f"{row[name]:.2f}" for name in ("median", "highest"))
        table.add_row(kind, "program" if row["automated"] else "person", *map(str, numbers), *ends)
    console.print(table)
    table = plain_table("Thresholds", ["threshold"], ["precision", "recall", "people called programs"])
    for step, precision, recall, false_alarms in result["curve"]:
        if round(step * STEPS) % (STEPS // 10) == 0 or step == 0.95:
            table.add_row(f"{step:g}", f"{precision:.3f}", f"{recall:.3f}", f"{false_alarms:.1%}")
    console.print(table)


def plot(result: dict[str, Any], file: Path) -> None:
    """Precision, recall and false alarms over the threshold; the format is that of the file's name."""
    try:
        import matplotlib  # noqa: PLC0415
    except ImportError as error:
        raise SystemExit("a plot needs matplotlib: pip install 'tokenworks[plot]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    matplotlib.rcParams["svg.hashsalt"] = "fair-use"  # the same ids each time
    steps, precision, recall, false_alarms = zip(*result["curve"], strict=True)
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot(steps, precision, label="precision")
    axes.plot(steps, recall, label="recall")
    axes.plot(steps, false_alarms, label="people called programs")
    axes.axvline(result["threshold"], color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel="threshold", xlim=(0, 1), ylim=(0, 1.02), title="Fair use: held-out subscribers")
    axes.grid(alpha=0.3)
    axes.legend(loc="center")
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, bbox_inches="tight")
    pyplot.close(figure)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--people", type=int, default=60, help="subscribers of each kind of person, default 60")
    add("--programs", type=int, default=40, help="of each kind of program, default 40")
    add("--seed", type=int, default=1, help="of the population, default 1")
    add("--shipped", action="store_true", help="judge all with the shipped weights, fit nothing")
    add("--write", action="store_true", help="ship the weights of this fit")
    add("--plot", type=Path, metavar="FILE", help="threshold curve as PNG or SVG")
    add("--json", metavar="FILE", help="write everything here; - prints it as one line")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes, default one for each core")
    add("--traces", type=Path, default=DATA / "traces", help="folder of the traces")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args, began, console = parse(argv), time.monotonic(), Console(highlight=False)
    try:
        days = population(args.traces, args.seed, args.people, args.programs, args.workers)
    except NoTraces as error:
        console.print(str(error))
        return 1
    if args.shipped:
        weights, test, strangers = WEIGHTS, days, {}
    else:
        train, test = halves(days)
        options = f"--people {args.people} --programs {args.programs} --seed {args.seed}"
        weights = fit(train, f"python bench/fair_use.py {options} --write")
        strangers = unseen(train, test)
    result = result_of(weights, test, strangers) | {"seconds": time.monotonic() - began}
    say(result, console)
    if args.write and not args.shipped:
        SHIPPED.write_bytes(msgspec.json.format(msgspec.json.encode(weights), indent=2) + b"\n")
    if args.plot:
        plot(result, args.plot)
    if args.json == "-":
        print(json.dumps(result))
    elif args.json:
        Path(args.json).write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
