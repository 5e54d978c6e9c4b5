"""An answer on its way from one wire to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import (
    Answer,
    Ended,
    Event,
    Failed,
    ImagePiece,
    RefusalPiece,
    Stopped,
    Telling,
    TextPiece,
    ThinkingPiece,
    ToolPiece,
    UsageTold,
)
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.pairing import Reader, Writer

_PIECES = frozenset((TextPiece, ThinkingPiece, ToolPiece, RefusalPiece, ImagePiece))
Write = Callable[[Answer, Telling, Usage, int], bytes]


class Translated:
    """A stream, see ``pairing.Stream``. ``events`` counts pieces of content, about one a token.

    Some providers tell the input at the start and the output at the end: in between, the output in
    ``usage`` is raised to what was delivered.
    """

    __slots__ = ("done", "error", "events", "finish", "reader", "told", "tool_calls", "usage", "writer")

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self.reader = reader
        self.writer = writer
        self.done = False
        self.error = ""
        self.finish = ""
        self.events = self.tool_calls = 0
        self.told: Usage | None = None  # by the provider, so far
        self.usage: Usage | None = None

    @property
    def output_tokens(self) -> int:
        """How many tokens were delivered so far, as a guess where no usage was told."""
        return self.events if self.usage is None else self.usage.output_tokens

    def feed(self, data: bytes) -> bytes:
        """What may be sent on. Raises ValueError when the provider's stream can't be one of events."""
        return self._pass(self.reader.feed(data))

    def flush(self) -> bytes:
        """At the end of the provider's body: what was still held back."""
        return self._pass(self.reader.flush())

    def close(self) -> bytes:
        """Ends the caller's stream properly when the provider finished but left out its end marker."""
        return self.writer.close()

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """Ends the caller's stream with an error that his client sees (``code`` is an HTTP status)."""
        return self.writer.failure(message, code, kind)

    def _pass(self, events: Sequence[Event]) -> bytes:
        for event in events:
            if type(event) in _PIECES:
                self.events += 1
                if type(event) is ToolPiece and event.name:
                    self.tool_calls += 1
            elif isinstance(event, UsageTold):
                self.told = event.usage
            elif isinstance(event, Stopped):
                self.finish = event.stop
            elif isinstance(event, Failed):
                self.error = event.message or "the provider failed"
            elif isinstance(event, Ended):
                self.done = True
        told = self.told
        if told is not None and not self.finish and told.output_tokens < self.events:
            told = msgspec.structs.replace(told, output_tokens=self.events)
        self.usage = told
        return self.writer.write(events)


class TranslatedWhole:
    """A whole answer, see ``pairing.Whole``. ``write`` is that of the caller's wire."""

    __slots__ = ("answer", "finish", "size", "usage", "write")

    def __init__(self, answer: Answer, write: Write) -> None:
        self.answer = answer
        self.write = write
        self.usage: Usage | None = answer.usage
        self.finish = answer.stop
        self.size = len(answer.refusal.encode()) + sum(map(_size, answer.content))

    def render(self, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
        """The body for the caller: our ids, usage and cost in."""
        return self.write(self.answer, telling, usage, cost_nano_usd)


def calls_of(whole: TranslatedWhole) -> int:
    """How many tools it calls."""
    return sum(isinstance(block, ToolUse) for block in whole.answer.content)


def _size(block: Text | Thinking | ToolUse | Image) -> int:
    if isinstance(block, Text | Thinking):
        return len(block.text.encode())
    if isinstance(block, ToolUse):
        return len(block.name.encode()) + len(block.arguments.encode())
    return 0  # how many tokens a picture is can't be told from its size
