"""Which number formats a model is served in: of its experts, its other layers, its head, its caches.

What is called "4 bit" leaves most of a mixture of experts' other layers wider, so a name becomes several
formats by what published checkpoints of that name hold.
"""

from __future__ import annotations

import msgspec

from tokenworks.energy.architecture import Architecture
from tokenworks.energy.dtypes import bytes_of
from tokenworks.errors import BadRequest

FOUR_BITS = ("fp4", "nvfp4", "mxfp4", "int4", "q4_0", "q4_k")
NAMES = (
    "native",
    "bf16",
    "fp8",
    "int8",
    "fp4",
    "nvfp4",
    "mxfp4",
    "int4",
    "q8_0",
    "q6_k",
    "q5_k",
    "q4_k",
    "q4_0",
)
_LLAMA_CPP = ("q8_0", "q6_k", "q5_k", "q4_k", "q4_0")  # these pack every layer


class Precision(msgspec.Struct, frozen=True):
    """Formats as in ``dtypes.BYTES``."""

    dense: str  # linear layers that every token passes
    experts: str
    head: str = "bf16"  # output head and input embedding
    kv: str = "bf16"
    index: str = "fp8"  # keys of an indexer

    def weight_bytes(self, arch: Architecture) -> float:
        """Memory that all weights take, the module that predicts further tokens left out."""
        embeddings = arch.total_parameters - arch.dense_parameters - arch.expert_parameters
        return (
            arch.dense_parameters * bytes_of(self.dense)
            + arch.expert_parameters * bytes_of(self.experts)
            + embeddings * bytes_of(self.head)
        )


def precision(arch: Architecture, name: str = "native", kv: str = "") -> Precision:
    """The formats behind a precision's ``name``, with caches in ``kv`` (empty: bf16).

    Raises ``BadRequest`` for names that are not known.
    """
    kv = kv or "bf16"
    bytes_of(kv)
    index = kv if bytes_of(kv) < 1 else "fp8"
    if name == "native":
        experts = arch.expert_dtype or arch.dtype
        return Precision(dense=arch.dtype, experts=experts, head=arch.head_dtype, kv=kv, index=index)
    if name not in NAMES:
        raise BadRequest(f"unknown precision {name!r}: use one of {', '.join(NAMES)}")
    if name in _LLAMA_CPP:
        return Precision(dense=name, experts=name, head=name, kv=kv, index=index)
    if name in FOUR_BITS and arch.moe:
        dense = arch.dtype if arch.dtype in ("fp8", "bf16") else "bf16"
        experts = arch.expert_dtype if arch.expert_dtype in FOUR_BITS else name
    else:
        dense = experts = name
    return Precision(dense=dense, experts=experts, kv=kv, index=index)
