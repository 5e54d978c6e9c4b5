from typing import Any

import pytest

from tokenworks.energy import architectures, hardware
from tokenworks.energy.case import Case
from tokenworks.energy.precision import precision
from tokenworks.energy.room import Memory, group_of, memory, usable_bytes
from tokenworks.errors import BadRequest


def room(model: str, device: str, **given: Any) -> tuple[Memory, int]:
    case = Case(model=model, hardware=device, **given)
    arch, own = architectures.load(model), hardware.load(device)
    formats = precision(arch, case.weights, case.kv)
    group = group_of(arch, case, own, formats)
    return memory(arch, case, own, formats, group), group.devices


def test_contexts_that_fit() -> None:
    got, devices = room("llama-3.1-70b", "h100", devices=4, weights="bf16")
    assert devices == 4
    assert got.weights_gb == pytest.approx(70.55 * 2 / 4, rel=0.01)
    # (0.9 * 85.5 - 3 - 35.3) GB of each device over a quarter of 2,048 tokens of 327,680 bytes
    assert got.contexts == int((73.95e9 - got.weights_gb * 1e9) / (2048 * 327_680 / 4))
    # with half of their answers written they take three quarters of that
    assert got.at_a_time == pytest.approx(got.contexts * 2048 / 1536, abs=2)
    half, _ = room("llama-3.1-70b", "h100", devices=4, weights="bf16", kv="fp8")
    assert half.contexts in (2 * got.contexts, 2 * got.contexts + 1)


def test_what_weights_and_caches_share() -> None:
    # 81,559 MiB as the driver of an "80 GB" device shows, and 24,564 of a "24 GB" one
    assert usable_bytes(hardware.load("h100")) == pytest.approx(0.9 * 81_559 * 2**20 - 3e9, rel=1e-3)
    assert usable_bytes(hardware.load("rtx-4090")) == pytest.approx(0.86 * 24_564 * 2**20, rel=2e-3)


def test_a_split_without_a_number_of_devices() -> None:
    assert room("llama-3.1-8b", "h100", tp=4)[1] == 4
    assert room("deepseek-v3", "h200", tp=8, ep=8)[1] == 8


def test_a_million_tokens() -> None:
    old, _ = room("deepseek-v3", "h200", weights="fp8")
    new, _ = room("deepseek-v4-flash", "h200", devices=8)
    assert old.contexts_1m == 0
    assert new.contexts_1m > 10


def test_the_fewest_devices_that_hold_all_requests() -> None:
    assert room("qwen3-8b", "h100", concurrency=8)[1] == 1
    assert room("llama-3.1-70b", "h100", concurrency=4, weights="bf16")[1] == 2
    assert room("llama-3.1-70b", "h100", concurrency=64, weights="bf16")[1] == 4
    assert room("mixtral-8x7b", "rtx-4090", concurrency=1, weights="int4")[1] == 2


@pytest.mark.parametrize(
    ("model", "device", "given", "told"),
    [
        ("deepseek-v3", "h200", {"devices": 1}, r"in 1 x NVIDIA H200 SXM: needs 673 GB of 133; 8 would do$"),
        ("deepseek-v3", "h100", {"devices": 8}, "needs 674 GB of 592; 16 would do, as a pool"),
        ("kimi-k2", "rtx-4090", {}, "does not fit in 4 x NVIDIA GeForce RTX 4090.*use fewer bits"),
        ("qwen3-8b", "h100", {"input_tokens": 10**7}, "shorter contexts"),
        ("deepseek-v3", "h100", {"wide": True, "devices": 8}, "16 would do$"),
        ("llama-3.1-8b", "h100", {"devices": 4, "ep": 4}, "has no experts"),
        ("llama-3.1-8b", "h100", {"wide": True}, "has no experts"),
        ("deepseek-v3", "h200", {"devices": 8, "tp": 3}, "use tp 8"),
        ("deepseek-v3", "h200", {"devices": 8, "tp": 1, "ep": 8}, "use tp 8, or wide"),
        ("deepseek-v3", "h200", {"devices": 8, "ep": 3}, "must divide 8 devices"),
        ("deepseek-v3", "h200", {"devices": 16}, "8 devices at most, or wide"),
        ("gpt-oss-120b", "h100", {"wide": True, "devices": 512}, "384 redundant experts"),
    ],
)
def test_what_can_not_be_says_what_would(model: str, device: str, given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequest, match=told) as caught:
        room(model, device, **given)
    assert "\n" not in str(caught.value)
