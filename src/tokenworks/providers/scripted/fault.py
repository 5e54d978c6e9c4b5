"""What may go wrong with an answer, and where its bytes are cut."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Literal

import msgspec

from tokenworks.providers.scripted.frame import Frame

FaultKind = Literal[
    "close",  # nothing is answered, the connection closes
    "hang",  # nothing is answered, the connection stays open
    "status",  # an error of the wire's shape; status, retry_after_s, message, error_type
    "html",  # an error page as a proxy sends it
    "error_body",  # status 200, and the error of the wire's shape in the body
    "content_type",  # the right body under a wrong content_type
    "garbage",  # random bytes in place of the body, or of what follows the cut
    "truncate",  # the body ends at the cut as if it were whole
    "early_close",  # the connection closes at the cut
    "hang_mid",  # nothing follows the cut, the connection stays open
    "bad_chunk",  # chunked coding with a size that is none, at the cut
    "error_event",  # a stream goes on with the wire's error event at the cut and ends
    "no_terminator",  # a stream lacks its last event
    "drip",  # the bytes behind the headers go out step_bytes at a time
    "close_after",  # the answer is whole, then the idle connection closes unannounced
]
BEFORE_ANSWER = frozenset({"close", "hang"})
WHOLE_ERROR = frozenset({"status", "html", "error_body"})
CUTS = frozenset({"garbage", "truncate", "early_close", "hang_mid", "bad_chunk", "error_event"})
DEFAULT_AFTER_CHUNK = 2


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``fault`` of a rule. Fields that a ``kind`` has no use for are ignored.

    The cut of a stream is behind event ``after_chunk`` (counted from 1, bookkeeping events too) or
    behind byte ``at_byte`` of the payload; of an answer that is not streamed it is at ``at_byte``, else
    in its middle.
    """

    kind: FaultKind
    probability: float = 1.0
    status: int = 0  # 0: 500, or 502 of "html"
    retry_after_s: float | None = None
    message: str = "scripted fault"
    error_type: str = ""
    error_code: str = ""
    body: str | None = None  # instead of the wire's shape
    content_type: str = ""
    after_chunk: int | None = None
    at_byte: int | None = None
    step_bytes: int = 1
    step_delay_s: float = 0.0
    delay_s: float = 0.0  # before "close" closes, or "close_after" does
    reset: bool = False  # close with RST, unsent bytes are lost

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError("probability is between 0 and 1")
        if self.status and not 200 <= self.status <= 599:
            raise ValueError("status is between 200 and 599")
        if self.after_chunk is not None and self.at_byte is not None:
            raise ValueError("after_chunk and at_byte exclude each other")
        if min(self.after_chunk or 0, self.at_byte or 0, self.step_delay_s, self.delay_s) < 0:
            raise ValueError("places and delays can't be negative")
        if self.step_bytes < 1:
            raise ValueError("step_bytes counts from 1")


def pick(faults: tuple[Fault, ...], dice: Random) -> Fault | None:
    """The first fault whose probability hits."""
    for fault in faults:
        if fault.probability >= 1 or dice.random() < fault.probability:
            return fault
    return None


def cut(fault: Fault, frames: Iterator[Frame], streamed: bool) -> Iterator[Frame]:
    """The frames before the cut. The last may be a part of one: it carries no usage and counts as none."""
    limit = fault.at_byte
    after = fault.after_chunk
    if streamed and limit is None and after is None:
        after = DEFAULT_AFTER_CHUNK
    sent = 0
    for number, frame in enumerate(frames):
        size = len(frame.data)
        if not streamed and limit is None:
            limit = size // 2
        if limit is not None and sent + size > limit:
            yield Frame(frame.data[: limit - sent], partial=True)
            return
        if limit is None and after is not None and number >= after:
            if fault.kind == "truncate":  # within an event, or nothing would be truncated
                yield Frame(frame.data[: size // 2], partial=True)
            return
        yield frame
        sent += size
