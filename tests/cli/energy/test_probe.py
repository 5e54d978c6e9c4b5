"""``tokenworks energy probe``: what it shows, what it saves, what it refuses before it measures."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main
from tokenworks.energy import hardware
from tokenworks.energy import probe as probing
from tokenworks.energy.probing import accelerator, machine, matrix, memory

MEASURED = probing.Probe(
    at="2026-11-26T12:00:00+00:00",
    machine=machine.Machine("Some Processor", 2, 64 * 2**30, 32 * 2**20),
    working_set_bytes=128 * 2**20,
    bandwidths=(
        *(memory.Bandwidth("read", threads, threads * 10e9) for threads in (1, 2)),
        *(memory.Bandwidth("copy", threads, threads * 9e9) for threads in (1, 2)),
    ),
    blas="someblas 1",
    products=(matrix.MatrixRate(1024, 1.5e11, 3),),
)
WITH_CARD = msgspec.structs.replace(
    MEASURED,
    card=accelerator.Card("Some GPU", 80 * 2**30, 132),
    card_power_w=700.0,
    rates=(
        accelerator.Rate("copy", 0.1, 3.1e12, 0.0, "Tensor.copy_"),
        accelerator.Rate("gemm_bf16", 0.1, 1e12, 6.5e14, "matmul"),
        accelerator.Rate("gemm_fp8", problem="no eight bits here"),
    ),
)


def probe(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["energy", "probe", "--home", str(home), *arguments])


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "probe", lambda seconds, tell, torch: MEASURED)
    monkeypatch.setattr(accelerator, "installed_torch", lambda: None)


def test_this_machine_is_measured_and_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real thing, with arrays and matrices of a moment."""
    monkeypatch.setattr(memory, "working_set", lambda cache, total: 2**22)
    monkeypatch.setattr(matrix, "SIZES", (64,))
    shown = probe(tmp_path, "--seconds", "0.1", "--no-gpu", "--json", "--name", "lab", "--watts", "250")
    found = json.loads(shown.output)
    assert {each["kind"] for each in found["bandwidths"]} == set(memory.KINDS)
    assert found["saved"] == [str(tmp_path / "hardware" / "lab-cpu.toml")]
    device = hardware.load("lab-cpu", tmp_path)
    assert device.tdp_w == 250 and device.bandwidth_tbps > 1e-5 and device.bf16_tflops > 1e-6


def test_what_people_read(tmp_path: Path, measured: None) -> None:
    lines = probe(tmp_path).output.splitlines()
    assert lines[0].startswith("Some Processor: 2 cores, 64.0 GiB of memory, 32 MiB of cache")
    assert lines[2].split() == ["memory,", "GB/s", "1", "thread", "2", "threads"]
    assert lines[3].split() == ["read", "10.0", "20.0"]
    assert "1,024" in lines[7] and "150.0" in lines[7]
    assert "no GPU was measured: that takes torch" in lines
    assert f"saved {tmp_path}/hardware/this-cpu.toml" in lines
    assert "--on this-cpu" in lines[-1] and "--watts" in lines[-1]


def test_a_card(tmp_path: Path, measured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "probe", lambda seconds, tell, torch: WITH_CARD)
    shown = probe(tmp_path, "--watts", "300").output
    for text in ("Some GPU: 80.0 GiB, 132 units", "3100.0", "650.0", "no eight bits here"):
        assert text in shown, text
    assert hardware.load("this-gpu", tmp_path).tdp_w == 700
    assert "its watts are not known" not in shown


def test_other_work_is_told(tmp_path: Path, measured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "other work" not in probe(tmp_path).output
    busy = msgspec.structs.replace(MEASURED, load=7.5)
    monkeypatch.setattr(probing, "probe", lambda seconds, tell, torch: busy)
    assert "note: other work ran here (load 7.5)" in probe(tmp_path).output


def test_nothing_is_saved_that_should_not_be(tmp_path: Path, measured: None) -> None:
    assert "saved" not in probe(tmp_path, "--no-save").output
    assert not (tmp_path / "hardware").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seconds", "0"), "0 is not between 0.1 and 3600"),
        (("--seconds", "nan"), "nan is not between"),
        (("--name", "A b"), '"A b" names no profile'),
        (("--watts", "-3"), "--watts -3: give what this computer draws"),
    ],
)
def test_bad_input_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str], message: str
) -> None:
    def never(*anything: object) -> None:
        raise AssertionError("measured all the same")

    monkeypatch.setattr(probing, "probe", never)
    refused = probe(tmp_path, *arguments)
    assert refused.exit_code == 2 and message in refused.output


def test_the_bar_is_on_a_terminal_only(tmp_path: Path, measured: None) -> None:
    assert "starting" not in probe(tmp_path).output
