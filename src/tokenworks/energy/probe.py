"""Measures what this machine can do at most, and keeps it as hardware that plans can be made for.

What is kept are ceilings that were reached, not data sheets: memory bandwidth and matrix rate of the
processor, and of a CUDA device where torch is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.energy.hardware import FOLDER, Hardware
from tokenworks.energy.probing import accelerator, machine, matrix, memory
from tokenworks.errors import ConfigError

Tell = Callable[[str, int, int], None]  # what is measured now, how many are done, of how many

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST = 4  # times its share of the time: a product that would take longer is left out
_QUIET = 0.25  # processes for each core that a measurement bears
_GB, _TERA = 1e9, 1e12


class Probe(msgspec.Struct, frozen=True):
    """Everything that was measured."""

    at: str  # ISO time, UTC
    machine: machine.Machine
    working_set_bytes: int
    bandwidths: tuple[memory.Bandwidth, ...]
    blas: str
    products: tuple[matrix.MatrixRate, ...]
    load: float = (
        0.0  # of this machine before the measurement, over the last minute: processes that want a core
    )
    card: accelerator.Card | None = None
    card_power_w: float | None = None
    rates: tuple[accelerator.Rate, ...] = ()

    @property
    def disturbed(self) -> bool:
        """Whether so much else ran that the ceilings may be higher than what was found."""
        return self.load > _QUIET * self.machine.cores

    @property
    def bandwidth(self) -> memory.Bandwidth:
        """The fastest way to move bytes through memory that was found."""
        return memory.best(self.bandwidths)

    @property
    def product(self) -> matrix.MatrixRate:
        """The fastest matrix product."""
        return max(self.products, key=lambda each: each.flops_per_s)

    def rate(self, name: str) -> accelerator.Rate:
        """What ``name`` of ``accelerator.NAMES`` came to; empty where it was not measured."""
        return next((each for each in self.rates if each.name == name), accelerator.Rate(name))


def probe(seconds: float, tell: Tell, torch: Any = None, sizes: accelerator.Sizes | None = None) -> Probe:
    """Measure for about ``seconds`` altogether. ``torch`` is the module, or None to leave cards out.

    ``sizes`` of the work on a card: by default as its memory allows.
    """
    here, load = machine.here(), os.getloadavg()[0]
    size = memory.working_set(here.cache_bytes, here.memory_bytes)
    card = accelerator.card(torch) if torch is not None else None
    counts = memory.thread_counts(here.cores)
    moves = [(kind, threads) for kind in memory.KINDS for threads in counts]
    names = accelerator.NAMES if card is not None else ()
    total = len(moves) + len(matrix.SIZES) + len(names)
    each_s = seconds / total
    done = 0

    def next_up(what: str) -> None:
        nonlocal done
        tell(what, done, total)
        done += 1

    bandwidths: list[memory.Bandwidth] = []
    products: list[matrix.MatrixRate] = []
    rates: list[accelerator.Rate] = []
    for kind, threads in moves:
        next_up(f"memory: {kind} on {threads} thread{'s' if threads > 1 else ''}")
        bandwidths.append(memory.measure(kind, threads, size, each_s))
    for rows in matrix.SIZES:
        next_up(f"matrices of {rows}")
        if not products or matrix.seconds_of(rows, products) < _LONGEST * each_s:
            products.append(matrix.measure(rows, each_s))
    for name in names:
        assert card is not None
        next_up(f"card: {name}")
        rates.append(accelerator.measure(torch, name, sizes or accelerator.sizes_for(card), each_s))
    tell("done", total, total)
    return Probe(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=here,
        working_set_bytes=size,
        bandwidths=tuple(bandwidths),
        blas=matrix.blas_name(),
        products=tuple(products),
        load=round(load, 2),
        card=card,
        card_power_w=_power_limit_w() if card is not None else None,
        rates=tuple(rates),
    )


def check(name: str, watts: float | None) -> None:
    """Raise ``ConfigError`` for a name that no profile can have, and for watts that nothing draws."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f'"{name}" names no profile; use small letters, digits and dashes, as in lab-2')
    if watts is not None and not 0 < watts < 1e6:
        raise ConfigError(f"--watts {watts:g}: give what this computer draws at work, above 0")


