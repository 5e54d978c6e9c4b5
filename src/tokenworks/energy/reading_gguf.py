"""An ``Architecture`` out of a GGUF file: its keys and the shapes of its tensors; no weights are read.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; tensors' names are those of llama.cpp.
"""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.energy.architecture import Architecture
from tokenworks.energy.reading import Keys, from_config
from tokenworks.engines import gguf
from tokenworks.errors import BadRequest

TYPES = {
    0: "fp32",
    1: "f16",
    2: "q4_0",
    3: "q4_1",
    6: "q5_0",
    7: "q5_1",
    8: "q8_0",
    10: "q2_k",
    11: "q3_k",
    12: "q4_k",
    13: "q5_k",
    14: "q6_k",
    16: "iq2_xxs",
    23: "iq4_xs",
    30: "bf16",
    39: "mxfp4",
}
"""Number formats by their id; others are taken for the nearest of these by the size of the file's kind."""

_KEYS = {
    "hidden_size": "embedding_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "v_head_dim": "attention.value_length",
    "intermediate_size": "feed_forward_length",
    "vocab_size": "vocab_size",
    "max_position_embeddings": "context_length",
    "n_routed_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
    "moe_intermediate_size": "expert_feed_forward_length",
    "n_shared_experts": "expert_shared_count",
    "shared_expert_intermediate_size": "expert_shared_feed_forward_length",
    "first_k_dense_replace": "leading_dense_block_count",
    "num_nextn_predict_layers": "nextn_predict_layers",
    "q_lora_rank": "attention.q_lora_rank",
    "kv_lora_rank": "attention.kv_lora_rank",
    "qk_rope_head_dim": "rope.dimension_count",
    "sliding_window": "attention.sliding_window",
    "index_n_heads": "attention.indexer.head_count",
    "index_head_dim": "attention.indexer.key_length",
    "index_topk": "attention.indexer.top_k",
    "full_attention_interval": "full_attention_interval",
    "linear_num_key_heads": "ssm.group_count",
    "linear_num_value_heads": "ssm.time_step_rank",
    "linear_key_head_dim": "ssm.state_size",
    "linear_conv_kernel_dim": "ssm.conv_kernel",
}


class Tensor(msgspec.Struct, frozen=True):
    name: str
    dims: tuple[int, ...]
    type_id: int

    @property
    def elements(self) -> int:
        total = 1
        for length in self.dims:
            total *= length
        return total


def from_gguf(path: Path) -> Architecture:
    """The model in the GGUF file at ``path``; of a split model its first part is needed.

    Raises ``BadRequest`` with one line that names the missing key or what is wrong with the file.
    """
    try:
        head = gguf.read_head(path)  # judges the file
        values, tensors = _contents(path)
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path}: {error}") from None
    if head.kind != "model":
        raise BadRequest(f"{path}: its kind is {head.kind}: a model is needed")
    prefix = head.architecture
    for key in ("block_count", "embedding_length", "attention.head_count"):
        if f"{prefix}.{key}" not in values:
            raise BadRequest(f"{path}: {prefix}.{key} is missing: the model can't be sized without")
    config = _config(prefix, values, tensors)
    arch = from_config(config, head.name or path.stem)
    dense, experts, head_dtype = _formats(tensors)
    return msgspec.structs.replace(
        arch, dtype=dense, expert_dtype=experts if experts != dense else "", head_dtype=head_dtype
    )


def _contents(path: Path) -> tuple[dict[str, object], list[Tensor]]:
    """All keys and the descriptions of all tensors. Raises ``ValueError`` for a damaged file."""
    with path.open("rb") as file:
        _, count, keys = struct.unpack("<IQQ", file.read(24)[4:])
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            cursor = gguf.Cursor(content)
            values: dict[str, object] = {}
            for _ in range(keys):
                key = cursor.text()
                values[key] = cursor.value(cursor.number(4))
            return values, [_tensor(cursor) for _ in range(count)]


def _tensor(cursor: gguf.Cursor) -> Tensor:
    name = cursor.text()
    dims = tuple(cursor.number(8) for _ in range(min(8, cursor.number(4))))
    type_id = cursor.number(4)
    cursor.number(8)  # where its data begin
    return Tensor(name, dims, type_id)


def _config(prefix: str, values: Mapping[str, object], tensors: list[Tensor]) -> dict[str, Any]:
    """The file's keys under the names that configurations use."""
    own = {
        key.removeprefix(f"{prefix}."): value for key, value in values.items() if key.startswith(f"{prefix}.")
    }
    config: dict[str, Any] = {name: _one(own[key]) for name, key in _KEYS.items() if own.get(key) is not None}
    ahead = Keys(own, prefix).find("nextn_predict_layers")
    config["num_hidden_layers"] = Keys(own, prefix).need("block_count") - ahead
    by_name = {tensor.name: tensor for tensor in tensors}
    embedding = by_name.get("token_embd.weight")
    if embedding is not None and len(embedding.dims) == 2:
        config["vocab_size"] = embedding.dims[1]
    config["tie_word_embeddings"] = bool(tensors) and "output.weight" not in by_name
    if config.get("kv_lora_rank"):  # heads as they are before the latent is absorbed
        keys, head = Keys(own, prefix), own.get("attention.key_length_mla")
        whole = int(head) if isinstance(head, int) else keys.need("attention.key_length")
        config["qk_nope_head_dim"] = whole - keys.need("rope.dimension_count")
        config["v_head_dim"] = keys.find("attention.value_length_mla") or keys.need("attention.value_length")
    if config.get("linear_num_value_heads"):
        config["linear_value_head_dim"] = (
            Keys(own, prefix).need("ssm.inner_size") // config["linear_num_value_heads"]
        )
        config["attn_output_gate"] = True
    pattern = own.get("attention.sliding_window_pattern")
    if isinstance(pattern, list):
        config["layer_types"] = ["sliding_attention" if seen else "full_attention" for seen in pattern]
    elif isinstance(pattern, int):
        config["sliding_window_pattern"] = pattern
    return config


def _one(value: object) -> object:
    """A value for all layers: of a list of one for each layer, the largest."""
    if isinstance(value, list):
        numbers = [item for item in value if isinstance(item, int)]
        return max(numbers, default=0)
    return value


def _formats(tensors: list[Tensor]) -> tuple[str, str, str]:
    """Number formats that most elements are in: of layers without their experts, of experts, of the head."""
    experts: Counter[str] = Counter()
    dense: Counter[str] = Counter()
    head: Counter[str] = Counter()
    for tensor in tensors:
        if len(tensor.dims) < 2:
            continue
        kind = experts if "_exps." in tensor.name else dense if tensor.name.startswith("blk.") else head
        kind[TYPES.get(tensor.type_id, "q4_k")] += tensor.elements
    usual = dense.most_common(1)[0][0] if dense else "f16"
    return (
        usual,
        experts.most_common(1)[0][0] if experts else usual,
        head.most_common(1)[0][0] if head else usual,
    )
