"""Events put together to an answer."""

from __future__ import annotations

import pytest

from tokenworks.schema import Usage
from tokenworks.wire.answer import (
    Answer,
    BlockEnd,
    Ended,
    Failed,
    ImagePiece,
    RefusalPiece,
    Started,
    Stopped,
    TextPiece,
    ThinkingPiece,
    ToolPiece,
    UsageTold,
)
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.joined import joined


def test_every_kind_of_event() -> None:
    image = Image(url="u")
    events = [
        Started(),
        ThinkingPiece(0, "a", id="rs", format="f"),
        ThinkingPiece(0, "b", signature="early", format="f"),
        ThinkingPiece(0, "", signature="late", format="f"),
        BlockEnd(0),
        ThinkingPiece(1, redacted="opaque"),
        TextPiece(2, "x"),
        UsageTold(Usage(1)),
        ToolPiece(3, "{", "id3", "f"),
        ToolPiece(4, "", "id4", "g", "signed"),
        ToolPiece(3, "}"),
        TextPiece(2, "y"),
        ToolPiece(4, "[]"),
        ImagePiece(6, image),
        RefusalPiece(7, "n"),
        RefusalPiece(7, "o"),
        UsageTold(Usage(2)),
        Stopped("stop", "END"),
        Ended(),
    ]
    content = (
        Thinking("ab", "late", "", "rs", "f"),
        Thinking(redacted="opaque"),
        Text("xy"),
        ToolUse("id3", "f", "{}"),
        ToolUse("id4", "g", "[]", "signed"),
        image,
    )
    assert joined(events, created=9) == Answer(content, "stop", Usage(2), "no", "END", 9)


def test_an_answer_that_is_not_complete() -> None:
    assert joined([]) == Answer((), "")
    assert joined([TextPiece(0, "a")]) == Answer((Text("a"),), "")
    with pytest.raises(ValueError, match=r"^broken$"):
        joined([TextPiece(0, "a"), Failed("broken")])
