"""A caller's wire and a provider's: how a request goes over, and how its answer comes back.

Where both are the same, bytes pass through and only what must be changed is changed (``relay`` of each
wire). Where they differ, requests go by way of a ``Conversation``, answers by way of an ``Answer`` or
its events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import Event, Telling
from tokenworks.wire.peek import Fields


class Asked(Protocol):
    """A caller's request on his own wire. Making one raises BadRequest for what is malformed."""

    fields: Fields  # top level, undecoded
    model: str
    stream: bool
    wants_usage: bool  # of a stream

    @property
    def input_bytes(self) -> int:
        """Length of what the model reads, for estimates where no provider told the tokens."""

    def upstream_body(self, upstream_id: msgspec.Raw) -> tuple[bytes, bytes | msgspec.Raw]:
        """The body for a provider on the same wire, in two parts around the longest value, which is not
        copied: behind the second part comes one closing brace. May be called again for the next attempt.
        """


class Whole(Protocol):
    """A whole answer that was read from a provider. Making one raises ValueError, saying why, for none."""

    usage: Usage | None
    finish: str  # finish reason; one of ``answer.STOPS`` or the provider's own word, empty if it told none
    size: int  # bytes of what the model wrote, for estimates

    def render(self, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
        """The body for the caller: our ids, usage and cost in."""


class Stream(Protocol):
    """The way of one stream from provider to caller.

    After ``feed``, ``done`` tells that the end marker came (its rendering is part of what was returned),
    ``error`` what the provider complained of inside the stream (the complaint is not in what was
    returned, see ``failure``).
    """

    done: bool
    error: str
    events: int  # of the provider so far, about one a token
    tool_calls: int  # so far, where they are counted
    usage: Usage | None

    @property
    def finish(self) -> str:
        """Finish reason, empty as long as there was none."""

    @property
    def output_tokens(self) -> int:
        """How many tokens were delivered so far, as a guess where no usage was told."""

    def feed(self, data: bytes) -> bytes:
        """What may be sent on. Raises ValueError when the provider's stream can't be one of events."""

    def flush(self) -> bytes:
        """At the end of the provider's body: what was still held back."""

    def close(self) -> bytes:
        """Ends the caller's stream properly when the provider finished but left out its end marker."""

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """Ends the caller's stream with an error that his client sees (``code`` is an HTTP status)."""


class Reader(Protocol):
    """Bytes of a provider's stream → events."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """Raises ValueError when this can't be a stream of events."""

    def flush(self) -> Sequence[Event]:
        """At the end of the body: an event that lacked only its blank line. One cut off is dropped."""


class Writer(Protocol):
    """Events → bytes of a caller's stream."""

    def write(self, events: Sequence[Event]) -> bytes:
        """May hold back what can only be said later. ``Failed`` is not written, see ``failure``."""

    def close(self) -> bytes:
        """Everything that ends a stream properly and was not written yet; empty when it was."""

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """Everything that ends a stream by an error."""
