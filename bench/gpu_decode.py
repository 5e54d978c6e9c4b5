"""The planner beside decode steps that run on this machine's GPU, in torch, with random weights.

python bench/gpu_decode.py                         # both parts, about 3 minutes; 120 GB of GPU memory
python bench/gpu_decode.py --part latent           # latent attention alone, on any GPU of 24 GB and more
python bench/gpu_decode.py --model qwen3-30b-a3b --layers 24 --batches 1,8,64
python bench/gpu_decode.py --device cpu --layers 1 --batches 1,4 --context 64 --seconds 0.5   # that it runs

Rows of `experts`: whole decode steps of a sparse model, captured as a CUDA graph. Rows of `latent`: the
attention of one layer with a latent cache, by torch's own products and by one Triton kernel. *Floor* is what
the bytes and operations of the planner take at rates that were reached here: copying, and a large bf16
product. *Planner* is what `tokenworks energy plan` says for an engine on this device. Joules are read by the
meter's own reader of NVML.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.cli.waiting import waiting
from tokenworks.energy import architectures, hardware, power, step_time
from tokenworks.energy.architecture import Architecture
from tokenworks.energy.counters import Counters, Nvml
from tokenworks.energy.hardware import Hardware
from tokenworks.energy.precision import precision
from tokenworks.energy.probing import accelerator
from tokenworks.energy.serving import used_rates
from tokenworks.energy.work import Work, decode_work

BATCHES = (1, 8, 32, 64, 128, 256)
LATENT = ((1, 8192), (8, 8192), (32, 4096), (64, 8192), (128, 4096))  # sequences, context
HEADS = (16, 128)  # of queries on a device: a share of tensor parallelism, and all of them


class Ceilings(msgspec.Struct, frozen=True):
    """What was reached here, in the same run."""

    card: str
    bytes_per_s: float
    flops_per_s: float

    def floor_s(self, moved: float, flops: float) -> float:
        """Seconds below which no step can be that moves and computes as much."""
        return max(moved / self.bytes_per_s, flops / self.flops_per_s)


class Row(msgspec.Struct, frozen=True):
    """One step: seconds, and watts of the device (0: not known)."""

    part: str
    what: str
    batch: int
    context: int
    floor_s: float
    planner_s: float
    measured_s: float
    watts: float = 0.0
    planner_watts: float = 0.0
    experts: float = 0.0  # of a layer that were read
    planner_experts: float = 0.0
    problem: str = ""

    @property
    def ratio(self) -> float:
        """Planner over measured; 0 where nothing was."""
        return self.planner_s / self.measured_s if self.measured_s else 0.0


class Clock:
    """Times what is queued on ``device`` and reads the joules that it takes meanwhile."""

    def __init__(self, torch: Any, device: str, seconds: float) -> None:
        self._torch, self._device, self._seconds = torch, device, seconds
        self._counters = Counters((Nvml(),)) if device == "cuda" else Counters(())

    def time(self, run: Callable[[], Any]) -> tuple[float, float]:
        """Seconds of one run, the mean of as many as fit, and watts; 0 where none can be read."""
        for _ in range(3):
            run()
        once, _ = self._repeated(run, 1)
        return self._repeated(run, max(1, round(self._seconds / max(once, 1e-6))))

    def quick(self, run: Callable[[], Any]) -> float:
        """Seconds of one run, from few: enough to choose by."""
        run()
        return self._repeated(run, 10)[0]

    def _repeated(self, run: Callable[[], Any], times: int) -> tuple[float, float]:
        self._finish()
        self._counters.read(time.monotonic())
        before, begun = self._counters.joules("gpu"), time.perf_counter()
        for _ in range(times):
            run()
        self._finish()
        took = time.perf_counter() - begun
        self._counters.read(time.monotonic())
        after = self._counters.joules("gpu")
        return took / times, (after - before) / took if after is not None and before is not None else 0.0

    def _finish(self) -> None:
        if self._device == "cuda":
            self._torch.cuda.synchronize()


def ceilings(torch: Any, device: str, sizes: accelerator.Sizes, seconds: float) -> Ceilings:
    """Copying and a large product, as ``energy probe`` measures them."""
    found = {name: accelerator.measure(torch, name, sizes, seconds, device) for name in ("copy", "gemm_bf16")}
    card = accelerator.card(torch) if device == "cuda" else None
    return Ceilings(card.name if card else device, found["copy"].bytes_per_s, found["gemm_bf16"].flops_per_s)


def listed_device(card: str) -> Hardware:
    """The data sheet of the card that calls itself ``card``. Raises ``BadRequest`` where none is listed."""
    words = re.findall(r"[a-z0-9]+", card.lower())
    for known in hardware.listed():
        if any(name.lower() in words for name in (known.name, *known.aliases)):
            return known
    return hardware.load(card)


# --- experts ----------------------------------------------------------------------------------------


def expert_rows(
    torch: Any,
    arch: Architecture,
    device: Hardware,
    reached: Ceilings,
    clock: Clock,
    *,
    on: str,
    batches: Sequence[int],
    context: int,
    backend: str,
) -> Iterator[Row]:
    """A row for each batch, as it is done."""
    decoder = importlib.import_module("torch_decoder").Decoder(torch, arch, on)
    constants = step_time.constants(device.name, backend, arch.moe)
    for batch in batches:
        work = decode_work(arch, precision(arch, "bf16"), batch=batch, context=context)
        step_s = step_time.decode_s(work, device, constants)
        row = Row(
            part="experts",
            what=f"{arch.name}, {arch.layers} layers, bf16",
            batch=batch,
            context=context,
            floor_s=reached.floor_s(work.memory_bytes, work.matmul_flops + work.attention_flops),
            planner_s=step_s,
            measured_s=0.0,
            planner_watts=planned_watts(work, device, step_s),
            planner_experts=work.experts_touched,
        )
        try:
            with torch.inference_mode():
                measured_s, watts = clock.time(decoder.step(batch, context))
        except RuntimeError as error:  # out of memory is one
            yield msgspec.structs.replace(row, problem=" ".join(str(error).split())[:160])
        else:
            yield msgspec.structs.replace(row, measured_s=measured_s, watts=watts, experts=decoder.touched)
        if on == "cuda":
            torch.cuda.empty_cache()


def planned_watts(work: Work, device: Hardware, seconds: float) -> float:
    """Watts that the planner says of a device whose step takes ``seconds``."""
    return power.draw(device).at(*used_rates(work, device, seconds))


# --- latent attention -------------------------------------------------------------------------------


def latent_rows(
    torch: Any,
    arch: Architecture,
    device: Hardware,
    reached: Ceilings,
    clock: Clock,
    *,
    on: str,
    heads: Sequence[int] = HEADS,
    shapes: Sequence[tuple[int, int]] = LATENT,
    backend: str = "",
) -> Iterator[Row]:
    """Rows of one layer of ``arch``'s attention, for each number of heads on a device and each shape."""
    (whole,) = (group for group in arch.attention if group.kind == "mla")
    constants = step_time.constants(device.name, backend, arch.moe)
    for mine in heads:
        group = msgspec.structs.replace(whole, layers=1, heads=mine)
        for batch, context in shapes:
            moved = group.read(context) * 2.0 * batch
            flops = group.decode_flops(context) * batch
            planner_s = max(
                moved / (device.bandwidth_tbps * 1e12 * constants.bandwidth_share),
                flops / (device.bf16_tflops * 1e12 * constants.matrix_share),
            )
            row = Row(
                part="latent",
                what=f"{mine} heads",
                batch=batch,
                context=context,
                floor_s=reached.floor_s(moved, flops),
                planner_s=planner_s,
                measured_s=0.0,
            )
            for name, make in attentions(torch, clock, on).items():
                named = msgspec.structs.replace(row, what=f"{row.what}, {name}")
                try:
                    with torch.inference_mode():
                        run = make(batch, context, mine, group.kv_rank, group.width)
                        if on == "cuda":
                            run = importlib.import_module("torch_decoder").captured(torch, run)
                        seconds, watts = clock.time(run)
                except (RuntimeError, ImportError, ValueError) as error:
                    yield msgspec.structs.replace(named, problem=" ".join(str(error).split())[:160])
                else:
                    yield msgspec.structs.replace(named, measured_s=seconds, watts=watts)
                if on == "cuda":
                    torch.cuda.empty_cache()


