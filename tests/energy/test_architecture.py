from tokenworks.energy.architecture import Architecture
from tokenworks.energy.attention import Attention

ATTENTION = Attention(kind="gqa", layers=4, heads=4, kv_heads=2, qk_dim=16, v_dim=16)
DENSE = Architecture(
    name="dense", hidden=64, vocabulary=1000, attention=(ATTENTION,), dense_layers=4, dense_width=128
)
MOE = Architecture(
    name="moe",
    hidden=64,
    vocabulary=1000,
    attention=(ATTENTION,),
    dense_layers=1,
    dense_width=128,
    experts=8,
    experts_per_token=2,
    expert_width=32,
    shared_width=32,
    mtp_layers=1,
)


def test_a_dense_model_is_all_active() -> None:
    layer = 64 * 64 + 64 * 2 * 32 + 64 * 64 + 3 * 64 * 128
    assert DENSE.total_parameters == 4 * layer + 2 * 64_000
    assert DENSE.active_parameters == DENSE.total_parameters - 64_000
    assert not DENSE.moe


def test_experts_count_by_those_chosen() -> None:
    expert = 3 * 64 * 32
    assert MOE.parameters_per_expert == expert
    assert MOE.expert_parameters == 3 * 8 * expert
    assert MOE.active_parameters == MOE.nonexpert_parameters + 3 * 2 * expert
    assert MOE.total_parameters == MOE.nonexpert_parameters + MOE.expert_parameters + 64_000


def test_tied_embeddings_are_counted_once() -> None:
    tied = Architecture(**{**{f: getattr(DENSE, f) for f in DENSE.__struct_fields__}, "tied": True})
    assert DENSE.total_parameters - tied.total_parameters == 64_000


def test_a_module_ahead_is_one_more_layer() -> None:
    layer = MOE.attention_parameters // 4 + 8 * MOE.parameters_per_expert + MOE.shared_parameters // 3
    assert MOE.mtp_parameters == layer + 2 * 64 * 64


def test_a_context_grows_by_its_tokens() -> None:
    assert DENSE.kv_bytes_per_token("bf16") == 2 * 4 * 2 * 32
    assert DENSE.context_bytes(100, "fp8") == 100 * 4 * 2 * 32
