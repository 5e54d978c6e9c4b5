"""What one device must read, compute and send in one step of serving: bytes and FLOPs, no seconds yet.

Experts are read by *coverage*: of E experts a batch of B tokens that each choose k touches
E (1 - (1 - k/E)^B) in each layer, were all chosen equally often; skewed choice touches fewer and loads some
more (``imbalance``).

How a group of devices splits it. ``tp`` devices split attention by heads (keys and values of ``kv_heads``
at most ``kv_heads`` ways; a latent not at all: each device keeps all of it). With ``dp_attention`` each
device keeps the whole attention and its own share of the sequences. Experts are spread over all devices,
whole ones over ``ep`` of them, each split ``tp / ep`` ways.
"""

from __future__ import annotations

import msgspec

from tokenworks.energy.architecture import Architecture
from tokenworks.energy.dtypes import bytes_of
from tokenworks.energy.precision import Precision
from tokenworks.errors import BadRequest

ACTIVATION_BYTES = 2  # of one element between layers


class Work(msgspec.Struct, frozen=True):
    """Of one device in one step. Bytes of memory read, FLOPs (a multiply-add is two), bytes sent."""

    dense_bytes: float  # weights that every token passes, the output head included
    expert_bytes: float  # weights of the experts that are touched
    kv_bytes: float  # caches, windows and states read, and written where it counts
    dense_flops: float
    expert_flops: float
    attention_flops: float
    link_bytes: float  # sent to the other devices of the group
    collectives: int  # messages between devices that must be waited for
    layers: int
    moe_layers: int
    tokens: float  # that pass the model in this step, on this device's group
    experts_touched: float  # on this device, of one layer
    dense_dtype: str = "bf16"
    expert_dtype: str = "bf16"
    kv_dtype: str = "bf16"
    experts: int = 0  # routed ones of a layer, all devices
    experts_per_token: int = 0
    summed_ways: int = 1  # devices whose results are summed in each layer
    latent_layers: int = 0  # whose keys and values are one latent
    index_layers: int = 0  # with an indexer

    @property
    def weight_bytes(self) -> float:
        return self.dense_bytes + self.expert_bytes

    @property
    def memory_bytes(self) -> float:
        """All that is read from memory in this step."""
        return self.dense_bytes + self.expert_bytes + self.kv_bytes

    @property
    def matmul_flops(self) -> float:
        return self.dense_flops + self.expert_flops


def coverage(experts: int, chosen: int, tokens: float) -> float:
    """Experts of one layer that ``tokens`` tokens touch, each choosing ``chosen`` at random."""
    if not experts:
        return 0.0
    return float(experts * (1.0 - (1.0 - chosen / experts) ** max(0.0, tokens)))


def check_group(arch: Architecture, tp: int, ep: int) -> None:
    """Raise ``BadRequest`` for a split that no group of devices can have."""
    if tp < 1 or ep < 1:
        raise BadRequest(f"tp {tp} and ep {ep} must be 1 or more")
    if ep > 1 and not arch.moe:
        raise BadRequest(f"{arch.name} has no experts to spread over ep {ep}: use ep 1")
    if ep > max(1, arch.experts):
        raise BadRequest(
            f"{arch.name} has {arch.experts} experts, too few for ep {ep}: use ep {arch.experts} at most"
        )
    heads = min(group.heads for group in arch.attention)
    if tp > heads:
        raise BadRequest(f"{arch.name} has {heads} heads, too few for tp {tp}: use tp {heads} at most")


def decode_work(
    arch: Architecture,
    precision: Precision,
    *,
    batch: float,
    context: float,
    tp: int = 1,
    ep: int = 1,
    dp_attention: bool = False,
    imbalance: float = 1.0,
    verified: int = 1,
) -> Work:
    """One step that gives each of ``batch`` sequences (of the whole group) its next token.

    ``context``: tokens that each has before. ``verified``: tokens of each sequence that pass the model in one
    step, more than one where predicted tokens are checked; the cache is read once for all of them.
    """
    devices = max(tp, ep)
    tokens = batch * verified
    own = 1.0 / devices if dp_attention else 1.0  # share of the sequences that this device sees
    split = 1 if dp_attention else tp
    imbalance = imbalance if ep > 1 else 1.0  # devices that hold a slice of every expert are equally busy
    touched = coverage(arch.experts, arch.experts_per_token, tokens) / devices * imbalance
    touched = min(touched, arch.experts / ep)
    kv = _cache_read(arch, precision, context, split) * batch * own
    attention = sum(group.decode_flops(context) for group in arch.attention) * tokens * own / split
    return _work(
        arch,
        precision,
        tokens=tokens,
        heads=tokens,
        touched=touched,
        kv=kv,
        attention=attention,
        tp=tp,
        ep=ep,
        dp_attention=dp_attention,
        imbalance=imbalance,
    )


