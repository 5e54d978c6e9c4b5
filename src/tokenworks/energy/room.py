"""How a model and its contexts fit into the memory of a group of devices."""

from __future__ import annotations

import msgspec

from tokenworks.energy.architecture import Architecture
from tokenworks.energy.case import Case
from tokenworks.energy.hardware import Hardware
from tokenworks.energy.pool import weights_per_device
from tokenworks.energy.precision import Precision
from tokenworks.energy.work import cache_per_device, check_group
from tokenworks.errors import BadRequest

USABLE = 0.9  # of a device's memory, which engines take unless told otherwise; the rest lies fallow
# Of that, what engines keep for activations and captured graphs: small devices get smaller steps, so less.
OWN_BYTES = 3e9
OWN_SHARE = 0.04  # of a device's memory, where that is less
MILLION = 1 << 20  # tokens of a context "of a million"


class Group(msgspec.Struct, frozen=True):
    """Devices that serve together, and how they split the model."""

    devices: int
    tp: int
    ep: int
    wide: bool

    @property
    def cache_split(self) -> int:
        """Devices that a sequence's cache is split over by heads."""
        return 1 if self.wide else self.tp


class Memory(msgspec.Struct, frozen=True):
    """Of one device unless said otherwise; GB are 10^9 bytes."""

    weights_gb: float
    usable_gb: float
    kv_bytes_per_token: float  # of the whole model
    sequence_mb: float  # that a sequence takes however long it is, of the whole model
    contexts: int  # of input and output together that fit into the group
    at_a_time: int  # requests that fit on average, half of their answers written
    contexts_1m: int  # of 1,048,576 tokens


def usable_bytes(hardware: Hardware) -> float:
    """Bytes of a device that weights and caches share."""
    memory = hardware.memory_gb * 1e9
    return memory * USABLE - min(OWN_BYTES, memory * OWN_SHARE)


def group_of(arch: Architecture, case: Case, hardware: Hardware, precision: Precision) -> Group:
    """The devices that ``case`` asks for, or the fewest that hold the model.

    Raises ``BadRequest`` for a split that can't be, or where the model does not fit, with what would.
    """
    if case.wide and not arch.moe:
        raise BadRequest(f"{arch.name} has no experts to spread over a pool: leave wide out")
    devices = case.devices or (0 if case.wide else case.tp) or _fewest(arch, case, hardware, precision)
    tp = 1 if case.wide else case.tp or devices
    group = Group(devices=devices, tp=tp, ep=devices if case.wide else case.ep, wide=case.wide)
    if not case.wide:
        if tp != devices:
            raise BadRequest(
                f"tp {tp} is not {devices} devices: use tp {devices}, or wide for whole attention on each"
            )
        if devices % case.ep:
            raise BadRequest(f"ep {case.ep} must divide {devices} devices")
        if devices > hardware.domain:
            raise BadRequest(
                f"tp {devices} reaches beyond the {hardware.domain} x {hardware.title} on one link:"
                f" use {hardware.domain} devices at most, or wide expert parallelism"
            )
    check_group(arch, tp, min(group.ep, max(1, arch.experts)) if case.wide else case.ep)
    if case.wide and devices > arch.experts + case.redundant_experts:
        raise BadRequest(
            f"{devices} devices share {arch.experts + case.redundant_experts} experts of a layer:"
            f" use fewer devices, or {devices - arch.experts} redundant experts"
        )
    return group


def memory(arch: Architecture, case: Case, hardware: Hardware, precision: Precision, group: Group) -> Memory:
    """What the model takes on each device, and how many contexts fit beside it.

    Raises ``BadRequest`` where not one context fits, with the number of devices that would do.
    """
    weights = _weights(arch, case, precision, group)
    usable = usable_bytes(hardware)
    length = case.input_tokens + case.output_tokens
    contexts = _contexts(arch, precision, group, usable - weights, length)
    if contexts < 1:
        raise BadRequest(_too_large(arch, case, hardware, precision, group))
    return Memory(
        weights_gb=weights / 1e9,
        usable_gb=usable / 1e9,
        kv_bytes_per_token=arch.kv_bytes_per_token(precision.kv, precision.index),
        sequence_mb=arch.sequence_bytes(precision.kv) / 1e6,
        contexts=contexts,
        at_a_time=max(contexts, _contexts(arch, precision, group, usable - weights, case.decode_context)),
        contexts_1m=_contexts(arch, precision, group, usable - weights, MILLION),
    )


