"""From work to seconds: how long a prompt and a step take, and what rate of requests a group keeps up."""

from __future__ import annotations

import math

import msgspec

from tokenworks.energy import hardware as devices
from tokenworks.energy import pool, step_time
from tokenworks.energy.architecture import Architecture
from tokenworks.energy.case import Case
from tokenworks.energy.hardware import Hardware
from tokenworks.energy.precision import Precision
from tokenworks.energy.room import Group
from tokenworks.energy.work import Work, decode_work, prefill_work
from tokenworks.errors import BadRequest


class Part(msgspec.Struct, frozen=True):
    """A share of a whole, with its own amount (seconds, or dollars)."""

    name: str
    amount: float
    share: float


class Serving(msgspec.Struct, frozen=True):
    """What a group of devices does under the case's load. Rates are per device."""

    running: float  # requests really at a time
    step_s: float  # one decode step
    tpot_s: float  # between two tokens of a request, waiting for others' prompts included
    prefill_s: float  # of one prompt alone
    prompt_s: float  # that a prompt adds where others are read or decoded beside it
    ttft_s: float
    prefill_tps: float  # new input tokens a second of a device that does nothing else
    decode_tps: float  # output tokens a second of a device that does nothing else
    prefill_device_s: float  # device-seconds of a request's prompt, waiting of the pool's devices included
    decode_device_s: float  # of its answer
    prefill_devices: int  # of their own; 0: the same devices
    decode_use: tuple[float, float]  # shares of bandwidth and of matrix rate that a step uses
    prefill_use: tuple[float, float]
    parts: tuple[Part, ...]  # of a decode step, largest first

    @property
    def device_s(self) -> float:
        """Device-seconds of a request."""
        return self.prefill_device_s + self.decode_device_s

    @property
    def prefill_share(self) -> float:
        """Of a request's device-seconds."""
        return self.prefill_device_s / self.device_s


def known_as(hardware: Hardware) -> str:
    """The name that ``step_time`` has constants by; a processor measured here goes by another of its kind."""
    if hardware.measured and hardware.kind in ("cpu", "soc"):
        return next(device.name for device in devices.listed() if device.kind == hardware.kind)
    return hardware.name


def draft_s(arch: Architecture, case: Case, step_s: float) -> float:
    """Seconds that predicting the next step's tokens takes: a layer and the output head for each."""
    if not case.mtp:
        return 0.0
    return case.mtp * step_s * (1 / arch.layers + arch.embedding_parameters / arch.active_parameters)


def aggregated(
    arch: Architecture, case: Case, hardware: Hardware, precision: Precision, group: Group, running: float
) -> Serving:
    """Prefill and decode on the same devices, which one link connects."""
    constants = step_time.constants(known_as(hardware), case.backend, arch.moe)
    prompt = prefill_work(
        arch,
        precision,
        tokens=case.input_tokens - case.cached_tokens,
        context=case.input_tokens,
        cached=case.cached_tokens,
        tp=group.tp,
        ep=group.ep,
        imbalance=case.imbalance,
    )
    work = decode_work(
        arch,
        precision,
        batch=running,
        context=case.decode_context,
        tp=group.tp,
        ep=group.ep,
        imbalance=case.imbalance,
        verified=case.verified,
    )
    prefill_s = step_time.prefill_s(prompt, hardware, constants)
    added_s = step_time.added_s(prompt, hardware, constants)
    step_s = step_time.decode_s(work, hardware, constants)
    step_s += draft_s(arch, case, step_s)
    result = _result(
        case,
        running=running,
        step_s=step_s,
        prefill_s=prefill_s,
        prompt_s=added_s,
        moved_s=0.0,
        decode_devices=group.devices,
        prefill_devices=0,
        prompt_devices=group.devices,
        decode_use=used_rates(work, hardware, step_s),
        prefill_use=used_rates(prompt, hardware, added_s),
        parts=_parts(work, hardware, step_s),
    )
    # A new request waits for some of the engine's steps and for prompts that came at the same time.
    shared = step_time.shipped().shared
    crowd = constants.first_steps * result.tpot_s + added_s * shared.burst * running**shared.spread
    return msgspec.structs.replace(result, ttft_s=max(result.ttft_s, crowd))


def pooled(
    arch: Architecture, case: Case, hardware: Hardware, precision: Precision, group: Group, running: float
) -> Serving:
    """Experts over all devices of a pool; prefill on devices of its own, or in turns with decoding."""
    batch = running / group.devices
    step = pool.decode_step(
        arch,
        precision,
        hardware,
        batch=batch,
        context=case.decode_context,
        devices=group.devices,
        redundant=case.redundant_experts,
        verified=case.verified,
        imbalance=case.imbalance,
    )
    step_s = step.step_s + draft_s(arch, case, step.step_s)
    new = case.input_tokens - case.cached_tokens
    token_s = pool.prefill_token_s(
        arch, precision, hardware, context=case.input_tokens, cached=case.cached_tokens
    )
    whole = step.attention_s + step.matrices_s + step.exchange_s
    parts = _sorted(
        ("attention and cache", step.attention_s),
        ("weights and matrices", step.matrices_s),
        ("exchange between devices", step.exchange_s),
        ("launches and waiting", step_s - whole),
    )
    eta = pool.shipped().prefill.eta
    return _result(
        case,
        running=running,
        step_s=step_s,
        prefill_s=token_s * new,
        prompt_s=token_s * new,
        moved_s=_moved_s(arch, case, hardware, precision, 1),
        decode_devices=group.devices,
        prefill_devices=case.prefill_devices,
        prompt_devices=1,
        decode_use=(step.memory_s / step_s, step.flops_s / step_s),
        prefill_use=(0.0, eta),
        parts=parts,
    )


