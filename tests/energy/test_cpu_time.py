"""Processor time out of /proc, the real one and a made-up one."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tokenworks.energy import cpu_time

HZ = os.sysconf("SC_CLK_TCK")


def test_of_a_process_whatever_its_name_holds(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(str(each) for each in range(4, 53))  # utime is field 14, stime field 15
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c)) S {fields}\n")
    assert cpu_time.of_process(7, tmp_path) == (14 + 15) / HZ
    assert cpu_time.of_process(8, tmp_path) is None
    (tmp_path / "7" / "stat").write_text("7 (short) S 1")
    assert cpu_time.of_process(7, tmp_path) is None


def test_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  100 10 50 9000 500 5 5 30 99 99\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    assert cpu_time.of_machine(tmp_path) == (100 + 10 + 50 + 5 + 5 + 30) / HZ, (
        "guests are in user time already"
    )
    assert cpu_time.of_machine(tmp_path / "none") is None


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_of_this_very_process() -> None:
    before, all_before = cpu_time.of_process(os.getpid()), cpu_time.of_machine()
    began = time.process_time()
    while time.process_time() - began < 0.1:
        pass
    after, all_after = cpu_time.of_process(os.getpid()), cpu_time.of_machine()
    assert before is not None and after is not None and all_before is not None and all_after is not None
    assert 0.05 <= after - before <= 1.0
    assert all_after - all_before >= 0.05
