"""An ``Architecture`` out of a model's ``config.json``.

Nothing hangs on a model's name: keys say what a layer is. So a model of an unknown type is understood where
its keys are the usual ones, and a missing key is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenworks.energy.architecture import Architecture
from tokenworks.energy.attention import Attention, Kind
from tokenworks.errors import BadRequest

MAX_CONFIG = 4 << 20  # bytes
MAX_SIZE = 1 << 28  # of one number in it; the largest vocabularies have 2^18 entries


class Keys:
    """A configuration's keys under the several names that they go by."""

    def __init__(self, values: Mapping[str, Any], source: str) -> None:
        self.values = values
        self.source = source

    def find(self, *names: str, default: int = 0) -> int:
        """The first of ``names`` that is there, as a whole number that is not negative."""
        for name in names:
            value = self.values.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SIZE:
                raise BadRequest(f"{self.source}: {name} is {value!r}; a whole number is needed")
            return int(value)
        return default

    def need(self, *names: str) -> int:
        value = self.find(*names)
        if value <= 0:
            others = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
            raise BadRequest(
                f"{self.source}: {names[0]}{others} is missing: the model can't be sized without"
            )
        return value

    def flag(self, *names: str) -> bool:
        return any(bool(self.values.get(name)) for name in names)

    def table(self, name: str) -> Keys:
        value = self.values.get(name)
        return Keys(value if isinstance(value, dict) else {}, f"{self.source}: {name}")

    def listed(self, *names: str) -> list[Any]:
        for name in names:
            value = self.values.get(name)
            if isinstance(value, list):
                return value
        return []


def from_file(path: Path) -> Architecture:
    """The model that the ``config.json`` at ``path`` (or in that folder) describes.

    Raises ``BadRequest``, one line that names the missing key or what is wrong with the file.
    """
    path = path / "config.json" if path.is_dir() else path
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG + 1)
    except OSError as error:
        raise BadRequest(
            f"{path}: {error.strerror or error}: name a model's config.json or GGUF file"
        ) from None
    if len(content) > MAX_CONFIG:
        raise BadRequest(f"{path}: is no configuration: larger than {MAX_CONFIG >> 20} MiB")
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):
        raise BadRequest(f"{path}: is neither JSON nor a GGUF file (its name must end in .gguf)") from None
    if not isinstance(config, dict):
        raise BadRequest(f"{path}: is no model's configuration: a JSON object is needed")
    return from_config(config, path.name if path.name != "config.json" else path.parent.name)


