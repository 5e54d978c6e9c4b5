"""The planner beside what others published: tables in Markdown, for docs/energy.md.

python bench/serving_points.py                 # all tables
python bench/serving_points.py --part day      # one of: day wide node energy shapes power coverage
python bench/serving_points.py --json out.json # the same as data

The points stand in ``serving_points.toml``. "fitted" marks those that a constant was fitted on; the others
are predicted. Nothing is measured here: it takes a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tokenworks.energy import architectures, hardware, pool, power
from tokenworks.energy.dtypes import bytes_of
from tokenworks.energy.planner import Case, plan
from tokenworks.energy.precision import precision
from tokenworks.energy.work import coverage
from tokenworks.errors import BadRequest

POINTS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "serving_points.toml").read_text("utf-8"))
SECONDS_A_DAY = 86_400.0


@dataclass
class Row:
    """One published figure and what the planner computes; ``error`` is computed / published - 1."""

    point: str
    what: str
    unit: str
    published: float
    computed: float
    fitted: bool = False

    @property
    def error(self) -> float:
        return self.computed / self.published - 1


# --- the day --------------------------------------------------------------------------------------


@dataclass
class Day:
    """Rates of a node and what follows of them for the day's tokens."""

    input_per_node: float
    output_per_node: float
    prefill_nodes: float
    decode_nodes: float
    usd: float

    @property
    def nodes(self) -> float:
        return self.prefill_nodes + self.decode_nodes


def day(production: bool) -> Day:
    """The published day's service; ``production``: at the shares of a benchmark's rates that it reached."""
    told = POINTS["day"]
    arch, device = architectures.load(told["model"]), hardware.load(told["hardware"])
    formats = precision(arch, told["weights"])
    shares = pool.shipped().production if production else None
    # Requests: mean prompt and answer follow from both sums and the mean context behind an output token.
    ratio = told["input_tokens"] / told["output_tokens"]
    answer = told["context"] / (ratio + 0.5)
    prompt, hits = answer * ratio, told["hit_tokens"] / told["input_tokens"]
    token_s = pool.prefill_token_s(arch, formats, device, context=prompt, cached=prompt * hits)
    prefill = told["node"] / token_s / (1 - hits) * (shares.prefill if shares else 1.0)
    eta = pool.shipped().decode["network"].eta * (shares.decode if shares else 1.0)
    decode = told["node"] * told["per_user"] * _sequences(told, arch, formats, device, eta)
    prefill_nodes = told["input_tokens"] / SECONDS_A_DAY / prefill
    decode_nodes = told["output_tokens"] / SECONDS_A_DAY / decode
    usd = (prefill_nodes + decode_nodes) * told["node"] * 24 * told["usd_per_gpu_h"]
    return Day(prefill, decode, prefill_nodes, decode_nodes, usd)


def _sequences(told: dict[str, Any], arch: Any, formats: Any, device: Any, eta: float) -> float:
    """Sequences of a device at which each user gets the published tokens a second."""
    low, high = 1.0, 4096.0
    for _ in range(60):
        middle = (low + high) / 2
        step = pool.decode_step(
            arch,
            formats,
            device,
            batch=middle,
            context=told["context"],
            devices=told["decode_devices"],
            redundant=told["redundant"],
            eta=eta,
        )
        low, high = (middle, high) if step.step_s < 1 / told["per_user"] else (low, middle)
    return low


def day_rows() -> list[Row]:
    told, rows = POINTS["day"], []
    for production in (True, False):
        got = day(production)
        how = "day" if production else "day, at a benchmark's rates"
        for what, unit, published, computed in (
            ("input, hits included", "tok/s a node", told["input_per_node"], got.input_per_node),
            ("output", "tok/s a node", told["output_per_node"], got.output_per_node),
            ("nodes", "nodes", told["nodes"], got.nodes),
            ("cost", "$", told["usd"], got.usd),
        ):
            rows.append(Row("1", f"{how}: {what}", unit, published, computed, production))
    return rows


# --- points ---------------------------------------------------------------------------------------


def wide_rows() -> list[Row]:
    rows = []
    for told in POINTS["wide"]:
        arch, device = architectures.load(told["model"]), hardware.load(told["hardware"])
        formats = precision(arch, told["weights"], told.get("kv", ""))
        if told["phase"] == "prefill":
            rate = 1 / pool.prefill_token_s(arch, formats, device, context=told["context"])
        else:
            step = pool.decode_step(
                arch,
                formats,
                device,
                batch=told["batch"],
                context=told["context"],
                devices=told["devices"],
                redundant=told.get("redundant", 0),
            )
            rate = step.tokens_per_s(told["batch"])
        unit = "tok/s a GPU" if told["per"] == 1 else "tok/s a node"
        fitted = told.get("fitted", False)
        rows.append(
            Row(str(told["point"]), told["what"], unit, told["published"], rate * told["per"], fitted)
        )
    return rows


