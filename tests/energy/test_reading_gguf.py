from pathlib import Path

import pytest
from gguf_files import MINIMAL, gguf

from tokenworks.energy.architectures import load
from tokenworks.energy.precision import precision
from tokenworks.energy.reading_gguf import from_gguf
from tokenworks.errors import BadRequest

SHAPE = MINIMAL | {"llama.feed_forward_length": 128}
TENSORS = {"token_embd.weight": (64, 300), "blk.0.attn_q.weight": (64, 64), "blk.0.ffn_up.weight": (64, 128)}


def written(path: Path, values: dict[str, object], tensors: dict[str, tuple[int, ...]] = TENSORS) -> Path:
    path.write_bytes(gguf(values, tensors))
    return path


def test_a_small_model(tmp_path: Path) -> None:
    arch = from_gguf(written(tmp_path / "tiny.gguf", SHAPE))
    assert (arch.layers, arch.hidden, arch.vocabulary, arch.tied, arch.context) == (2, 64, 300, True, 4096)
    assert (arch.attention[0].heads, arch.attention[0].kv_heads, arch.attention[0].qk_dim) == (4, 2, 16)
    assert (arch.dtype, arch.head_dtype) == ("fp32", "fp32")  # as the tensors are
    assert precision(arch).weight_bytes(arch) == 4 * arch.total_parameters
    assert load(str(tmp_path / "tiny.gguf")) == arch


def test_a_latent_with_experts(tmp_path: Path) -> None:
    values = {
        "general.architecture": "deepseek2",
        "deepseek2.block_count": 4,
        "deepseek2.nextn_predict_layers": 1,
        "deepseek2.embedding_length": 256,
        "deepseek2.attention.head_count": 8,
        "deepseek2.attention.head_count_kv": 1,
        "deepseek2.attention.key_length": 96,
        "deepseek2.attention.key_length_mla": 48,
        "deepseek2.attention.value_length_mla": 32,
        "deepseek2.attention.kv_lora_rank": 80,
        "deepseek2.attention.q_lora_rank": 64,
        "deepseek2.rope.dimension_count": 16,
        "deepseek2.feed_forward_length": 512,
        "deepseek2.expert_count": 16,
        "deepseek2.expert_used_count": 4,
        "deepseek2.expert_feed_forward_length": 64,
        "deepseek2.expert_shared_count": 1,
        "deepseek2.leading_dense_block_count": 1,
        "deepseek2.vocab_size": 1000,
    }
    arch = from_gguf(written(tmp_path / "mla.gguf", values, {"output.weight": (256, 1000)}))
    assert (arch.layers, arch.moe_layers, arch.shared_width, arch.tied) == (3, 2, 64, False)
    assert arch.kv_bytes_per_token("f16") == 2 * 3 * (80 + 16)
    assert arch.attention[0].qk_dim == 48


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    values = {key: value for key, value in SHAPE.items() if key != "llama.block_count"}
    with pytest.raises(BadRequest, match=r"llama\.block_count is missing"):
        from_gguf(written(tmp_path / "tiny.gguf", values))


def test_damaged_files(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.gguf", SHAPE).read_bytes()
    path = tmp_path / "cut.gguf"
    for length in (3, 30, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(BadRequest, match=r"cut\.gguf: "):
            from_gguf(path)
    with pytest.raises(BadRequest, match="its kind is adapter"):
        from_gguf(written(path, SHAPE | {"general.type": "adapter"}))
