"""A provider's stream of chat completions, as events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_answers import read

from tokenworks.schema import Usage
from tokenworks.wire.answer import (
    BlockEnd,
    Ended,
    Event,
    Failed,
    Started,
    Stopped,
    TextPiece,
    ToolPiece,
    UsageTold,
)
from tokenworks.wire.openai_chat.stream_reader import STOPPED_BY_ERROR, Reader


def chunk(delta: Any = None, finish: str | None = None, **fields: Any) -> bytes:
    value = {"id": "c-1", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **fields}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
SUM = {"prompt_tokens": 10, "completion_tokens": 2}
TEXT = [Started(), TextPiece(0, "a")]
STOP = [BlockEnd(0), Stopped("stop")]


def test_a_stream() -> None:
    data = chunk({"role": "assistant", "content": ""}) + chunk({"content": "a"}) + chunk({}, "stop")
    usage = UsageTold(Usage(10, 0, 0, 2))
    assert read(Reader(), data + chunk(choices=[], usage=SUM) + DONE) == [*TEXT, *STOP, usage, Ended()]


@pytest.mark.parametrize(
    "done",
    [b"data:[DONE]\n\n", b"data: [DONE] \n\n", b"data: [DONE]\r\n\r\n", b"data: [DONE]", b"data: [DONE]\n"],
)
def test_the_end_however_it_is_written(done: bytes) -> None:
    assert read(Reader(), chunk({"content": "a"}, "stop") + done) == [*TEXT, *STOP, Ended()]


def test_nothing_behind_the_end_is_read() -> None:
    assert read(Reader(), chunk({"content": "a"}, "stop") + DONE + chunk({"content": "evil"})) == [
        *TEXT,
        *STOP,
        Ended(),
    ]
    reader = Reader()
    reader.feed(DONE)
    assert list(reader.feed(chunk({"content": "evil"}))) == list(reader.flush()) == []


def test_the_end_without_a_finish_reason_ends_every_block() -> None:
    call = {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f"}}]}
    pieces = [ToolPiece(1, "", "x", "f"), ToolPiece(1, "{}"), BlockEnd(1)]
    expected = [*TEXT, BlockEnd(0), *pieces]
    assert read(Reader(), chunk({"content": "a"}) + chunk(call) + DONE) == [*expected, Ended()]
    assert read(Reader(), chunk({"content": "a"}) + chunk(call)) == expected, "cut off"


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (b"", False),
        (chunk({}, "stop")[:-2], True),
        (chunk({}, "stop")[:-1], True),
        (chunk({}, "stop")[:-4], False),
    ],
)
def test_a_body_that_just_ends(tail: bytes, kept: bool) -> None:
    events = read(Reader(), chunk({"content": "a"}) + tail)
    assert events == [*TEXT, *(STOP if kept else STOP[:1])]


def test_only_the_first_choice_is_read() -> None:
    choices = [
        {"index": 1, "delta": {"content": "b"}, "finish_reason": "length"},
        {"index": 0, "delta": {"content": "a"}, "finish_reason": None},
    ]
    assert read(Reader(), chunk(choices=choices) + chunk({}, "stop") + DONE) == [*TEXT, *STOP, Ended()]


def test_usage_of_every_chunk_stands_over_the_one_before() -> None:
    told = [
        {"prompt_tokens": 10, "completion_tokens": n, "cached_tokens": 8 if n == 1 else None} for n in (1, 2)
    ]
    events = read(Reader(), b"".join(chunk({"content": "a"}, usage=usage) for usage in told))
    assert [event.usage for event in events if isinstance(event, UsageTold)] == [
        Usage(2, 8, 0, 1),
        Usage(2, 8, 0, 2),
    ], "what the first tells of the cache is kept"


def test_usage_within_a_choice() -> None:
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": {**SUM, "cached_tokens": 4}}
    events = read(Reader(), chunk({"content": "a"}, usage=None) + chunk(choices=[choice]) + DONE)
    assert UsageTold(Usage(6, 4, 0, 2)) in events


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (b'data: {"error":{"message":"over\\nloaded","code":503}}\n\n', "over loaded"),
        (b'data: {"error":"no"}\n\n', "no"),
        (b'event: error\ndata: {"error":{"message":"x"}}\n\n', "x"),
        (chunk({"content": ""}, "error", error={"message": "half"}), "half"),
        (chunk({"content": ""}, "error"), STOPPED_BY_ERROR),
        (b'data: {"object":"error","message":"gone","code":500}\n\n', "gone"),
    ],
)
def test_errors_inside_a_stream(event: bytes, words: str) -> None:
    events = read(Reader(), chunk({"content": "a"}) + event + chunk({"content": "evil"}) + DONE)
    assert events == [*TEXT, Failed(words)]


def test_half_a_character_does_not_end_a_stream() -> None:
    halves = [
        b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\ude00"}}]}\n\n',
    ]
    assert read(Reader(), b"".join(halves))[1:3] == [TextPiece(0, "�"), TextPiece(0, "�")]


IGNORED = [b": waiting\n\n", b"event: ping\n\n", b"data: \n\n", b"data: {}\n\n", b'data: {"choices":[]}\n\n']
IGNORED += [b'data: {"choices":null,"usage":null,"error":null}\n\n', b'data: {"type":"ping"}\n\n']


@given(st.lists(st.sampled_from([*IGNORED, chunk({"content": "a"}), chunk({"content": None})]), max_size=9))
@settings(deadline=None)
def test_what_says_nothing_is_passed_over(pieces: list[bytes]) -> None:
    events: list[Event] = read(Reader(), b"".join(pieces))
    texts = [event for event in events if isinstance(event, TextPiece)]
    assert texts == [TextPiece(0, "a")] * pieces.count(chunk({"content": "a"}))


@pytest.mark.parametrize(
    "event", [b"data: {\n\n", b"data: 5\n\n", b'data: {"choices":5}\n\n', b"data: <html>\n\n"]
)
def test_what_is_no_chunk(event: bytes) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        Reader().feed(event)