def from_config(config: Mapping[str, Any], name: str) -> Architecture:
    """The model that a configuration in the usual keys describes; multimodal ones by their language model.

    Raises ``BadRequest`` with one line that names what is missing.
    """
    inner = next(
        (
            config[k]
            for k in ("text_config", "llm_config", "language_config")
            if isinstance(config.get(k), dict)
        ),
        None,
    )
    keys = Keys({**config, **inner} if inner else config, name or "config.json")
    layers = keys.need("num_hidden_layers", "n_layer", "num_layers", "n_layers")
    hidden = keys.need("hidden_size", "n_embd", "d_model")
    experts = keys.find("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
    if layers > 4096:
        raise BadRequest(f"{name}: num_hidden_layers is {layers}; no model has as many")
    attention = _attention(keys, layers, hidden)
    top_k = keys.need("num_experts_per_tok", "num_experts_per_token", "moe_topk") if experts else 0
    if top_k > experts:
        raise BadRequest(f"{name}: num_experts_per_tok is {top_k}, but there are {experts} experts")
    dense = _dense_layers(keys, layers) if experts else layers
    dtype, expert_dtype = _dtypes(config, keys)
    return Architecture(
        name=name,
        hidden=hidden,
        vocabulary=keys.need("vocab_size", "n_vocab"),
        attention=attention,
        dense_layers=dense,
        dense_width=keys.need(*_dense_names(keys)) if dense else 0,
        experts=experts,
        experts_per_token=top_k,
        expert_width=keys.need("moe_intermediate_size", "intermediate_size", "ffn_hidden_size")
        if experts
        else 0,
        shared_width=_shared_width(keys) if experts else 0,
        expert_hidden=keys.find("routed_expert_hidden_size") if experts else 0,
        tied=keys.flag("tie_word_embeddings"),
        extra_per_layer=_connections(keys, hidden),
        mtp_layers=keys.find("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules"),
        context=keys.find("max_position_embeddings", "n_positions", "max_seq_len"),
        dtype=dtype,
        expert_dtype=expert_dtype,
    )


# --- feed-forward parts --------------------------------------------------------------------------


def _dense_names(keys: Keys) -> tuple[str, ...]:
    return ("dense_intermediate_size", "intermediate_size", "ffn_hidden_size", "n_inner")


def _dense_layers(keys: Keys, layers: int) -> int:
    """Layers without experts: told by a list, by the first ones, or by a step."""
    kinds = keys.listed("mlp_layer_types")
    if kinds:
        return sum(kind == "dense" for kind in kinds[:layers])
    frequency = keys.listed("moe_layer_freq")
    if frequency:
        return sum(not used for used in frequency[:layers])
    without = set(keys.listed("mlp_only_layers"))
    step = keys.find("decoder_sparse_step", "interleave_moe_layer_step", default=1) or 1
    if without or step > 1:
        return sum(i in without or (i + 1) % step != 0 for i in range(layers))
    return min(layers, keys.find("first_k_dense_replace", "moe_layer_start_index"))


def _shared_width(keys: Keys) -> int:
    width = keys.find("shared_expert_intermediate_size", "shared_intermediate_size")
    count = keys.find("n_shared_experts", "num_shared_experts")
    each = width or keys.find("moe_intermediate_size", "intermediate_size")
    return each * count if count else width


def _connections(keys: Keys, hidden: int) -> int:
    """Parameters of residual streams that are mixed by each layer, before attention and before the rest."""
    streams = keys.find("hc_mult")
    return 2 * (2 + streams) * streams * streams * hidden if streams else 0


# --- attention -----------------------------------------------------------------------------------


def _attention(keys: Keys, layers: int, hidden: int) -> tuple[Attention, ...]:
    if keys.listed("compress_ratios"):
        return _compressed(keys, layers)
    linear = _linear_layers(keys, layers)
    windowed = _windowed_layers(keys, layers) - linear
    sparse = keys.table("sparse_attention_config")
    whole = layers - len(linear) - len(windowed)
    groups = []
    if linear:
        groups.append(_linear(keys, len(linear)))
    if windowed:
        window = keys.need("sliding_window", "window_size")
        groups.append(_full(keys, hidden, len(windowed), window=window))
    if whole and keys.find("kv_lora_rank"):
        groups.append(_latent(keys, whole))
    elif whole and sparse.flag("use_sparse_attention"):
        chosen = sum(map(bool, sparse.listed("sparse_attention_freq")[:layers])) or whole
        if whole > chosen:
            groups.append(_full(keys, hidden, whole - chosen))
        groups.append(_by_blocks(keys, sparse, hidden, min(chosen, whole)))
    elif whole:
        groups.append(_full(keys, hidden, whole))
    return tuple(groups)


def _full(keys: Keys, hidden: int, layers: int, window: int = 0, **more: Any) -> Attention:
    heads = keys.need("num_attention_heads", "n_head", "n_heads")
    head = keys.find("head_dim", "attention_head_dim") or hidden // heads
    if not head:
        raise BadRequest(f"{keys.source}: head_dim is missing: the model can't be sized without")
    return Attention(
        kind="gqa",
        layers=layers,
        heads=heads,
        kv_heads=keys.find("num_key_value_heads", "num_kv_heads", "n_head_kv", default=heads),
        qk_dim=head,
        v_dim=keys.find("v_head_dim", default=head),
        window=window,
        gate=keys.flag("attn_output_gate", "attention_output_gate"),
        **more,
    )


def _by_blocks(keys: Keys, sparse: Keys, hidden: int, layers: int) -> Attention:
    """An indexer chooses blocks of keys, which are then attended to in full."""
    block = sparse.need("sparse_block_size")
    return _full(
        keys,
        hidden,
        layers,
        index_heads=sparse.need("sparse_num_index_heads"),
        index_dim=sparse.need("sparse_index_dim"),
        index_block=block,
        selected=block * (sparse.need("sparse_topk_blocks") + sparse.find("sparse_local_block")),
    )


def _latent(keys: Keys, layers: int) -> Attention:
    rope = keys.need("qk_rope_head_dim")
    index_heads = keys.find("index_n_heads")
    kinds = keys.listed("indexer_types")
    return Attention(
        kind="mla",
        layers=layers,
        heads=keys.need("num_attention_heads"),
        qk_dim=keys.need("qk_nope_head_dim") + rope,
        v_dim=keys.need("v_head_dim"),
        rope_dim=rope,
        q_rank=keys.find("q_lora_rank"),
        kv_rank=keys.need("kv_lora_rank"),
        gate=keys.flag("mla_use_output_gate"),
        index_heads=index_heads,
        index_dim=keys.need("index_head_dim") if index_heads else 0,
        index_layers=sum(kind == "full" for kind in kinds[:layers]) if index_heads else 0,
        selected=keys.need("index_topk") if index_heads else 0,
    )


def _compressed(keys: Keys, layers: int) -> tuple[Attention, ...]:
    ratios = keys.listed("compress_ratios")[:layers]
    if len(ratios) < layers or not all(isinstance(r, int) and r >= 0 for r in ratios):
        raise BadRequest(f"{keys.source}: compress_ratios needs a whole number for each of {layers} layers")
    groups = []
    for ratio in sorted(set(ratios)):
        indexed = 1 < ratio < 32  # where many entries are left, an indexer chooses among them
        groups.append(
            Attention(
                kind="compressed",
                layers=ratios.count(ratio),
                heads=keys.need("num_attention_heads"),
                qk_dim=keys.need("head_dim"),
                v_dim=keys.need("head_dim"),
                kv_heads=1,
                q_rank=keys.find("q_lora_rank"),
                window=keys.need("sliding_window"),
                ratio=ratio,
                o_rank=keys.find("o_lora_rank"),
                o_groups=keys.find("o_groups"),
                index_heads=keys.find("index_n_heads") if indexed else 0,
                index_dim=keys.find("index_head_dim") if indexed else 0,
                selected=keys.find("index_topk") if indexed else 0,
            )
        )
    return tuple(groups)


def _linear_layers(keys: Keys, layers: int) -> set[int]:
    kinds = keys.listed("layer_types")
    if "linear_attention" in kinds:
        return {i for i, kind in enumerate(kinds[:layers]) if kind == "linear_attention"}
    inner = keys.table("linear_attn_config").listed("kda_layers")
    if inner:  # counted from 1
        return {i - 1 for i in inner if isinstance(i, int) and 1 <= i <= layers}
    types = keys.listed("attn_type_list")  # 0: linear, 1: softmax
    if types:
        return {i for i, kind in enumerate(types[:layers]) if kind == 0}
    step = keys.find("full_attention_interval")
    if step and keys.find("linear_num_value_heads"):
        return {i for i in range(layers) if (i + 1) % step}
    return set()


def _windowed_layers(keys: Keys, layers: int) -> set[int]:
    kinds = keys.listed("layer_types")
    if "sliding_attention" in kinds:
        return {i for i, kind in enumerate(kinds[:layers]) if kind == "sliding_attention"}
    if not keys.find("sliding_window") or keys.values.get("use_sliding_window") is False or kinds:
        return set()
    step = keys.find("sliding_window_pattern")  # every step-th layer sees all
    return {i for i in range(layers) if not step or (i + 1) % step}


def _linear(keys: Keys, layers: int) -> Attention:
    kind: Kind
    table = keys.table("linear_attn_config")
    if table.values:
        heads, dim = table.need("num_heads"), table.need("head_dim")
        kind, kv_heads, qk, v, conv = "kda", heads, dim, dim, table.find("short_conv_kernel_size")
    elif keys.find("linear_num_value_heads"):
        kind, heads, kv_heads = "gdn", keys.need("linear_num_value_heads"), keys.need("linear_num_key_heads")
        qk, v = keys.need("linear_key_head_dim"), keys.need("linear_value_head_dim")
        conv = keys.find("linear_conv_kernel_dim")
    else:
        kind, heads = "lightning", keys.need("num_attention_heads")
        kv_heads, conv = heads, 0
        qk = v = keys.find("head_dim") or keys.need("hidden_size") // heads
    bottleneck = kind == "kda" and not table.flag("use_full_rank_gate")
    return Attention(
        kind=kind,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        qk_dim=qk,
        v_dim=v,
        conv=conv,
        gate=True,
        gate_rank=v if bottleneck else 0,
    )


# --- number formats ------------------------------------------------------------------------------

_NAMES = {"bfloat16": "bf16", "float16": "bf16", "float32": "fp32", "half": "bf16"}


def _dtypes(config: Mapping[str, Any], keys: Keys) -> tuple[str, str]:
    """The formats of the published weights: of most layers, and of experts where they differ."""
    plain = keys.values.get("dtype") or keys.values.get("torch_dtype") or "bfloat16"
    plain = _NAMES.get(str(plain), "bf16")
    how = config.get("quantization_config") or keys.values.get("quantization_config")
    if not isinstance(how, dict):
        return plain, ""
    method = str(how.get("quant_method", "")).lower()
    if method == "fp8" or "fp8" in str(how.get("quant_algo", "")).lower():
        return "fp8", {"fp4": "mxfp4"}.get(str(keys.values.get("expert_dtype", "")), "")
    if method == "mxfp4":
        return plain, "mxfp4"
    text = json.dumps(how).lower()
    four = "mxfp4" if "mxfp4" in text else "nvfp4" if "nvfp4" in text or '"type": "float"' in text else "int4"
    if '"num_bits": 4' in text or '"bits": 4' in text or "fp4" in text or method in ("awq", "gptq"):
        return (
            (plain, four) if keys.find("n_routed_experts", "num_experts", "num_local_experts") else (four, "")
        )
    if '"num_bits": 8' in text or '"bits": 8' in text:
        return "fp8" if '"type": "float"' in text else "int8", ""
    return plain, ""
