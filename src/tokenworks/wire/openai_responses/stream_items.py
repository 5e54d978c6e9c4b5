"""Items of a caller's response as the events that lead to them.

An event is given without the end of its sequence number: the stream counts them. ``Fragments`` are
such events in order.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from tokenworks.wire.answer import Telling, TextPiece, ThinkingPiece, ToolPiece
from tokenworks.wire.conversation import Image
from tokenworks.wire.openai_responses.custom_tool import input_of
from tokenworks.wire.openai_responses.response import (
    called,
    custom_call,
    function_call,
    image_call,
    item_id,
    message,
    reasoning,
    refusal_part,
    summary_part,
    text_part,
)

Fragments = list[bytes]

_encode = msgspec.json.Encoder().encode


def fragment(kind: str, fields: dict[str, Any]) -> bytes:
    """One event."""
    return b'event: %b\ndata: %b,"sequence_number":' % (kind.encode(), _encode({"type": kind, **fields})[:-1])


class ItemUnderWay(Protocol):
    """An item that is not complete yet."""

    overlaps: bool  # others may begin before it is complete
    index: int  # in the output

    def piece(self, piece: Any) -> Fragments:
        """More of it."""

    def close(self, status: str, out: Fragments) -> bytes:
        """Adds the events that end it; returns the finished item."""


def opened(index: int, item: dict[str, Any]) -> bytes:
    """The event that adds an item."""
    return fragment("response.output_item.added", {"output_index": index, "item": item})


def _done(index: int, item: dict[str, Any], out: Fragments) -> bytes:
    out.append(fragment("response.output_item.done", {"output_index": index, "item": item}))
    return _encode(item)


class Said:
    """A message of one part: text, or a refusal."""

    __slots__ = ("delta", "id", "index", "place", "refusal", "texts")

    overlaps = False

    def __init__(self, telling: Telling, index: int, refusal: bool, out: Fragments) -> None:
        self.index = index
        self.refusal = refusal
        self.texts: list[str] = []
        self.id = item_id("msg", telling.generation, index)
        self.place: dict[str, Any] = {"item_id": self.id, "output_index": index, "content_index": 0}
        kind = "response.refusal.delta" if refusal else "response.output_text.delta"
        logprobs = b"" if refusal else b'"logprobs":[],'
        self.delta = fragment(kind, self.place)[: -len(b'"sequence_number":')] + logprobs + b'"delta":'
        out.append(opened(index, message(self.id, "in_progress", None)))
        out.append(fragment("response.content_part.added", {**self.place, "part": self._part("")}))

    def piece(self, piece: TextPiece) -> Fragments:
        """More text; also of a refusal."""
        self.texts.append(piece.text)
        return [b'%b%b,"sequence_number":' % (self.delta, _encode(piece.text))]

    def close(self, status: str, out: Fragments) -> bytes:
        """See ``ItemUnderWay``."""
        text = "".join(self.texts)
        part, place = self._part(text), self.place
        if self.refusal:
            out.append(fragment("response.refusal.done", {**place, "refusal": text}))
        else:
            out.append(fragment("response.output_text.done", {**place, "text": text, "logprobs": []}))
        out.append(fragment("response.content_part.done", {**place, "part": part}))
        return _done(self.index, message(self.id, status, part), out)

    def _part(self, text: str) -> dict[str, Any]:
        return refusal_part(text) if self.refusal else text_part(text)


class Thought:
    """Reasoning, shown as a summary of one part."""

    __slots__ = ("format", "id", "index", "opaque", "place", "texts")

    overlaps = False

    def __init__(self, id: str, index: int, out: Fragments) -> None:
        self.id = id
        self.index = index
        self.texts: list[str] = []
        self.opaque = self.format = ""
        self.place: dict[str, Any] = {"item_id": id, "output_index": index, "summary_index": 0}
        out.append(opened(index, reasoning(id, "", "", "", "in_progress")))

    def piece(self, piece: ThinkingPiece) -> Fragments:
        """More text, or what signs it."""
        self.format = piece.format or self.format
        self.opaque = piece.signature or piece.redacted or self.opaque
        if not piece.text:
            return []
        out: Fragments = []
        if not self.texts:
            added = {**self.place, "part": summary_part("")}
            out.append(fragment("response.reasoning_summary_part.added", added))
        self.texts.append(piece.text)
        delta = {**self.place, "delta": piece.text}
        out.append(fragment("response.reasoning_summary_text.delta", delta))
        return out

    def close(self, status: str, out: Fragments) -> bytes:
        """See ``ItemUnderWay``."""
        text = "".join(self.texts)
        if text:
            out.append(fragment("response.reasoning_summary_text.done", {**self.place, "text": text}))
            done = {**self.place, "part": summary_part(text)}
            out.append(fragment("response.reasoning_summary_part.done", done))
        return _done(self.index, reasoning(self.id, text, self.opaque, self.format, status), out)


class Called:
    """A call of a function."""

    __slots__ = ("arguments", "called", "delta", "first", "id", "index", "place")

    overlaps = True

    def __init__(self, telling: Telling, index: int, first: ToolPiece, out: Fragments) -> None:
        self.index = index
        self.first = first
        self.called = called(first.name, telling)
        self.arguments: list[str] = []
        self.id = item_id("fc", telling.generation, index)
        self.place: dict[str, Any] = {"item_id": self.id, "output_index": index}
        kind = "response.function_call_arguments.delta"
        self.delta = fragment(kind, self.place)[: -len(b'"sequence_number":')] + b'"delta":'
        out.append(opened(index, function_call(self.id, first.id, self.called, "", "in_progress")))

    def piece(self, piece: ToolPiece) -> Fragments:
        """More arguments."""
        if not piece.arguments:
            return []
        self.arguments.append(piece.arguments)
        return [b'%b%b,"sequence_number":' % (self.delta, _encode(piece.arguments))]

    def close(self, status: str, out: Fragments) -> bytes:
        """See ``ItemUnderWay``."""
        arguments = "".join(self.arguments)
        done = {**self.place, **self.called, "arguments": arguments}
        out.append(fragment("response.function_call_arguments.done", done))
        return _done(self.index, function_call(self.id, self.first.id, self.called, arguments, status), out)


class CalledFreely:
    """A call of a tool of free text, which the provider knows as a function: said when it is complete."""

    __slots__ = ("arguments", "called", "first", "id", "index", "place")

    overlaps = True

    def __init__(self, telling: Telling, index: int, first: ToolPiece, out: Fragments) -> None:
        self.index = index
        self.first = first
        self.called = called(first.name, telling)
        self.arguments: list[str] = []
        self.id = item_id("ctc", telling.generation, index)
        self.place: dict[str, Any] = {"item_id": self.id, "output_index": index}
        out.append(opened(index, custom_call(self.id, first.id, self.called, "", "in_progress")))

    def piece(self, piece: ToolPiece) -> Fragments:
        """More of the function's arguments, of which a part is no text yet."""
        self.arguments.append(piece.arguments)
        return []

    def close(self, status: str, out: Fragments) -> bytes:
        """See ``ItemUnderWay``."""
        text = input_of("".join(self.arguments))
        kind = "response.custom_tool_call_input"
        if text:
            out.append(fragment(f"{kind}.delta", {**self.place, "delta": text}))
        out.append(fragment(f"{kind}.done", {**self.place, "input": text}))
        return _done(self.index, custom_call(self.id, self.first.id, self.called, text, status), out)


def picture(telling: Telling, index: int, image: Image, out: Fragments) -> bytes:
    """A whole picture; returns the finished item."""
    id = item_id("ig", telling.generation, index)
    place = {"item_id": id, "output_index": index}
    kind = "response.image_generation_call"
    out.append(opened(index, image_call(id, None, image.media_type, "in_progress")))
    out.append(fragment(f"{kind}.in_progress", place))
    out.append(fragment(f"{kind}.completed", place))
    return _done(index, image_call(id, image.data, image.media_type, "completed"), out)
