"""The probe as a whole: what is measured becomes hardware that plans are made for."""

import json
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from numpy_torch import NumpyTorch

from tokenworks.energy import hardware, probe
from tokenworks.energy.probing import accelerator, machine, matrix, memory
from tokenworks.errors import ConfigError

HERE = machine.Machine("Some Processor", 4, 64 * 10**9, 2**25)
FOUND = probe.Probe(
    at="2026-11-26T12:00:00+00:00",
    machine=HERE,
    working_set_bytes=2**27,
    bandwidths=(memory.Bandwidth("read", 4, 98.765e9), memory.Bandwidth("copy", 4, 80e9)),
    blas="openblas 1",
    products=(matrix.MatrixRate(256, 1e11, 9), matrix.MatrixRate(512, 2.34567e11, 9)),
)
CARD = msgspec.structs.replace(
    FOUND,
    card=accelerator.Card("Some GPU", 80 * 10**9, 132),
    card_power_w=700.0,
    rates=(
        accelerator.Rate("copy", 0.1, 3.0e12, 0.0, "copy_"),
        accelerator.Rate("gemm_bf16", 0.1, 1e12, 6.5e14, "matmul"),
        accelerator.Rate("gemm_fp8", problem="not on this device"),
    ),
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes of a moment."""
    monkeypatch.setattr(memory, "MIN_BYTES", 2**22)
    monkeypatch.setattr(machine, "here", lambda: machine.Machine("Some Processor", 2, 2**33, 2**18))
    monkeypatch.setattr(matrix, "SIZES", (32, 64))


def test_everything_is_measured_and_told(quick: None) -> None:
    told: list[tuple[str, int, int]] = []
    found = probe.probe(0.05, lambda *what: told.append(what))
    assert {(each.kind, each.threads) for each in found.bandwidths} == {
        (kind, threads) for kind in memory.KINDS for threads in (1, 2)
    }
    assert [each.size for each in found.products] == [32, 64] and found.card is None and not found.rates
    assert [done for _, done, _ in told] == list(range(9)) and told[-1] == ("done", 8, 8)


def test_products_that_would_take_too_long_are_left_out(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "SIZES", (32, 100_000))
    assert [each.size for each in probe.probe(0.05, lambda *what: None).products] == [32]


def test_a_card_is_measured_where_torch_sees_one(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    said = SimpleNamespace(name="Some GPU", total_memory=80 * 10**9, multi_processor_count=132)
    monkeypatch.setattr(probe.shutil, "which", lambda name: None)
    found = probe.probe(0.05, lambda *what: None, NumpyTorch(said), accelerator.small())
    assert found.card == accelerator.Card("Some GPU", 80 * 10**9, 132) and found.card_power_w is None
    assert [each.name for each in found.rates] == list(accelerator.NAMES)
    assert [each.name for each in found.rates if each.problem] == ["gemm_fp8"]  # numpy has no eight bits
    assert probe.probe(0.05, lambda *what: None, NumpyTorch()).card is None


def test_ceilings_become_a_profile() -> None:
    (cpu,) = probe.profiles(FOUND, "lab")
    assert (cpu.name, cpu.kind, cpu.title) == ("lab-cpu", "cpu", "Some Processor, 4 cores")
    assert (cpu.memory_gb, cpu.bandwidth_tbps, cpu.bf16_tflops) == (64.0, 0.09877, 0.2346)
    assert (cpu.tdp_w, cpu.whole, cpu.measured) == (0.0, False, True)
    assert "read on 4 threads" in cpu.note and "2026-11-26" in cpu.source


def test_watts_are_given_told_or_unknown() -> None:
    (given,) = probe.profiles(FOUND, "lab", 350)
    assert (given.tdp_w, given.whole) == (350, True)
    telling = msgspec.structs.replace(FOUND, machine=msgspec.structs.replace(HERE, power_limit_w=270.0))
    (told,) = probe.profiles(telling, "lab")
    assert (told.tdp_w, told.whole) == (270.0, False)
    assert probe.profiles(telling, "lab", 350)[0].tdp_w == 350


def test_a_card_has_a_profile_of_its_own() -> None:
    _, gpu = probe.profiles(CARD, "lab")
    assert (gpu.name, gpu.kind, gpu.title, gpu.tdp_w) == ("lab-gpu", "gpu", "Some GPU", 700)
    assert (gpu.bandwidth_tbps, gpu.bf16_tflops, gpu.fp8_tflops) == (3.0, 650.0, 0.0)
    failed = msgspec.structs.replace(CARD, rates=(accelerator.Rate("copy", problem="out of memory"),))
    assert [each.name for each in probe.profiles(failed, "lab")] == ["lab-cpu"]


@pytest.mark.parametrize("name", ["", "Lab", "a b", "../x", "-a", "a_b"])
def test_a_profile_has_a_name_that_is_a_file_s(name: str) -> None:
    with pytest.raises(ConfigError, match="small letters"):
        probe.profiles(FOUND, name)


@pytest.mark.parametrize("watts", [0.0, -5.0, float("nan"), 1e9])
def test_watts_that_nothing_draws(watts: float) -> None:
    with pytest.raises(ConfigError, match="--watts"):
        probe.profiles(FOUND, "lab", watts)


def test_what_is_saved_is_found_as_hardware(tmp_path: Path) -> None:
    for device in probe.profiles(CARD, "lab", 350):
        file = probe.save(device, tmp_path)
        assert file == tmp_path / "hardware" / f"{device.name}.toml"
        assert hardware.load(device.name, tmp_path) == device
        assert hardware.load(device.name.upper(), tmp_path).measured
    assert stat.S_IMODE((tmp_path / "hardware").stat().st_mode) == 0o700
    again = msgspec.structs.replace(probe.profiles(FOUND, "lab")[0], title='A "B" \\ Ω')
    probe.save(again, tmp_path)
    assert hardware.load("lab-cpu", tmp_path) == again
    assert sorted(file.name for file in (tmp_path / "hardware").iterdir()) == ["lab-cpu.toml", "lab-gpu.toml"]


@pytest.mark.parametrize(("told", "watts"), [("700.00\n", 700.0), ("[N/A]\n", None), ("", None)])
def test_the_card_s_power_limit(told: str, watts: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **options: Any) -> SimpleNamespace:
        assert "--query-gpu=power.limit" in command
        return SimpleNamespace(stdout=told)

    monkeypatch.setattr(probe.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(subprocess, "run", run)
    assert probe._power_limit_w() == watts


def test_a_driver_that_fails_tells_no_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "nvidia-smi"
    broken.write_text("#!/bin/sh\nexit 9\n")
    broken.chmod(0o755)
    monkeypatch.setattr(probe.shutil, "which", lambda name: str(broken))
    assert probe._power_limit_w() is None


def test_what_json_shows() -> None:
    shown = probe.as_dict(CARD, probe.profiles(CARD, "lab"))
    assert shown["bandwidths"][0] == {"kind": "read", "threads": 4, "bytes_per_s": 98.765e9}
    assert [each["name"] for each in shown["profiles"]] == ["lab-cpu", "lab-gpu"]
    assert len(json.loads(json.dumps(shown))["rates"]) == 3


def test_other_work_on_the_machine_is_told() -> None:
    busy = msgspec.structs.replace(FOUND, load=1.5)  # on four cores
    assert busy.disturbed and not msgspec.structs.replace(FOUND, load=0.9).disturbed
    assert "load 1.5 from other work" in probe.profiles(busy, "lab")[0].note
    assert "load" not in probe.profiles(FOUND, "lab")[0].note
