"""Step times: the right way round, at least what the data sheet allows, and constants for every device."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tokenworks.energy import architectures, hardware
from tokenworks.energy.precision import precision
from tokenworks.energy.step_time import (
    Constants,
    Shared,
    Step,
    added_s,
    constants,
    decode_s,
    decode_step_s,
    prefill_s,
    read,
    shipped,
    step_of,
)
from tokenworks.energy.work import Work, decode_work, prefill_work
from tokenworks.errors import ConfigError

ONE = Constants(bandwidth_share=0.5, matrix_share=0.25, layer_us=10, sequence_us=0)
PLAIN = Shared(
    popularity=1e9,
    latent=0.5,
    indexed=0,
    block_us=0,
    packed_us=0,
    widened=2,
    int4=3,
    link_share=0.5,
    prompt_link_share=0.5,
    burst=0.5,
    spread=0.5,
)


def work(model: str, weights: str, *, batch: float = 8, tp: int = 1, prompt: int = 0) -> Work:
    arch = architectures.load(model)
    formats = precision(arch, weights)
    if prompt:
        return prefill_work(arch, formats, tokens=prompt, context=prompt, tp=tp)
    return decode_work(arch, formats, batch=batch, context=1000, tp=tp)


def test_a_step_is_the_sum_that_the_formula_says() -> None:
    h200 = hardware.load("h200")
    dense = work("llama-3.1-70b", "fp8", batch=4, tp=4)
    expected = dense.memory_bytes / (4.8e12 * 0.5) + 80 * 10e-6 + dense.link_bytes * 4 / 2 / 450e9 / 0.5
    assert float(decode_step_s(step_of(dense, h200), ONE, PLAIN)) == pytest.approx(expected)


def test_experts_are_read_by_how_many_are_touched() -> None:
    h200 = hardware.load("h200")
    small, large = (work("minimax-m2.5", "fp8", batch=batch, tp=4) for batch in (1, 4096))
    uniform = float(decode_step_s(step_of(small, h200), ONE, PLAIN))
    assert uniform == pytest.approx(small.memory_bytes / 2.4e12 + 62 * 10e-6 + _sums(small), rel=0.01)
    skewed = msgspec.structs.replace(PLAIN, popularity=1.0)
    busy = step_of(work("minimax-m2.5", "fp8", batch=64, tp=4), h200)
    assert decode_step_s(busy, ONE, skewed) < decode_step_s(
        busy, ONE, PLAIN
    )  # favourites are read once for all
    assert step_of(large, h200).experts_s == pytest.approx(
        step_of(small, h200).experts_s
    )  # all of the device's


def _sums(of: Work) -> float:
    return of.link_bytes * of.summed_ways / 2 / 450e9 / 0.5


def test_formats_that_a_device_must_widen_are_read_slower() -> None:
    h200, b200 = hardware.load("h200"), hardware.load("b200")
    packed = work("gpt-oss-120b", "mxfp4")
    assert (step_of(packed, h200).widened, step_of(packed, b200).widened) == (1, 0)
    native = msgspec.structs.replace(PLAIN, widened=1.0)
    step = step_of(packed, h200)
    slower = decode_step_s(step, ONE, PLAIN) - decode_step_s(step, ONE, native)
    assert slower == pytest.approx(packed.expert_bytes / 4.8e12 / 0.5, rel=0.03)  # read at half the speed
    integer = work("kimi-k2.5", "int4", tp=8)
    assert (step_of(integer, h200).int4, step_of(integer, b200).int4) == (0, 1)


def test_large_batches_are_bound_by_the_matrix_rate() -> None:
    h200 = hardware.load("h200")
    huge = work("llama-3.1-70b", "fp8", batch=20_000)
    assert decode_step_s(step_of(huge, h200), ONE, PLAIN) > huge.dense_flops / (1978e12 * 0.25)


def test_arrays_give_what_numbers_give() -> None:
    steps = [step_of(work("kimi-k2.5", "int4", batch=b, tp=8), hardware.load("b200")) for b in (1, 8, 64)]
    columns = Step(*(np.array(column) for column in zip(*map(msgspec.structs.astuple, steps), strict=True)))
    one_by_one = [float(decode_step_s(step, ONE, PLAIN)) for step in steps]
    assert decode_step_s(columns, ONE, PLAIN) == pytest.approx(one_by_one)


@pytest.mark.parametrize("device", ["h100", "h200", "h20", "h800", "b200", "b300", "gb200", "mi300x", "910c"])
@pytest.mark.parametrize("model", ["deepseek-v3.2", "llama-3.1-8b", "gpt-oss-20b"])
def test_no_step_is_faster_than_the_data_sheet(device: str, model: str) -> None:
    found = hardware.load(device)
    arch = architectures.load(model)
    c = constants(device, "", arch.moe)
    decode, prompt = work(model, "fp8"), work(model, "fp8", prompt=4096)
    assert decode_s(decode, found, c) > decode.dense_bytes / (found.bandwidth_tbps * 1e12)
    assert prefill_s(prompt, found, c) > prompt.matmul_flops / (found.tflops("fp8") * 1e12)
    assert added_s(prompt, found, c) <= prefill_s(prompt, found, c)


def test_a_short_prompt_takes_as_long_as_the_weights() -> None:
    found, c = hardware.load("h200"), constants("h200", "vllm", False)
    short, step = work("llama-3.1-70b", "fp8", prompt=1), work("llama-3.1-70b", "fp8", batch=1)
    assert prefill_s(short, found, c) == pytest.approx(decode_s(step, found, c), rel=0.02)


def test_which_constants_are_used() -> None:
    measured = constants("H200", "vllm", True)
    assert "vllm on h200-sxm" in measured.basis and measured.n > 10
    elsewhere = constants("h100-sxm", "vllm", False)
    assert "on other devices" in elsewhere.basis
    assert constants("mi300x", "", True).n == max(
        row.n for row in shipped().rows if row.moe and not row.hardware
    )
    assert constants("mi300x", "no-such-engine", True) == constants("mi300x", "", True)
    assert "published" in constants("this-cpu", "", True).basis
    most = max(
        (row for row in shipped().rows if row.hardware == "b200-sxm" and row.moe), key=lambda row: row.n
    )
    assert constants("b200", "", True) == most


@pytest.mark.parametrize("text", ["", "x", "[shared]\nlatent = 'much'", None])
def test_files_without_constants(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "constants.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match="holds no constants"):
        read(path)


def test_four_constants_for_each_device_and_backend_and_a_band_that_holds_their_errors() -> None:
    for row in shipped().rows:
        assert 0.3 < row.bandwidth_share < 1 and 0 < row.matrix_share < 1
        assert 10 < row.layer_us < 300 and 0 < row.sequence_us < 5
        assert row.p10 < 1.1 and row.p90 > 0.89 and row.p10 < row.p90
        assert row.basis and row.fitted_abs_error > 0
