import pytest

from tokenworks.energy import architectures
from tokenworks.energy.precision import precision
from tokenworks.errors import BadRequest

OSS = architectures.load("gpt-oss-120b")
LLAMA = architectures.load("llama-3.1-70b")
R1 = architectures.load("deepseek-r1")


def test_four_bits_of_a_mixture_are_those_of_its_experts() -> None:
    assert precision(OSS, "fp4").experts == "mxfp4"
    assert precision(OSS, "fp4").dense == "bf16"
    assert precision(R1, "fp4").dense == "fp8"
    assert precision(LLAMA, "fp4").dense == "fp4"


def test_native_is_as_published() -> None:
    assert precision(OSS).weight_bytes(OSS) / 1e9 == pytest.approx(
        65.2, rel=0.01
    )  # the repository holds 65.2 GB
    assert precision(R1, "native").dense == "fp8"
    assert precision(LLAMA, "bf16").weight_bytes(LLAMA) == 2 * LLAMA.total_parameters


def test_index_keys_follow_small_caches() -> None:
    assert precision(R1, kv="q4_0").index == "q4_0"
    assert precision(R1).index == "fp8"


def test_unknown_names() -> None:
    with pytest.raises(BadRequest, match="unknown precision 'w4a8': use one of native, bf16"):
        precision(R1, "w4a8")
    with pytest.raises(BadRequest, match="unknown number format 'fp5'"):
        precision(R1, "fp8", "fp5")