def profiles(found: Probe, name: str, watts: float | None = None) -> list[Hardware]:
    """The processor as ``name``-cpu and the card, if any, as ``name``-gpu.

    ``watts`` is what the processor's side of this computer draws at work, where it does not tell itself.
    Raises as ``check`` does.
    """
    check(name, watts)
    here, moved, product = found.machine, found.bandwidth, found.product
    made = [
        Hardware(
            name=f"{name}-cpu",
            title=f"{here.processor}, {here.cores} cores",
            kind="cpu",
            generation="cpu",
            memory_gb=round(here.memory_bytes / _GB, 1),
            bandwidth_tbps=_digits(moved.bytes_per_s / _TERA),
            bf16_tflops=_digits(product.flops_per_s / _TERA),
            tdp_w=watts or here.power_limit_w or 0.0,
            whole=watts is not None,
            source=f"tokenworks energy probe, {found.at}",
            note=f"bandwidth: {moved.kind} on {moved.threads} threads; matrices: 32-bit floats, {found.blas}"
            + (f"; load {found.load:g} from other work" if found.disturbed else ""),
            measured=True,
        )
    ]
    if found.card is not None and (gpu := _card(found, found.card, name)) is not None:
        made.append(gpu)
    return made


def save(device: Hardware, home: Path) -> Path:
    """Write ``device`` where ``hardware.load`` finds it; what stood there is replaced. Returns the file."""
    file = home / FOLDER / f"{device.name}.toml"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = ["# Measured by: tokenworks energy probe. Put in what it can't know, such as capex_usd or tdp_w."]
    for key, value in msgspec.structs.asdict(device).items():
        if key not in ("name", "measured") and value != getattr(_EMPTY, key):
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    text = "\n".join(lines) + "\n"
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
    return file


def as_dict(found: Probe, made: list[Hardware]) -> dict[str, Any]:
    """What ``--json`` shows: every measurement, and the profiles made of them."""
    shown: dict[str, Any] = msgspec.to_builtins(found)
    shown["profiles"] = [msgspec.to_builtins(each) for each in made]
    return shown


_EMPTY = Hardware(name="", title="", memory_gb=0, bandwidth_tbps=0, bf16_tflops=0)


def _card(found: Probe, card: accelerator.Card, name: str) -> Hardware | None:
    """The card's profile; None where neither copies nor products could be measured."""
    copied, product = found.rate("copy"), found.rate("gemm_bf16")
    if not copied.bytes_per_s or not product.flops_per_s:
        return None
    return Hardware(
        name=f"{name}-gpu",
        title=card.name,
        kind="gpu",
        memory_gb=round(card.memory_bytes / _GB, 1),
        bandwidth_tbps=_digits(copied.bytes_per_s / _TERA),
        bf16_tflops=_digits(product.flops_per_s / _TERA),
        fp8_tflops=_digits(found.rate("gemm_fp8").flops_per_s / _TERA),
        tdp_w=found.card_power_w or 0.0,
        source=f"tokenworks energy probe, {found.at}",
        note="bandwidth: copy; matrices: torch",
        measured=True,
    )


def _power_limit_w() -> float | None:
    """The first card's power limit in watts, as the driver's own command tells it; None where it can't."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    asked = [command, "--query-gpu=power.limit", "--format=csv,noheader,nounits", "--id=0"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout
        return float(told.strip())
    except (OSError, subprocess.SubprocessError, ValueError):  # no driver, or "[N/A]"
        return None


def _digits(value: float) -> float:
    """Four significant digits: a measurement has no more."""
    return float(f"{value:.4g}")
