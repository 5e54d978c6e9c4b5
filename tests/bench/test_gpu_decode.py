"""The planner beside steps in torch: what is told of them, and that the whole of it runs."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import gpu_decode
from gpu_decode import Ceilings, Clock, Row
from tokenworks.energy import architectures, hardware, step_time
from tokenworks.energy.precision import precision
from tokenworks.energy.work import decode_work
from tokenworks.errors import BadRequest

ROW = Row("experts", "m, 2 layers", 8, 2048, 0.001, 0.003, 0.002, 400.0, 380.0, 60.0, 62.0)


def test_the_floor_is_the_slower_of_moving_and_computing() -> None:
    reached = Ceilings("card", 4e12, 8e14)
    assert reached.floor_s(8e12, 8e14) == 2.0
    assert reached.floor_s(4e12, 4e15) == 5.0


@pytest.mark.parametrize(
    ("card", "name"),
    [("NVIDIA H200", "h200-sxm"), ("NVIDIA H100 80GB HBM3", "h100-sxm"), ("NVIDIA L40S", "l40s")],
)
def test_a_card_is_known_by_its_name(card: str, name: str) -> None:
    assert gpu_decode.listed_device(card).name == name


def test_another_card_is_refused_with_what_is_listed() -> None:
    with pytest.raises(BadRequest, match="unknown hardware"):
        gpu_decode.listed_device("Card of Nobody")


def test_rows_in_markdown() -> None:
    device = hardware.load("h200")
    text = gpu_decode.markdown(
        Ceilings("card", 4e12, 7e14),
        device,
        [ROW, Row("latent", "16 heads, torch", 1, 64, 1e-6, 2e-6, 0.0, problem="out of memory")],
    )
    assert "copying 4.00 of 4.8 TB/s" in text
    assert (
        "| m, 2 layers, context 2,048 | 8 | 62, 60 | 1.00 | 3.00 | 2.00 | 1.50 | 380, 400 |"
        in text.splitlines()
    )
    assert "| 16 heads, torch | 1 | 64 | 1 | 2 | out of memory | - | 0 |" in text.splitlines()
    assert "| 16 heads" not in gpu_decode.markdown(Ceilings("card", 4e12, 7e14), device, [ROW])


def test_planned_watts_are_those_of_a_plan() -> None:
    arch, device = architectures.load("qwen3-30b-a3b"), hardware.load("h200")
    work = decode_work(arch, precision(arch, "bf16"), batch=64, context=2048)
    seconds = step_time.decode_s(work, device, step_time.constants(device.name, "vllm", True))
    assert 300 < gpu_decode.planned_watts(work, device, seconds) <= device.tdp_w


def test_a_clock_without_a_gpu_tells_no_watts() -> None:
    runs: list[int] = []
    seconds, watts = Clock(SimpleNamespace(), "cpu", 0.0).time(lambda: runs.append(1))
    assert (len(runs), watts) == (5, 0.0) and seconds > 0


def test_without_torch_or_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_decode.accelerator, "installed_torch", lambda: None)
    assert gpu_decode.main([]) == 2
    assert "pip install torch" in capsys.readouterr().err
    monkeypatch.setattr(gpu_decode.accelerator, "installed_torch", lambda: SimpleNamespace())
    monkeypatch.setattr(gpu_decode.accelerator, "card", lambda torch: None)
    assert gpu_decode.main([]) == 2
    assert "torch sees no GPU" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_the_whole_of_it_on_a_processor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.json"
    told = ["--device=cpu", "--layers=1", "--batches=1,3", "--context=32", "--seconds=0.1"]
    assert gpu_decode.main([*told, "--json", str(file)]) == 0
    rows = json.loads(file.read_text())["rows"]
    assert [row["part"] for row in rows] == ["latent"] * 4 + ["experts"] * 2
    assert all(row["measured_s"] > 0 and not row["problem"] for row in rows)
    assert rows[-2]["experts"] == 8 and 8 < rows[-1]["experts"] <= 24
    assert capsys.readouterr().out.count("\n| ") == 4 + 2 + 4
