"""A whole answer out of the events of a stream."""

from __future__ import annotations

from collections.abc import Iterable

from tokenworks.schema import Usage
from tokenworks.wire.answer import (
    Answer,
    Event,
    Failed,
    ImagePiece,
    RefusalPiece,
    Stopped,
    TextPiece,
    ThinkingPiece,
    ToolPiece,
    UsageTold,
)
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse

_Piece = TextPiece | RefusalPiece | ThinkingPiece | ToolPiece | ImagePiece


def joined(events: Iterable[Event], created: int = 0) -> Answer:
    """The answer that ``events`` tell, as far as they go. Raises ValueError when the provider complained.

    ``stop`` is empty when the model has not stopped.
    """
    blocks: dict[int, list[_Piece]] = {}
    usage: Usage | None = None
    stopped = Stopped("")
    for event in events:
        if isinstance(event, TextPiece | RefusalPiece | ThinkingPiece | ToolPiece | ImagePiece):
            blocks.setdefault(event.index, []).append(event)
        elif isinstance(event, UsageTold):
            usage = event.usage
        elif isinstance(event, Stopped):
            stopped = event
        elif isinstance(event, Failed):
            raise ValueError(event.message)
    content: list[Text | Thinking | ToolUse | Image] = []
    refusal = []
    for _, pieces in sorted(blocks.items()):
        block = _block(pieces)
        if block is not None:
            content.append(block)
        else:
            refusal += [piece.text for piece in pieces if isinstance(piece, RefusalPiece)]
    return Answer(
        tuple(content), stopped.stop, usage, "".join(refusal), stopped.stop_sequence, created=created
    )


def _block(pieces: list[_Piece]) -> Text | Thinking | ToolUse | Image | None:
    """One block; None for a refusal, which is none."""
    first = pieces[0]
    if isinstance(first, TextPiece):
        return Text("".join([p.text for p in pieces if isinstance(p, TextPiece)]))
    if isinstance(first, ImagePiece):
        return first.image
    if isinstance(first, ThinkingPiece):
        thoughts = [p for p in pieces if isinstance(p, ThinkingPiece)]
        return Thinking(
            "".join([p.text for p in thoughts]),
            next((p.signature for p in reversed(thoughts) if p.signature), ""),
            next((p.redacted for p in thoughts if p.redacted), ""),
            next((p.id for p in thoughts if p.id), ""),
            next((p.format for p in thoughts if p.format), ""),
        )
    if isinstance(first, ToolPiece):
        calls = [p for p in pieces if isinstance(p, ToolPiece)]
        return ToolUse(
            next((p.id for p in calls if p.id), ""),
            next((p.name for p in calls if p.name), ""),
            "".join([p.arguments for p in calls]),
            next((p.signature for p in calls if p.signature), ""),
        )
    return None
