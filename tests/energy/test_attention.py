import pytest

from tokenworks.energy.attention import Attention

GQA = Attention(kind="gqa", layers=2, heads=8, kv_heads=2, qk_dim=64, v_dim=64)
WINDOW = Attention(kind="gqa", layers=2, heads=8, kv_heads=2, qk_dim=64, v_dim=64, window=128)
MLA = Attention(kind="mla", layers=1, heads=128, qk_dim=192, v_dim=128, rope_dim=64, q_rank=1536, kv_rank=512)
DSA = Attention(
    kind="mla",
    layers=4,
    heads=128,
    qk_dim=192,
    v_dim=128,
    rope_dim=64,
    q_rank=1536,
    kv_rank=512,
    index_heads=64,
    index_dim=128,
    index_layers=1,
    selected=2048,
)
GDN = Attention(kind="gdn", layers=1, heads=64, kv_heads=16, qk_dim=128, v_dim=128, conv=4, gate=True)
C4A = Attention(
    kind="compressed",
    layers=1,
    heads=64,
    kv_heads=1,
    qk_dim=512,
    v_dim=512,
    window=128,
    ratio=4,
    index_heads=64,
    index_dim=128,
    selected=512,
)


def test_grouped_heads_keep_keys_and_values() -> None:
    assert GQA.kept_per_token == 2 * 2 * (64 + 64)
    assert GQA.parameters(512) == 2 * (512 * 512 + 512 * 2 * 128 + 512 * 512)


def test_a_window_keeps_a_constant() -> None:
    assert WINDOW.kept_per_token == 0
    assert WINDOW.kept_per_sequence == 2 * 256 * 128
    assert WINDOW.seen(100) == 100
    assert WINDOW.seen(10_000) == 128


def test_a_latent_is_kept_once_for_all_heads() -> None:
    assert MLA.kept_per_token == 576
    # absorbed: 512 + 64 for scores and 512 for values, of each head
    assert MLA.decode_flops(1000) == 2 * 128 * (2 * 512 + 64) * 1000
    # expanded while prompts are read: 192 + 128, over half of the prompt in the mean
    assert MLA.prefill_flops(1000, 0) == pytest.approx(1000 * 2 * 128 * 320 * 500, rel=1e-3)


def test_an_indexer_bounds_what_is_read_but_sees_all() -> None:
    assert DSA.seen(100_000) == 2048
    assert DSA.index_read(100_000) == 128 * 100_000  # one layer of four has its own
    assert DSA.index_per_token == 128
    assert DSA.read(100_000) == 4 * 576 * 2048


def test_linear_attention_has_a_state_and_no_cache() -> None:
    assert GDN.kept_per_token == 0
    assert GDN.state_bytes == 4 * 64 * 128 * 128 + 2 * 3 * (2 * 16 * 128 + 64 * 128)
    assert GDN.decode_flops(10) == GDN.decode_flops(1_000_000)


def test_compressed_entries_are_kept_by_their_ratio() -> None:
    assert C4A.kept_per_token == 512 / 4
    assert C4A.index_per_token == 128 / 4
    assert C4A.seen(1 << 20) == 512 + 128
    assert C4A.seen(64) == 16 + 64


def test_cached_tokens_are_seen_and_not_computed() -> None:
    whole = GQA.prefill_flops(2000, 0)
    first, rest = GQA.prefill_flops(1000, 0), GQA.prefill_flops(1000, 1000)
    assert first + rest == pytest.approx(whole, rel=1e-3)
