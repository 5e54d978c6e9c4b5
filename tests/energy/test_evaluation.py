from typing import Any

import pytest
from msgspec.structs import replace

from tokenworks.energy import architectures, hardware
from tokenworks.energy.case import Case
from tokenworks.energy.evaluation import evaluate
from tokenworks.energy.outcome import Plan


def planned(model: str = "minimax-m2.5", device: str = "h200", **given: Any) -> Plan:
    case = Case(model=model, hardware=device, **({"weights": "fp8", "devices": 4} | given))
    return evaluate(case, architectures.load(model), hardware.load(device))


def test_a_requests_cost_is_that_of_its_tokens() -> None:
    got = planned(cached_tokens=256)
    parts = 768 * got.money.input_usd + 256 * got.money.cached_usd + 1024 * got.money.output_usd
    assert got.money.request_usd == pytest.approx(parts / 1e6)
    assert sum(part.share for part in got.money_parts) == pytest.approx(1)
    assert got.money.cached_usd < got.money.input_usd / 3
    rented_disk = planned(cached_tokens=256, storage_usd_gb_h=0.0002)  # about $0.15 a GB and month
    # Then an hour's keeping costs more than reading anew.
    assert rented_disk.money.cached_usd > got.money.input_usd


def test_rates_and_costs_agree() -> None:
    got = planned(utilisation=1)
    assert got.money.device_hour_usd == hardware.load("h200").rent_usd_h
    requests_h = 3600 * got.speed.output_tps / 1024  # of one device
    assert got.money.request_usd == pytest.approx(got.money.device_hour_usd / requests_h)


def test_power_is_paid_once() -> None:
    cheap, dear = (planned(usd_per_kwh=price) for price in (0.05, 0.5))
    assert cheap.money.output_usd == dear.money.output_usd  # a rent holds it
    assert dear.money.power_share == pytest.approx(10 * cheap.money.power_share)
    owned = [planned(own=True, utilisation=1, usd_per_kwh=price) for price in (0.0, 0.1)]
    more = (owned[1].money.device_hour_usd - owned[0].money.device_hour_usd) / 0.1
    assert more == pytest.approx(owned[0].power.server_w / 1000 * 1.2)


def test_a_pool_that_waits_for_the_other_is_told() -> None:
    assert any(
        note.startswith("the prefill devices work")
        for note in planned(prefill_devices=-1, input_tokens=64).notes
    )
    assert not any("devices work" in note for note in planned().notes)


def test_watts_that_nobody_knows_are_told() -> None:
    desk = replace(hardware.load("xeon"), tdp_w=0.0)
    case = Case(model="qwen3-8b", hardware="xeon", concurrency=1)
    notes = evaluate(case, architectures.load("qwen3-8b"), desk).notes
    assert any("the watts of" in note for note in notes)


def test_joules_are_watts_over_rate() -> None:
    got = planned(pue=1.5)
    wall = got.power.decode_w * 1.43 * 1.5
    assert got.power.j_per_output == pytest.approx(wall / got.speed.decode_tps)
    assert planned(g_per_kwh=500).power.g_per_m_output == pytest.approx(
        planned().power.j_per_output * 1e6 / 3.6e6 * 500
    )


def test_it_says_what_does_not_fit_at_a_time() -> None:
    got = planned("llama-3.1-70b", "h100", weights="bf16", devices=2, concurrency=64)
    assert got.memory.contexts <= got.speed.running == got.memory.at_a_time < 64
    assert any("requests fit into memory at a time; others wait" in note for note in got.notes)
    assert any(
        "multiplies int4 weights at its 16-bit rate" in n
        for n in planned("kimi-k2.5", weights="int4", devices=8).notes
    )
    assert any("counted as bought" in n for n in planned("qwen3-8b", "rtx-5090", devices=1).notes)
    assert any("whole cache" in n for n in planned("deepseek-r1", devices=8).notes)


def test_every_kind_of_device_and_model_gives_sane_figures() -> None:
    for device in hardware.listed():
        for model in ("qwen3-8b", "gpt-oss-20b"):
            got = planned(model, device.name, devices=1, weights="native", concurrency=4)
            assert 0 < got.speed.output_tps < 20_000
            assert got.band.low <= 1 <= got.band.high
            assert got.money.output_usd > 0
            assert 0 < got.power.decode_w <= device.tdp_w + 1e-9
    for model in architectures.listed():
        got = planned(model.name, "gb300", devices=8, weights="native", kv="fp8")
        assert got.speed.ttft_s > 0
        assert got.memory.contexts > 0


def test_sparse_models_need_batches() -> None:
    few, many = (planned("deepseek-r1", devices=8, concurrency=n, input_tokens=128) for n in (1, 64))
    assert few.experts_touched == pytest.approx(8)
    assert 220 < many.experts_touched < 224
    assert many.money.output_usd < few.money.output_usd / 5
