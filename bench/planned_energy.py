"""Writes ``energy/planned.toml``: joules of a token of every listed model, on deployments that are usual.

Nobody outside knows on what a provider serves a model, and with how many requests at a time. So the planner
is asked about several: three generations of GPU; as few of them as the model fits on, half empty and well
filled; and for large sparse models also pools with experts spread wide and prefill apart, as their makers run
them. The figure is the geometric mean of these, and the band reaches from the least to the most of them,
widened by the planner's own error. Joules are the servers' own at work: the PUE stands beside them, and hours
in which a provider's machines wait are not in it.

    python bench/planned_energy.py            # writes the table
    python bench/planned_energy.py --check    # says whether it is what the planner says now
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tokenworks.energy import architectures
from tokenworks.energy.architectures import Listed
from tokenworks.energy.planner import Case, plan
from tokenworks.errors import BadRequest

FILE = Path(__file__).parents[1] / "src" / "tokenworks" / "energy" / "planned.toml"
HARDWARE = ("H100", "H200", "B200")
CONCURRENCY = (32.0, 96.0, 256.0)  # requests at a time
POOLS = ((32, 64), (72, 128), (144, 64))  # devices that decode, and requests at a time on each
LARGE = 200e9  # parameters, from which sparse models are served by pools too
LOAD = {"input_tokens": 4096, "cached_tokens": 2048, "output_tokens": 1024}
PUE = 1.2  # of data centres built for this: 1.1 to 1.3


class Point(NamedTuple):
    """One deployment: joules of a token, and the planner's band."""

    prefill: float
    cached: float
    decode: float
    low: float
    high: float


def cases(model: str, weights: str, *, large: bool) -> Iterator[Case]:
    """Deployments to ask about; on some the model may not fit."""
    for hardware in HARDWARE:
        asked = Case(model=model, hardware=hardware, weights=weights, pue=1.0, **LOAD)
        for concurrency in CONCURRENCY:
            yield msgspec.structs.replace(asked, concurrency=concurrency)
        for devices, each in POOLS if large else ():
            yield msgspec.structs.replace(
                asked, wide=True, devices=devices, prefill_devices=-1, concurrency=float(devices * each)
            )


def points(model: str) -> list[Point]:
    """Every deployment on which the model fits: as published, or in 8 bits if only so it fits a server."""
    arch = architectures.load(model)
    large = arch.moe and arch.total_parameters >= LARGE
    found: list[list[tuple[Case, Point]]] = []
    for weights in ("native", "fp8"):
        fits: list[tuple[Case, Point]] = []
        for case in cases(model, weights, large=large):
            try:
                made = plan(case, sensitivity=False)
            except BadRequest:
                continue
            power, band = made.power, made.band
            joules = (power.j_per_input, power.j_per_cached, power.j_per_output)
            fits.append((case, Point(*joules, band.low, band.high)))
        found.append(fits)
    chosen = next((fits for fits in found if any(not case.wide for case, _ in fits)), found[0])
    return [point for _, point in chosen]


def middle(values: Iterable[float]) -> float:
    """Their geometric mean; 0 where one is."""
    known = list(values)
    return math.exp(sum(map(math.log, known)) / len(known)) if min(known) > 0 else 0.0


def entry(listed: Listed, found: Sequence[Point]) -> str:
    """One model as the table has it."""
    prefill, decode = middle(p.prefill for p in found), middle(p.decode for p in found)
    low = min(min(p.prefill / prefill, p.decode / decode) * p.low for p in found)
    high = max(max(p.prefill / prefill, p.decode / decode) * p.high for p in found)
    names = ", ".join(f'"{name}"' for name in dict.fromkeys((listed.name, *listed.aliases)))
    return "\n".join(
        (
            "[[model]]",
            f"names = [{names}]",
            f"prefill_uj = {prefill * 1e6:.0f}",
            f"cached_uj = {middle(p.cached for p in found) * 1e6:.0f}",
            f"decode_uj = {decode * 1e6:.0f}",
            f"low = {low:.2f}",
            f"high = {high:.2f}",
            f"deployments = {len(found)}",
            "",
        )
    )


def table() -> str:
    """The whole file."""
    loads = ", ".join(f"{each:.0f}" for each in CONCURRENCY)
    head = (
        "# Made by bench/planned_energy.py, which says how. Microjoules of a token, without PUE; the truth is"
        f" likely\n# between low and high times these. On {', '.join(HARDWARE)}, {loads} requests at a time,"
        f" large sparse\n# models also in pools; {LOAD['input_tokens']} tokens in"
        f" ({LOAD['cached_tokens']} of them cached), {LOAD['output_tokens']} out.\n\npue = {PUE}\n"
    )
    entries = [entry(listed, found) for listed in architectures.listed() if (found := points(listed.name))]
    return "\n".join((head, *entries))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="joules of a token of models elsewhere, by the planner")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 where it would change"
    )
    text = table()
    if parser.parse_args(arguments).check:
        same = FILE.read_text("utf-8") == text
        print(
            "the table is what the planner says"
            if same
            else "the table is old: python bench/planned_energy.py"
        )
        return 0 if same else 1
    FILE.write_text(text, "utf-8")
    print(f"{text.count('[[model]]')} models in {FILE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