Make = Callable[[int, int, int, int, int], Callable[[], Any]]


def attentions(torch: Any, clock: Clock, on: str) -> dict[str, Make]:
    """Ways to compute it: each takes sequences, context, heads, rank and width."""

    def inputs(batch: int, context: int, heads: int, width: int) -> tuple[Any, Any]:
        query = torch.randn((batch, heads, width), dtype=torch.bfloat16, device=on)
        return query, torch.randn((batch, context, width), dtype=torch.bfloat16, device=on)

    def products(batch: int, context: int, heads: int, rank: int, width: int) -> Callable[[], Any]:
        query, latent = inputs(batch, context, heads, width)

        def run() -> Any:
            return by_products(torch, query, latent, rank)

        return run

    def fused(batch: int, context: int, heads: int, rank: int, width: int) -> Callable[[], Any]:
        query, latent = inputs(batch, context, heads, width)
        return fastest(torch, clock, query, latent, rank)

    return {"torch": products, "Triton": fused} if on == "cuda" else {"torch": products}


def by_products(torch: Any, query: Any, latent: Any, rank: int) -> Any:
    """Two batched products with a softmax between them."""
    scores = torch.bmm(query, latent.transpose(1, 2)) * query.shape[-1] ** -0.5
    return torch.bmm(torch.softmax(scores, -1), latent[:, :, :rank])


