from typing import Any

import pytest

from tokenworks.energy import architectures, hardware
from tokenworks.energy.case import Case
from tokenworks.energy.precision import precision
from tokenworks.energy.room import group_of
from tokenworks.energy.serving import Serving, aggregated, apart, draft_s, pooled
from tokenworks.errors import BadRequest


def serve(model: str, device: str, running: float, **given: Any) -> Serving:
    case = Case(model=model, hardware=device, concurrency=running, **given)
    arch, own = architectures.load(model), hardware.load(device)
    formats = precision(arch, case.weights, case.kv)
    how = pooled if case.wide else apart if case.prefill_devices else aggregated
    return how(arch, case, own, formats, group_of(arch, case, own, formats), running)


NODE: dict[str, Any] = {"devices": 8, "weights": "fp8", "input_tokens": 4096, "output_tokens": 512}
POOL: dict[str, Any] = {**NODE, "devices": 64, "wide": True}


def test_device_seconds_add_up_to_the_rate() -> None:
    got = serve("llama-3.1-70b", "h100", 32, **NODE)
    assert got.device_s == pytest.approx(8 * got.prompt_s + 512 * got.step_s * 8 / 32)
    assert got.decode_tps == pytest.approx(32 / got.step_s / 8)
    assert got.prefill_tps == pytest.approx(4096 / got.prompt_s / 8)
    assert got.prefill_s > got.prompt_s  # alone it waits for weights that others share


def test_others_prompts_are_waited_for_on_shared_devices_only() -> None:
    shared = serve("llama-3.1-70b", "h100", 32, **NODE)
    split = serve("llama-3.1-70b", "h100", 32, prefill_devices=-1, **NODE)
    assert shared.tpot_s == pytest.approx(shared.step_s + 31 * shared.prompt_s / 512)
    assert split.tpot_s == split.step_s
    moved = 4096 * 327_680 / (8 * 50e9)  # the prompt's cache goes to other devices
    assert split.ttft_s == pytest.approx(split.prefill_s + split.step_s + moved)
    assert shared.ttft_s > shared.prefill_s + shared.step_s  # and waits for those that came at the same time
    assert split.prefill_devices % 8 == 0


def test_a_pool_of_prefill_keeps_pace() -> None:
    got = serve("deepseek-v3", "h800", 64 * 64, prefill_devices=-1, **POOL)
    rate = 64 * 64 / (512 * got.step_s)
    assert got.prefill_devices - 1 < rate * got.prefill_s <= got.prefill_devices
    slow = serve("deepseek-v3", "h800", 64 * 64, prefill_devices=4, **POOL)
    assert slow.prefill_device_s == pytest.approx(got.prefill_s)  # the small pool works all the time
    assert slow.decode_device_s > 2 * got.decode_device_s  # and the other waits for it


def test_prefill_groups_are_whole() -> None:
    with pytest.raises(BadRequest, match="12 prefill devices are no whole groups of 8: use 16"):
        serve("llama-3.1-70b", "h100", 32, prefill_devices=12, **NODE)


def test_predicting_costs_and_pays() -> None:
    plain, ahead = (serve("deepseek-r1", "h200", 8, mtp=mtp, **NODE) for mtp in (0, 1))
    assert ahead.step_s > plain.step_s
    assert ahead.decode_tps > plain.decode_tps
    arch = architectures.load("deepseek-r1")
    assert draft_s(arch, Case(model="", hardware=""), 1.0) == 0


def test_parts_are_a_whole_step() -> None:
    for got in (serve("deepseek-r1", "h200", 64, **NODE), serve("deepseek-v3", "h800", 64 * 64, **POOL)):
        assert sum(part.share for part in got.parts) == pytest.approx(1)
        assert [part.amount for part in got.parts] == sorted(
            (part.amount for part in got.parts), reverse=True
        )
