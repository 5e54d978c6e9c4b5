"""Counters of a made-up machine: folders as the kernel makes them, a library with the real one's names."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tokenworks.energy.counters import MAX_GAP_S, Counters, Nvml, Rapl

RANGE_UJ = 262_143_328_850  # what many packages have


class Zone:
    """One folder of powercap."""

    def __init__(self, folder: Path, name: str, energy_uj: int = 0) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        self.at(energy_uj)

    def at(self, energy_uj: int) -> None:
        (self.folder / "energy_uj").write_text(f"{energy_uj}\n")


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, Zone]:
    """Two packages, one with memory, cores and graphics; the platform; the packages a second time by MMIO."""
    made = {
        "p0": Zone(tmp_path / "intel-rapl:0", "package-0", 1_000_000),
        "core": Zone(tmp_path / "intel-rapl:0" / "intel-rapl:0:0", "core"),
        "dram": Zone(tmp_path / "intel-rapl:0" / "intel-rapl:0:1", "dram"),
        "p1": Zone(tmp_path / "intel-rapl:1", "package-1"),
        "psys": Zone(tmp_path / "intel-rapl:2", "psys"),
        "mmio": Zone(tmp_path / "intel-rapl-mmio:0", "package-0"),
    }
    (tmp_path / "intel-rapl:0:1").symlink_to(tmp_path / "intel-rapl:0" / "intel-rapl:0:1")  # as in sysfs
    return made


def test_packages_and_memory_are_counted_once(machine: dict[str, Zone], tmp_path: Path) -> None:
    rapl = Rapl(tmp_path)
    assert [(each.name, each.kind) for each in rapl.domains] == [
        ("package-0", "cpu"),
        ("dram of package-0", "dram"),
        ("package-1", "cpu"),
    ]
    machine["p0"].at(3_500_000)
    machine["p1"].at(1_000_000)
    machine["dram"].at(250_000)
    for other in ("core", "psys", "mmio"):
        machine[other].at(99_000_000)
    counters = Counters([rapl])
    counters.read(1.0)
    assert [each.joules for each in rapl.domains] == [2.5, 0.25, 1.0]
    assert (counters.joules("cpu"), counters.joules("cpu", "dram"), counters.joules("gpu")) == (
        3.5,
        3.75,
        None,
    )
    assert counters.problems == [] and not counters.sampled


def test_a_counter_that_begins_anew_loses_nothing(machine: dict[str, Zone], tmp_path: Path) -> None:
    machine["p0"].at(RANGE_UJ - 2_000_000)
    rapl = Rapl(tmp_path)
    machine["p0"].at(3_000_000)
    rapl.read(1.0)
    assert rapl.domains[0].joules == 5.0


def test_a_counter_that_a_sleep_set_to_zero_adds_nothing(machine: dict[str, Zone], tmp_path: Path) -> None:
    machine["p0"].at(9_000_000)
    rapl = Rapl(tmp_path)
    rapl.read(1.0)
    machine["p0"].at(1_000_000)  # 262 kJ in five seconds, were it a full turn
    rapl.read(6.0)
    machine["p0"].at(3_000_000)
    rapl.read(11.0)
    assert rapl.domains[0].joules == 2.0


def test_what_can_not_be_read_is_said(machine: dict[str, Zone], tmp_path: Path) -> None:
    (machine["p1"].folder / "energy_uj").unlink()
    rapl = Rapl(tmp_path)
    assert [each.name for each in rapl.domains] == ["package-0", "dram of package-0"]
    assert "intel-rapl:1: can't be read" in rapl.problem
    machine["p0"].folder.joinpath("energy_uj").write_text("nonsense")
    rapl.read(1.0)
    assert "intel-rapl:0: can't be read" in rapl.problem and rapl.domains[0].joules == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_for_root_only(machine: dict[str, Zone], tmp_path: Path) -> None:
    (machine["p0"].folder / "energy_uj").chmod(0)
    assert "is for root only" in Rapl(tmp_path).problem


def test_root_only_is_told_apart(
    machine: dict[str, Zone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_text = Path.read_text

    def refuse(path: Path, *args: Any, **more: Any) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read_text(path, *args, **more)

    monkeypatch.setattr(Path, "read_text", refuse)
    rapl = Rapl(tmp_path)
    assert rapl.domains == []
    assert "energy_uj is for root only; let the server's user read it, or power is estimated" in rapl.problem


def test_no_powercap_is_no_problem(tmp_path: Path) -> None:
    rapl = Rapl(tmp_path / "none")
    rapl.read(1.0)
    assert (rapl.domains, rapl.problem) == ([], "")


# --- NVML -------------------------------------------------------------------------------------


class NVMLError(Exception):
    """As the library's."""


