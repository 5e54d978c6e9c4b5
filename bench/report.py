"""From samples to figures: minimum and median over rounds, ratios within a round, and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from measure import BUSY, Held, Sample

BASES = ("nginx", "vllm-router", "litellm")


@dataclass(frozen=True)
class Spread:
    """The best and the median of a figure over the rounds. Best is the least, or the most for rates."""

    best: float
    median: float


@dataclass
class Row:
    """One gateway in one case and mode, over its valid rounds."""

    gateway: str
    case: str
    mode: str
    rounds: int  # valid ones
    invalid: int
    noisy: int
    cpu_us: Spread
    root_us: Spread  # the started process alone, without its children
    per_second: Spread
    p50_us: Spread  # in latency mode: added over direct, from the same round
    p99_us: Spread
    gateway_core: float  # medians
    harness_core: float
    rate: float
    times: dict[str, Spread] = field(
        default_factory=dict
    )  # base's CPU / this CPU: 2 is twice as good as base
    first_error: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def spread(values: Iterable[float], best: Callable[[Iterable[float]], float] = min) -> Spread:
    """Best and median of at least one value."""
    all_values = list(values)
    return Spread(best(all_values), median(all_values))


def ratios(samples: Sequence[Sample], bases: Sequence[Sample]) -> Spread | None:
    """How many times less CPU than ``bases``: by the minima, and the median over common rounds."""
    by_round = {one.round: one.cpu_us for one in bases}
    pairs = [by_round[one.round] / one.cpu_us for one in samples if one.round in by_round and one.cpu_us]
    if not pairs:
        return None
    return Spread(min(by_round.values()) / min(one.cpu_us for one in samples), median(pairs))


def added(samples: Sequence[Sample], direct: Sequence[Sample], figure: str) -> Spread:
    """Latency over the direct one of the same round, in µs; the plain latency where there is none."""
    by_round = {one.round: float(getattr(one, figure)) for one in direct}
    return spread(getattr(one, figure) - by_round.get(one.round, 0.0) for one in samples)


def summarize(samples: Sequence[Sample], bases: Sequence[str] = BASES) -> list[Row]:
    """A row for each gateway, case and mode, in the order in which they first appear, beside ``bases``."""
    groups: dict[tuple[str, str, str], list[Sample]] = {}
    for one in samples:
        groups.setdefault((one.mode, one.case, one.gateway), []).append(one)
    good = {key: [one for one in group if one.valid] for key, group in groups.items()}
    rows = []
    for (mode, case, gateway), group in groups.items():
        valid = good[mode, case, gateway]
        first_error = next((one.first_error for one in group if not one.valid), "")
        if not valid:
            nothing = Spread(0.0, 0.0)
            rows.append(
                Row(
                    gateway,
                    case,
                    mode,
                    0,
                    len(group),
                    0,
                    nothing,
                    nothing,
                    nothing,
                    nothing,
                    nothing,
                    0,
                    0,
                    0,
                )
            )
            rows[-1].first_error = first_error
            continue
        direct = good.get((mode, case, "direct"), []) if mode == "latency" else []
        row = Row(
            gateway=gateway,
            case=case,
            mode=mode,
            rounds=len(valid),
            invalid=len(group) - len(valid),
            noisy=sum(not one.calm for one in valid),
            cpu_us=spread(one.cpu_us for one in valid),
            root_us=spread(one.root_us for one in valid),
            per_second=spread((one.per_second for one in valid), max),
            p50_us=added(valid, direct, "p50_us"),
            p99_us=added(valid, direct, "p99_us"),
            gateway_core=median(one.gateway_core for one in valid),
            harness_core=median(one.upstream_core + one.loadgen_core for one in valid),
            rate=valid[0].rate,
            first_error=first_error,
        )
        for base in bases:
            times = ratios(valid, good.get((mode, case, base), []))
            if times and gateway != "direct":
                row.times[base] = times
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Target:
    """A figure that Tokenworks should reach."""

    text: str
    value: float | None  # None: not measured in this run
    limit: float
    at_least: bool

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def targets(rows: Sequence[Row], held: Sequence[Held]) -> list[Target]:
    """The project's limits against the minima of this run."""
    ours = {(row.mode, row.case): row for row in rows if row.gateway == "tokenworks" and row.rounds}

    def times(mode: str, case: str, base: str) -> float | None:
        row = ours.get((mode, case))
        return row.times[base].best if row and base in row.times else None

    def latency(figure: str) -> float | None:
        row = ours.get(("latency", "1k"))
        return getattr(row, figure).median if row else None

    chunk = times("stream", "1k", "nginx")
    memory = [one.per_stream_kib for one in held if one.gateway == "tokenworks" and one.open]
    return [
        Target("1k answer: share of nginx's efficiency", times("answer", "1k", "nginx"), 0.5, True),
        Target("20k answer: share of nginx's efficiency", times("answer", "20k", "nginx"), 0.4, True),
        Target("1k stream: CPU per chunk over nginx's", 1 / chunk if chunk else None, 1.3, False),
        Target("1k answer: times LiteLLM's efficiency", times("answer", "1k", "litellm"), 150, True),
        Target("1k answer: times vllm-router's", times("answer", "1k", "vllm-router"), 1.5, True),
        Target("KiB per open stream", max(memory) if memory else None, 6, False),
        Target("1k at the fixed rate: added p50, µs (median)", latency("p50_us"), 250, False),
        Target("1k at the fixed rate: added p99, µs (median)", latency("p99_us"), 500, False),
    ]


