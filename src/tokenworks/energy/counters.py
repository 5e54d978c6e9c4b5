"""Energy counters of this machine: RAPL of processors and memory, NVML of GPUs. Each says what it can't read.

RAPL: ``/sys/class/powercap/intel-rapl:*`` of Linux (Documentation/power/powercap), which the kernel serves
for AMD's processors under the same names. NVML: the driver's own counter of millijoules since it was loaded,
through ``nvidia-ml-py``; where a GPU has none, its power is sampled and added up by the trapezoid rule.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

POWERCAP = Path("/sys/class/powercap")
NVIDIA = Path("/dev/nvidiactl")  # there as soon as the driver of a GPU is
MAX_ZONE_W = (
    5000.0  # no package takes as much: then its counter began anew, after sleep or on another machine
)
MAX_GAP_S = 3.0  # between two samples of power; what a longer gap took is not known, and not made up
LIBRARY = "pynvml"  # what nvidia-ml-py installs

Kind = Literal["cpu", "dram", "gpu"]


class Domain(msgspec.Struct):
    """One thing whose energy is counted. Its joules only grow, from zero when it was found."""

    name: str  # "package-0", "dram of package-0", "gpu 0 (NAME)"
    kind: Kind
    joules: float = 0.0


class Reader(Protocol):
    """One kind of counter. ``problem`` is a sentence about what can't be read, "" where nothing is amiss."""

    domains: list[Domain]
    problem: str
    sampled: bool  # power, not energy: wants to be read every second

    def read(self, now_s: float) -> None:
        """Add what was used since the last time to ``domains``. ``now_s`` of a clock that never goes back."""


class Rapl:
    """Packages and their memory. The energy of cores and graphics is part of their package's, so it is left
    out, and so is that of the whole platform, which holds the packages."""

    sampled = False

    def __init__(self, root: Path = POWERCAP) -> None:
        self.domains: list[Domain] = []
        self.problem = ""
        self._zones: list[_Zone] = []
        for folder, name, kind in _zones(root):
            try:
                self._zones.append(_Zone(folder, Domain(name, kind)))
            except (OSError, ValueError) as error:
                self.problem = _unreadable(folder, error)
        self.domains = [zone.domain for zone in self._zones]

    def read(self, now_s: float) -> None:
        for zone in self._zones:
            try:
                zone.read(now_s)
            except (OSError, ValueError) as error:
                self.problem = _unreadable(zone.folder, error)


class Nvml:
    """All GPUs that the driver shows to this process."""

    def __init__(self, library: Any = None, device: Path = NVIDIA) -> None:
        """``library`` is ``pynvml``, found by itself if it is installed."""
        self.domains: list[Domain] = []
        self.problem = ""
        self.sampled = False
        self._gpus: list[_Gpu] = []
        self._nvml = library if library is not None else self._library(device)
        if self._nvml is not None:
            try:
                self._nvml.nvmlInit()
                numbers = range(self._nvml.nvmlDeviceGetCount())
            except self._nvml.NVMLError as error:
                numbers = range(0)
                if library is not None or device.exists():  # else there is no GPU that could be amiss
                    self.problem = f"NVML: {error}"
            for number in numbers:
                try:
                    self._gpus.append(_Gpu(self._nvml, number))
                except self._nvml.NVMLError as error:
                    self.problem = f"gpu {number}: {error}"
        self.domains = [gpu.domain for gpu in self._gpus]
        self.sampled = any(not gpu.counts for gpu in self._gpus)

    def _library(self, device: Path) -> Any:
        try:
            return importlib.import_module(LIBRARY)
        except ImportError:
            if device.exists():
                self.problem = "there is a GPU but no nvidia-ml-py; run: pip install 'tokenworks[energy]'"
            return None

    def read(self, now_s: float) -> None:
        for gpu in self._gpus:
            try:
                gpu.read(now_s)
            except self._nvml.NVMLError as error:
                self.problem = f"{gpu.domain.name}: {error}"


