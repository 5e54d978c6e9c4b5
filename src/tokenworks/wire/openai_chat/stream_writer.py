"""Events as a stream of chat completions for a caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import (
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
from tokenworks.wire.costs import CHAT, charged, with_cost
from tokenworks.wire.openai_chat.answer import finish_of, picture_of
from tokenworks.wire.openai_chat.delta import extra_content
from tokenworks.wire.openai_chat.relay import error_event
from tokenworks.wire.openai_chat.thinking import ENCRYPTED, SUMMARY, TEXT, Detail
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import RESPONSES
from tokenworks.wire.usage_written import chat_usage

_encode = msgspec.json.Encoder().encode
_AFTER = b'},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}\n\n'
_DONE = b"data: [DONE]\n\n"


class Writer:
    """Every event is a chunk at once. The usage comes last, if the caller wants it."""

    __slots__ = (
        "before",
        "begun",
        "calls",
        "head",
        "over",
        "stopped",
        "telling",
        "thoughts",
        "usage",
    )

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.head = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"provider":%b,'
            % (
                _encode(telling.generation),
                telling.created_at(),
                _encode(telling.model),
                _encode(telling.provider),
            )
        )
        self.before = self.head + b'"choices":[{"index":0,"delta":{'
        self.begun = False
        self.stopped = False
        self.over = False
        self.calls: dict[int, int] = {}  # block → index of the call
        self.thoughts: dict[int, int] = {}  # block → index of the detail
        self.usage: Usage | None = None

    def write(self, events: Sequence[Event]) -> bytes:
        """May hold back what can only be said later. ``Failed`` is not written, see ``failure``."""
        out: list[bytes] = []
        for event in events:
            if self.over:
                break
            kind = type(event)
            if not self.begun and kind is not UsageTold and kind is not Failed:
                self.begun = True
                out.append(self._chunk(b'"role":"assistant","content":""'))
            write = _WRITE.get(kind)
            if write is not None:
                out.append(write(self, event))
        return b"".join(out)

    def close(self) -> bytes:
        """Everything that ends a stream properly and was not written yet; empty when it was."""
        return b"" if self.over else self._end()

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """Everything that ends a stream by an error."""
        self.over = True
        return error_event(self.telling.generation, self.telling.model, message, code, kind)

    def _chunk(self, delta: bytes) -> bytes:
        return self.before + delta + _AFTER

    def _text(self, piece: TextPiece) -> bytes:
        return b'%b"content":%b%b' % (self.before, _encode(piece.text), _AFTER)

    def _refusal(self, piece: RefusalPiece) -> bytes:
        return self._chunk(b'"refusal":' + _encode(piece.text))

    def _image(self, piece: ImagePiece) -> bytes:
        return self._chunk(b'"images":' + _encode([picture_of(piece.image)]))

    def _count(self, told: UsageTold) -> bytes:
        self.usage = told.usage
        return b""

    def _call(self, piece: ToolPiece) -> bytes:
        calls = self.calls
        call: dict[str, Any]
        if piece.index in calls:
            function = {"arguments": piece.arguments}
            call = {"index": calls[piece.index], "type": "function", "function": function}
        else:
            index = calls[piece.index] = len(calls)
            function = {"name": piece.name, "arguments": piece.arguments}
            call = {"index": index, "id": piece.id, "type": "function", "function": function}
        if piece.signature:
            call["extra_content"] = extra_content(piece.signature)
        return self._chunk(b'"tool_calls":' + _encode([call]))

    def _thought(self, piece: ThinkingPiece) -> bytes:
        if self.telling.exclude_reasoning:
            return b""
        index = self.thoughts.setdefault(piece.index, len(self.thoughts))
        id, format = piece.id or None, piece.format or None
        details: list[Detail] = []
        if piece.text and format == RESPONSES:
            details.append(Detail(SUMMARY, summary=piece.text, id=id, format=format, index=index))
        elif piece.text or (piece.signature and format != RESPONSES):
            signature = piece.signature or None
            details.append(
                Detail(TEXT, piece.text or None, signature=signature, id=id, format=format, index=index)
            )
        opaque = piece.redacted or (piece.signature if format == RESPONSES else "")
        if opaque:
            details.append(Detail(ENCRYPTED, data=opaque, id=id, format=format, index=index))
        reasoning = b'"reasoning":%b,' % _encode(piece.text) if piece.text else b""
        return self._chunk(b'%b"reasoning_details":%b' % (reasoning, _encode(details)))

    def _stopped(self, event: Stopped) -> bytes:
        return self._stop(event.stop)

    def _ended(self, event: Ended) -> bytes:
        return self._end()

    def _stop(self, stop: str) -> bytes:
        if self.stopped:
            return b""
        self.stopped = True
        return (
            b'%b"choices":[{"index":0,"delta":{},"finish_reason":%b,'
            b'"native_finish_reason":%b,"logprobs":null}]}\n\n'
        ) % (self.head, _encode(finish_of(stop)), _encode(stop))

    def _end(self) -> bytes:
        finish = "stop" if self.stopped else ""
        last = self._stop("tool_calls" if self.calls else "stop")
        self.over = True
        telling, usage = self.telling, self.usage
        if usage is None or not telling.wants_usage:
            return last + _DONE
        cost = charged(telling.price, usage, finish)
        told = {"usage": with_cost(raw(chat_usage(usage)), CHAT, usage, telling.price, cost), **telling.extra}
        return b'%b%b"choices":[],%b\n\n%b' % (last, self.head, _encode(told)[1:], _DONE)


_WRITE: dict[type, Callable[[Writer, Any], bytes]] = {
    TextPiece: Writer._text,
    ToolPiece: Writer._call,
    ThinkingPiece: Writer._thought,
    RefusalPiece: Writer._refusal,
    ImagePiece: Writer._image,
    UsageTold: Writer._count,
    Stopped: Writer._stopped,
    Ended: Writer._ended,
}
