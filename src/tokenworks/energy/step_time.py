"""How long a step takes: bytes and FLOPs of ``work`` by a device's rates and constants from measurements.

Four constants for each (hardware, backend, dense | experts), fitted by ``tokenworks energy fit``:

    decode step = max( memory / (bandwidth x bandwidth_share), matrices / (rate x matrix_share) )
                + layers x layer_us x (1 + latent and indexer extras) + extra kernels of narrow formats
                + layers x sequences x sequence_us + sums over devices / (link x link share)

``Shared`` holds what is the same everywhere: how unevenly experts are chosen, what latents, indexers and
narrow formats add. Every formula takes numbers, or NumPy arrays of many points at once, as in ``fitting``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.energy import hardware as devices
from tokenworks.energy.hardware import Hardware
from tokenworks.energy.work import Work, coverage
from tokenworks.errors import BadRequest, ConfigError

SHIPPED = Path(__file__).parent / "constants.toml"
_KINDS = Path(__file__).parent / "constants_kinds.toml"
RATE_POWER = 0.75
"""A format that multiplies r times faster than bf16 is r ** 0.75 times faster in whole layers."""


class Constants(msgspec.Struct, frozen=True, kw_only=True):
    """Of one (hardware, backend, dense | experts), with how far measured times lie from what they give.

    Errors are those of points that the constants were *not* fitted to (cross-validation by model and device).
    """

    bandwidth_share: float  # of the data sheet's memory bandwidth
    matrix_share: float  # of the data sheet's matrix rate
    layer_us: float  # of each layer, whatever its size
    sequence_us: float  # of each layer and sequence in the batch
    first_steps: float = 10.0  # decode steps that pass before a first token; of the backend, on all devices
    n: int = 0  # points behind them
    median_abs_error: float = 0.0  # of time per output token, a fraction
    p10: float = 1.0  # predicted over measured, a tenth of the points lie below
    p90: float = 1.0
    basis: str = ""  # in words: what was measured


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """The same for every device and backend."""

    popularity: float  # shape of the gamma distribution of how often experts are chosen; large: all alike
    latent: float  # launch time that a layer with latent attention has more, as a part of layer_us
    indexed: float  # ... and one with an indexer
    block_us: float  # of each layer with experts in fp8 of scaled blocks: activations are scaled as well
    packed_us: float  # of each dense layer in 4 bits, for the same reason
    widened: float  # times that reading experts takes whose format the device can't multiply
    int4: float  # ... times more for int4 on devices made for fp4: its kernels are those of older devices
    link_share: float  # of the link's rate, summing a decode step's vectors (each device reads all others')
    prompt_link_share: float  # ... a prompt's (a ring)
    burst: float  # prompts that are read before a first token: burst x running requests ^ spread
    spread: float


class Row(Constants, frozen=True, kw_only=True):
    """A row of ``constants.toml``; ``hardware`` is empty where a backend was not measured on a device."""

    hardware: str = ""
    backend: str
    moe: bool
    fitted_abs_error: float = 0.0  # median of the points that the constants were fitted to
    ttft_abs_error: float = 0.0  # median, of time before the first token


class Table(msgspec.Struct, frozen=True):
    """All of ``constants.toml``."""

    shared: Shared
    rows: tuple[Row, ...]


class Step(msgspec.Struct, frozen=True):
    """One step at a device's full rates: seconds, counts. Each a number, or an array over many points."""

    dense_s: Any  # reading what every token passes
    experts_s: Any  # reading all experts of the device
    picks: Any  # times that an expert is chosen, on average
    widened: Any  # 1 where the experts' format is not multiplied by the device
    int4: Any  # 1 where these are int4 on a device made for fp4
    kv_s: Any
    matrices_s: Any
    attention_s: Any
    link_s: Any  # a ring's bytes
    ways: Any  # devices that sum
    layers: Any
    latent_layers: Any
    index_layers: Any
    block_layers: Any
    packed_layers: Any
    tokens: Any


def step_of(work: Work, hardware: Hardware) -> Step:
    """``work`` on ``hardware`` at full rates."""
    bandwidth = hardware.bandwidth_tbps * 1e12
    share = 1.0  # of the device's experts that are read, as ``work`` counts them
    if work.experts:
        share = coverage(work.experts, work.experts_per_token, work.tokens) / work.experts
    widened = bool(work.experts) and work.expert_dtype not in ("bf16", "fp16", "f16")
    widened = widened and hardware.tflops(work.expert_dtype) <= hardware.bf16_tflops
    narrow = ("fp4", "nvfp4", "mxfp4")
    return Step(
        dense_s=work.dense_bytes / bandwidth,
        experts_s=work.expert_bytes / share / bandwidth if work.experts else 0.0,
        picks=work.tokens * work.experts_per_token / work.experts if work.experts else 0.0,
        widened=float(widened),
        int4=float(widened and work.expert_dtype == "int4" and hardware.fp4_tflops > 0),
        kv_s=work.kv_bytes / bandwidth,
        matrices_s=work.dense_flops / _rate(hardware, work.dense_dtype)
        + work.expert_flops / _rate(hardware, work.expert_dtype),
        attention_s=work.attention_flops / (hardware.bf16_tflops * 1e12),
        link_s=work.link_bytes / (hardware.link_gbps * 1e9) if hardware.link_gbps else 0.0,
        ways=float(work.summed_ways),
        layers=float(work.layers),
        latent_layers=float(work.latent_layers),
        index_layers=float(work.index_layers),
        block_layers=float(work.layers if work.experts and work.expert_dtype == "fp8" else 0),
        packed_layers=float(work.layers if not work.experts and work.dense_dtype in narrow else 0),
        tokens=work.tokens,
    )


