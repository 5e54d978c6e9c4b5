"""Events as a stream of messages for a caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import (
    BlockEnd,
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
from tokenworks.wire.anthropic_messages.answer import call_of, ending, head, picture_text, text_of
from tokenworks.wire.anthropic_messages.errors import error_body
from tokenworks.wire.anthropic_messages.in_order import InOrder, Piece
from tokenworks.wire.costs import MESSAGES as COSTS
from tokenworks.wire.costs import charged, with_cost
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import MESSAGES, sealed
from tokenworks.wire.usage_written import messages_usage

_encode = msgspec.json.Encoder().encode
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b":'
_END = b"}}\n\n"
_TEXT, _THINKING, _JSON = (
    b'text_delta","text',
    b'thinking_delta","thinking',
    b'input_json_delta","partial_json',
)


class Writer:
    """How the message ended is said last, since the usage belongs to it."""

    __slots__ = (
        "begun",
        "called",
        "delta",
        "index",
        "open",
        "order",
        "over",
        "pieces",
        "refused",
        "signature",
        "stopped",
        "telling",
        "usage",
    )

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.order = InOrder()
        self.begun = False
        self.over = False
        self.refused = False
        self.called = False
        self.stopped: Stopped | None = None
        self.usage: Usage | None = None
        self.pieces = 0  # of content: a guess of the tokens where no usage is told
        self.index = -1  # of the caller's last block
        self.open = -1  # number of the block that is open; -1: none is
        self.delta = b""  # what each of its deltas begins with
        self.signature = ""  # of the thinking that is open

    def write(self, events: Sequence[Event]) -> bytes:
        """May hold back what can only be said later. ``Failed`` is not written, see ``failure``."""
        out: list[bytes] = []
        for event in events:
            if self.over:
                break
            kind = type(event)
            if not self.begun and kind is not UsageTold and kind is not Failed:
                self.begun = True
                out.append(self._start())
            take = _TAKE.get(kind)
            if take is not None:
                take(self, event, out)
        return b"".join(out)

    def close(self) -> bytes:
        """Everything that ends a stream properly and was not written yet; empty when it was."""
        return b"" if self.over else self._end()

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """Everything that ends a stream by an error."""
        self.over = True
        return b"event: error\ndata: %b\n\n" % error_body(code, message)

    # --- what comes ---------------------------------------------------------------------------

    def _piece(self, piece: Piece, out: list[bytes]) -> None:
        self.pieces += 1
        if piece.index == self.open and type(piece) is TextPiece:  # by far the most frequent
            out.append(self.delta + _encode(piece.text) + _END)
            return
        if isinstance(piece, ThinkingPiece) and self.telling.exclude_reasoning:
            return
        ordered: list[Piece | BlockEnd] = []
        self.order.piece(piece, ordered)
        self._render(ordered, out)

    def _block_end(self, end: BlockEnd, out: list[bytes]) -> None:
        ordered: list[Piece | BlockEnd] = []
        self.order.block_end(end.index, ordered)
        self._render(ordered, out)

    def _count(self, told: UsageTold, out: list[bytes]) -> None:
        self.usage = told.usage

    def _stop(self, stopped: Stopped, out: list[bytes]) -> None:
        self.stopped = self.stopped or stopped

    def _ended(self, ended: Ended, out: list[bytes]) -> None:
        out.append(self._end())

    # --- what is said -------------------------------------------------------------------------

    def _render(self, ordered: list[Piece | BlockEnd], out: list[bytes]) -> None:
        for event in ordered:
            if isinstance(event, BlockEnd):
                out.append(self._close_block())
                continue
            if event.index != self.open:
                out.append(self._open_block(event))
            out.append(self._delta(event))

    def _start(self) -> bytes:
        message = {
            **head(self.telling),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": messages_usage(Usage()),
        }
        return _event("message_start", {"message": message})

    def _open_block(self, piece: Piece) -> bytes:
        self.index += 1
        self.open = piece.index
        self.signature = ""
        block: dict[str, Any]
        if isinstance(piece, ToolPiece):
            self.called = True
            block, delta = {**call_of(piece.id, piece.name), "input": {}}, _JSON
        elif isinstance(piece, ThinkingPiece):
            block, delta = {"type": "thinking", "thinking": "", "signature": ""}, _THINKING
            if piece.redacted:
                data = sealed(piece.redacted, piece.format, MESSAGES)
                block = {"type": "redacted_thinking", "data": data}
        else:
            block, delta = text_of(""), _TEXT
        self.delta = _DELTA % (self.index, delta)
        return _event("content_block_start", {"index": self.index, "content_block": block})

    def _delta(self, piece: Piece) -> bytes:
        if isinstance(piece, ToolPiece):
            text = piece.arguments
        elif isinstance(piece, ThinkingPiece):
            text = piece.text
            if piece.signature:
                self.signature = sealed(piece.signature, piece.format, MESSAGES)
        elif isinstance(piece, ImagePiece):
            text = picture_text(piece.image)
        else:
            self.refused = self.refused or isinstance(piece, RefusalPiece)
            text = piece.text
        return self.delta + _encode(text) + _END if text else b""

    def _close_block(self) -> bytes:
        self.open = -1
        signature = b""
        if self.signature:
            signed = {"type": "signature_delta", "signature": self.signature}
            signature = _event("content_block_delta", {"index": self.index, "delta": signed})
        return signature + _event("content_block_stop", {"index": self.index})

    def _end(self) -> bytes:
        out: list[bytes] = []
        ordered: list[Piece | BlockEnd] = []
        self.order.finish(ordered)
        self._render(ordered, out)
        self.over = True
        stopped = self.stopped or Stopped("tool_calls" if self.called else "stop")
        delta = {**ending(stopped.stop, stopped.stop_sequence, self.refused), "container": None}
        told = {"delta": delta, "usage": self._usage()}
        return b"".join((*out, _event("message_delta", told), _event("message_stop", self.telling.extra)))

    def _usage(self) -> Any:
        usage, price = self.usage, self.telling.price
        if usage is None:  # the wire must have numbers
            return messages_usage(Usage(output_tokens=self.pieces))
        return with_cost(
            raw(messages_usage(usage)),
            COSTS,
            usage,
            price,
            charged(price, usage, self.stopped.stop if self.stopped else ""),
        )


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **fields}))


_TAKE: dict[type, Callable[[Writer, Any, list[bytes]], None]] = {
    TextPiece: Writer._piece,
    ThinkingPiece: Writer._piece,
    ToolPiece: Writer._piece,
    RefusalPiece: Writer._piece,
    ImagePiece: Writer._piece,
    BlockEnd: Writer._block_end,
    UsageTold: Writer._count,
    Stopped: Writer._stop,
    Ended: Writer._ended,
}
