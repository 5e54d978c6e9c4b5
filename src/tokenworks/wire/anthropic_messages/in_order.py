"""Blocks one after the other, for a wire on which they can't overlap."""

from __future__ import annotations

import msgspec

from tokenworks.wire.answer import BlockEnd, ImagePiece, RefusalPiece, TextPiece, ThinkingPiece, ToolPiece
from tokenworks.wire.peek import MALFORMED

Piece = TextPiece | RefusalPiece | ImagePiece | ThinkingPiece | ToolPiece

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class InOrder:
    """Holds back what comes of other blocks while a call is under way, and ends every block.

    A call is complete when it is said to end, or when another block has begun and its arguments are a
    whole object. Anything else is complete when another block begins; what still comes of it is a new one.
    """

    __slots__ = ("arguments", "complete", "current", "ended", "waiting")

    def __init__(self) -> None:
        self.current = -1  # number of the block that is open; -1: none is
        self.arguments: list[str] | None = None  # of the call that is open; None: it is no call
        self.complete: set[int] = set()  # calls that were ended
        self.waiting: dict[int, list[Piece]] = {}
        self.ended: set[int] = set()  # of those that wait

    def piece(self, piece: Piece, out: list[Piece | BlockEnd]) -> None:
        """One more piece; what may be said now is added to ``out``."""
        number = piece.index
        if number == self.current:
            self._say(piece, out)
            if self.waiting and self._whole():
                self._end(out)
                self._go_on(out)
        elif self.current < 0 or self._whole():
            self._end(out)
            self._open(piece, out)
        elif number in self.waiting:
            self.waiting[number].append(piece)
        else:
            self.waiting[number] = [piece]

    def block_end(self, number: int, out: list[Piece | BlockEnd]) -> None:
        """Block ``number`` is complete."""
        if number == self.current:
            self._end(out)
            self._go_on(out)
        elif number in self.waiting:
            self.ended.add(number)

    def finish(self, out: list[Piece | BlockEnd]) -> None:
        """Nothing more comes: everything that waits is said."""
        self.ended.update(self.waiting)
        self._end(out)
        self._go_on(out)

    def _open(self, piece: Piece, out: list[Piece | BlockEnd]) -> None:
        call = isinstance(piece, ToolPiece)
        if call and piece.index in self.complete:
            return  # behind a whole object there is nothing that belongs to it
        self.current = piece.index
        self.arguments = [] if call else None
        self._say(piece, out)

    def _say(self, piece: Piece, out: list[Piece | BlockEnd]) -> None:
        if isinstance(piece, ToolPiece) and self.arguments is not None:
            self.arguments.append(piece.arguments)
        out.append(piece)

    def _whole(self) -> bool:
        """May the block that is open be ended, as another one has begun?"""
        if self.arguments is None:
            return True
        text = "".join(self.arguments).strip()
        if not text.startswith("{") or not text.endswith("}"):
            return False
        try:
            _decode_object(text)
        except MALFORMED:
            return False
        return True

    def _end(self, out: list[Piece | BlockEnd]) -> None:
        if self.current < 0:
            return
        if self.arguments is not None:
            self.complete.add(self.current)
        out.append(BlockEnd(self.current))
        self.current = -1

    def _go_on(self, out: list[Piece | BlockEnd]) -> None:
        """Open what waits, up to a block that is not complete."""
        while self.waiting and self.current < 0:
            number = next(iter(self.waiting))
            for piece in self.waiting.pop(number):
                if number == self.current:
                    self._say(piece, out)
                else:
                    self._open(piece, out)
            if number in self.ended or (self.waiting and self._whole()):
                self._end(out)
