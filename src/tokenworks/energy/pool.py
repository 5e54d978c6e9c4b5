"""Wide expert parallelism: pools of prefill and of decode devices, experts spread over a whole pool.

Each device keeps all of the attention and its own sequences; of the experts it keeps a few, some of them
twice (``redundant``) so that load can be balanced. Twice a layer tokens are sent to the devices of their
experts and back. A decode step of B sequences a device takes

    ( max(cache / bandwidth, attention FLOPs / rate)
    + max(weights / bandwidth, matrix FLOPs / rate)
    + B L k H (out + 2) / link ) / eta

with k experts a token, L layers of experts, width H; ``out`` is a byte, or what an element of 4-bit experts
takes, and sums come back in 16 bits. A prefill token takes its matrix and attention FLOPs at the device's
rates, over a second eta. Constants: ``pool.toml``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from tokenworks.energy.architecture import Architecture
from tokenworks.energy.dtypes import bytes_of
from tokenworks.energy.hardware import Hardware
from tokenworks.energy.precision import Precision
from tokenworks.energy.work import coverage, prefill_work
from tokenworks.errors import BadRequest

_SHIPPED = Path(__file__).parent / "pool.toml"


class Eta(msgspec.Struct, frozen=True):
    """A fitted constant and the points that it was fitted on."""

    eta: float
    points: tuple[str, ...]
    note: str = ""


class Production(msgspec.Struct, frozen=True):
    """Shares of a benchmark's rate that a service reaches over a day."""

    decode: float
    prefill: float
    points: tuple[str, ...]


class Band(msgspec.Struct, frozen=True):
    """How far measured times lie from a model's: eight of ten between ``low`` and ``high`` times its own."""

    low: float
    high: float
    points: int
    median_abs_error: float
    basis: str


class PoolConstants(msgspec.Struct, frozen=True):
    decode: dict[str, Eta]  # "network" and "link"
    prefill: Eta
    production: Production
    band: Band


class DecodeStep(msgspec.Struct, frozen=True):
    """One step of a decode pool, and its parts as they would be at the device's full rates; seconds."""

    step_s: float
    attention_s: float
    matrices_s: float
    exchange_s: float
    memory_s: float  # of reading weights and caches
    flops_s: float  # of all arithmetic
    weight_bytes: float  # on one device
    eta: float

    def tokens_per_s(self, batch: float) -> float:
        """Tokens a second of one device with ``batch`` sequences."""
        return batch / self.step_s


@cache
def shipped() -> PoolConstants:
    """The constants in ``pool.toml``."""
    return msgspec.convert(tomllib.loads(_SHIPPED.read_text("utf-8")), PoolConstants)


def exchange_rate(hardware: Hardware, devices: int) -> tuple[float, str]:
    """Bytes a second at which a device reaches the others of a pool, and over what: "link" or "network".

    Raises ``BadRequest`` where nothing connects as many devices.
    """
    if devices <= hardware.domain:
        return hardware.link_gbps * 1e9, "link"
    if not hardware.network_gbps:
        raise BadRequest(
            f"{devices} x {hardware.title} have no network between them: {hardware.domain} devices at most"
        )
    return hardware.network_gbps * 1e9, "network"


def weights_per_device(
    arch: Architecture, precision: Precision, devices: int, redundant: int = 0, part: float = 1.0
) -> float:
    """Bytes of weights on each of ``devices`` devices that share the experts of every layer.

    ``part``: of the experts; below 1, what a step reads that touches only as many.
    """
    held = (arch.experts + redundant) * part / devices * arch.moe_layers * arch.parameters_per_expert
    head = arch.embedding_parameters * bytes_of(precision.head)
    return arch.dense_parameters * bytes_of(precision.dense) + head + held * bytes_of(precision.experts)


def decode_step(
    arch: Architecture,
    precision: Precision,
    hardware: Hardware,
    *,
    batch: float,
    context: float,
    devices: int,
    redundant: int = 0,
    verified: int = 1,
    imbalance: float = 1.0,
    eta: float = 0.0,
) -> DecodeStep:
    """One step of ``batch`` sequences on each of ``devices`` devices; ``context`` tokens behind each.

    ``verified``: tokens of a sequence that pass in one step. ``imbalance``: load of the busiest device by the
    mean. ``eta`` 0: the shipped constant.
    """
    rate, over = exchange_rate(hardware, devices)
    eta = eta or shipped().decode[over].eta
    bandwidth = hardware.bandwidth_tbps * 1e12
    tokens = batch * verified
    kept = sum(
        group.read(context) * bytes_of(precision.kv)
        + group.index_read(context) * bytes_of(precision.index)
        + 2.0 * group.state_bytes
        for group in arch.attention
    )
    flops = sum(group.decode_flops(context) for group in arch.attention)
    scores = tokens * flops / _rate(hardware, precision.kv)
    attention = max(batch * kept / bandwidth, scores)
    weights = weights_per_device(arch, precision, devices, redundant)
    touched = coverage(arch.experts, arch.experts_per_token, tokens * devices) / arch.experts
    read = weights_per_device(arch, precision, devices, redundant, touched)
    products = tokens * _matrix_s(arch, precision, hardware)
    matrices = max(read / bandwidth, products) * imbalance
    width = arch.expert_hidden or arch.hidden
    out = min(1.0, bytes_of(precision.experts)) if hardware.fp4_tflops else 1.0
    exchange = tokens * arch.moe_layers * arch.experts_per_token * width * (out + 2.0) / rate * imbalance
    return DecodeStep(
        step_s=(attention + matrices + exchange) / eta,
        attention_s=attention,
        matrices_s=matrices,
        exchange_s=exchange,
        memory_s=(batch * kept + read) / bandwidth,
        flops_s=scores + products,
        weight_bytes=weights,
        eta=eta,
    )


def prefill_token_s(
    arch: Architecture,
    precision: Precision,
    hardware: Hardware,
    *,
    context: float,
    cached: float = 0.0,
    eta: float = 0.0,
) -> float:
    """Seconds of one device for each new token of prompts of ``context`` tokens, ``cached`` of them kept.

    ``eta`` 0: the shipped constant.
    """
    new = max(1.0, context - cached)
    work = prefill_work(arch, precision, tokens=new, context=context, cached=cached)
    matrices = _dense_s(hardware, precision, work.dense_flops) + work.expert_flops / _rate(
        hardware, precision.experts
    )
    attention = work.attention_flops / _rate(hardware, precision.kv)
    return (matrices + attention) / new / (eta or shipped().prefill.eta)


def _matrix_s(arch: Architecture, precision: Precision, hardware: Hardware) -> float:
    """Seconds of one token's matrices at full rate."""
    experts = arch.moe_layers * arch.experts_per_token * arch.parameters_per_expert
    dense = _dense_s(hardware, precision, 2.0 * arch.dense_parameters)
    head = 2.0 * arch.embedding_parameters / _rate(hardware, precision.head)
    return dense + head + 2.0 * experts / _rate(hardware, precision.experts)


def _dense_s(hardware: Hardware, precision: Precision, flops: float) -> float:
    return flops / _rate(hardware, precision.dense)


def _rate(hardware: Hardware, dtype: str) -> float:
    """FLOP a second for operands in ``dtype``."""
    return hardware.tflops(dtype) * 1e12
