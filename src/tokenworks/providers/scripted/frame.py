"""A piece of an answer: one event of a stream, or a whole body."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.schema import Usage

encode = msgspec.json.Encoder().encode


class Frame(msgspec.Struct, frozen=True, gc=False):
    """Bytes that go out together, and what the client may believe once it has them."""

    data: bytes
    usage: Usage | None = None  # all that has been claimed so far, when this frame claims some
    last: bool = False  # the event that tells a client that a stream is whole
    partial: bool = False  # cut off


def data_event(payload: Any, usage: Usage | None = None) -> Frame:
    """An SSE event without a name."""
    return Frame(b"data: " + encode(payload) + b"\n\n", usage)


def named_event(payload: dict[str, Any], usage: Usage | None = None, *, last: bool = False) -> Frame:
    """An SSE event called like its payload's ``type``."""
    name = payload["type"].encode()
    return Frame(b"event: " + name + b"\ndata: " + encode(payload) + b"\n\n", usage, last)
