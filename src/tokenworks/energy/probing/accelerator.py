"""What an accelerator can do, measured through torch, which is no dependency: found where it is installed.

The same code runs on torch's CPU device with small sizes. Bytes and operations are counted as the planner
counts them: what has to be moved and multiplied, not what an implementation moves besides.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import msgspec

from tokenworks.errors import ConfigError

NAMES = ("copy", "gemm_bf16", "gemm_fp8", "attention_paged", "attention_latent", "experts_grouped")


class Sizes(msgspec.Struct, frozen=True):
    """How large the work is. The default fills a data centre's GPU; ``small()`` suits a CPU."""

    copy_bytes: int = 4 * 1024**3
    gemm: int = 8192  # rows and columns
    sequences: int = 64
    context: int = 8192  # tokens
    page: int = 64  # tokens
    kv_heads: int = 8
    queries_per_kv: int = 8
    head_dim: int = 128
    latent_heads: int = 128  # query heads of latent attention
    latent_rank: int = 512
    latent_rope: int = 64
    experts: int = 128
    tokens_per_expert: int = 16
    hidden: int = 4096
    expert_width: int = 1536


def small() -> Sizes:
    """Sizes of a few megabytes."""
    return Sizes(
        copy_bytes=8 * 1024**2,
        gemm=128,
        sequences=2,
        context=256,
        page=16,
        kv_heads=2,
        queries_per_kv=4,
        head_dim=32,
        latent_heads=8,
        latent_rank=64,
        latent_rope=16,
        experts=4,
        tokens_per_expert=4,
        hidden=64,
        expert_width=32,
    )


class Card(msgspec.Struct, frozen=True):
    """What torch says of a device."""

    name: str
    memory_bytes: int
    compute_units: int  # streaming multiprocessors


def sizes_for(card: Card) -> Sizes:
    """The default sizes, or smaller ones where a card's memory would not hold them."""
    usual = Sizes()
    share = min(1.0, card.memory_bytes / (32 * 1024**3))  # all of it fits into half of 32 GiB
    return msgspec.structs.replace(
        usual,
        copy_bytes=round(usual.copy_bytes * share) // 4096 * 4096,
        sequences=max(1, round(usual.sequences * share)),
        experts=max(8, round(usual.experts * share)),
    )


class Rate(msgspec.Struct, frozen=True):
    """One measurement; ``problem`` says why there is none."""

    name: str  # one of NAMES
    seconds: float = 0.0  # of one run
    bytes_per_s: float = 0.0
    flops_per_s: float = 0.0
    how: str = ""  # which of torch's functions ran
    problem: str = ""


def installed_torch() -> Any:
    """The module ``torch``, or None where it is not installed. Takes seconds the first time."""
    if importlib.util.find_spec("torch") is None:
        return None
    try:
        return importlib.import_module("torch")
    except (ImportError, OSError, RuntimeError) as error:  # a library of its own is missing or too new
        raise ConfigError(f"torch is installed but can't be loaded ({error}); use --no-gpu") from error


def card(torch: Any) -> Card | None:
    """The first CUDA (or ROCm) device; None where torch sees none."""
    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(0)
    return Card(str(found.name), int(found.total_memory), int(found.multi_processor_count))


def measure(torch: Any, name: str, sizes: Sizes, seconds: float, device: str = "cuda") -> Rate:
    """Measure one of ``NAMES`` on ``device`` for about ``seconds``.

    What a device can't do, by type or for want of memory, is a ``Rate`` with a ``problem``.
    """
    try:
        with torch.inference_mode():
            run, moved, operations, how = _WORK[name](torch, sizes, device)
            took = _timed(torch, run, seconds, device)
    except (RuntimeError, NotImplementedError, AttributeError, TypeError, ValueError) as error:
        # torch says by all of these that a device or a version lacks an operation; out of memory is the first
        return Rate(name, problem=" ".join(str(error).split())[:200] or type(error).__name__)
    finally:
        if device == "cuda":
            torch.cuda.empty_cache()
    return Rate(name, took, moved / took, operations / took, how)


def _timed(torch: Any, run: Callable[[], Any], seconds: float, device: str) -> float:
    """Seconds of one run, the mean of as many as fit; launches are queued, so only the device is timed."""
    finish: Callable[[], Any] = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(2):  # the first compiles, the second settles
        run()
    finish()
    begun = time.perf_counter()
    run()
    finish()
    once = max(time.perf_counter() - begun, 1e-6)
    repeats = max(1, min(10_000, round(seconds / once)))
    begun = time.perf_counter()
    for _ in range(repeats):
        run()
    finish()
    return max(time.perf_counter() - begun, 1e-9) / repeats


_Work = tuple[Callable[[], Any], float, float, str]  # what to run, bytes, operations, by which function


