"""What this machine says of itself, and what it may use of it."""

import os
from pathlib import Path

import pytest

from tokenworks.energy.probing import machine


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CPUINFO = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)  Platinum 8480+\nflags\t: x\n"


def test_this_machine() -> None:
    found = machine.here()
    assert found.processor and 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.memory_bytes > 2**28 and found.cache_bytes >= 2**15


def test_the_name_without_trade_marks(tmp_path: Path) -> None:
    assert machine.here(put(tmp_path, {"proc/cpuinfo": CPUINFO})).processor == "Intel Xeon Platinum 8480+"


def test_a_machine_that_tells_nothing_has_assumptions(tmp_path: Path) -> None:
    found = machine.here(tmp_path)
    assert found.processor and found.cache_bytes == 32 * 1024**2 and found.power_limit_w is None


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"sys/fs/cgroup/cpu.max": "3000000 100000\n"}, 30),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            64,
        ),
    ],
)
def test_a_container_limits_cores(
    tmp_path: Path, files: dict[str, str], cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert machine.here(put(tmp_path, files)).cores == cores


def test_a_container_limits_memory(tmp_path: Path) -> None:
    whole = machine.here(tmp_path).memory_bytes
    assert machine.here(put(tmp_path, {"sys/fs/cgroup/memory.max": "1073741824\n"})).memory_bytes == 2**30
    assert machine.here(put(tmp_path, {"sys/fs/cgroup/memory.max": "max\n"})).memory_bytes == whole


def test_last_caches_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(20)), raising=False)
    caches = "sys/devices/system/cpu/cpu0/cache"
    files = {
        f"{caches}/index0/size": "48K\n",
        f"{caches}/index0/shared_cpu_list": "0\n",
        f"{caches}/index3/size": "32M\n",
        f"{caches}/index3/shared_cpu_list": "0-3,96-99\n",
    }
    # 20 cores, eight to a cache: three caches
    assert machine.here(put(tmp_path, files)).cache_bytes == 3 * 32 * 1024**2


def test_power_limits_of_packages_are_added_and_those_inside_them_are_not(tmp_path: Path) -> None:
    limits = "constraint_0_power_limit_uw"
    files = {
        f"sys/class/powercap/intel-rapl:0/{limits}": "350000000\n",
        f"sys/class/powercap/intel-rapl:1/{limits}": "350000000\n",
        f"sys/class/powercap/intel-rapl:0:0/{limits}": "9000000\n",
    }
    assert machine.here(put(tmp_path, files)).power_limit_w == 700.0
