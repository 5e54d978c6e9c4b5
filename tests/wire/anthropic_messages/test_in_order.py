"""Blocks one after the other, whatever order their pieces come in."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from wire_answers import SHARED, plain, told

from tokenworks.wire.answer import BlockEnd, Event, TextPiece, ThinkingPiece, ToolPiece
from tokenworks.wire.anthropic_messages.in_order import InOrder
from tokenworks.wire.joined import joined


def ordered(events: list[Event], finish: bool = True) -> list[Any]:
    order, out = InOrder(), list[Any]()
    for event in events:
        if isinstance(event, BlockEnd):
            order.block_end(event.index, out)
        elif isinstance(event, TextPiece | ThinkingPiece | ToolPiece):
            order.piece(event, out)
    if finish:
        order.finish(out)
    return out


@given(told(SHARED), st.booleans())
def test_each_block_is_told_in_one_go(made: Any, ends: bool) -> None:
    answer, events = made
    out = ordered([event for event in events if ends or not isinstance(event, BlockEnd)])
    groups: list[int] = []
    current = -1
    for event in out:
        if isinstance(event, BlockEnd):
            assert event.index == current
            current = -1
        else:
            assert current in (-1, event.index)
            if current == -1:
                groups.append(event.index)
            current = event.index
    assert current == -1
    assert groups == sorted(set(groups)), "in the order they began, none twice"
    assert plain(joined(out)).content == plain(answer).content


A1, A2 = ToolPiece(0, '{"x":', "a", "f"), ToolPiece(0, "1}")
B1, B2 = ToolPiece(1, "{", "b", "g"), ToolPiece(1, "}")


def test_what_needs_no_waiting_does_not_wait() -> None:
    assert ordered([A1, A2, B1], finish=False) == [A1, A2, BlockEnd(0), B1], "its arguments are whole"
    assert ordered([A1, BlockEnd(0), B1], finish=False) == [A1, BlockEnd(0), B1], "it is said to end"
    text = TextPiece(2, "t")
    assert ordered([text, A1], finish=False) == [text, BlockEnd(2), A1], "it is no call"


def test_what_must_wait() -> None:
    assert ordered([A1, B1, B2], finish=False) == [A1]
    assert ordered([A1, B1, B2]) == [A1, BlockEnd(0), B1, B2, BlockEnd(1)]
    assert ordered([A1, B1, A2], finish=False) == [A1, A2, BlockEnd(0), B1], "as soon as the first is whole"
    assert ordered([A1, B1, BlockEnd(0)], finish=False) == [A1, BlockEnd(0), B1]
    text = TextPiece(2, "t")
    assert ordered([A1, B1, text, BlockEnd(1), BlockEnd(0)], finish=False) == [
        A1,
        BlockEnd(0),
        B1,
        BlockEnd(1),
        text,
    ]


def test_what_comes_too_late() -> None:
    late = ToolPiece(0, " ")
    assert ordered([A1, A2, B1, late, B2]) == [A1, A2, BlockEnd(0), B1, B2, BlockEnd(1)]
    signature = ThinkingPiece(5, "", "sig")
    made = ordered([ThinkingPiece(5, "t"), TextPiece(6, "x"), signature])
    assert made == [
        ThinkingPiece(5, "t"),
        BlockEnd(5),
        TextPiece(6, "x"),
        BlockEnd(6),
        signature,
        BlockEnd(5),
    ]


def test_ends_of_blocks_that_never_began() -> None:
    assert ordered([BlockEnd(3), TextPiece(0, "a"), BlockEnd(0), BlockEnd(0)]) == [
        TextPiece(0, "a"),
        BlockEnd(0),
    ]
    assert ordered([]) == []
