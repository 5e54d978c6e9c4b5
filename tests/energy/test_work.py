import pytest

from tokenworks.energy import architectures
from tokenworks.energy.precision import precision
from tokenworks.energy.work import cache_per_device, check_group, coverage, decode_work, prefill_work
from tokenworks.errors import BadRequest

V3 = architectures.load("deepseek-v3")
LLAMA = architectures.load("llama-3.1-70b")
FP8 = precision(V3, "fp8")
BF16 = precision(LLAMA, "bf16")


def test_few_tokens_touch_most_experts() -> None:
    assert coverage(256, 8, 1) == pytest.approx(8)
    assert round(coverage(256, 8, 64)) == 222
    assert coverage(256, 8, 100_000) == pytest.approx(256)
    assert coverage(0, 0, 64) == 0


def test_a_single_sequence_reads_the_active_weights() -> None:
    work = decode_work(LLAMA, BF16, batch=1, context=0)
    assert work.weight_bytes == 2 * LLAMA.active_parameters
    assert work.matmul_flops == 2 * LLAMA.active_parameters
    assert work.link_bytes == 0
    sparse = decode_work(V3, FP8, batch=1, context=0)
    assert sparse.matmul_flops == pytest.approx(2 * V3.active_parameters)


def test_heads_split_a_cache_but_not_a_latent() -> None:
    one, eight = (decode_work(LLAMA, BF16, batch=8, context=4096, tp=tp) for tp in (1, 8))
    assert eight.kv_bytes == pytest.approx(one.kv_bytes / 8)
    one, eight = (decode_work(V3, FP8, batch=8, context=4096, tp=tp) for tp in (1, 8))
    assert eight.kv_bytes == one.kv_bytes
    spread = decode_work(V3, FP8, batch=8, context=4096, tp=1, ep=8, dp_attention=True)
    assert spread.kv_bytes == pytest.approx(one.kv_bytes / 8)
    assert spread.dense_bytes == one.dense_bytes


def test_work_is_shared_whichever_way_it_is_split() -> None:
    alone = decode_work(V3, FP8, batch=64, context=1000)
    for tp, ep in ((8, 1), (8, 8)):
        work = decode_work(V3, FP8, batch=64, context=1000, tp=tp, ep=ep)
        assert work.expert_bytes * 8 == pytest.approx(alone.expert_bytes)
        assert work.matmul_flops * 8 == pytest.approx(alone.matmul_flops)


def test_skewed_choice_loads_the_busiest_device_more() -> None:
    even = decode_work(V3, FP8, batch=64, context=1000, tp=8, ep=8)
    skewed = decode_work(V3, FP8, batch=64, context=1000, tp=8, ep=8, imbalance=1.1)
    assert skewed.expert_bytes == pytest.approx(1.1 * even.expert_bytes)
    assert skewed.expert_flops == pytest.approx(1.1 * even.expert_flops)
    # where each device holds a slice of every expert there is no busiest one
    sliced = decode_work(V3, FP8, batch=64, context=1000, tp=8, imbalance=1.1)
    assert sliced.expert_flops == pytest.approx(even.expert_flops)


def test_predicted_tokens_read_the_cache_once() -> None:
    plain = decode_work(V3, FP8, batch=8, context=4096)
    checked = decode_work(V3, FP8, batch=8, context=4096, verified=2)
    assert checked.kv_bytes == plain.kv_bytes
    assert checked.dense_flops == 2 * plain.dense_flops
    assert plain.expert_bytes < checked.expert_bytes < 2 * plain.expert_bytes


def test_a_prompt_passes_the_head_once() -> None:
    work = prefill_work(LLAMA, BF16, tokens=1000, context=1000)
    layers = LLAMA.active_parameters - LLAMA.embedding_parameters
    assert work.dense_flops == 2 * (1000 * layers + LLAMA.embedding_parameters)
    cached = prefill_work(LLAMA, BF16, tokens=500, context=1000, cached=500)
    assert cached.dense_flops < 0.51 * work.dense_flops
    assert cached.attention_flops == pytest.approx(0.75 * work.attention_flops, rel=0.01)


def test_a_context_on_each_device() -> None:
    assert cache_per_device(LLAMA, BF16, 1000, 8) == 1000 * 327_680 / 8
    assert cache_per_device(LLAMA, BF16, 1000, 16) == 1000 * 327_680 / 8  # 8 heads can't be split further
    assert cache_per_device(V3, FP8, 1000, 8) == 1000 * 70_272


@pytest.mark.parametrize(
    ("tp", "ep", "told"),
    [(0, 1, "must be 1 or more"), (1, 8, "has no experts"), (128, 1, "use tp 64 at most")],
)
def test_impossible_groups(tp: int, ep: int, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        check_group(LLAMA, tp, ep)
