"""A model of grouped-query attention and experts in torch, with random weights: what a decode step takes.

It has every part of a listed architecture that costs time: norms, projections, rotary embedding, keys and
values written to and read from a cache, a router, experts read as they are chosen, the output head. Its words
mean nothing. On a GPU a step is captured once and replayed, as engines do it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenworks.energy.architecture import Architecture

_EPSILON = 1e-6


class Decoder:
    """``arch`` on ``device``. All layers are of one kind: ``gqa``, and experts without a shared one."""

    def __init__(self, torch: Any, arch: Architecture, device: str, seed: int = 0) -> None:
        (group,) = arch.attention
        if group.kind != "gqa" or group.window or group.qk_dim != group.v_dim:
            raise ValueError(f"{arch.name}: only plain grouped-query attention is written here")
        if arch.dense_layers or arch.shared_width or arch.expert_hidden or not arch.gated or not arch.moe:
            raise ValueError(f"{arch.name}: only gated experts in every layer are written here")
        self.torch, self.arch, self.group, self.device = torch, arch, group, device
        torch.manual_seed(seed)
        hidden, width, heads = arch.hidden, arch.expert_width, group.heads * group.qk_dim
        keys = group.kv_heads * group.qk_dim
        self.embedding = self._weights(arch.vocabulary, hidden)
        self.head = self._weights(arch.vocabulary, hidden)
        self.layers = [
            {
                "qkv": self._weights(hidden, heads + 2 * keys),
                "out": self._weights(heads, hidden),
                "router": self._weights(hidden, arch.experts),
                "gate_up": self._weights(arch.experts, hidden, 2 * width),
                "down": self._weights(arch.experts, width, hidden),
                "norms": torch.ones(2, hidden, dtype=torch.bfloat16, device=device),
                "head_norms": torch.ones(2, group.qk_dim, dtype=torch.bfloat16, device=device),
            }
            for _ in range(arch.layers)
        ]
        parts = (self._before, self._after)
        if device == "cuda":  # what lies between products becomes few kernels, as engines have it
            parts = tuple(torch.compile(part) for part in parts)
        self._parts = parts
        self.counts: list[Any] = []  # of the last step, how many tokens each expert of each layer had

    def _weights(self, *shape: int) -> Any:
        """Normal numbers of a size that keeps hidden states about as large as they came."""
        made = self.torch.empty(shape, dtype=self.torch.bfloat16, device=self.device)
        return made.normal_(std=float(shape[-2]) ** -0.5)

    @property
    def parameters(self) -> int:
        """That it holds, norms left out as the planner does."""
        held = [self.embedding, self.head]
        held += [each for layer in self.layers for name, each in layer.items() if "norms" not in name]
        return sum(each.numel() for each in held)

    @property
    def touched(self) -> float:
        """Experts of a layer that the last step read, the mean over all layers."""
        return sum(float((count > 0).sum()) for count in self.counts) / max(1, len(self.counts))

    def step(self, batch: int, context: int) -> Callable[[], Any]:
        """A function that gives ``batch`` sequences, ``context`` tokens long with the new one, a next token.

        Keys and values of what stands before are random.
        """
        torch, group = self.torch, self.group
        shape = (batch, group.kv_heads, context, group.qk_dim)
        kept = [
            tuple(torch.empty(shape, dtype=torch.bfloat16, device=self.device).normal_() for _ in range(2))
            for _ in self.layers
        ]
        turn = self._rotation(context - 1)
        ids = torch.randint(self.arch.vocabulary, (batch,), device=self.device)

        before, after = self._parts

        def run() -> Any:
            self.counts = []
            hidden = self.embedding[ids]
            for layer, (keys, values) in zip(self.layers, kept, strict=True):
                query, keys[:, :, -1], values[:, :, -1] = before(layer, hidden, turn)
                seen = torch.nn.functional.scaled_dot_product_attention(query, keys, values)
                hidden, counts = after(layer, hidden, seen)
                self.counts.append(counts)
            logits = self._normed(hidden, self.layers[-1]["norms"][0]) @ self.head.t()
            return logits.argmax(-1)

        return captured(torch, run) if self.device == "cuda" else run

    def _normed(self, values: Any, weight: Any) -> Any:
        return self.torch.nn.functional.rms_norm(values, weight.shape, weight, _EPSILON)

    def _rotation(self, position: int) -> tuple[Any, Any]:
        torch, half = self.torch, self.group.qk_dim // 2
        angles = position * 1e6 ** (-torch.arange(half, device=self.device, dtype=torch.float32) / half)
        return angles.cos().repeat(2).bfloat16(), angles.sin().repeat(2).bfloat16()

    def _turned(self, values: Any, turn: tuple[Any, Any]) -> Any:
        first, second = values.chunk(2, -1)
        return values * turn[0] + self.torch.cat((-second, first), -1) * turn[1]

    def _before(self, layer: dict[str, Any], hidden: Any, turn: tuple[Any, Any]) -> tuple[Any, Any, Any]:
        """Queries, and the new token's keys and values. All queries of a key's head are rows of one product,
        so that its cache is read once."""
        group, dim = self.group, self.group.qk_dim
        rows = hidden.shape[0]
        mixed = self._normed(hidden, layer["norms"][0]) @ layer["qkv"]
        mixed = mixed.view(rows, group.heads + 2 * group.kv_heads, dim)
        query, key, value = mixed.split((group.heads, group.kv_heads, group.kv_heads), 1)
        query = self._turned(self._normed(query, layer["head_norms"][0]), turn)
        key = self._turned(self._normed(key, layer["head_norms"][1]), turn)
        return query.view(rows, group.kv_heads, group.heads // group.kv_heads, dim), key, value

    def _after(self, layer: dict[str, Any], hidden: Any, seen: Any) -> tuple[Any, Any]:
        """The layer's output, and how many tokens each expert had."""
        hidden = hidden + seen.reshape(hidden.shape[0], -1) @ layer["out"]
        added, counts = self._experts(layer, self._normed(hidden, layer["norms"][1]))
        return hidden + added, counts

    def _experts(self, layer: dict[str, Any], seen: Any) -> tuple[Any, Any]:
        """Tokens sorted by expert, so that each chosen one is read once for all of its tokens."""
        torch, arch = self.torch, self.arch
        likely = torch.softmax((seen @ layer["router"]).float(), -1)
        weights, chosen = torch.topk(likely, arch.experts_per_token, -1)
        weights = weights / weights.sum(-1, keepdim=True)
        flat = chosen.reshape(-1)
        order = torch.argsort(flat)
        token = order // arch.experts_per_token
        experts = torch.arange(arch.experts, device=self.device)
        counts = (flat[:, None] == experts).sum(0)
        ends = counts.cumsum(0).to(torch.int32)
        both = grouped(torch, seen[token], layer["gate_up"], ends)
        gate, up = both.chunk(2, -1)
        out = grouped(torch, torch.nn.functional.silu(gate) * up, layer["down"], ends)
        out = out * weights.reshape(-1)[order, None].to(out.dtype)
        return torch.zeros_like(seen).index_add(0, token, out), counts


def grouped(torch: Any, rows: Any, weights: Any, ends: Any) -> Any:
    """Each expert's rows (up to its entry of ``ends``) by its matrix."""
    # Older versions have it under another name.
    product = getattr(torch.nn.functional, "grouped_mm", None) or torch._grouped_mm
    return product(rows, weights, offs=ends)


def captured(torch: Any, run: Callable[[], Any]) -> Callable[[], Any]:
    """``run`` as a CUDA graph, whose kernels follow each other without waiting for Python."""
    cuda = torch.cuda
    aside = cuda.Stream()
    aside.wait_stream(cuda.current_stream())
    with cuda.stream(aside):  # what a first run compiles and allocates is not to be captured
        for _ in range(3):
            run()
    cuda.current_stream().wait_stream(aside)
    graph = cuda.CUDAGraph()
    with cuda.graph(graph):
        shown = run()

    def replay() -> Any:
        graph.replay()
        return shown

    return replay
