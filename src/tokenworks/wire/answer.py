"""An answer between two wires: whole, or as the events of a stream.

A wire's ``answer.read`` and ``stream.Reader`` make these of what a provider sends, another wire's
``answer.write`` and ``stream.Writer`` make what the caller gets. An event is about one block of the
answer: blocks are numbered from 0 in the order they begin, and may be under way at the same time.
"""

from __future__ import annotations

import secrets
import time

import msgspec

from tokenworks.schema import Price, Usage
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.peek import Fields

# Why the model stopped, on every wire: "stop" (done, or a stop sequence), "length", "tool_calls",
# "content_filter", "refusal", "error"; anything else is a provider's own word.
STOPS = ("stop", "length", "tool_calls", "content_filter", "refusal", "error")


class Answer(msgspec.Struct, frozen=True):
    """A whole answer. ``created`` is unix seconds, 0 if unknown; ``stop_sequence`` the one that was met.

    ``refusal`` is what the model said instead of an answer.
    """

    content: tuple[Text | Thinking | ToolUse | Image, ...]
    stop: str
    usage: Usage | None = None
    refusal: str = ""
    stop_sequence: str = ""
    created: int = 0


class Started(msgspec.Struct, frozen=True, gc=False):
    """The provider has begun to answer. Comes first, once."""


class TextPiece(msgspec.Struct, frozen=True, gc=False):
    """More of the text of block ``index``."""

    index: int
    text: str


class RefusalPiece(msgspec.Struct, frozen=True, gc=False):
    """More of a refusal, block ``index``."""

    index: int
    text: str


class ThinkingPiece(msgspec.Struct, frozen=True, gc=False):
    """More of the reasoning of block ``index``: its text, its signature (as far as known), or both.

    ``redacted`` comes whole. ``id`` comes once, ``format`` with every piece, see ``Thinking``.
    """

    index: int
    text: str = ""
    signature: str = ""
    redacted: str = ""
    id: str = ""
    format: str = ""


class ToolPiece(msgspec.Struct, frozen=True, gc=False):
    """A tool call begins (``id`` and ``name`` are given, once) or more of its arguments come, or both."""

    index: int
    arguments: str = ""
    id: str = ""
    name: str = ""
    signature: str = ""


class ImagePiece(msgspec.Struct, frozen=True, gc=False):
    """A whole picture, block ``index``."""

    index: int
    image: Image


class BlockEnd(msgspec.Struct, frozen=True, gc=False):
    """Block ``index`` is complete. Not every wire says so: writers must not wait for it."""

    index: int


class UsageTold(msgspec.Struct, frozen=True, gc=False):
    """Usage as told so far; a later one stands over an earlier one."""

    usage: Usage


class Stopped(msgspec.Struct, frozen=True, gc=False):
    """The model has stopped, see ``STOPS``. Usage may still follow."""

    stop: str
    stop_sequence: str = ""


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The provider complains inside its stream: nothing follows."""

    message: str


class Ended(msgspec.Struct, frozen=True, gc=False):
    """The stream's own end marker: nothing follows."""


Event = (
    Started
    | TextPiece
    | RefusalPiece
    | ThinkingPiece
    | ToolPiece
    | ImagePiece
    | BlockEnd
    | UsageTold
    | Stopped
    | Failed
    | Ended
)


class Telling(msgspec.Struct, frozen=True):
    """What the caller wants to be told, and what we put into every answer of his wire.

    ``extra`` are further top-level fields, of a whole answer or of the event that tells the usage.
    ``asked`` are the fields of his request, for wires whose answers repeat some of them.
    """

    generation: str  # our id of this request
    model: str  # that answered, by our name
    provider: str
    price: Price
    wants_usage: bool = True  # of a stream; whole answers always tell it
    exclude_reasoning: bool = False
    extra: Fields = {}
    asked: Fields = {}
    created: int = 0  # unix seconds; 0: when the answer is written

    def created_at(self, told: int = 0) -> int:
        """When the answer was made, in unix seconds; ``told`` by the provider comes first."""
        return told or self.created or int(time.time())


def new_call_id() -> str:
    """An id for a tool call whose provider gave none."""
    return f"call_{secrets.token_hex(12)}"
