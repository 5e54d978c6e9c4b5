"""What a request needs of an endpoint, as far as the choice depends on it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

_NONE: frozenset[str] = frozenset()


class Need(msgspec.Struct, frozen=True):
    """One request. Time and chance are given with it, so that the same need is met the same way."""

    input_tokens: int  # an estimate: bytes / 4
    now: float  # monotonic seconds
    draw: Callable[[], float]  # uniform in [0, 1), anew with each call
    max_output_tokens: int | None = None
    parameters: frozenset[str] = _NONE  # names of the request's fields; those that are none don't matter
    modalities: frozenset[str] = _NONE  # of the input, besides text: "image", "file", "audio", "video"
