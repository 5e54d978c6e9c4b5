"""What a model's configuration says of its size, and what follows: parameters, bytes kept for a token.

Parameters are counted as publishers do: all weights of the language model, without vision towers and without
the modules that predict further tokens (``mtp_parameters`` has those). Active parameters are those that one
token is multiplied with: the output head included, the input embedding (a look-up) left out.
"""

from __future__ import annotations

import msgspec

from tokenworks.energy.attention import Attention
from tokenworks.energy.dtypes import bytes_of


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One model. ``attention`` has an entry for each kind of layer; together they are all layers."""

    name: str
    hidden: int
    vocabulary: int
    attention: tuple[Attention, ...]
    dense_layers: int = 0  # layers whose feed-forward part is not split into experts
    dense_width: int = 0
    experts: int = 0  # routed ones in each of the other layers
    experts_per_token: int = 0
    expert_width: int = 0
    shared_width: int = 0  # of what every token passes beside its experts, all shared experts together
    expert_hidden: int = 0  # experts work on a narrower projection of the hidden state; 0: on itself
    gated: bool = True  # three matrices in each feed-forward part; else two
    tied: bool = False  # the output head is the input embedding
    extra_per_layer: int = 0  # parameters of a layer that are neither attention nor feed-forward
    mtp_layers: int = 0  # modules that predict further tokens
    context: int = 0  # tokens that the configuration allows
    dtype: str = "bf16"  # of the published weights
    expert_dtype: str = ""  # of the experts, where it differs
    head_dtype: str = "bf16"  # of output head and input embedding

    @property
    def layers(self) -> int:
        return sum(group.layers for group in self.attention)

    @property
    def moe_layers(self) -> int:
        return self.layers - self.dense_layers if self.experts else 0

    @property
    def moe(self) -> bool:
        return self.moe_layers > 0

    @property
    def mla(self) -> bool:
        """Is one entry kept for all heads, so that tensor parallelism can't split the cache?"""
        return any(group.kind in ("mla", "compressed") for group in self.attention)

    # --- parameters ----------------------------------------------------------------------------

    @property
    def embedding_parameters(self) -> int:
        """Of the input embedding, or of the output head."""
        return self.vocabulary * self.hidden

    @property
    def parameters_per_expert(self) -> int:
        return self._matrices * (self.expert_hidden or self.hidden) * self.expert_width

    @property
    def attention_parameters(self) -> int:
        return sum(group.parameters(self.hidden) for group in self.attention)

    @property
    def shared_parameters(self) -> int:
        """Of shared experts, routers and projections around the experts, all layers."""
        latent = 2 * self.hidden * self.expert_hidden
        return self.moe_layers * (
            self._matrices * self.hidden * self.shared_width + self.hidden * self.experts + latent
        )

    @property
    def dense_parameters(self) -> int:
        """Every parameter inside the layers that each token passes: all but experts and embeddings."""
        feed_forward = self.dense_layers * self._matrices * self.hidden * self.dense_width
        extra = self.layers * self.extra_per_layer
        return self.attention_parameters + feed_forward + self.shared_parameters + extra

    @property
    def expert_parameters(self) -> int:
        """Of all routed experts of all layers."""
        return self.moe_layers * self.experts * self.parameters_per_expert

    @property
    def nonexpert_parameters(self) -> int:
        """All that is not a routed expert, the output head included, the input embedding not."""
        return self.dense_parameters + self.embedding_parameters

    @property
    def total_parameters(self) -> int:
        embeddings = self.embedding_parameters * (1 if self.tied else 2)
        return self.dense_parameters + self.expert_parameters + embeddings

    @property
    def active_parameters(self) -> int:
        """That one token is multiplied with; without the input embedding."""
        return (
            self.nonexpert_parameters + self.moe_layers * self.experts_per_token * self.parameters_per_expert
        )

    @property
    def mtp_parameters(self) -> int:
        """Of all modules that predict further tokens: one more layer each, and a projection of two inputs."""
        if not self.mtp_layers:
            return 0
        last = self.attention[-1]
        one = msgspec.structs.replace(last, layers=1, index_layers=min(1, last.index_layers))
        feed_forward = self.dense_width * self._matrices * self.hidden
        if self.moe:
            feed_forward = (
                self.experts * self.parameters_per_expert + self.shared_parameters // self.moe_layers
            )
        return self.mtp_layers * (one.parameters(self.hidden) + feed_forward + 2 * self.hidden**2)

    @property
    def _matrices(self) -> int:
        return 3 if self.gated else 2

    # --- what is kept of a context --------------------------------------------------------------

    def kv_bytes_per_token(self, kv: str = "bf16", index: str = "") -> float:
        """Bytes that each further token of a context keeps, in the number formats of cache and indexer."""
        kept = sum(group.kept_per_token for group in self.attention)
        indexed = sum(group.index_per_token for group in self.attention)
        return kept * bytes_of(kv) + indexed * bytes_of(index or kv)

    def sequence_bytes(self, kv: str = "bf16") -> float:
        """Bytes that a sequence takes however long it is: windows and states of linear attention."""
        windows = sum(group.kept_per_sequence for group in self.attention)
        return windows * bytes_of(kv) + sum(group.state_bytes for group in self.attention)

    def context_bytes(self, tokens: float, kv: str = "bf16", index: str = "") -> float:
        """Bytes that a context of ``tokens`` tokens takes."""
        window = sum(
            group.layers * group.width * min(tokens, group.window) for group in self.attention
        ) * bytes_of(kv)
        states = sum(group.state_bytes for group in self.attention)
        return tokens * self.kv_bytes_per_token(kv, index) + window + states
