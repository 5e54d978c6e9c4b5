"""A prompt with its answer, kept for a while because whoever sent it allowed that."""

from __future__ import annotations

import msgspec


class CaptureRow(msgspec.Struct, frozen=True):
    """One request that was captured. ``body`` is zlib-compressed JSON, see ``gateway.capture``."""

    id: str  # of the request
    time_us: int
    expires_us: int
    key_id: str
    model: str  # whose answer it is
    task: str
    right_share: float  # P(the answer is right), as it was judged then
    body: bytes
    seq: int = 0  # in order of keeping; the store's own number


class CaptureCount(msgspec.Struct, frozen=True):
    """What is kept of one key."""

    key_id: str
    captures: int
    body_bytes: int  # all bodies together, compressed
    oldest_us: int
    newest_us: int
    expires_us: int  # when the first of them is dropped


CAPTURE_COLUMNS = CaptureRow.__struct_fields__
GIVEN_COLUMNS = CAPTURE_COLUMNS[:-1]  # all but the store's own
