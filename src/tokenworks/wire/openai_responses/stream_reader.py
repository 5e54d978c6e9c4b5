"""A provider's stream of a response as events."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tokenworks.wire.answer import Ended, Event, Failed, Started, Stopped, UsageTold
from tokenworks.wire.complaint import error_message
from tokenworks.wire.openai_responses.output import NULL, Item, Part, Response
from tokenworks.wire.openai_responses.stream_blocks import Items
from tokenworks.wire.payloads import Payloads, decoded
from tokenworks.wire.peek import MALFORMED
from tokenworks.wire.usage import from_responses


class StreamEvent(msgspec.Struct, gc=False):
    """An event of any kind; ``type`` tells which of the fields it has."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    item: Item | None = None
    part: Part | None = None
    response: Response | None = None
    message: str | None = None
    error: msgspec.Raw = NULL


_decode = msgspec.json.Decoder(StreamEvent).decode


class Reader:
    """Items of kinds that only this wire has (tools that the provider runs) are passed over."""

    __slots__ = ("items", "over", "payloads", "started")

    def __init__(self, quirks: frozenset[str] = frozenset()) -> None:
        self.payloads = Payloads()
        self.items = Items()
        self.started = False
        self.over = False

    def feed(self, data: bytes) -> list[Event]:
        """Raises ValueError when this can't be a stream of events."""
        out: list[Event] = []
        for payload in self.payloads.feed(data):
            if not self.over and payload != b"[DONE]":  # of the other wire, but some send it
                self._event(decoded(_decode, payload), out)
        return out

    def flush(self) -> list[Event]:
        """At the end of the body: an event that lacked only its blank line. One cut off is dropped."""
        out: list[Event] = []
        payload = self.payloads.flush()
        if payload and not self.over:
            try:
                event = _decode(payload)
            except MALFORMED:
                return out
            self._event(event, out)
        return out

    def _event(self, event: StreamEvent, out: list[Event]) -> None:
        kind = event.type
        if not self.started and kind.startswith("response."):
            self.started = True
            out.append(Started())
        take = _TAKE.get(kind)
        if take is not None:
            take(self.items, event, out)
        elif kind in ("response.completed", "response.incomplete"):
            self._end(event.response or Response(), out)
        elif kind == "response.failed":
            response = event.response or Response()
            self._fail(response.complaint or "the response has failed", out)
        elif kind == "error" or len(event.error) > len(b"null"):
            told = event.message or (error_message(bytes(event.error)) if len(event.error) > 4 else "")
            self._fail(" ".join(told.split()) or "an error without a message", out)

    def _end(self, response: Response, out: list[Event]) -> None:
        self.over = True
        self.items.end(response.output or [], out)
        usage = from_responses(response.usage) if len(response.usage) > len(b"null") else None
        if usage is not None:
            out.append(UsageTold(usage))
        out += (Stopped(response.stop(self.items.called)), Ended())

    def _fail(self, message: str, out: list[Event]) -> None:
        self.over = True
        out.append(Failed(message))


def _text(items: Items, event: StreamEvent, out: list[Event]) -> None:
    if event.delta:
        items.text(event.output_index, event.content_index, event.delta, out)


def _text_done(items: Items, event: StreamEvent, out: list[Event]) -> None:
    items.text_so_far(event.output_index, event.content_index, event.text or "", out)


def _refusal(items: Items, event: StreamEvent, out: list[Event]) -> None:
    if event.delta:
        items.refusal(event.output_index, event.content_index, event.delta, out)


def _refusal_done(items: Items, event: StreamEvent, out: list[Event]) -> None:
    items.refusal_so_far(event.output_index, event.content_index, event.refusal or "", out)


def _part_added(items: Items, event: StreamEvent, out: list[Event]) -> None:
    if event.part is not None:
        items.part(event.output_index, event.content_index, event.part, out)


def _part_done(items: Items, event: StreamEvent, out: list[Event]) -> None:
    if event.part is not None:
        items.part(event.output_index, event.content_index, event.part, out)
        items.part_end(event.output_index, event.content_index, out)


def _arguments(items: Items, event: StreamEvent, out: list[Event]) -> None:
    if event.delta:
        items.arguments(event.output_index, event.delta, out)


def _arguments_done(items: Items, event: StreamEvent, out: list[Event]) -> None:
    items.arguments_so_far(event.output_index, event.arguments or "", out)


def _thought(items: Items, event: StreamEvent, out: list[Event]) -> None:
    if event.delta:
        items.thought(event.output_index, ("text", event.content_index), event.delta, out)


def _thought_done(items: Items, event: StreamEvent, out: list[Event]) -> None:
    items.thought_so_far(event.output_index, ("text", event.content_index), event.text or "", out)


def _summary(items: Items, event: StreamEvent, out: list[Event]) -> None:
    if event.delta:
        items.thought(event.output_index, ("summary", event.summary_index), event.delta, out)


def _summary_done(items: Items, event: StreamEvent, out: list[Event]) -> None:
    items.thought_so_far(event.output_index, ("summary", event.summary_index), event.text or "", out)


def _item_added(items: Items, event: StreamEvent, out: list[Event]) -> None:
    if event.item is not None:
        items.begin(event.output_index, event.item, out)


def _item_done(items: Items, event: StreamEvent, out: list[Event]) -> None:
    if event.item is not None:
        items.finish(event.output_index, event.item, out)


_TAKE: dict[str, Callable[[Items, StreamEvent, list[Event]], None]] = {
    "response.output_text.delta": _text,
    "response.output_text.done": _text_done,
    "response.refusal.delta": _refusal,
    "response.refusal.done": _refusal_done,
    "response.content_part.added": _part_added,
    "response.content_part.done": _part_done,
    "response.function_call_arguments.delta": _arguments,
    "response.function_call_arguments.done": _arguments_done,
    "response.reasoning_text.delta": _thought,
    "response.reasoning_text.done": _thought_done,
    "response.reasoning_summary_text.delta": _summary,
    "response.reasoning_summary_text.done": _summary_done,
    "response.output_item.added": _item_added,
    "response.output_item.done": _item_done,
}
