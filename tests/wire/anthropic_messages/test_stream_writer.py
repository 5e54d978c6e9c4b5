"""Events as a stream that every client of messages reads."""

from __future__ import annotations

from typing import Any

import pytest
from wire_answers import events_of, telling

from tokenworks.schema import Usage
from tokenworks.wire.answer import (
    BlockEnd,
    Ended,
    Event,
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
from tokenworks.wire.anthropic_messages.stream_writer import Writer
from tokenworks.wire.conversation import Image
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import MESSAGES, RESPONSES

USAGE = UsageTold(Usage(10, 5, 2, 7, 3))


def made(*events: Event, **fields: Any) -> list[dict[str, Any]]:
    return events_of("anthropic_messages", Writer(telling(**fields)).write([*events, Ended()]))


def blocks(*events: Event, **fields: Any) -> list[tuple[Any, ...]]:
    """Each block: its number, as it starts, and what its deltas say."""
    told: list[tuple[Any, ...]] = []
    for event in made(*events, **fields):
        if event["type"] == "content_block_start":
            told.append((event["index"], event["content_block"]))
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            assert event["index"] == told[-1][0]
            told[-1] += (next(value for key, value in delta.items() if key != "type"),)
        elif event["type"] == "content_block_stop":
            assert event["index"] == told[-1][0]
    return told


TEXT = {"type": "text", "text": "", "citations": None}


def call(id: str, name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "caller": {"type": "direct"}, "input": {}}


def test_a_stream() -> None:
    first, *rest = made(Started(), TextPiece(0, 'a"\n'), TextPiece(0, "b"), Stopped("stop"), USAGE)
    message = first["message"]
    assert (message["id"], message["model"], message["provider"]) == ("gen-1", "acme/fast", "acme")
    assert (message["content"], message["stop_reason"], message["usage"]["input_tokens"]) == ([], None, 0)
    assert [event["type"] for event in rest] == [
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert rest[1]["delta"] == {"type": "text_delta", "text": 'a"\n'}
    assert rest[4]["delta"]["stop_reason"] == "end_turn"


def test_blocks_follow_each_other() -> None:
    assert blocks(
        ThinkingPiece(0, "t", format=MESSAGES),
        ThinkingPiece(0, "u", "early", format=MESSAGES),
        ThinkingPiece(0, "", "late", format=MESSAGES),
        TextPiece(1, "a"),
        ToolPiece(2, "", "x", "f"),
        ToolPiece(3, "", "y", "g"),
        ToolPiece(2, "{}"),
        ToolPiece(3, '{"a":1}'),
        TextPiece(4, "b"),
        RefusalPiece(5, "no"),
        ImagePiece(6, Image(url="https://c")),
    ) == [
        (0, {"type": "thinking", "thinking": "", "signature": ""}, "t", "u", "late"),
        (1, TEXT, "a"),
        (2, call("x", "f"), "{}"),
        (3, call("y", "g"), '{"a":1}'),
        (4, TEXT, "b"),
        (5, TEXT, "no"),
        (6, TEXT, "![image](https://c)"),
    ]


def test_what_others_signed_is_sealed() -> None:
    assert blocks(
        ThinkingPiece(0, "t", "enc", format=RESPONSES),
        ThinkingPiece(1, redacted="data", format=RESPONSES),
        ThinkingPiece(2, redacted="data", format=MESSAGES),
        ThinkingPiece(3, "unsigned"),
    ) == [
        (0, {"type": "thinking", "thinking": "", "signature": ""}, "t", f"{RESPONSES}:enc"),
        (1, {"type": "redacted_thinking", "data": f"{RESPONSES}:data"}),
        (2, {"type": "redacted_thinking", "data": "data"}),
        (3, {"type": "thinking", "thinking": "", "signature": ""}, "unsigned"),
    ]


def test_reasoning_is_left_out() -> None:
    thoughts = [ThinkingPiece(0, "t", "sig"), BlockEnd(0), ThinkingPiece(1, redacted="d"), BlockEnd(1)]
    assert blocks(*thoughts, TextPiece(2, "a"), exclude_reasoning=True) == [(0, TEXT, "a")]


def test_invalid_arguments_are_passed_on_as_they_are() -> None:
    assert blocks(ToolPiece(0, "not", "x", "f"), ToolPiece(0, " json")) == [
        (0, call("x", "f"), "not", " json")
    ]


@pytest.mark.parametrize(
    ("stopped", "reason"),
    [
        (Stopped("stop"), "end_turn"),
        (Stopped("stop", "END"), "stop_sequence"),
        (Stopped("length"), "max_tokens"),
        (Stopped("tool_calls"), "tool_use"),
        (Stopped("content_filter"), "refusal"),
        (Stopped("refusal"), "refusal"),
        (Stopped("pause_turn"), "pause_turn"),
        (Stopped("odd"), "end_turn"),
    ],
)
def test_why_the_model_stopped(stopped: Stopped, reason: str) -> None:
    delta = made(Started(), stopped, Stopped("length"))[-2]["delta"]
    assert (delta["stop_reason"], delta["stop_sequence"]) == (reason, stopped.stop_sequence or None)
    assert (delta["stop_details"] is not None) == (reason == "refusal")
    assert made(RefusalPiece(0, "no"), Stopped("stop"))[-2]["delta"]["stop_reason"] == "refusal"


def test_a_stream_that_does_not_say_why_it_ends() -> None:
    assert made(TextPiece(0, "a"))[-2]["delta"]["stop_reason"] == "end_turn"
    assert made(ToolPiece(0, "{}", "x", "f"))[-2]["delta"]["stop_reason"] == "tool_use"


def test_the_usage_is_told_with_the_end() -> None:
    *_, last, end = made(UsageTold(Usage(1)), Started(), Stopped("stop"), USAGE, extra={"x": raw([1])})
    assert end["x"] == [1] and "x" not in last
    usage = last["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (10, 7)
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (5, 2)
    assert usage["output_tokens_details"] == {"thinking_tokens": 3}
    assert (usage["cost"], usage["is_byok"]) == (2.9e-05, False)


def test_usage_nobody_told_is_a_guess_without_a_cost() -> None:
    usage = made(TextPiece(0, "a"), TextPiece(0, "b"), Stopped("stop"))[-2]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (0, 2)
    assert "cost" not in usage


def test_nothing_is_written_before_the_answer_begins() -> None:
    assert Writer(telling()).write([USAGE, Failed("x")]) == b""


def test_ends() -> None:
    writer = Writer(telling())
    out = writer.write([ToolPiece(0, "{", "x", "f"), ToolPiece(1, "{}", "y", "g"), Stopped("tool_calls")])
    assert b'"y"' not in out
    events = events_of("anthropic_messages", out + writer.close())
    assert [event["type"] for event in events[-5:]] == [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert writer.close() == writer.write([TextPiece(0, "evil"), Ended()]) == b""


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (429, "rate_limit_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (500, "api_error"),
        (502, "api_error"),
    ],
)
def test_a_failure(code: int, kind: str) -> None:
    for before in ([], [TextPiece(0, "a"), Failed("evil")]):
        writer = Writer(telling())
        out = writer.write(before)
        assert writer.failure("broken", code, "x") == (
            b'event: error\ndata: {"type":"error","error":{"type":"%b","message":"broken"}}\n\n'
            % kind.encode()
        )
        assert b"evil" not in out
        assert writer.close() == b""
