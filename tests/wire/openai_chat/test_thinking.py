"""Reasoning in chat messages comes back as it was given."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.wire.conversation import Thinking
from tokenworks.wire.openai_chat.thinking import Detail, as_text, read_details, write_details
from tokenworks.wire.signature import MESSAGES, RESPONSES


def read(*details: dict[str, Any]) -> tuple[Thinking, ...]:
    return read_details(msgspec.convert(details, list[Detail]))


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": words, **more}


@pytest.mark.parametrize(
    ("details", "blocks"),
    [
        ([text("a", signature="s", format=MESSAGES, index=0)], [Thinking("a", "s", format=MESSAGES)]),
        ([text("a", id="r1", index=0), text("b", index=1)], [Thinking("a", id="r1"), Thinking("b")]),
        (
            [{"type": "reasoning.encrypted", "data": "d", "format": MESSAGES, "index": 0}],
            [Thinking(redacted="d", format=MESSAGES)],
        ),
        (
            [
                {"type": "reasoning.summary", "summary": "a", "id": "rs_1", "format": RESPONSES, "index": 0},
                {"type": "reasoning.encrypted", "data": "d", "id": "rs_1", "format": RESPONSES, "index": 0},
            ],
            [Thinking("a", "d", "", "rs_1", RESPONSES)],
        ),
        (
            [{"type": "reasoning.summary", "summary": "a", "format": RESPONSES, "index": 0}],
            [Thinking("a", format=RESPONSES)],
        ),
    ],
)
def test_details_both_ways(details: list[dict[str, Any]], blocks: list[Thinking]) -> None:
    assert list(read(*details)) == blocks
    assert msgspec.to_builtins(write_details(blocks)) == details


def test_pieces_that_a_client_collected_are_joined() -> None:
    pieces = [
        text("Two ", index=0),
        text("towns.", index=0, signature=None),
        text("", index=0, signature="s"),
    ]
    assert read(*pieces) == (Thinking("Two towns.", "s"),)
    assert read(text("a", index=0, signature="s"), text("b", index=0)) == (Thinking("a", "s"), Thinking("b"))
    assert read(text("a"), text("b")) == (Thinking("a"), Thinking("b")), "no index, no telling"


def test_a_summary_and_what_it_sums_up_belong_together_by_id_too() -> None:
    summary = {"type": "reasoning.summary", "summary": "a", "id": "rs_1"}
    encrypted = {"type": "reasoning.encrypted", "data": "d", "id": "rs_1", "index": 4}
    assert read(summary, encrypted) == (Thinking("a", "d", id="rs_1"),)
    other = {**encrypted, "id": "rs_2"}
    assert read(summary, other) == (Thinking("a", id="rs_1"), Thinking(redacted="d", id="rs_2"))
    foreign = {**encrypted, "format": RESPONSES}
    assert len(read(summary, foreign)) == 2


def test_what_says_nothing_is_left_out() -> None:
    assert read(text(""), {"type": "reasoning.server_tool_call"}, {"type": "reasoning.encrypted"}) == ()


def test_as_text() -> None:
    assert as_text([Thinking("a"), Thinking(redacted="x"), Thinking("b", "s")]) == "a\n\nb"
