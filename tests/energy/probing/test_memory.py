"""Memory bandwidth: bytes are counted right, threads work at once, and a failure ends them all."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tokenworks.energy.probing import memory

MIB = 1024**2


@pytest.mark.parametrize("kind", memory.KINDS)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_measurement(kind: str, threads: int) -> None:
    begun = time.perf_counter()
    found = memory.measure(kind, threads, 24 * MIB, 0.05)
    assert (found.kind, found.threads) == (kind, threads)
    assert 1e8 < found.bytes_per_s < 1e13  # any machine that runs this
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize(("kind", "arrays"), [("read", 1), ("copy", 2), ("triad", 3)])
def test_bytes_of_a_piece_are_those_of_its_arrays(kind: str, arrays: int) -> None:
    _, moved, pieces = memory._steps(kind, 48 * MIB)
    assert moved * pieces == 48 * MIB and moved == arrays * 4 * MIB


def test_triad_is_one_array_and_three_times_another(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[np.ndarray] = []
    ones_like = np.ones_like
    monkeypatch.setattr(np, "ones_like", lambda like: made.append(ones_like(like)) or made[-1])
    step, _, pieces = memory._steps("triad", 24 * MIB)
    step(pieces - 1)
    assert (made[0][pieces - 1] == 4).all() and (made[0][0] == 1).all()


def test_rates_of_threads_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread sleeps for what it 'moves': two of them move twice as much, if they work at once."""
    monkeypatch.setattr(memory, "_steps", lambda kind, total: (lambda at: time.sleep(0.01), 1000, 1))
    alone, both = memory.measure("read", 1, 8, 0.1), memory.measure("read", 2, 8, 0.1)
    assert alone.bytes_per_s == pytest.approx(100_000, rel=0.4)
    assert both.bytes_per_s == pytest.approx(2 * alone.bytes_per_s, rel=0.4)


def test_a_thread_that_fails_does_not_hang_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = memory._steps, []

    def steps(kind: str, total: int) -> tuple[Callable[[int], Any], int, int]:
        calls.append(kind)
        if len(calls) == 1:
            raise MemoryError("no room")
        return real(kind, total)

    monkeypatch.setattr(memory, "_steps", steps)
    with pytest.raises(MemoryError, match="no room"):
        memory.measure("copy", 3, 3 * MIB, 0.01)


def test_the_working_set_is_beyond_the_caches_and_within_the_memory() -> None:
    assert memory.working_set(32 * MIB, 2**40) == 128 * MIB
    assert memory.working_set(2 * MIB, 2**40) == memory.MIN_BYTES
    assert memory.working_set(300 * MIB, 2**30) == 2**28


@pytest.mark.parametrize(("cores", "counts"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))])
def test_thread_counts(cores: int, counts: tuple[int, ...]) -> None:
    assert memory.thread_counts(cores) == counts


def test_the_best_is_the_ceiling() -> None:
    slow, fast = memory.Bandwidth("copy", 1, 1.0), memory.Bandwidth("read", 2, 2.0)
    assert memory.best([slow, fast]) is fast