def _copy(torch: Any, sizes: Sizes, device: str) -> _Work:
    source = torch.ones(sizes.copy_bytes // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    return (lambda: target.copy_(source)), 2.0 * sizes.copy_bytes, 0.0, "Tensor.copy_"


def _gemm_bf16(torch: Any, sizes: Sizes, device: str) -> _Work:
    n = sizes.gemm
    left, right = (_random(torch, (n, n), device) for _ in range(2))
    return (lambda: torch.matmul(left, right)), 3.0 * n * n * 2, 2.0 * n**3, "matmul"


def _gemm_fp8(torch: Any, sizes: Sizes, device: str) -> _Work:
    n = sizes.gemm
    kind = torch.float8_e4m3fn
    left = _random(torch, (n, n), device).to(kind)
    right = _random(torch, (n, n), device).to(kind).t()  # cuBLASLt wants the second one by columns
    one = torch.ones((), dtype=torch.float32, device=device)

    def run() -> Any:
        return torch._scaled_mm(left, right, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)

    return run, n * n * (1.0 + 1.0 + 2.0), 2.0 * n**3, "_scaled_mm"


def _attention_paged(torch: Any, sizes: Sizes, device: str) -> _Work:
    """One decode step of grouped-query attention over keys and values in pages that lie in random order.

    Pages are gathered, which writes and reads them once more than a fused kernel does: a floor.
    """
    pages = sizes.context // sizes.page
    total = sizes.sequences * pages
    shape = (total * sizes.kv_heads, sizes.page * sizes.head_dim)  # a row: one head's part of a page
    keys, values = (_random(torch, shape, device) for _ in range(2))
    order = torch.randperm(total, device=device)
    heads = torch.arange(sizes.kv_heads, device=device)
    by_sequence = order.view(sizes.sequences, 1, pages) * sizes.kv_heads + heads.view(-1, 1)
    order = by_sequence.reshape(-1)
    rows = (sizes.sequences, sizes.kv_heads, sizes.queries_per_kv, sizes.head_dim)
    query = _random(torch, rows, device)

    def gathered(pool: Any) -> Any:
        one = torch.index_select(pool, 0, order)
        return one.view(sizes.sequences, sizes.kv_heads, sizes.context, sizes.head_dim)

    def run() -> Any:
        attend = torch.nn.functional.scaled_dot_product_attention
        return attend(query, gathered(keys), gathered(values))

    tokens = sizes.sequences * sizes.context
    moved = 2.0 * tokens * sizes.kv_heads * sizes.head_dim * 2
    queries = sizes.kv_heads * sizes.queries_per_kv
    how = "index_select, scaled_dot_product_attention"
    return run, moved, 4.0 * tokens * queries * sizes.head_dim, how


def _attention_latent(torch: Any, sizes: Sizes, device: str) -> _Work:
    """One decode step of multi-head latent attention, absorbed: all heads read the same latent once."""
    width = sizes.latent_rank + sizes.latent_rope
    latent = _random(torch, (sizes.sequences, sizes.context, width), device)
    query = _random(torch, (sizes.sequences, sizes.latent_heads, width), device)

    def run() -> Any:
        scores = torch.bmm(query, latent.transpose(1, 2)) * width**-0.5
        return torch.bmm(torch.softmax(scores, -1), latent[:, :, : sizes.latent_rank])

    tokens = sizes.sequences * sizes.context
    operations = 2.0 * tokens * sizes.latent_heads * (width + sizes.latent_rank)
    return run, 2.0 * tokens * width, operations, "bmm, softmax"


def _experts_grouped(torch: Any, sizes: Sizes, device: str) -> _Work:
    """Gate, up and down of all experts, each with the same few tokens: the weights are what is read."""
    wide, narrow = sizes.hidden, sizes.expert_width
    gate_up = _random(torch, (sizes.experts, wide, 2 * narrow), device)
    down = _random(torch, (sizes.experts, narrow, wide), device)
    tokens = _random(torch, (sizes.experts, sizes.tokens_per_expert, wide), device)
    flat = tokens.reshape(sizes.experts * sizes.tokens_per_expert, wide)
    ends = torch.arange(1, sizes.experts + 1, dtype=torch.int32, device=device) * sizes.tokens_per_expert

    def between(both: Any) -> Any:
        return torch.nn.functional.silu(both[..., :narrow]) * both[..., narrow:]

    def run_fused() -> Any:
        both = torch._grouped_mm(flat, gate_up, offs=ends)
        return torch._grouped_mm(between(both), down, offs=ends)

    def run_padded() -> Any:
        return torch.bmm(between(torch.bmm(tokens, gate_up)), down)

    weights = sizes.experts * 3.0 * wide * narrow
    operations = 2.0 * weights * sizes.tokens_per_expert
    if device == "cuda" and hasattr(torch, "_grouped_mm"):
        try:
            run_fused()
            return run_fused, 2 * weights, operations, "_grouped_mm"
        except RuntimeError:  # not on this generation of devices: the same tokens for each expert fit a bmm
            pass
    return run_padded, 2 * weights, operations, "bmm"


def _random(torch: Any, shape: tuple[int, ...], device: str) -> Any:
    """Normal numbers in bfloat16; small, so that no sum overflows eight bits."""
    return torch.randn(shape, dtype=torch.bfloat16, device=device) * 0.1


_WORK: dict[str, Callable[[Any, Sizes, str], _Work]] = {
    "copy": _copy,
    "gemm_bf16": _gemm_bf16,
    "gemm_fp8": _gemm_fp8,
    "attention_paged": _attention_paged,
    "attention_latent": _attention_latent,
    "experts_grouped": _experts_grouped,
}
