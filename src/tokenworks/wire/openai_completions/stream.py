"""Events as a stream of legacy completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import (
    Ended,
    Event,
    RefusalPiece,
    Stopped,
    Telling,
    TextPiece,
    ThinkingPiece,
    UsageTold,
)
from tokenworks.wire.costs import CHAT, charged, with_cost
from tokenworks.wire.openai_completions.answer import choice_of, finish_of, head
from tokenworks.wire.peek import raw
from tokenworks.wire.usage_written import chat_usage

_encode = msgspec.json.Encoder().encode
_DONE = b"data: [DONE]\n\n"


class Writer:
    """Every piece of text is a chunk at once. The usage comes last, if the caller wants it."""

    __slots__ = ("head", "over", "stopped", "telling", "usage")

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.head = head(telling, telling.created_at())
        self.stopped = False
        self.over = False
        self.usage: Usage | None = None

    def write(self, events: Sequence[Event]) -> bytes:
        """May hold back what can only be said later. ``Failed`` is not written, see ``failure``."""
        out: list[bytes] = []
        for event in events:
            if self.over:
                break
            if isinstance(event, TextPiece | RefusalPiece):
                out.append(self._choice(choice_of(event.text, None)))
            elif isinstance(event, ThinkingPiece):
                if event.text and not self.telling.exclude_reasoning:
                    out.append(self._choice({**choice_of("", None), "reasoning": event.text}))
            elif isinstance(event, UsageTold):
                self.usage = event.usage
            elif isinstance(event, Stopped):
                out.append(self._stop(event.stop))
            elif isinstance(event, Ended):
                out.append(self.close())
        return b"".join(out)

    def close(self) -> bytes:
        """Everything that ends a stream properly and was not written yet; empty when it was."""
        if self.over:
            return b""
        finish = "stop" if self.stopped else ""
        last = self._stop("stop")
        self.over = True
        telling, usage = self.telling, self.usage
        if usage is not None and telling.wants_usage:
            cost = charged(telling.price, usage, finish)
            told = with_cost(raw(chat_usage(usage)), CHAT, usage, telling.price, cost)
            last += self._chunk({"choices": [], "usage": told, **telling.extra})
        return last + _DONE

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """An error that clients see, and a proper end; ``code`` is an HTTP status."""
        self.over = True
        error = {"code": code, "message": message, "type": kind}
        return self._chunk({"choices": [choice_of("", "error")], "error": error}) + _DONE

    def _stop(self, stop: str) -> bytes:
        if self.stopped:
            return b""
        self.stopped = True
        return self._choice(choice_of("", finish_of(stop)))

    def _choice(self, choice: dict[str, Any]) -> bytes:
        return self._chunk({"choices": [choice]})

    def _chunk(self, fields: dict[str, Any]) -> bytes:
        return b"data: %b\n\n" % _encode({**self.head, **fields})
