"""One kind of attention layer: its parameters, what it keeps for a token, what it reads and computes.

Kinds: ``gqa`` (also MHA and MQA; with ``window`` a sliding window), ``mla`` (a compressed latent instead of
keys and values), ``gdn``, ``kda`` and ``lightning`` (linear attention: a state of fixed size), ``compressed``
(one shared key-value vector for every ``ratio`` tokens beside a sliding window). An indexer (``index_heads``)
lets each query attend to ``selected`` entries only.

Elements, not bytes: the number format is chosen later. FLOPs count a multiply-add as two.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["gqa", "mla", "gdn", "kda", "lightning", "compressed"]
LINEAR = ("gdn", "kda", "lightning")


class Attention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``layers`` layers of one kind. Zero: has none of that."""

    kind: Kind
    layers: int
    heads: int  # of queries; of values in linear attention
    qk_dim: int  # of one head's query and key, rotary part included
    v_dim: int
    kv_heads: int = 0  # gqa; of keys in linear attention
    rope_dim: int = 0  # mla: the part that is kept beside the latent
    q_rank: int = 0  # queries come through a bottleneck of this width
    kv_rank: int = 0  # mla: width of the latent
    window: int = 0  # tokens seen back; 0: all
    gate: bool = False  # the output is multiplied by a gate as wide as itself
    gate_rank: int = 0  # ... which comes through a bottleneck
    conv: int = 0  # linear attention: kernel of the short convolutions before it
    ratio: int = 0  # compressed: tokens behind one kept entry; 0: only the window
    o_rank: int = 0  # compressed: the output comes through this width in each of o_groups groups
    o_groups: int = 0
    index_heads: int = 0  # the indexer that chooses what is attended to
    index_dim: int = 0
    index_layers: int = 0  # layers with an indexer of their own; 0: all
    selected: int = 0  # entries that each query attends to
    index_block: int = 0  # the indexer scores blocks: keys of gqa are chosen by blocks of that many tokens

    @property
    def linear(self) -> bool:
        return self.kind in LINEAR

    @property
    def indexers(self) -> int:
        """Layers that hold an indexer."""
        return (self.index_layers or self.layers) if self.index_heads else 0

    # --- parameters ----------------------------------------------------------------------------

    def parameters(self, hidden: int) -> int:
        """Of all layers of this kind together; norms and biases are left out (< 0.01 %)."""
        return self.layers * self._layer(hidden) + self.indexers * self._indexer(hidden)

    def _layer(self, hidden: int) -> int:
        wide = self.heads * self.v_dim
        gate = 0
        if self.gate:
            gate = self.gate_rank * (hidden + wide) if self.gate_rank else hidden * wide
        if self.linear:
            return self._linear(hidden) + gate
        queries = self.heads * self.qk_dim
        query = self.q_rank * (hidden + queries) if self.q_rank else hidden * queries
        if self.kind == "mla":
            keys = hidden * (self.kv_rank + self.rope_dim)
            up = self.kv_rank * self.heads * (self.qk_dim - self.rope_dim + self.v_dim)
            return query + keys + up + wide * hidden + gate
        if self.kind == "compressed":
            out = wide * self.o_rank + self.o_groups * self.o_rank * hidden if self.o_rank else wide * hidden
            return query + hidden * self.qk_dim + self._compressor(hidden, self.qk_dim) + out + gate
        return query + hidden * self.kv_heads * (self.qk_dim + self.v_dim) + wide * hidden + gate

    def _linear(self, hidden: int) -> int:
        keys, values = self.kv_heads * self.qk_dim, self.heads * self.v_dim
        mixed = 2 * keys + values
        projections = hidden * (mixed + values) + mixed * self.conv
        if self.kind == "gdn":  # a decay and a step for each head
            return projections + 2 * hidden * self.heads
        if self.kind == "kda":  # a decay for each channel through a bottleneck, a step for each head
            return projections + hidden * self.heads + self.qk_dim * (hidden + keys)
        return projections

    def _compressor(self, hidden: int, width: int) -> int:
        """Values and gates that are summed into one entry; small ratios overlap and need two of each."""
        return 2 * hidden * width * (2 if self.ratio == 4 else 1) if self.ratio else 0

    def _indexer(self, hidden: int) -> int:
        queries = (self.q_rank or hidden) * self.index_heads * self.index_dim
        if self.index_block:
            return queries + hidden * self.index_dim
        if self.kind == "compressed":
            keys = self._compressor(hidden, self.index_dim)
        else:
            keys = hidden * self.index_dim
        return queries + keys + hidden * self.index_heads

    # --- what is kept ---------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Elements of one kept entry in one layer."""
        if self.linear:
            return 0
        if self.kind == "mla":
            return self.kv_rank + self.rope_dim
        if self.kind == "compressed":
            return self.qk_dim
        return self.kv_heads * (self.qk_dim + self.v_dim)

    @property
    def kept_per_token(self) -> float:
        """Elements that each further token adds, all layers, without the indexer; 0 for a window."""
        if self.kind == "compressed":
            return self.layers * self.width / self.ratio if self.ratio else 0.0
        return 0.0 if self.window else float(self.layers * self.width)

    @property
    def index_per_token(self) -> float:
        """Elements that the indexers keep for each token."""
        return self.indexers * self.index_dim / max(1, self.ratio)

    @property
    def kept_per_sequence(self) -> int:
        """Elements that a sequence takes however long it is: its window."""
        return self.layers * self.width * self.window

    @property
    def state_bytes(self) -> int:
        """Of linear attention, a sequence: the states in fp32 and the inputs of the convolutions in bf16."""
        if not self.linear:
            return 0
        mixed = 2 * self.kv_heads * self.qk_dim + self.heads * self.v_dim
        return self.layers * (4 * self.heads * self.qk_dim * self.v_dim + 2 * mixed * max(0, self.conv - 1))

    # --- what one query reads and computes ------------------------------------------------------

    def seen(self, context: float) -> float:
        """Entries that one query at position ``context`` attends to in one layer."""
        if self.linear:
            return 0.0
        if self.kind == "compressed":
            entries = context / self.ratio if self.ratio else 0.0
            return min(entries, self.selected or entries) + min(context, self.window)
        seen = min(context, self.window) if self.window else context
        return min(seen, self.selected) if self.selected else seen

    def scored(self, context: float) -> float:
        """Index keys that one query is compared with in one layer that has an indexer."""
        return context / max(1, self.ratio) if self.index_heads else 0.0

    def read(self, context: float) -> float:
        """Elements of the cache that one decoded token reads, all layers, without the indexer's."""
        return self.layers * self.width * self.seen(context)

    def index_read(self, context: float) -> float:
        """Elements of index keys that one decoded token reads, all layers."""
        return self.indexers * self.index_dim * self.scored(context)

    def decode_flops(self, context: float) -> float:
        """Of one token's attention over ``context`` (projections are counted with the weights)."""
        if self.linear:  # the state is decayed, read, corrected and read again
            return self.layers * 8.0 * self.heads * self.qk_dim * self.v_dim
        dims = 2 * self.kv_rank + self.rope_dim if self.kind == "mla" else self.qk_dim + self.v_dim
        return self.layers * 2.0 * self.heads * dims * self.seen(context) + self._index_flops(context)

    def prefill_flops(self, tokens: float, cached: float) -> float:
        """Of ``tokens`` new tokens after ``cached`` ones, causal.

        A latent is expanded to full heads, unless an indexer makes each query read its own entries.
        """
        if self.linear:
            return tokens * self.decode_flops(0)
        absorbed = self.kind == "mla" and self.selected > 0
        dims = 2 * self.kv_rank + self.rope_dim if absorbed else self.qk_dim + self.v_dim
        seen = _mean(self.seen, cached, cached + tokens)
        return tokens * (
            self.layers * 2.0 * self.heads * dims * seen + self._index_flops(cached + tokens / 2)
        )

    def _index_flops(self, context: float) -> float:
        return self.indexers * 2.0 * self.index_heads * self.index_dim * self.scored(context)


def _mean(of: object, begin: float, end: float) -> float:
    """Mean of a function of the position that is straight between a few bends, by 32 midpoints."""
    assert callable(of)
    step = (end - begin) / 32
    return sum(float(of(begin + (i + 0.5) * step)) for i in range(32)) / 32
