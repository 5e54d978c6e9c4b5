import json
from pathlib import Path
from typing import Any

import pytest

from tokenworks.energy.reading import from_config, from_file
from tokenworks.errors import BadRequest

PLAIN: dict[str, Any] = {
    "model_type": "never_heard_of",
    "num_hidden_layers": 4,
    "hidden_size": 256,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 512,
    "vocab_size": 1000,
}
EXPERTS = PLAIN | {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 64}


def test_an_unknown_type_with_usual_keys() -> None:
    arch = from_config(PLAIN, "new")
    assert (arch.layers, arch.attention[0].qk_dim, arch.dtype) == (4, 32, "bf16")
    assert arch.total_parameters == 4 * (2 * 256 * 256 + 2 * 256 * 64 + 3 * 256 * 512) + 2 * 256_000


@pytest.mark.parametrize(
    "key", ["num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size", "intermediate_size"]
)
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(BadRequest, match=f"{key}.* is missing") as caught:
        from_config({k: v for k, v in PLAIN.items() if k != key}, "new")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["many", -1, True, 1 << 40, float("nan")])
def test_values_that_can_not_be(value: object) -> None:
    with pytest.raises(BadRequest, match="num_hidden_layers"):
        from_config(PLAIN | {"num_hidden_layers": value}, "new")


def test_experts_and_their_exceptions() -> None:
    assert from_config(EXPERTS, "m").moe_layers == 4
    assert from_config(EXPERTS | {"first_k_dense_replace": 1}, "m").moe_layers == 3
    assert from_config(EXPERTS | {"mlp_only_layers": [0, 1]}, "m").moe_layers == 2
    assert from_config(EXPERTS | {"decoder_sparse_step": 2}, "m").moe_layers == 2
    assert from_config(EXPERTS | {"moe_layer_freq": [0, 1, 1, 1]}, "m").moe_layers == 3
    assert from_config(EXPERTS | {"n_shared_experts": 2}, "m").shared_width == 128
    with pytest.raises(BadRequest, match="9, but there are 8 experts"):
        from_config(EXPERTS | {"num_experts_per_tok": 9}, "m")


def test_windows_and_linear_layers() -> None:
    kinds = ["sliding_attention", "full_attention"] * 2
    windowed = from_config(PLAIN | {"layer_types": kinds, "sliding_window": 128}, "w")
    assert [(group.layers, group.window) for group in windowed.attention] == [(2, 128), (2, 0)]
    unused = from_config(PLAIN | {"sliding_window": 128, "use_sliding_window": False}, "w")
    assert [group.window for group in unused.attention] == [0]
    lightning = from_config(PLAIN | {"attn_type_list": [0, 0, 0, 1]}, "l")
    assert [(group.kind, group.layers) for group in lightning.attention] == [("lightning", 3), ("gqa", 1)]


def test_lightning_attention_of_a_published_model() -> None:
    config = {  # MiniMax-Text-01: 456B, 45.9B activated, without embeddings (arXiv 2501.08313)
        "num_hidden_layers": 80,
        "hidden_size": 6144,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 9216,
        "num_local_experts": 32,
        "num_experts_per_tok": 2,
        "vocab_size": 200_064,
        "attn_type_list": [0, 0, 0, 0, 0, 0, 0, 1] * 10,
    }
    arch = from_config(config, "lightning")
    assert arch.total_parameters / 1e9 == pytest.approx(456, rel=0.01)
    assert (arch.active_parameters - arch.embedding_parameters) / 1e9 == pytest.approx(45.9, rel=0.01)
    assert arch.kv_bytes_per_token() == 10 * 2 * 8 * 256


def test_number_formats_of_the_weights() -> None:
    fp8 = from_config(PLAIN | {"quantization_config": {"quant_method": "fp8"}}, "q")
    assert (fp8.dtype, fp8.expert_dtype) == ("fp8", "")
    awq = from_config(PLAIN | {"quantization_config": {"quant_method": "awq", "bits": 4}}, "q")
    assert awq.dtype == "int4"
    mixed = from_config(EXPERTS | {"quantization_config": {"quant_method": "mxfp4"}}, "q")
    assert (mixed.dtype, mixed.expert_dtype) == ("bf16", "mxfp4")


def test_the_language_model_of_a_multimodal_one(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vlm", "text_config": PLAIN}))
    arch = from_file(tmp_path)
    assert (arch.layers, arch.name) == (4, tmp_path.name)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"GGUF", "neither JSON"), (b"[1]", "a JSON object is needed"), (b"[" * 100_000, "neither")],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(BadRequest, match=told):
        from_file(path)