class Counters:
    """All of them together."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers

    @classmethod
    def of_machine(cls) -> Counters:
        """Whatever this machine has."""
        return cls((Rapl(), Nvml()))

    @property
    def domains(self) -> list[Domain]:
        """Everything that is counted."""
        return [domain for reader in self._readers for domain in reader.domains]

    @property
    def sampled(self) -> bool:
        """Whether it must be read every second."""
        return any(reader.sampled for reader in self._readers)

    @property
    def problems(self) -> list[str]:
        """What can't be read, a sentence each."""
        return [reader.problem for reader in self._readers if reader.problem]

    def read(self, now_s: float) -> None:
        """Bring all joules up to ``now_s``."""
        for reader in self._readers:
            reader.read(now_s)

    def joules(self, *kinds: Kind) -> float | None:
        """Of all domains of these kinds; None where there is none."""
        found = [domain.joules for domain in self.domains if domain.kind in kinds]
        return sum(found) if found else None


# --- RAPL -------------------------------------------------------------------------------------


class _Zone:
    """One folder of powercap: a counter in microjoules that begins anew at ``max_energy_range_uj``."""

    def __init__(self, folder: Path, domain: Domain) -> None:
        self.folder = folder
        self.domain = domain
        self._range_uj = int((folder / "max_energy_range_uj").read_text())
        self._last_uj = self._now_uj()
        self._last_s: float | None = None

    def read(self, now_s: float) -> None:
        now_uj = self._now_uj()
        used_uj = now_uj - self._last_uj
        if used_uj < 0:
            used_uj += self._range_uj
        # The counter steps each millisecond, so a short time may seem to take a lot.
        most_s = math.inf if self._last_s is None else max(1.0, now_s - self._last_s)
        self._last_uj, self._last_s = now_uj, now_s
        if 0 <= used_uj <= MAX_ZONE_W * 1e6 * most_s:
            self.domain.joules += used_uj / 1e6

    def _now_uj(self) -> int:
        return int((self.folder / "energy_uj").read_text())


def _zones(root: Path) -> Iterator[tuple[Path, str, Kind]]:
    """Packages, each followed by its memory. ``intel-rapl-mmio`` shows the same packages a second time."""
    for package in sorted(root.glob("intel-rapl:*")):
        name = _name(package)
        if not name.startswith("package"):  # inner zones and the whole platform
            continue
        yield package, name, "cpu"
        # Inner zones stand in their package and, as links, beside it.
        inner = {each.name: each for each in (*root.glob(f"{package.name}:*"), *package.glob("intel-rapl:*"))}
        for zone in (inner[each] for each in sorted(inner)):
            if _name(zone) == "dram":
                yield zone, f"dram of {name}", "dram"


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""


def _unreadable(folder: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"{folder}/energy_uj is for root only; let the server's user read it, or power is estimated"
    return f"{folder}: can't be read: {error}"


# --- NVML -------------------------------------------------------------------------------------


class _Gpu:
    """One GPU: its counter of millijoules, else samples of its power in milliwatts."""

    def __init__(self, nvml: Any, number: int) -> None:
        self._nvml = nvml
        self._handle = nvml.nvmlDeviceGetHandleByIndex(number)
        name = nvml.nvmlDeviceGetName(self._handle)
        text = name.decode() if isinstance(name, bytes) else str(name)
        self.domain = Domain(f"gpu {number} ({text})", "gpu")
        self._last_mj = 0
        self._last: tuple[float, float] | None = None  # when, watts
        try:
            self._last_mj = nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)
            self.counts = True
        except nvml.NVMLError:  # before Volta there was none
            nvml.nvmlDeviceGetPowerUsage(self._handle)
            self.counts = False

    def read(self, now_s: float) -> None:
        if self.counts:
            now_mj = self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)
            # After the driver was loaded anew it counts from zero, and all of that was used since.
            used_mj = now_mj - self._last_mj if now_mj >= self._last_mj else now_mj
            self._last_mj = now_mj
            self.domain.joules += used_mj / 1e3
            return
        watts = self._nvml.nvmlDeviceGetPowerUsage(self._handle) / 1e3
        if self._last is not None and 0 < now_s - self._last[0] <= MAX_GAP_S:
            self.domain.joules += (watts + self._last[1]) / 2 * (now_s - self._last[0])
        self._last = now_s, watts
