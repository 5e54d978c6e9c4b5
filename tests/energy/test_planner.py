from pathlib import Path
from typing import Any

import pytest

from tokenworks.energy.planner import Case, plan
from tokenworks.errors import BadRequest


def test_a_whole_answer() -> None:
    got = plan(Case(model="openai/gpt-oss-120b", hardware="H100", input_tokens=2048, output_tokens=512))
    assert (got.model, got.hardware) == ("gpt-oss-120b", "h100-sxm")
    assert got.speed.request_s > got.speed.ttft_s > 0
    assert got.sensitivity
    assert got.time_parts[0].share >= got.time_parts[-1].share


def test_hardware_measured_here(tmp_path: Path) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "desk.toml").write_text(
        'title = "Desk"\nkind = "cpu"\nmemory_gb = 64\nbandwidth_tbps = 0.08\n'
        "bf16_tflops = 2.5\ntdp_w = 120\n"
    )
    case = Case(model="qwen3-8b", hardware="desk", weights="q4_k", concurrency=1, capex_usd=2000, own=True)
    got = plan(case, home=tmp_path)
    assert got.title == "Desk"
    # eight billion weights of 4.5 bits at 80 GB/s: 17 tokens a second at the very most
    assert 2 < got.speed.decode_tps < 18
    assert "server" in got.band.basis  # the constants of processors, not of accelerators


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": "qwen4"}, "unknown model 'qwen4': use qwen3-8b"),
        ({"hardware": "h1000"}, "unknown hardware 'h1000': use h100-sxm"),
        ({"weights": "fp3"}, "unknown precision 'fp3'"),
        ({"kv": "fp3"}, "unknown number format 'fp3'"),
        ({"model": "deepseek-v3", "devices": 1}, r"needs 673 GB of 74; 16 would do"),
        ({"input_tokens": 0}, "input is 0"),
        ({"concurrency": 0.5}, "concurrency is 0.5: it must be 1 or more"),
        ({"usd_per_kwh": -1}, "power price is -1"),
        ({"utilisation": 0}, "utilisation is 0"),
        ({"pue": 0.9}, "pue is 0.9"),
    ],
)
def test_bad_input_is_one_line_that_names_the_fix(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequest, match=told) as caught:
        plan(Case(**({"model": "qwen3-8b", "hardware": "h100"} | given)))
    assert "\n" not in str(caught.value)
