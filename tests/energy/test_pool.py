import pytest

from tokenworks.energy import architectures, hardware, pool
from tokenworks.energy.precision import precision
from tokenworks.errors import BadRequest

V3 = architectures.load("deepseek-v3")
FP8 = precision(V3, "fp8")
H800 = hardware.load("h800")
GB200 = hardware.load("gb200")


def test_a_step_by_hand() -> None:
    step = pool.decode_step(V3, FP8, H800, batch=88, context=4989, devices=144, redundant=32, eta=1)
    # two experts of 58 layers beside all that is no expert, the head in 16 bits
    weights = V3.dense_parameters + 2 * V3.embedding_parameters + 2 * 58 * 44_040_192
    assert step.weight_bytes == weights
    assert step.attention_s == pytest.approx(88 * 4989 * 70_272 / 3.35e12)
    assert step.matrices_s == pytest.approx(weights / 3.35e12)
    assert step.exchange_s == pytest.approx(88 * 58 * 8 * 7168 * 3 / 50e9)
    assert step.step_s == step.attention_s + step.matrices_s + step.exchange_s


def test_a_small_batch_reads_only_the_experts_it_touches() -> None:
    step = pool.decode_step(V3, FP8, H800, batch=1 / 8, context=1, devices=8, eta=1)
    dense = pool.weights_per_device(V3, FP8, 8, part=0.0)
    assert step.matrices_s * 3.35e12 == pytest.approx(dense + (step.weight_bytes - dense) * 8 / 256)


def test_one_link_is_faster_than_a_network() -> None:
    assert pool.exchange_rate(GB200, 72) == (900e9, "link")
    assert pool.exchange_rate(GB200, 73) == (50e9, "network")
    with pytest.raises(BadRequest, match="no network between them: 4 devices at most"):
        pool.exchange_rate(hardware.load("rtx-5090"), 8)


def test_larger_batches_share_the_weights() -> None:
    small, large = (
        pool.decode_step(V3, FP8, H800, batch=batch, context=2000, devices=144).tokens_per_s(batch)
        for batch in (8, 128)
    )
    assert large > 2 * small


def test_the_busiest_device_is_waited_for() -> None:
    even, skewed = (
        pool.decode_step(V3, FP8, H800, batch=64, context=2000, devices=144, imbalance=load)
        for load in (1, 1.2)
    )
    assert skewed.exchange_s == pytest.approx(1.2 * even.exchange_s)
    assert skewed.attention_s == even.attention_s


def test_a_prefill_token_costs_more_behind_a_longer_prompt() -> None:
    short, long, kept = (
        pool.prefill_token_s(V3, FP8, H800, context=context, cached=cached)
        for context, cached in ((1000, 0), (16_000, 0), (16_000, 15_000))
    )
    assert short < long < kept
