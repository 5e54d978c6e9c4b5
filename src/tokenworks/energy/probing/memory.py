"""Memory bandwidth, by reading, copying and adding arrays that no cache holds, on one thread and on more.

Bytes are counted as the program reads and writes them. What the processor moves besides, such as a line that
is fetched before it is overwritten, is not, as in the STREAM benchmark (McCalpin 1995).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

MIN_BYTES = 64 * 1024**2  # of all arrays together
_TIMES_CACHE = 4  # as STREAM asks: arrays of four times the last cache
_SHARE_OF_MEMORY = 1 / 4  # that a measurement may take
_PIECE = 4 * 1024**2  # bytes between two looks at the clock

KINDS = ("read", "copy", "triad")
_ARRAYS = {"read": 1, "copy": 2, "triad": 3}


class Bandwidth(msgspec.Struct, frozen=True):
    """What so many threads moved together."""

    kind: str  # one of KINDS
    threads: int
    bytes_per_s: float


def working_set(cache_bytes: int, memory_bytes: int) -> int:
    """Bytes of all arrays together: beyond the caches, within the memory."""
    return max(MIN_BYTES, min(_TIMES_CACHE * cache_bytes, round(_SHARE_OF_MEMORY * memory_bytes)))


def measure(kind: str, threads: int, total_bytes: int, seconds: float) -> Bandwidth:
    """Run ``kind`` on ``threads`` threads over ``total_bytes`` for about ``seconds``.

    Every thread has arrays of its own, which it fills first, so that they lie near to it. Only whole pieces
    that end before the time is over count.
    """
    moved = [0] * threads
    spent = [0.0] * threads
    failures: list[BaseException] = []
    ready = threading.Barrier(threads)

    def work(number: int) -> None:
        try:
            step, bytes_each, pieces = _steps(kind, total_bytes // threads)
            ready.wait()
            begun = now = time.perf_counter()
            done = 0
            while now - begun < seconds or not done:
                step(done % pieces)
                done += 1
                now = time.perf_counter()
            moved[number], spent[number] = done * bytes_each, now - begun
        except BaseException as error:
            ready.abort()  # else the others would wait for ever
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise next((e for e in failures if not isinstance(e, threading.BrokenBarrierError)), failures[0])
    return Bandwidth(kind, threads, sum(m / s for m, s in zip(moved, spent, strict=True)))


def thread_counts(cores: int) -> tuple[int, ...]:
    """1, 2, 4 ... and all cores."""
    counts = [1]
    while counts[-1] * 2 < cores:
        counts.append(counts[-1] * 2)
    return (*counts, cores) if cores > 1 else (1,)


def best(found: Sequence[Bandwidth]) -> Bandwidth:
    """The fastest: the ceiling."""
    return max(found, key=lambda each: each.bytes_per_s)


def _steps(kind: str, total_bytes: int) -> tuple[Callable[[int], Any], int, int]:
    """One piece of the work, the bytes it moves, and how many pieces there are."""
    piece = min(_PIECE, total_bytes // _ARRAYS[kind])
    size = piece // 4
    pieces = max(1, total_bytes // _ARRAYS[kind] // piece)
    source = np.ones((pieces, size), np.float32)
    if kind == "read":
        return (lambda at: source[at].max()), size * 4, pieces
    target = np.ones_like(source)
    if kind == "copy":
        return (lambda at: np.copyto(target[at], source[at])), size * 8, pieces
    other = np.ones_like(source)

    def triad(at: int) -> None:
        # numpy has no fused one: two passes over a block that stays in the core's own cache
        to, one, two = target[at], source[at], other[at]
        for first in range(0, size, _BLOCK):
            part = slice(first, first + _BLOCK)
            np.multiply(two[part], np.float32(3), out=to[part])
            np.add(to[part], one[part], out=to[part])

    return triad, size * 12, pieces


_BLOCK = 32 * 1024  # floats: 128 KiB of each array
