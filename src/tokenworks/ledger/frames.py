"""The journal's file format: a header, then frames of ``length, crc32, payload``.

The header carries a random identity, so that a file that reuses a dead one's name is never taken
for it. Everything is little-endian.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

import msgspec

from tokenworks.ledger.record import DECODER, MAX_PAYLOAD, Record, decode

MAGIC = b"TWJRNL1\n"  # the digit is the format's version
HEADER_BYTES = len(MAGIC) + 16
FRAME = struct.Struct("<II")
FRAME_BYTES = FRAME.size


class Scan(NamedTuple):
    """What a stretch of a journal held, up to its first frame that is not whole or not right."""

    records: list[Record]
    end: int  # where the last good frame ends
    corrupt: bool  # the bytes at ``end`` can't be a frame, however much is written after them


def header(identity: bytes) -> bytes:
    """The first bytes of a journal; ``identity`` is 16 random bytes."""
    return MAGIC + identity


def identity(head: bytes) -> str | None:
    """The identity in a journal's first bytes as hex, or None when they are no header we know."""
    if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
        return None
    return head[len(MAGIC) : HEADER_BYTES].hex()


def frame(payload: bytes) -> bytes:
    """``payload`` as it stands in a journal."""
    return FRAME.pack(len(payload), crc32(payload)) + payload


def scan(data: bytes) -> Scan:
    """Decode frames from the start of ``data`` (which must begin at a frame)."""
    records: list[Record] = []
    position, size = 0, len(data)
    unpack, check, read, keep = FRAME.unpack_from, crc32, DECODER.decode, records.append
    while position + FRAME_BYTES <= size:
        length, crc = unpack(data, position)
        if not 0 < length <= MAX_PAYLOAD:
            return Scan(records, position, True)
        end = position + FRAME_BYTES + length
        if end > size:
            break
        payload = data[position + FRAME_BYTES : end]
        if check(payload) != crc:
            return Scan(records, position, True)
        try:
            keep(read(payload))
        except (msgspec.DecodeError, UnicodeDecodeError):
            try:
                keep(decode(payload))
            except ValueError:  # whole, but no record: some other program's bytes
                return Scan(records, position, True)
        position = end
    return Scan(records, position, False)


def resume(data: bytes, start: int) -> int:
    """Where the next good frame after ``start`` begins, or -1. Payloads are msgpack arrays of 16+ items."""
    at = start
    while (at := data.find(b"\xdc\x00", at + 1)) >= 0:
        begin = at - FRAME_BYTES
        if begin <= start:
            continue
        length, crc = FRAME.unpack_from(data, begin)
        if 0 < length <= MAX_PAYLOAD and at + length <= len(data):
            payload = data[at : at + length]
            if crc32(payload) == crc:
                return begin
    return -1
