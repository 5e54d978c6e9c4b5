"""What a request needs of an endpoint, as far as the choice depends on it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tokenworks.routing.leading import NO_LEAD, Lead

_NONE: frozenset[str] = frozenset()


class Need(msgspec.Struct, frozen=True):
    """One request. Time and chance are given with it, so that the same need is met the same way."""

    input_tokens: int  # an estimate: bytes / 4
    now: float  # monotonic seconds
    draw: Callable[[], float]  # uniform in [0, 1), anew with each call
    max_output_tokens: int | None = None
    parameters: frozenset[str] = _NONE  # names of the request's fields; those that are none don't matter
    lead: Lead = NO_LEAD  # how the prompt begins; told only where several endpoints may serve it
    session: str = ""  # what names its conversation; empty where nothing tells
    modalities: frozenset[str] = _NONE  # of the input, besides text: "image", "file", "audio", "video"