STREAMS = ("stream", "burst", "chunk")
TITLES = {
    "answer": "Answers, closed loop: gateway CPU per request, minimum (median)",
    "stream": "Paced streams: gateway CPU per chunk, set-up included, minimum (median)",
    "chunk": "A chunk alone: CPU that longer streams cost over shorter ones, per chunk, minimum (median)",
    "burst": "Streams as fast as they go: gateway CPU per chunk, minimum (median)",
    "latency": "Answers at a fixed rate: latency added over direct, minimum (median)",
}


def show(
    console: Console,
    rows: Sequence[Row],
    held: Sequence[Held],
    goals: Sequence[Target],
    bases: Sequence[str] = BASES,
) -> None:
    """Prints every table that has rows, with a column of ratios for each of ``bases``."""
    for mode in TITLES:
        table = mode_table(mode, [row for row in rows if row.mode == mode], bases)
        if table.row_count:
            console.print(table)
    for row in rows:
        if row.first_error:
            console.print(f"{row.gateway} {row.case} {row.mode} failed: {row.first_error}", markup=False)
    if held:
        console.print(memory_table(held))
    if any(goal.value is not None for goal in goals):
        console.print(target_table(goals))


def plain_table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    """A table of words on the left and figures on the right."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def mode_table(mode: str, rows: Sequence[Row], bases: Sequence[str]) -> Table:
    columns = ["rate/s", "p50 µs", "p99 µs", "CPU µs"]
    if mode != "latency":
        columns = ["CPU µs", "chunks/s" if mode in STREAMS else "req/s"]
        columns += ["delay µs p50/p99"] if mode in STREAMS else []
        columns += [f"x {base.removesuffix('-router')}" for base in bases]
    table = plain_table(TITLES[mode], ["case", "gateway"], [*columns, "gw/harness core", "rounds"])
    for before, row in zip([None, *rows], rows, strict=False):
        if before and row.case != before.case:
            table.add_section()
        cells = latency_cells(row) if mode == "latency" else cpu_cells(row, bases)
        table.add_row(row.case, row.gateway, *cells, *tail_cells(row))
    return table


def number(value: float) -> str:
    """As many digits as matter."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def figure(value: Spread, rounds: int) -> str:
    """The best over the rounds, and in brackets the median where there was more than one."""
    return f"{number(value.best)} ({number(value.median)})" if rounds > 1 else number(value.best)


def latency_cells(row: Row) -> list[str]:
    if not row.rounds:
        return ["", "", "", ""]
    return [f"{row.rate:.0f}", *(figure(one, row.rounds) for one in (row.p50_us, row.p99_us, row.cpu_us))]


def cpu_cells(row: Row, bases: Sequence[str]) -> list[str]:
    if not row.rounds:
        return [""] * (2 + (row.mode in STREAMS) + len(bases))
    # Below saturation the rate is what the harness, or the pace of the streams, allowed: not a limit.
    bound = ">" if row.mode == "answer" and row.gateway != "direct" and row.gateway_core < BUSY else ""
    cells = [
        "-" if row.gateway == "direct" else figure(row.cpu_us, row.rounds),
        f"{bound}{row.per_second.best:,.0f}",
    ]
    if row.mode in STREAMS:
        cells.append(f"{row.p50_us.median:,.0f}/{row.p99_us.median:,.0f}")
    return cells + [figure(row.times[base], row.rounds) if base in row.times else "" for base in bases]


def tail_cells(row: Row) -> list[str]:
    notes = [f"{row.invalid} failed"] if row.invalid else []
    notes += [f"{row.noisy} noisy"] if row.noisy else []
    rounds = f"{row.rounds}" + (f" ({', '.join(notes)})" if notes else "")
    return [f"{row.gateway_core:.0%}/{row.harness_core:.0%}", rounds]


def memory_table(held: Sequence[Held]) -> Table:
    columns = ["base MiB", "open", "KiB per stream"]
    table = plain_table("Memory of open streams (PSS of the process tree)", ["case", "gateway"], columns)
    for one in held:
        opened = f"{one.open}" if one.open == one.sent else f"[red]{one.open} of {one.sent}[/red]"
        opened += f" [red]{one.errors} errors[/red]" if one.errors else ""
        table.add_row(
            one.case, one.gateway, f"{one.base_kib / 1024:.1f}", opened, f"{one.per_stream_kib:.1f}"
        )
    return table


def target_table(goals: Sequence[Target]) -> Table:
    table = plain_table("Tokenworks' targets", ["figure"], ["measured", "target", "met"])
    for goal in goals:
        sign, value = ">=" if goal.at_least else "<=", goal.value
        met = "" if goal.met is None else "[green]yes[/green]" if goal.met else "[red]no[/red]"
        table.add_row(goal.text, "" if value is None else f"{value:,.2f}", f"{sign} {goal.limit:g}", met)
    return table
