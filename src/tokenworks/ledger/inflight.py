"""Requests that are not settled yet, in a shared memory map that outlives a killed process.

The file is a page of header, then slots of ``slot_bytes``: a counter of output events, then length and
crc of the record in one 8-byte word, then the record. A slot is in use when its word is not zero. The
word is stored last, in one piece, and cleared first, so a slot that was being written when its owner
was killed is a free one; what power loss tore apart fails the crc. Numbers are in the machine's own
order: the file never leaves it.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from tokenworks.ledger.claims import claim
from tokenworks.ledger.record import ENCODE_ERRORS, ENCODER, Record, decode, fit

MAGIC = b"TWINFL1\n"
HEADER_BYTES = 4096
SLOT_HEADER_BYTES = 16
_HEADER = struct.Struct("<8s16sI")
_WORD = struct.Struct("=QQ")

_encode = ENCODER.encode


class InFlight:
    """Use from one thread. What ``open`` returns names the slot; it means nothing else."""

    def __init__(self, folder: Path, worker: str, slots: int = 16384, slot_bytes: int = 768) -> None:
        """Raises ``OSError`` when there is no room for the file: ``slots * slot_bytes`` bytes of disk.

        The blocks are taken at once: writing to a hole of a full disk would kill the process (SIGBUS).
        """
        if slot_bytes % 8 or slot_bytes < 128 or slots < 1:
            raise ValueError("slot_bytes must be a multiple of 8 and at least 128, slots at least 1")
        self._slot_words = slot_bytes // 8
        self._room = slot_bytes - SLOT_HEADER_BYTES
        head = _HEADER.pack(MAGIC, os.urandom(16), slot_bytes).ljust(HEADER_BYTES, b"\0")
        self._fd, self.path, _ = claim(folder, worker, "inflight", head, flags=0, durable=False)
        self._size = HEADER_BYTES + slots * slot_bytes
        try:
            os.posix_fallocate(self._fd, 0, self._size)
            self._map = mmap.mmap(self._fd, self._size)
        except BaseException:
            self.path.unlink()
            os.close(self._fd)
            raise
        self._words = memoryview(self._map).cast("Q")
        self._free: list[int] = []
        self._next = HEADER_BYTES // 8  # the first slot never used so far
        self._end = self._size // 8
        self._closed = False

    def open(self, record: Record) -> int:
        """Enter ``record``; long strings are cut to fit the slot.

        Raises ``OSError`` when every slot is taken and the file can't grow.
        """
        try:
            payload = _encode(record)
            if len(payload) > self._room:
                payload = fit(record, self._room)
        except ENCODE_ERRORS:
            payload = fit(record, self._room)
        try:
            slot = self._free.pop()
        except IndexError:
            slot = self._unused()
        size = len(payload)
        start = slot * 8 + SLOT_HEADER_BYTES
        self._map[start : start + size] = payload
        words = self._words
        words[slot] = 0  # two stores of 8 bytes: cheaper than one packed one
        words[slot + 1] = crc32(payload) << 32 | size
        return slot

    def touch(self, slot: int, output_events: int) -> None:
        """Note how many events of output have gone by: the estimate if nothing better comes."""
        self._words[slot] = output_events

    def update(self, slot: int, record: Record) -> int:
        """Put ``record``, of the same id, in place of what the slot holds; returns the slot that is its now.

        A record with an ``outcome`` is final: if it is found here and nowhere else, it counts as it is.
        """
        new = self.open(record)
        self._words[new] = self._words[slot]
        self.release(slot)
        return new

    def release(self, slot: int) -> None:
        """The request is settled: its record is in the journal. Once more for the same slot does nothing."""
        words = self._words
        if words[slot + 1]:
            words[slot + 1] = 0
            self._free.append(slot)

    def count(self) -> int:
        """Slots in use."""
        return (self._next - HEADER_BYTES // 8) // self._slot_words - len(self._free)

    def close(self) -> None:
        """Unmap and unlock; the drainer removes the file and records what is still open as killed."""
        if not self._closed:
            self._closed = True
            self._words.release()
            self._map.close()
            os.close(self._fd)

    def _unused(self) -> int:
        slot = self._next
        if slot >= self._end:
            self._grow()
        self._next = slot + self._slot_words
        return slot

    def _grow(self) -> None:
        """Twice the slots. Raises ``OSError`` and changes nothing when there is no room."""
        size = self._size * 2 - HEADER_BYTES
        os.posix_fallocate(self._fd, self._size, size - self._size)
        self._words.release()  # a map with views on it can't move
        try:
            self._map.resize(size)
            self._size = size
        finally:
            self._words = memoryview(self._map).cast("Q")
            self._end = self._size // 8


class Slots(NamedTuple):
    """What an in-flight file of a dead worker held."""

    identity: str  # hex, unique for this file
    open: list[tuple[Record, int]]  # each with its count of output events
    torn: int  # slots in use whose content fails its crc


def read_slots(data: bytes) -> Slots:
    """Every slot in use in ``data``. Raises ``ValueError`` when it is no in-flight file."""
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        raise ValueError("not an in-flight file of this version")
    _, identity, slot_bytes = _HEADER.unpack_from(data)
    if slot_bytes < SLOT_HEADER_BYTES:
        raise ValueError("not an in-flight file: its slots have no size")
    found: list[tuple[Record, int]] = []
    torn = 0
    for start in range(HEADER_BYTES, len(data) - slot_bytes + 1, slot_bytes):
        events, word = _WORD.unpack_from(data, start)
        if not word:
            continue
        size, crc = word & 0xFFFFFFFF, word >> 32
        begin = start + SLOT_HEADER_BYTES
        payload = data[begin : begin + size]
        try:
            if size > slot_bytes - SLOT_HEADER_BYTES or crc32(payload) != crc:
                raise ValueError("torn")
            found.append((decode(payload), events))
        except ValueError:
            torn += 1
    return Slots(identity.hex(), found, torn)