def node_rows() -> list[Row]:
    rows = []
    for told in POINTS["node"]:
        got = plan(
            Case(
                model=told["model"],
                hardware=told["hardware"],
                devices=told["devices"],
                weights=told["weights"],
                backend=told["backend"],
                kv=told["kv"],
                # lengths are drawn between 0.8 and 1 times the nominal ones
                input_tokens=round(0.9 * told["input"]),
                output_tokens=round(0.9 * told["output"]),
                concurrency=64,
            ),
            sensitivity=False,
        )
        point, what, fitted = str(told["point"]), told["what"], told.get("fitted", False)
        if "tpot_ms" in told:
            rows.append(Row(point, what, "ms a token", told["tpot_ms"], got.speed.tpot_s * 1e3, fitted))
        rows.append(Row(point, what, "output tok/s a GPU", told["output_tps"], got.speed.output_tps, fitted))
    return rows


def energy_rows() -> list[Row]:
    rows = []
    for told in POINTS["energy"]:
        for i, batch in enumerate(told["batch"]):
            got = plan(
                Case(
                    model=told["model"],
                    hardware=told["hardware"],
                    devices=told["devices"],
                    ep=told.get("ep", 1),
                    weights=told["weights"],
                    backend="vllm",
                    input_tokens=200,
                    output_tokens=told["output"],
                    concurrency=batch,
                ),
                sensitivity=False,
            )
            joules = got.power.mean_w / got.speed.output_tps
            what = f"{told['what']}, batch {batch}"
            point, fitted = str(told["point"]), told.get("fitted", False)
            rows.append(Row(point, what, "J an output token", told["joules"][i], joules, fitted))
            if "watts" in told:
                watts = got.power.mean_w * got.devices
                rows.append(Row(point, what, "W of all GPUs", told["watts"][i], watts, fitted))
    return rows


def shape_rows() -> list[Row]:
    """Parameters and caches of every listed architecture."""
    rows = []
    for model in architectures.listed():
        arch = model.architecture
        rows.append(Row(model.name, "total", "10^9", float(model.total_b), model.total / 1e9))
        rows.append(
            Row(model.name, f"active ({model.counts})", "10^9", float(model.active_b), model.active / 1e9)
        )
        if model.kv_bytes:
            kept = arch.kv_bytes_per_token("bf16")
            rows.append(Row(model.name, "cache, BF16", "bytes a token", model.kv_bytes, kept))
        if model.kv_gib_1m:
            kept = arch.context_bytes(1 << 20, "bf16") / 2**30
            rows.append(Row(model.name, "cache of 1M, BF16", "GiB", float(model.kv_gib_1m), kept))
    return rows


# --- electricity ----------------------------------------------------------------------------------


@dataclass
class Share:
    """Electricity in one case at one price. Dollars are for a million output tokens."""

    case: str
    usd_per_kwh: float
    output_usd: float
    power_share: float
    cent_more_usd: float


def power_rows() -> list[Share]:
    rows = [share for price in (0.056, 0.09) for share in _day_shares(price)]
    for name, case in _power_cases():
        for price in (0.056, 0.09):
            got = plan(replace(case, usd_per_kwh=price), sensitivity=False)
            rows.append(
                Share(name, price, got.money.output_usd, got.money.power_share, got.money.cent_more_usd)
            )
    return rows


def _day_shares(usd_per_kwh: float, pue: float = 1.2) -> list[Share]:
    """The published day's decoding pool, rented, at the published rate: as it draws, and at rated power."""
    told = POINTS["day"]
    arch, device = architectures.load(told["model"]), hardware.load(told["hardware"])
    rate = told["output_per_node"] / told["node"]
    step = pool.decode_step(
        arch,
        precision(arch, told["weights"]),
        device,
        batch=rate / told["per_user"],
        context=told["context"],
        devices=told["decode_devices"],
        redundant=told["redundant"],
    )
    seconds = 1 / told["per_user"]
    watts = power.draw(device).at(step.memory_s / seconds, step.flops_s / seconds)
    output = told["usd_per_gpu_h"] / 3600 / rate * 1e6
    shares = []
    for name, kw in (
        ("the published day's decoding, rented at $2.00", power.server_w(device, watts) * pue / 1e3),
        (f"the same at the rated {told['all_in_kw']} kW a GPU", told["all_in_kw"]),
    ):
        kwh = kw / 3600 / rate * 1e6
        shares.append(Share(name, usd_per_kwh, output, kwh * usd_per_kwh / output, kwh * 0.01))
    return shares