def _rate(hardware: Hardware, dtype: str) -> float:
    """FLOP/s that whole layers get nearer to than to the data sheet's for narrow formats."""
    wide = hardware.bf16_tflops * 1e12
    return float(wide * (hardware.tflops(dtype) * 1e12 / wide) ** RATE_POWER)


def memory_s(step: Step, c: Constants, shared: Shared) -> Any:
    """Seconds for reading weights and caches."""
    read = 1.0 - (1.0 + step.picks / shared.popularity) ** -shared.popularity
    slower = shared.widened**step.widened * shared.int4**step.int4
    return (step.dense_s + step.experts_s * read * slower + step.kv_s) / c.bandwidth_share


def launch_s(step: Step, c: Constants, shared: Shared) -> Any:
    """Seconds that pass however small the step is."""
    layers = step.layers + shared.latent * step.latent_layers + shared.indexed * step.index_layers
    narrow = shared.block_us * step.block_layers + shared.packed_us * step.packed_layers
    return (c.layer_us * layers + narrow) * 1e-6


def decode_step_s(step: Step, c: Constants, shared: Shared) -> Any:
    """Seconds of a decode step."""
    reading = memory_s(step, c, shared)
    computing = (step.matrices_s + step.attention_s) / c.matrix_share
    sums = step.link_s * step.ways / 2.0 / shared.link_share
    each = step.layers * step.tokens * c.sequence_us * 1e-6
    return _larger(reading, computing) + launch_s(step, c, shared) + each + sums


def added_step_s(step: Step, c: Constants, shared: Shared) -> Any:
    """Seconds that a prompt adds to the decode steps it is read along with."""
    return (step.matrices_s + step.attention_s) / c.matrix_share + step.link_s / shared.prompt_link_share


def _larger(a: Any, b: Any) -> Any:
    return (a + b + abs(a - b)) / 2.0


# --- of one Work -----------------------------------------------------------------------------------


def decode_s(work: Work, hardware: Hardware, c: Constants) -> float:
    """Seconds of one decode step of ``work`` on ``hardware``."""
    return float(decode_step_s(step_of(work, hardware), c, shipped().shared))


def prefill_s(work: Work, hardware: Hardware, c: Constants) -> float:
    """Seconds that reading a prompt takes alone: at least as long as reading the weights once."""
    step, shared = step_of(work, hardware), shipped().shared
    least = memory_s(step, c, shared) - added_step_s(step, c, shared)
    return float(added_step_s(step, c, shared) + max(0.0, least) + launch_s(step, c, shared))


def added_s(work: Work, hardware: Hardware, c: Constants) -> float:
    """Seconds that reading a prompt takes from others that are decoded meanwhile: weights are read anyhow."""
    return float(added_step_s(step_of(work, hardware), c, shipped().shared))


# --- which constants ---------------------------------------------------------------------------------


def constants(hardware: str, backend: str, moe: bool) -> Constants:
    """What was fitted for that device and backend, else the nearest there is, with a wider band.

    ``backend`` empty: the one that is predicted best there. Without points of the device: the backend's own
    constants on all devices; without the backend: those of the one with most points. Processors have rows of
    their own.
    """
    return chosen(shipped(), hardware, backend, moe)


def chosen(table: Table, hardware: str, backend: str, moe: bool) -> Constants:
    """``constants`` out of ``table``."""
    name, kind = _device(hardware)
    if kind in ("cpu", "soc"):
        return _kinds()[kind]
    rows = [row for row in table.rows if row.moe == moe]
    measured = [row for row in rows if row.hardware == name and row.backend == (backend or row.backend)]
    if measured:
        return min(measured, key=lambda row: (row.median_abs_error, -row.n))  # whose errors are smallest
    general = [row for row in rows if not row.hardware]
    return max([row for row in general if row.backend == backend] or general, key=lambda row: row.n)


def _device(name: str) -> tuple[str, str]:
    """A device's own name and kind; profiles of this machine are told by their names."""
    try:
        found = devices.load(name)
    except BadRequest:
        return name, "cpu" if "cpu" in name else "gpu"
    return found.name, found.kind


@cache
def shipped() -> Table:
    """``constants.toml``."""
    return read(SHIPPED)


def read(path: Path) -> Table:
    """A file that ``energy fit`` wrote. Raises ``ConfigError`` for another."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        return msgspec.convert({"shared": raw.get("shared"), "rows": raw.get("row")}, Table)
    except (OSError, ValueError) as error:  # what tomllib and msgspec raise are ValueErrors
        raise ConfigError(
            f"{path}: holds no constants: {error}: write it with 'tokenworks energy fit'"
        ) from None


@cache
def _kinds() -> dict[str, Constants]:
    return msgspec.convert(tomllib.loads(_KINDS.read_text("utf-8")), dict[str, Constants])