def fastest(torch: Any, clock: Clock, query: Any, latent: Any, rank: int) -> Callable[[], Any]:
    """The kernel with the tiles and parts that are fastest here, after it gave what float32 products give."""
    kernel = importlib.import_module("latent_kernel")
    batch, heads = query.shape[:2]
    few = min(batch, 2)
    wanted = by_products(torch, query[:few].float(), latent[:few].float(), rank)
    found: list[tuple[float, Callable[[], Any]]] = []
    problems = []
    for tile in kernel.TILES:
        if heads % tile[0]:
            continue
        blocks = batch * heads // tile[0]
        units = torch.cuda.get_device_properties(0).multi_processor_count
        for parts in sorted({max(1, round(waves * units / blocks)) for waves in (1, 2, 4)}):
            try:
                run = kernel.latent_decode(torch, query, latent, rank, tile, parts)
                off = ((run()[:few].float() - wanted).norm() / wanted.norm()).item()
                if not off < 0.02:
                    raise RuntimeError(f"the kernel is {off:.3g} off the truth with tile {tile}")
                found.append((clock.quick(run), run))
            except Exception as error:  # Triton has errors of its own for tiles that a device has no room for
                problems.append(f"{type(error).__name__}: {error}")
    if not found:
        raise RuntimeError(problems[0] if problems else "no tile suits")
    return min(found, key=lambda each: each[0])[1]


# --- tables -----------------------------------------------------------------------------------------


