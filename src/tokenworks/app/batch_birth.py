"""What a worker of batches is told when it is born."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from tokenworks.app.handover import from_wire, to_wire
from tokenworks.batches.timing import Timing
from tokenworks.config.settings import Settings

USUAL = Timing()


class BatchBirth(msgspec.Struct):
    """What it is told on its standard input, which stays open for as long as its supervisor lives."""

    settings: Settings
    name: str
    url: str  # of the gateway
    timing: Timing = USUAL


def pack(birth: BatchBirth) -> bytes:
    """The birth and its length before it."""
    body = msgspec.msgpack.encode(birth, enc_hook=to_wire)
    return len(body).to_bytes(4, "big") + body


def unpack(stream: BinaryIO) -> BatchBirth:
    """The same, read; what follows stays in the stream."""
    size = int.from_bytes(stream.read(4), "big")
    return msgspec.msgpack.decode(stream.read(size), type=BatchBirth, dec_hook=from_wire)
