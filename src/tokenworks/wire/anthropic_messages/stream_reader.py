"""A provider's stream of messages as events."""

from __future__ import annotations

import msgspec

from tokenworks.wire.answer import (
    BlockEnd,
    Ended,
    Event,
    Failed,
    RefusalPiece,
    Started,
    Stopped,
    TextPiece,
    ThinkingPiece,
    ToolPiece,
    UsageTold,
    new_call_id,
)
from tokenworks.wire.anthropic_messages.block import Block, Ending, Message, StreamEvent, arguments_of
from tokenworks.wire.anthropic_messages.relay import STOPS
from tokenworks.wire.anthropic_messages.tally import Tally
from tokenworks.wire.complaint import error_message
from tokenworks.wire.payloads import Payloads, decoded
from tokenworks.wire.peek import MALFORMED
from tokenworks.wire.signature import MESSAGES
from tokenworks.wire.sse import DONE

_decode = msgspec.json.Decoder(StreamEvent).decode


class _Open:
    """A block under way. A call keeps the ``arguments`` that came with its start until pieces come."""

    __slots__ = ("arguments", "kind", "number", "pieces")

    def __init__(self, kind: type[Event] | None = None, arguments: str = "") -> None:
        self.number = -1  # given with the first piece: one that stays empty is none
        self.kind = kind  # of its pieces, all the same; None before the first
        self.arguments = arguments
        self.pieces = False


class Reader:
    """Blocks of kinds that only this wire has (tools that the provider runs) are passed over."""

    __slots__ = ("next", "open", "over", "payloads", "started", "stopped", "tally")

    def __init__(self, quirks: frozenset[str] = frozenset()) -> None:
        self.payloads = Payloads()
        self.tally = Tally()
        self.open: dict[int, _Open] = {}  # by the provider's index
        self.next = 0
        self.started = False
        self.stopped = False
        self.over = False

    def feed(self, data: bytes) -> list[Event]:
        """Raises ValueError when this can't be a stream of events."""
        out: list[Event] = []
        for payload in self.payloads.feed(data):
            if not self.over:
                self._payload(payload, out)
        return out

    def flush(self) -> list[Event]:
        """At the end of the body: an event that lacked only its blank line. One cut off is dropped."""
        out: list[Event] = []
        payload = self.payloads.flush()
        if payload and not self.over:
            try:
                _decode(payload)
            except MALFORMED:
                return out
            self._payload(payload, out)
        return out

    def _payload(self, payload: bytes, out: list[Event]) -> None:
        if payload.startswith(b"[") and payload.strip() == DONE:  # of the other wire, but some send it
            self._end(out)
            return
        event = decoded(_decode, payload)
        kind, delta = event.type, event.delta
        if kind == "content_block_delta":
            if delta is not None:
                self._delta(event.index, delta, out)
        elif kind == "content_block_start":
            if event.content_block is not None:
                self._begin(event.index, event.content_block, out)
        elif kind == "content_block_stop":
            self._close(event.index, out)
        elif kind == "message_start":
            self._start(event.message, out)
        elif kind == "message_delta":
            usage = self.tally.add(event.usage) if len(event.usage) > len(b"null") else None
            if usage is not None:
                out.append(UsageTold(usage))
            if delta is not None and delta.stop_reason:
                self._stop(delta, out)
        elif kind == "message_stop":
            self._end(out)
        elif kind == "error" or len(event.error) > len(b"null"):
            self.over = True
            out.append(Failed(error_message(bytes(event.error))))

    def _start(self, message: Message | str | None, out: list[Event]) -> None:
        if not self.started:
            self.started = True
            out.append(Started())
        usage = self.tally.add(message.usage) if isinstance(message, Message) else None
        if usage is not None and usage.input_tokens:  # what is all zeros is known at the end only
            out.append(UsageTold(usage))

    def _begin(self, index: int, block: Block, out: list[Event]) -> None:
        kind = block.type
        self._close(index, out)  # where the provider left out the end of another
        if kind == "tool_use":
            opened = self.open[index] = _Open(ToolPiece, arguments_of(block.input))
            out.append(ToolPiece(self._number(opened), "", block.id or new_call_id(), block.name or ""))
        elif kind in ("text", "thinking", "redacted_thinking"):
            opened = self.open[index] = _Open()
            if block.text:
                opened.kind = TextPiece
                out.append(TextPiece(self._number(opened), block.text))
            elif block.thinking or block.signature or block.data:
                thinking, signature, data = block.thinking or "", block.signature or "", block.data or ""
                opened.kind = ThinkingPiece
                number = self._number(opened)
                out.append(ThinkingPiece(number, thinking, signature, data, format=MESSAGES))

    def _delta(self, index: int, delta: Ending, out: list[Event]) -> None:
        block = self.open.get(index)
        if delta.partial_json:
            if block is not None and block.kind is ToolPiece:
                block.pieces = True
                out.append(ToolPiece(block.number, delta.partial_json))
            return
        text, thinking, signature = delta.text, delta.thinking, delta.signature
        if not text and not thinking and not signature:
            return
        kind = TextPiece if text else ThinkingPiece
        if block is not None and block.kind not in (None, kind):  # what can't belong to it is one of its own
            self._close(index, out)
            block = None
        if block is None:  # the provider left out its start
            block = self.open[index] = _Open()
        block.kind = kind
        number = block.number if block.number >= 0 else self._number(block)
        if text:
            out.append(TextPiece(number, text))
        else:
            out.append(ThinkingPiece(number, thinking or "", signature or "", format=MESSAGES))

    def _number(self, block: _Open) -> int:
        block.number = self.next
        self.next += 1
        return block.number

    def _close(self, index: int, out: list[Event]) -> None:
        block = self.open.pop(index, None)
        if block is None or block.number < 0:
            return
        if block.kind is ToolPiece and not block.pieces:
            out.append(ToolPiece(block.number, block.arguments or "{}"))
        out.append(BlockEnd(block.number))

    def _stop(self, delta: Ending, out: list[Event]) -> None:
        if self.stopped:
            return
        self.stopped = True
        for index in list(self.open):
            self._close(index, out)
        details = delta.stop_details
        if details is not None and details.explanation:
            out += (RefusalPiece(self.next, details.explanation), BlockEnd(self.next))
        reason = delta.stop_reason or ""
        out.append(Stopped(STOPS.get(reason, reason), delta.stop_sequence or ""))

    def _end(self, out: list[Event]) -> None:
        self.over = True
        for index in list(self.open):
            self._close(index, out)
        out.append(Ended())
