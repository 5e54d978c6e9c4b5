"""Decoding with latent attention (MLA, absorbed) as one Triton kernel that reads each latent once.

A context is cut into parts that are attended to side by side and put together after (flash decoding). Torch's
own products read the latent twice and write all scores in between.
"""

from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

# One program's query heads, tokens at a time, warps, stages of loading ahead
TILES = ((64, 32, 8, 2), (64, 64, 8, 2), (32, 32, 4, 2), (32, 64, 8, 2), (16, 32, 4, 2), (16, 64, 4, 3))


def latent_decode(
    torch: Any, query: Any, latent: Any, rank: int, tile: tuple[int, int, int, int], parts: int
) -> Callable[[], Any]:
    """A function that gives the attention of ``query`` [sequences, heads, width] over ``latent``
    [sequences, context, width], whose first ``rank`` elements are also the values: [sequences, heads, rank].
    """
    sequences, heads, width = query.shape
    context = latent.shape[1]
    rows, tokens, warps, stages = tile
    each = -(-context // (parts * tokens)) * tokens
    parts = -(-context // each)
    partial = torch.empty((sequences, heads, parts, rank), dtype=torch.float32, device=query.device)
    logs = torch.empty((sequences, heads, parts), dtype=torch.float32, device=query.device)

    def run() -> Any:
        _attend[(sequences, heads // rows, parts)](
            query,
            latent,
            partial,
            logs,
            width**-0.5,
            context,
            each,
            heads,
            parts,
            RANK=rank,
            ROPE=width - rank,
            ROWS=rows,
            TOKENS=tokens,
            num_warps=warps,
            num_stages=stages,
        )
        share = torch.softmax(logs, -1)
        return (partial * share[..., None]).sum(2).to(query.dtype)

    return run


@triton.jit(do_not_specialize=["parts"])  # else each number of parts is compiled anew
def _attend(
    query,
    latent,
    partial,
    logs,
    scale,
    context,
    each,
    heads,
    parts,
    RANK: tl.constexpr,
    ROPE: tl.constexpr,
    ROWS: tl.constexpr,
    TOKENS: tl.constexpr,
):
    sequence, part = tl.program_id(0).to(tl.int64), tl.program_id(2)
    width = RANK + ROPE
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    value, rope, step = tl.arange(0, RANK), RANK + tl.arange(0, ROPE), tl.arange(0, TOKENS)
    asked = query + (sequence * heads + row)[:, None] * width
    q_value, q_rope = tl.load(asked + value[None, :]), tl.load(asked + rope[None, :])
    best = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    sums = tl.zeros((ROWS, RANK), tl.float32)
    kept = latent + sequence * context * width
    last = tl.minimum(context, (part + 1) * each)
    for start in range(part * each, last, TOKENS):
        token = start + step
        there = token < last
        entry = kept + token[:, None] * width
        k_value = tl.load(entry + value[None, :], mask=there[:, None], other=0.0)
        k_rope = tl.load(entry + rope[None, :], mask=there[:, None], other=0.0)
        scores = tl.dot(q_value, tl.trans(k_value))
        scores = tl.dot(q_rope, tl.trans(k_rope), scores) * scale
        scores = tl.where(there[None, :], scores, float("-inf"))
        higher = tl.maximum(best, tl.max(scores, 1))
        weight = tl.exp(scores - higher[:, None])
        fade = tl.exp(best - higher)
        total = total * fade + tl.sum(weight, 1)
        sums = tl.dot(weight.to(k_value.dtype), k_value, sums * fade[:, None])
        best = higher
    at = (sequence * heads + row) * parts + part
    tl.store(partial + at[:, None] * RANK + value[None, :], sums / total[:, None])
    tl.store(logs + at, best + tl.log(total))
