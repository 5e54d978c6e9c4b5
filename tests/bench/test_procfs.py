import os
import subprocess
import sys
import time

import procfs


def test_parent_of_a_command_with_spaces_and_brackets() -> None:
    assert procfs.parse_parent("42 (a) b (c) S 7 42 42 0 -1 4194304 100") == 7


def test_rollup_takes_the_sums() -> None:
    text = "5592-7fff ---p 00000000 00:00 0   [rollup]\nRss:   1768 kB\nPss:    357 kB\nPss_Dirty:  116 kB\n"
    assert procfs.parse_rollup(text) == procfs.Memory(pss_kib=357, rss_kib=1768)


def test_busy_counts_neither_idle_nor_waiting_for_disks() -> None:
    ticks = "cpu  100 10 50 9999 777 1 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
    assert procfs.parse_busy(ticks) == (100 + 10 + 50 + 1 + 2 + 3) * procfs.TICK_S


def test_descendants_include_grandchildren_and_nobody_else() -> None:
    assert sorted(procfs.descendants(10, {10: 1, 11: 10, 12: 11, 13: 1, 1: 0})) == [10, 11, 12]


def test_cpu_time_of_a_real_tree_counts_children_and_ended_threads() -> None:
    burn = "import time\nwhile time.process_time() < 0.15: pass\n"
    threads = (
        "import threading\nt=threading.Thread(target=lambda: sum(range(4000000)))\nt.start(); t.join()\n"
    )
    script = f"import subprocess, sys\n{threads}child = subprocess.Popen([sys.executable, '-c', {burn!r} + "
    script += "'input()'], stdin=subprocess.PIPE)\nprint(time.process_time(), flush=True)\ninput()\n"
    script = "import time\n" + script
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        own_s = float(parent.stdout.readline())
        deadline = time.monotonic() + 20
        while procfs.cpu_ns(procfs.tree(parent.pid)) < (own_s + 0.15) * 1e9 and time.monotonic() < deadline:
            time.sleep(0.02)
        pids = procfs.tree(parent.pid)
        assert len(pids) == 2
        assert procfs.cpu_ns([parent.pid]) >= own_s * 1e9  # its thread has ended, its time has not
        assert procfs.cpu_ns(pids) >= (own_s + 0.15) * 1e9
        assert procfs.memory(pids).pss_kib > procfs.memory([parent.pid]).pss_kib > 0
    finally:
        for pid in procfs.tree(parent.pid):
            os.kill(pid, 9)
        parent.wait()
        parent.stdin.close()  # type: ignore[union-attr]
        parent.stdout.close()  # type: ignore[union-attr]


def test_the_machine_says_what_it_is() -> None:
    machine = procfs.machine()
    assert machine["cpu"] and machine["cores"] == os.cpu_count() and len(machine["load"]) == 3