def _power_cases() -> Iterator[tuple[str, Case]]:
    single: dict[str, Any] = {"input_tokens": 8192, "output_tokens": 1024, "concurrency": 64}
    yield (
        "MiniMax M2.5 FP8 on 4 H200, rented, busy 60 %",
        Case(model="minimax-m2.5", hardware="h200", devices=4, weights="fp8", backend="vllm", **single),
    )
    yield (
        "MiniMax M2.5 FP8 on 4 H200, bought, busy 60 %",
        Case(
            model="minimax-m2.5",
            hardware="h200",
            devices=4,
            weights="fp8",
            backend="vllm",
            own=True,
            **single,
        ),
    )
    yield (
        "MiniMax M2.5 FP8 on 4 H200, paid off already",
        Case(
            model="minimax-m2.5",
            hardware="h200",
            devices=4,
            weights="fp8",
            backend="vllm",
            own=True,
            capex_usd=1e-6,
            **single,
        ),
    )


# --- coverage -------------------------------------------------------------------------------------


@dataclass
class Touched:
    """Weights that a decode step reads, for each token, by the batch."""

    model: str
    batch: int
    experts: int
    touched: float  # of one layer
    gb: float  # read in a step
    gb_per_token: float


def coverage_rows() -> list[Touched]:
    rows = []
    for name in ("deepseek-v3", "kimi-k2.5", "qwen3.5-397b-a17b", "gpt-oss-120b", "mixtral-8x7b"):
        arch = architectures.load(name)
        formats = precision(arch)
        for batch in (1, 8, 64, 512, 4096):
            touched = coverage(arch.experts, arch.experts_per_token, batch)
            whole = formats.weight_bytes(arch) / 1e9
            idle = arch.moe_layers * (arch.experts - touched) * arch.parameters_per_expert
            read = whole - idle * bytes_of(formats.experts) / 1e9
            rows.append(Touched(name, batch, arch.experts, touched, read, read / batch))
    return rows


# --- output ---------------------------------------------------------------------------------------


def _table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    aligned = ["---", "---", *(["---:"] * (len(head) - 2))]
    rows = [head, tuple(aligned), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _rows(rows: list[Row]) -> str:
    lines = [
        (
            row.point,
            row.what,
            row.unit,
            _number(row.published),
            _number(row.computed),
            f"{row.error:+.1%}",
            "fitted" if row.fitted else "",
        )
        for row in rows
    ]
    table = _table(("point", "what", "unit", "published", "computed", "error", ""), lines)
    errors = [abs(row.error) for row in rows]
    free = [abs(row.error) for row in rows if not row.fitted]
    told = f"Median error {statistics.median(errors):.1%}"
    return f"{table}\n\n{told}" + (f"; of those not fitted {statistics.median(free):.1%}." if free else ".")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _shares(rows: list[Share]) -> str:
    lines = [
        (
            row.case,
            f"{row.usd_per_kwh * 100:.1f}",
            f"{row.output_usd:.3f}",
            f"{row.power_share:.1%}",
            f"{row.cent_more_usd:.4f}",
            f"{row.cent_more_usd / row.output_usd:.2%}",
        )
        for row in rows
    ]
    head = ("case", "cents a kWh", "$ a million output", "share of power", "+1 cent: $", "+1 cent")
    return _table(head, lines)


def _touched(rows: list[Touched]) -> str:
    lines = [
        (
            row.model,
            f"{row.batch}",
            f"{row.touched:.0f} of {row.experts}",
            f"{row.gb:.1f}",
            f"{row.gb_per_token:.3f}",
        )
        for row in rows
    ]
    return _table(("model", "batch", "experts of a layer", "GB a step", "GB a token"), lines)


PARTS: dict[str, tuple[str, Callable[[], list[Any]], Callable[[Any], str]]] = {
    "day": ("A service's day", day_rows, _rows),
    "wide": ("Wide expert parallelism", wide_rows, _rows),
    "node": ("One server", node_rows, _rows),
    "energy": ("Energy", energy_rows, _rows),
    "shapes": ("Parameters and caches", shape_rows, _rows),
    "power": ("How much electricity matters", power_rows, _shares),
    "coverage": ("Sparsity needs large batches", coverage_rows, _touched),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--json", type=Path, dest="out")
    asked = parser.parse_args(arguments)
    data = {}
    for part in asked.part or PARTS:
        title, make, show = PARTS[part]
        try:
            rows = make()
        except BadRequest as error:
            print(f"## {title}\n\nnot computed: {error}\n")
            continue
        data[part] = [asdict(row) | ({"error": row.error} if isinstance(row, Row) else {}) for row in rows]
        print(f"## {title}\n\n{show(rows)}\n")
    if asked.out:
        asked.out.write_text(json.dumps(data, indent=1))


if __name__ == "__main__":
    main()
