"""Measured points of serving on one node, from a CSV file, and the work behind each.

Columns: model_path, system, backend, precision, isl, osl, conc, tp_size, moe_ep_size, silicon_ttft_ms,
silicon_tpot_ms (others are not needed). Lengths are tokens, ``conc`` requests that are kept under way, times
milliseconds. What such files leave open is assumed as ``serving_points.toml`` says.
"""

from __future__ import annotations

import csv
import math
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from tokenworks.energy import architectures
from tokenworks.energy import hardware as devices
from tokenworks.energy.architecture import Architecture
from tokenworks.energy.hardware import Hardware
from tokenworks.energy.precision import Precision, precision
from tokenworks.energy.room import usable_bytes
from tokenworks.energy.step_time import Step, step_of
from tokenworks.energy.work import cache_per_device, check_group, decode_work, prefill_work
from tokenworks.errors import BadRequest

TEXTS = ("model_path", "system", "backend", "precision")
COUNTS = ("isl", "osl", "conc", "tp_size", "moe_ep_size")
TIMES = ("silicon_ttft_ms", "silicon_tpot_ms")
_PRECISIONS = ("bf16", "fp16", "fp8", "int8", "fp4", "nvfp4", "mxfp4", "int4")


class Assumed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``serving_points.toml``."""

    mean_length: float
    least: float
    reserving: frozenset[str]
    wide_caches: frozenset[str]


class Point(msgspec.Struct, frozen=True):
    """One row. ``decode`` is a step of the ``running`` requests that fit, ``prompt`` reads one prompt."""

    line: int
    model: str  # as the file has it
    hardware: str  # own name of the device
    backend: str
    precision: str
    moe: bool
    tp: int
    ep: int
    input_tokens: float  # mean
    output_tokens: float
    concurrency: float
    running: float
    ttft_s: float  # measured
    tpot_s: float
    decode: Step
    prompt: Step

    @property
    def group(self) -> str:
        """Points that are left out together in cross-validation: those of a model on a device."""
        return f"{self.model} on {self.hardware}"

    @property
    def cell(self) -> tuple[str, str, bool]:
        return self.hardware, self.backend, self.moe


class Skipped(msgspec.Struct, frozen=True):
    """A row that can't be compared, and why."""

    line: int
    reason: str


class Points(msgspec.Struct, frozen=True):
    points: tuple[Point, ...]
    skipped: tuple[Skipped, ...]


@cache
def assumed() -> Assumed:
    """What is assumed of files of points."""
    return msgspec.convert(tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")), Assumed)


def read(path: Path) -> Points:
    """The points of ``path``. Rows of unknown models, devices or formats are skipped with a reason.

    Raises ``BadRequest`` for a file that can't be read, lacks columns, or holds what is no number.
    """
    points, skipped = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            lacking = [name for name in (*TEXTS, *COUNTS, *TIMES) if name not in (rows.fieldnames or ())]
            if lacking:
                raise BadRequest(
                    f"{path}: no column {', '.join(lacking)}: the first line must name the columns"
                )
            for row in rows:
                line = rows.line_num
                numbers = {name: _number(path, line, name, row[name]) for name in (*COUNTS, *TIMES)}
                try:
                    points.append(_point(line, row, numbers))
                except BadRequest as error:
                    skipped.append(Skipped(line, str(error)))
    except OSError as error:
        raise BadRequest(f"{path}: can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"{path}: can't be read as CSV: {error}") from None
    return Points(tuple(points), tuple(skipped))


def _number(path: Path, line: int, column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise BadRequest(f"{path}, line {line}, column {column}: {text or ''!r} is no number above 0")
    if column in ("tp_size", "moe_ep_size") and value != int(value):
        raise BadRequest(f"{path}, line {line}, column {column}: {text!r} is no whole number")
    return value


def _point(line: int, row: Mapping[str, str], numbers: Mapping[str, float]) -> Point:
    """Raises ``BadRequest`` for a model, device or format that is not known, or a model that does not fit."""
    arch = architectures.load(row["model_path"])
    hardware = devices.load(row["system"])
    known = assumed()
    formats = served(arch, row["precision"])
    tp, ep = group(int(numbers["tp_size"]), int(numbers["moe_ep_size"]))
    check_group(arch, tp, ep)
    isl, osl = numbers["isl"] * known.mean_length, numbers["osl"] * known.mean_length
    backend = row["backend"]
    held = isl + (osl if backend in known.reserving else osl / 2)
    running = min(numbers["conc"], _fit(arch, hardware, formats, tp, held))
    return Point(
        line=line,
        model=row["model_path"],
        hardware=hardware.name,
        backend=backend,
        precision=row["precision"],
        moe=arch.moe,
        tp=tp,
        ep=ep,
        input_tokens=isl,
        output_tokens=osl,
        concurrency=numbers["conc"],
        running=running,
        ttft_s=numbers["silicon_ttft_ms"] / 1e3,
        tpot_s=numbers["silicon_tpot_ms"] / 1e3,
        decode=step_of(
            decode_work(arch, formats, batch=running, context=isl + osl / 2, tp=tp, ep=ep), hardware
        ),
        prompt=step_of(prefill_work(arch, formats, tokens=isl, context=isl, tp=tp, ep=ep), hardware),
    )


def group(tp: int, ep: int) -> tuple[int, int]:
    """Devices that split layers and experts. Where files say tp 4 with ep 2, two devices do both: such points
    of one model take about what its points at tp 2 take, and those at tp 4 without ep are far faster."""
    return (tp // ep, ep) if 1 < ep < tp and tp % ep == 0 else (tp, ep)


def served(arch: Architecture, name: str) -> Precision:
    """The number formats of weights and caches behind a file's word.

    Raises ``BadRequest`` for one that is not known.
    """
    if name not in _PRECISIONS:
        raise BadRequest(f"unknown precision {name!r}: use one of {', '.join(_PRECISIONS)}")
    wide = name in ("bf16", "fp16", "int4") or arch.name in assumed().wide_caches
    found = precision(arch, name, "bf16" if wide else "fp8")
    if name in ("fp4", "nvfp4") and found.experts == "int4":  # published in int4, served from another copy
        return msgspec.structs.replace(found, experts="nvfp4")
    return found


def _fit(arch: Architecture, hardware: Hardware, formats: Precision, tp: int, tokens: float) -> float:
    """Requests of ``tokens`` tokens that fit into memory at a time; 1 where less than one seems to."""
    known = assumed()
    room = usable_bytes(hardware) - formats.weight_bytes(arch) / tp
    least = hardware.memory_gb * 1e9 * known.least
    return max(1.0, max(room, least) / cache_per_device(arch, formats, tokens, tp))
