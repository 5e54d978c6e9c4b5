"""Events as a stream of a response for a caller."""

from __future__ import annotations

import time
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
from tokenworks.wire.costs import charged
from tokenworks.wire.openai_responses.answer import picture_text, reasoning_id
from tokenworks.wire.openai_responses.custom_tool import names_in
from tokenworks.wire.openai_responses.response import (
    ended,
    error_code,
    failed,
    fixed,
    status_of,
    under_way,
    usage_told,
)
from tokenworks.wire.openai_responses.stream_items import (
    Called,
    CalledFreely,
    Fragments,
    ItemUnderWay,
    Said,
    Thought,
    picture,
)

_encode = msgspec.json.Encoder().encode

Piece = TextPiece | RefusalPiece | ThinkingPiece | ToolPiece | ImagePiece


class Writer:
    """Each block is an item of its own. Calls may overlap, anything else is done when the next begins.

    A block that ends is kept open until it is known whether the answer goes on: the last item of an
    answer that was cut off is incomplete.
    """

    __slots__ = (
        "begun",
        "called",
        "custom",
        "ending",
        "fixed",
        "number",
        "open",
        "output",
        "over",
        "stopped",
        "telling",
        "usage",
    )

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.fixed = b""
        self.custom: frozenset[str] = frozenset()  # names of the caller's tools of free text
        self.begun = False
        self.over = False
        self.called = False
        self.number = 0  # of the next event
        self.open: dict[int, ItemUnderWay] = {}  # by the number of the block
        self.ending: list[int] = []  # blocks that are complete and not yet closed
        self.output: dict[int, bytes] = {}  # finished items
        self.stopped: Stopped | None = None
        self.usage: Usage | None = None

    def write(self, events: Sequence[Event]) -> bytes:
        """May hold back what can only be said later. ``Failed`` is not written, see ``failure``."""
        out: list[bytes] = []
        for event in events:
            if self.over:
                break
            kind = type(event)
            if not self.begun and kind is not UsageTold and kind is not Failed:
                out.append(self._begin())
            take = _TAKE.get(kind)
            if take is not None:
                fragments: Fragments = []
                take(self, event, fragments)
                for part in fragments:
                    out.append(b"%b%d}\n\n" % (part, self.number))
                    self.number += 1
        return b"".join(out)

    def close(self) -> bytes:
        """Everything that ends a stream properly and was not written yet; empty when it was."""
        return b"" if self.over else self.write((Ended(),))

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """Everything that ends a stream by an error."""
        begun = b"" if self.begun else self._begin()
        self.over = True
        output = [item for _, item in sorted(self.output.items())]
        response = failed(self.fixed, output, error_code(code), message)
        return begun + self._response("response.failed", response)

    # --- what comes ---------------------------------------------------------------------------

    def _text(self, piece: TextPiece, out: Fragments) -> None:
        item = self.open.get(piece.index)
        if item is None or self.ending:
            item = self._item(piece, out, lambda index: Said(self.telling, index, False, out))
        out += item.piece(piece)

    def _refusal(self, piece: RefusalPiece, out: Fragments) -> None:
        out += self._item(piece, out, lambda index: Said(self.telling, index, True, out)).piece(piece)

    def _thought(self, piece: ThinkingPiece, out: Fragments) -> None:
        if self.telling.exclude_reasoning:
            return

        def make(index: int) -> ItemUnderWay:
            return Thought(reasoning_id(piece.id, self.telling.generation, index), index, out)

        out += self._item(piece, out, make).piece(piece)

    def _call(self, piece: ToolPiece, out: Fragments) -> None:
        def make(index: int) -> ItemUnderWay:
            self.called = True
            kind = CalledFreely if piece.name in self.custom else Called
            return kind(self.telling, index, piece, out)

        out += self._item(piece, out, make).piece(piece)

    def _image(self, piece: ImagePiece, out: Fragments) -> None:
        if not piece.image.data:  # known by its address only
            self._text(TextPiece(piece.index, picture_text(piece.image)), out)
            return
        self._close_ended(out)
        self._close_others(out)
        index = self._next_index()
        self.output[index] = picture(self.telling, index, piece.image, out)

    def _block_end(self, end: BlockEnd, out: Fragments) -> None:
        if end.index in self.open and end.index not in self.ending:
            self.ending.append(end.index)

    def _count(self, told: UsageTold, out: Fragments) -> None:
        self.usage = told.usage

    def _stop(self, stopped: Stopped, out: Fragments) -> None:
        self.stopped = self.stopped or stopped

    def _end(self, ended_: Ended, out: Fragments) -> None:
        stop = self.stopped.stop if self.stopped is not None else "tool_calls" if self.called else "stop"
        status = status_of(stop)
        for number in (*self.ending, *(number for number in self.open if number not in self.ending)):
            last = len(self.open) == 1 and status == "incomplete"
            self._close(number, status if last else "completed", out)
        self.over = True
        telling, usage = self.telling, None
        if self.usage is not None:
            usage = usage_told(
                telling,
                self.usage,
                charged(telling.price, self.usage, self.stopped.stop if self.stopped else ""),
            )
        output = [item for _, item in sorted(self.output.items())]
        response = ended(self.fixed, stop, output, usage, int(time.time()))
        if telling.extra:
            response = b"%b,%b" % (response[:-1], _encode(telling.extra)[1:])
        out.append(_fragment(f"response.{status}", response))

    # --- items --------------------------------------------------------------------------------

    def _item(self, piece: Piece, out: Fragments, make: Callable[[int], ItemUnderWay]) -> ItemUnderWay:
        """The item of ``piece``; a new one closes what it does not overlap with."""
        if self.ending:
            self._close_ended(out)
        item = self.open.get(piece.index)
        if item is None:
            self._close_others(out)
            item = self.open[piece.index] = make(self._next_index())
        return item

    def _next_index(self) -> int:
        return len(self.output) + len(self.open)

    def _close_ended(self, out: Fragments) -> None:
        for number in self.ending:
            self._close(number, "completed", out)
        self.ending = []

    def _close_others(self, out: Fragments) -> None:
        for number in [number for number, item in self.open.items() if not item.overlaps]:
            self._close(number, "completed", out)

    def _close(self, number: int, status: str, out: Fragments) -> None:
        item = self.open.pop(number)
        self.output[item.index] = item.close(status, out)

    # --- responses ----------------------------------------------------------------------------

    def _begin(self) -> bytes:
        self.begun = True
        self.fixed = fixed(self.telling, self.telling.created_at())
        self.custom = names_in(self.telling.asked)
        response = under_way(self.fixed)
        created = self._response("response.created", response)
        return created + self._response("response.in_progress", response)

    def _response(self, kind: str, response: bytes) -> bytes:
        self.number += 1
        return b"%b%d}\n\n" % (_fragment(kind, response), self.number - 1)


def _fragment(kind: str, response: bytes) -> bytes:
    return b'event: %b\ndata: {"type":"%b","response":%b,"sequence_number":' % (
        kind.encode(),
        kind.encode(),
        response,
    )


_TAKE: dict[type, Callable[[Writer, Any, Fragments], None]] = {
    TextPiece: Writer._text,
    RefusalPiece: Writer._refusal,
    ThinkingPiece: Writer._thought,
    ToolPiece: Writer._call,
    ImagePiece: Writer._image,
    BlockEnd: Writer._block_end,
    UsageTold: Writer._count,
    Stopped: Writer._stop,
    Ended: Writer._end,
}