class Gpus:
    """What is used of pynvml. Each GPU is [millijoules or None, milliwatts]."""

    NVMLError = NVMLError

    def __init__(self, *gpus: list[int | None]) -> None:
        self.gpus = [list(each) for each in gpus]
        self.begun = False
        self.lost = False

    def nvmlInit(self) -> None:
        self.begun = True

    def nvmlDeviceGetCount(self) -> int:
        assert self.begun
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes | str:
        return b"Old One" if handle else "New One"  # bytes before version 12

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        if self.lost:
            raise NVMLError("GPU is lost")
        energy = self.gpus[handle][0]
        if energy is None:
            raise NVMLError("Not Supported")
        return energy

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        power = self.gpus[handle][1]
        assert power is not None
        return power


def test_a_gpu_with_a_counter_and_one_without() -> None:
    gpus = Gpus([5_000, 70_000], [None, 100_000])
    nvml = Nvml(gpus)
    assert [each.name for each in nvml.domains] == ["gpu 0 (New One)", "gpu 1 (Old One)"]
    assert nvml.sampled
    nvml.read(0.0)
    gpus.gpus = [[7_500, 70_000], [None, 200_000]]
    nvml.read(2.0)
    assert [each.joules for each in nvml.domains] == [2.5, 300.0]  # 2 s at 150 W in the mean
    nvml.read(2.0 + MAX_GAP_S + 0.1)
    assert nvml.domains[1].joules == 300.0, "nobody knows what was in this gap"
    nvml.read(2.0 + 2 * MAX_GAP_S)
    assert nvml.domains[1].joules == pytest.approx(300 + 200 * (MAX_GAP_S - 0.1))


def test_counters_only_need_no_sampling_and_survive_a_new_driver() -> None:
    gpus = Gpus([5_000, 0])
    nvml = Nvml(gpus)
    assert not nvml.sampled
    gpus.gpus[0][0] = 400
    nvml.read(1.0)
    assert nvml.domains[0].joules == 0.4
    gpus.lost = True
    nvml.read(2.0)
    assert nvml.problem == "gpu 0 (New One): GPU is lost"


def test_a_driver_that_does_not_answer() -> None:
    class Broken(Gpus):
        def nvmlInit(self) -> None:
            raise NVMLError("Driver Not Loaded")

    nvml = Nvml(Broken())
    assert (nvml.domains, nvml.problem) == ([], "NVML: Driver Not Loaded")


def test_the_library_is_asked_for_only_where_there_is_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenworks.energy.counters.LIBRARY", "no_such_library")
    assert Nvml(device=tmp_path / "nvidiactl").problem == ""
    (tmp_path / "nvidiactl").touch()
    assert "pip install 'tokenworks[energy]'" in Nvml(device=tmp_path / "nvidiactl").problem


def test_of_this_machine() -> None:
    """Whatever it has: reading it twice does no harm."""
    counters = Counters.of_machine()
    counters.read(0.0)
    counters.read(1.0)
    assert all(each.joules >= 0 for each in counters.domains)


def test_a_gpu_that_tells_nothing_leaves_the_others() -> None:
    class Partly(Gpus):
        def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
            if index == 0:
                raise NVMLError("Insufficient Permissions")
            return index

    nvml = Nvml(Partly([1, 0], [2, 0]))
    assert [each.name for each in nvml.domains] == ["gpu 1 (Old One)"]
    assert nvml.problem == "gpu 0: Insufficient Permissions"


def test_the_library_on_a_machine_without_a_gpu_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Without(Gpus):
        def nvmlInit(self) -> None:
            raise NVMLError("NVML Shared Library Not Found")

    monkeypatch.setitem(sys.modules, "pynvml", Without())  # type: ignore[arg-type]
    assert Nvml(device=tmp_path / "nvidiactl").problem == ""
    (tmp_path / "nvidiactl").touch()
    assert Nvml(device=tmp_path / "nvidiactl").problem == "NVML: NVML Shared Library Not Found"