def _weights(arch: Architecture, case: Case, precision: Precision, group: Group) -> float:
    """Bytes on each device. What is split by heads is split evenly, embeddings too."""
    if group.wide:
        return weights_per_device(arch, precision, group.devices, case.redundant_experts)
    return precision.weight_bytes(arch) / group.devices


def _contexts(arch: Architecture, precision: Precision, group: Group, room: float, length: float) -> int:
    each = cache_per_device(arch, precision, length, group.cache_split)
    if room <= 0:
        return 0
    fit = int(room / each) if each > 0 else 1 << 20
    return fit * group.devices if group.wide else fit


def _fewest(arch: Architecture, case: Case, hardware: Hardware, precision: Precision) -> int:
    """The smallest power of two that holds the model and all requests, else the largest there can be."""
    sizes = [devices for devices in _sizes(hardware, case) if _splits(arch, case, devices)]
    for devices in sizes:
        if _fit(arch, case, hardware, precision, devices) >= case.concurrency:
            return devices
    return max(sizes, default=1)


def _splits(arch: Architecture, case: Case, devices: int) -> bool:
    """Can the model be split over as many devices?"""
    if case.wide:
        return devices <= arch.experts + case.redundant_experts
    return devices % case.ep == 0 and devices <= min(group.heads for group in arch.attention)


def _sizes(hardware: Hardware, case: Case) -> list[int]:
    most = 1024 if case.wide and hardware.network_gbps else hardware.domain
    return [1 << i for i in range(11) if 1 << i <= most] or [1]


def _fit(
    arch: Architecture, case: Case, hardware: Hardware, precision: Precision, devices: int, wide: bool = False
) -> int:
    """Contexts that fit into ``devices`` devices."""
    wide = wide or case.wide
    group = Group(devices=devices, tp=1 if wide else devices, ep=devices if wide else 1, wide=wide)
    room = usable_bytes(hardware) - _weights(arch, case, precision, group)
    return _contexts(arch, precision, group, room, case.input_tokens + case.output_tokens)


def _too_large(arch: Architecture, case: Case, hardware: Hardware, precision: Precision, group: Group) -> str:
    whole = _weights(arch, case, precision, group) * group.devices
    length = case.input_tokens + case.output_tokens
    need = (whole + cache_per_device(arch, precision, length, group.cache_split) * group.devices) / 1e9
    have = usable_bytes(hardware) / 1e9 * group.devices
    message = (
        f"{arch.name} does not fit in {group.devices} x {hardware.title}: needs {need:.0f} GB of {have:.0f}"
    )
    enough = _enough(arch, case, hardware, precision, wide=case.wide)
    if enough:
        return f"{message}; {enough} would do"
    enough = _enough(arch, case, hardware, precision, wide=True) if arch.moe else 0
    if enough:
        return (
            f"{message}; {enough} would do, as a pool (wide), for no more than {hardware.domain} are linked"
        )
    return f"{message}: use fewer bits for weights or cache, shorter contexts, or devices with more memory"


def _enough(arch: Architecture, case: Case, hardware: Hardware, precision: Precision, *, wide: bool) -> int:
    """The smallest power of two of devices that holds one context; 0: there is none."""
    most = 1024 if wide and hardware.network_gbps else hardware.domain
    sizes = [1 << i for i in range(11) if 1 << i <= most]
    if wide:
        sizes = [devices for devices in sizes if devices <= arch.experts]
    return next((n for n in sizes if _fit(arch, case, hardware, precision, n, wide) >= 1), 0)