def markdown(reached: Ceilings, device: Hardware, rows: Sequence[Row]) -> str:
    """The tables of docs/energy.md."""
    lines = [
        f"{reached.card}: copying {reached.bytes_per_s / 1e12:.2f} of {device.bandwidth_tbps:g} TB/s, "
        f"bf16 products {reached.flops_per_s / 1e12:,.0f} of {device.bf16_tflops:,.0f} TFLOP/s."
    ]
    for part, head in (
        (
            "experts",
            "step | requests | experts of a layer: planner, chosen | floor ms | planner ms | measured ms "
            "| planner / measured | W: planner, measured",
        ),
        (
            "latent",
            "heads, by | requests | context | floor µs | planner µs | measured µs | planner / measured | W",
        ),
    ):
        shown = [_cells(row) for row in rows if row.part == part]
        if shown:
            names = head.split(" | ")
            lines += ["", f"| {head} |", "|" + " --- |" + " ---: |" * (len(names) - 1)]
            lines += ["| " + " | ".join(cells) + " |" for cells in shown]
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    measured = bool(row.measured_s)
    ratio = f"{row.ratio:.2f}" if measured else "-"
    if row.part == "experts":
        times = [f"{seconds * 1e3:.2f}" for seconds in (row.floor_s, row.planner_s)]
        return [
            f"{row.what}, context {row.context:,}",
            str(row.batch),
            f"{row.planner_experts:.0f}, {row.experts:.0f}",
            *times,
            f"{row.measured_s * 1e3:.2f}" if measured else row.problem,
            ratio,
            f"{row.planner_watts:.0f}, {row.watts:.0f}",
        ]
    times = [f"{seconds * 1e6:,.0f}" for seconds in (row.floor_s, row.planner_s)]
    return [
        row.what,
        str(row.batch),
        f"{row.context:,}",
        *times,
        f"{row.measured_s * 1e6:,.0f}" if measured else row.problem,
        ratio,
        f"{row.watts:.0f}",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("experts", "latent"), help="only that; default: both")
    parser.add_argument("--model", default="qwen3-30b-a3b", help="of the experts")
    parser.add_argument("--latent-model", default="deepseek-v3")
    parser.add_argument("--layers", type=int, default=0, help="of the model; default: all")
    parser.add_argument("--batches", type=_numbers, default=BATCHES, help="requests at a time, as 1,8,64")
    parser.add_argument("--context", type=int, default=2048, help="tokens")
    parser.add_argument("--backend", default="vllm", help="whose constants the planner takes")
    parser.add_argument("--hardware", default="", help="whose data sheet; default: by the card's name")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--seconds", type=float, default=2.0, help="that each step is repeated for")
    parser.add_argument("--json", type=Path, help="write the rows as data")
    options = parser.parse_args(argv)
    torch = accelerator.installed_torch()
    if torch is None:
        print("gpu_decode: torch is not installed; run: pip install torch", file=sys.stderr)
        return 2
    if options.device == "cuda" and accelerator.card(torch) is None:
        print("gpu_decode: torch sees no GPU; --device cpu shows that it runs", file=sys.stderr)
        return 2
    on = options.device
    small = on == "cpu"
    arch, latent = architectures.load(options.model), architectures.load(options.latent_model)
    if options.layers:
        (group,) = arch.attention
        arch = msgspec.structs.replace(
            arch, attention=(msgspec.structs.replace(group, layers=options.layers),)
        )
    reached = ceilings(
        torch, on, accelerator.small() if small else accelerator.Sizes(), min(1.0, options.seconds)
    )
    device = (
        hardware.load(options.hardware or "xeon")
        if small or options.hardware
        else listed_device(reached.card)
    )
    clock = Clock(torch, on, options.seconds)
    shapes = ((1, 64), (4, 256)) if small else LATENT
    rows: list[Row] = []
    work: dict[str, Iterator[Row]] = {
        "latent": latent_rows(
            torch, latent, device, reached, clock, on=on, shapes=shapes, backend=options.backend
        ),
        "experts": expert_rows(
            torch,
            arch,
            device,
            reached,
            clock,
            on=on,
            batches=options.batches,
            context=options.context,
            backend=options.backend,
        ),
    }
    with waiting() as tell:
        for part, found in work.items():
            if options.part in (None, part):
                for row in found:
                    rows.append(row)
                    tell(f"{row.what}, {row.batch} requests", len(rows), 0)
    if options.json:
        told = {
            "ceilings": msgspec.to_builtins(reached),
            "hardware": device.name,
            "rows": [msgspec.to_builtins(r) for r in rows],
        }
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(markdown(reached, device, rows))
    return 0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