def prefill_work(
    arch: Architecture,
    precision: Precision,
    *,
    tokens: float,
    context: float,
    cached: float = 0.0,
    tp: int = 1,
    ep: int = 1,
    dp_attention: bool = False,
    imbalance: float = 1.0,
) -> Work:
    """One step that reads ``tokens`` new tokens (of the whole group) of prompts of ``context`` tokens each.

    ``cached``: tokens of each prompt that are in the cache already; the step may hold a part of a prompt, or
    several. Scores are computed for what stands before each token.
    """
    new = max(1.0, context - cached)
    prompts = tokens / new
    devices = max(tp, ep)
    own = 1.0 / devices if dp_attention else 1.0
    split = 1 if dp_attention else tp
    imbalance = imbalance if ep > 1 else 1.0
    touched = min(
        coverage(arch.experts, arch.experts_per_token, tokens) / devices * imbalance, arch.experts / ep
    )
    attention = sum(group.prefill_flops(new, cached) for group in arch.attention) * prompts
    kept = arch.context_bytes(context, precision.kv, precision.index) / _cache_shards(arch, split)
    return _work(
        arch,
        precision,
        tokens=tokens,
        heads=prompts,
        touched=touched,
        kv=kept * prompts * own,
        attention=attention * own / split,
        tp=tp,
        ep=ep,
        dp_attention=dp_attention,
        imbalance=imbalance,
    )


def _work(
    arch: Architecture,
    precision: Precision,
    *,
    tokens: float,
    heads: float,
    touched: float,
    kv: float,
    attention: float,
    tp: int,
    ep: int,
    dp_attention: bool,
    imbalance: float,
) -> Work:
    """``tokens`` pass the layers, ``heads`` of them the output head."""
    devices = max(tp, ep)
    share = 1.0 / devices  # of the work, whichever way it is split
    split = 1 if dp_attention else tp
    experts = arch.moe_layers * arch.parameters_per_expert
    link, collectives = _sent(arch, tokens, tp, ep, dp_attention)
    return Work(
        dense_bytes=(
            arch.dense_parameters * bytes_of(precision.dense)
            + arch.embedding_parameters * bytes_of(precision.head)
        )
        / split,
        expert_bytes=experts * touched * bytes_of(precision.experts),
        kv_bytes=kv,
        dense_flops=2.0 * (arch.dense_parameters * tokens + arch.embedding_parameters * heads) * share,
        expert_flops=2.0 * experts * arch.experts_per_token * tokens * share * imbalance,
        attention_flops=attention,
        link_bytes=link,
        collectives=collectives,
        layers=arch.layers,
        moe_layers=arch.moe_layers,
        tokens=tokens,
        experts_touched=touched,
        dense_dtype=precision.dense,
        expert_dtype=precision.experts,
        kv_dtype=precision.kv,
        experts=arch.experts,
        experts_per_token=arch.experts_per_token,
        summed_ways=split,
        latent_layers=sum(group.layers for group in arch.attention if group.kind == "mla"),
        index_layers=sum(group.indexers for group in arch.attention),
    )


def _sent(arch: Architecture, tokens: float, tp: int, ep: int, dp_attention: bool) -> tuple[float, int]:
    """Bytes that one device sends in a step, and messages that are waited for.

    Tensor parallelism sums twice a layer (a ring sends 2 (n-1)/n of the vector). Experts elsewhere get each
    token's vector once for each of them (8 bits) and send results back (16 bits).
    """
    devices = max(tp, ep)
    if devices == 1:
        return 0.0, 0
    vector = arch.hidden * ACTIVATION_BYTES
    if not dp_attention:
        return 2.0 * arch.layers * 2.0 * (tp - 1) / tp * tokens * vector, 2 * arch.layers
    width = arch.expert_hidden or arch.hidden
    others = (devices - 1) / devices
    dispatched = arch.moe_layers * tokens / devices * arch.experts_per_token * width * (1 + 2) * others
    return dispatched, 2 * arch.moe_layers


def _cache_shards(arch: Architecture, split: int) -> float:
    """Ways in which the cache of a context is split: by heads, as far as there are any to split."""
    ways = [min(split, group.kv_heads or 1) for group in arch.attention if not group.linear]
    return float(min(ways)) if ways else float(split)


def cache_per_device(arch: Architecture, precision: Precision, context: float, split: int) -> float:
    """Bytes that a context of ``context`` tokens takes on each of ``split`` devices that share its heads."""
    kept = arch.context_bytes(context, precision.kv, precision.index)
    states = sum(group.state_bytes for group in arch.attention)
    return (kept - states) / _cache_shards(arch, split) + states / split


def _cache_read(arch: Architecture, precision: Precision, context: float, split: int) -> float:
    """Bytes of one sequence's cache that a device reads for its next token. States are written back too."""
    total = 0.0
    for group in arch.attention:
        ways = split if group.linear else min(split, group.kv_heads or 1)
        total += group.read(context) * bytes_of(precision.kv) / ways
        total += group.index_read(context) * bytes_of(precision.index)
        total += 2.0 * group.state_bytes / ways
    return total