def apart(
    arch: Architecture, case: Case, hardware: Hardware, precision: Precision, group: Group, running: float
) -> Serving:
    """Prefill on devices of its own, each group as large as that of decoding, within one link."""
    both = aggregated(arch, case, hardware, precision, group, running)
    return _result(
        case,
        running=running,
        step_s=both.step_s,
        prefill_s=both.prefill_s,
        prompt_s=both.prompt_s,
        moved_s=_moved_s(arch, case, hardware, precision, group.devices),
        decode_devices=group.devices,
        prefill_devices=case.prefill_devices,
        prompt_devices=group.devices,
        decode_use=both.decode_use,
        prefill_use=both.prefill_use,
        parts=both.parts,
    )


def _result(
    case: Case,
    *,
    running: float,
    step_s: float,
    prefill_s: float,
    prompt_s: float,
    moved_s: float,
    decode_devices: int,
    prefill_devices: int,
    prompt_devices: int,
    decode_use: tuple[float, float],
    prefill_use: tuple[float, float],
    parts: tuple[Part, ...],
) -> Serving:
    """``prompt_devices`` devices read a prompt, ``decode_devices`` share a step.

    ``moved_s``: what sending a prompt's cache to the devices of decoding takes.
    """
    split = prefill_devices != 0
    token_s = step_s / case.accepted
    new = case.input_tokens - case.cached_tokens
    prompt_cost = prompt_s * prompt_devices  # device-seconds
    answer_cost = case.output_tokens * token_s * decode_devices / running
    prefill_tps, decode_tps = new / prompt_cost, case.output_tokens / answer_cost
    waiting = 0.0
    if split:
        prefill_devices = _pool(prefill_devices, prompt_devices, decode_devices * prompt_cost / answer_cost)
        rate = min(prefill_devices / prompt_cost, decode_devices / answer_cost)  # requests a second
        prompt_cost, answer_cost = prefill_devices / rate, decode_devices / rate
    else:  # each other request's prompt is read once while this one writes its answer
        others = max(0.0, running - 1)
        waiting = others * prompt_s * prompt_devices / decode_devices / case.output_tokens
    return Serving(
        running=running,
        step_s=step_s,
        tpot_s=token_s + waiting,
        prefill_s=prefill_s,
        prompt_s=prompt_s,
        ttft_s=prefill_s + step_s + (moved_s if split else 0.0),
        prefill_tps=prefill_tps,
        decode_tps=decode_tps,
        prefill_device_s=prompt_cost,
        decode_device_s=answer_cost,
        prefill_devices=prefill_devices,
        decode_use=decode_use,
        prefill_use=prefill_use,
        parts=parts,
    )


def _moved_s(arch: Architecture, case: Case, hardware: Hardware, precision: Precision, devices: int) -> float:
    """Seconds in which so many devices send a prompt's cache over the network, or the link."""
    kept = arch.context_bytes(case.input_tokens, precision.kv, precision.index)
    rate = (hardware.network_gbps or hardware.link_gbps) * 1e9 * devices
    return kept / rate if rate else 0.0


def _pool(asked: int, each: int, needed: float) -> int:
    """Devices of a prefill pool: those asked for, or (below 0) the fewest that keep pace, in whole groups.

    Raises ``BadRequest`` where those asked for are no whole groups.
    """
    if asked < 0:
        return max(1, math.ceil(needed / each - 1e-9)) * each
    if asked % each:
        raise BadRequest(
            f"{asked} prefill devices are no whole groups of {each}: use {-(-asked // each) * each}"
        )
    return asked


def used_rates(work: Work, hardware: Hardware, seconds: float) -> tuple[float, float]:
    """Shares of bandwidth and of matrix rate that ``work`` uses in ``seconds``."""
    memory = work.memory_bytes / (hardware.bandwidth_tbps * 1e12)
    return min(1.0, memory / seconds), min(1.0, _matrices_s(work, hardware) / seconds)


def _matrices_s(work: Work, hardware: Hardware) -> float:
    return (
        work.dense_flops / hardware.tflops(work.dense_dtype)
        + work.expert_flops / hardware.tflops(work.expert_dtype)
        + work.attention_flops / hardware.tflops("bf16")
    ) / 1e12


def _parts(work: Work, hardware: Hardware, seconds: float) -> tuple[Part, ...]:
    """A step by what it would take at full rates; what is left is waiting, for kernels and for each other."""
    bandwidth = hardware.bandwidth_tbps * 1e12
    link = work.link_bytes / (hardware.link_gbps * 1e9) if hardware.link_gbps else 0.0
    named = [
        ("reading experts", work.expert_bytes / bandwidth),
        ("reading other weights", work.dense_bytes / bandwidth),
        ("reading the cache", work.kv_bytes / bandwidth),
        ("sending between devices", link),
    ]
    reading = sum(amount for _, amount in named[:3])
    matrices = _matrices_s(work, hardware)
    named.append(("matrices beyond reading", max(0.0, matrices - reading)))
    known = sum(amount for _, amount in named)
    named.append(("launches and waiting", max(0.0, seconds - known)))
    return _sorted(*named)


def _sorted(*named: tuple[str, float]) -> tuple[Part, ...]:
    total = sum(amount for _, amount in named) or 1.0
    parts = [Part(name, amount, amount / total) for name, amount in named if amount > 0]
    return tuple(sorted(parts, key=lambda part: -part.amount))
