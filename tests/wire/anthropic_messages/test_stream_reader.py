"""A provider's stream of messages, as events."""

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
    RefusalPiece,
    Started,
    Stopped,
    TextPiece,
    ThinkingPiece,
    UsageTold,
)
from tokenworks.wire.anthropic_messages.stream_reader import Reader
from tokenworks.wire.conversation import ToolUse
from tokenworks.wire.joined import joined
from tokenworks.wire.signature import MESSAGES


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


def start(usage: Any = None) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m"}
    return event("message_start", message={**message, "usage": usage} if usage is not None else message)


def begin(index: int, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def text(words: str, index: int = 0) -> bytes:
    return delta(index, "text_delta", text=words)


def end(index: int) -> bytes:
    return event("content_block_stop", index=index)


def stop(reason: str | None = "end_turn", usage: Any = None, **fields: Any) -> bytes:
    more = {"usage": usage} if usage is not None else {}
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None, **fields}, **more)


LAST = event("message_stop")
TEXT = begin(0, type="text", text="")


def test_a_stream() -> None:
    data = start({"input_tokens": 5, "output_tokens": 1}) + TEXT + event("ping") + text("a") + end(0)
    assert read(Reader(), data + stop(usage={"output_tokens": 7}) + LAST) == [
        Started(),
        UsageTold(Usage(5, 0, 0, 1)),
        TextPiece(0, "a"),
        BlockEnd(0),
        UsageTold(Usage(5, 0, 0, 7)),
        Stopped("stop"),
        Ended(),
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_why_the_model_stopped(reason: str, expected: str) -> None:
    assert read(Reader(), start() + stop(reason) + LAST) == [Started(), Stopped(expected), Ended()]
    assert Stopped("stop", "END") in read(Reader(), stop("stop_sequence", stop_sequence="END"))
    assert read(Reader(), start() + stop(None) + LAST) == [Started(), Ended()]
    assert read(Reader(), stop() + stop("max_tokens")) == [Stopped("stop")], "it counts once"


CALL = {"type": "tool_use", "id": "x", "name": "f"}


def arguments(*pieces: str) -> bytes:
    return b"".join(delta(0, "input_json_delta", partial_json=piece) for piece in pieces)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (begin(0, **CALL, input={}) + arguments("", '{"a":', "1}"), '{"a":1}'),
        (begin(0, **CALL, input={"a": 1}), '{"a": 1}'),
        (begin(0, **CALL, input={"a": 1}) + arguments(""), '{"a": 1}'),
        (begin(0, **CALL, input={"a": 1}) + arguments('{"a":1}'), '{"a":1}'),
        (begin(0, **CALL, input={}), "{}"),
        (begin(0, **CALL), "{}"),
        (begin(0, **CALL) + arguments("not json"), "not json"),
    ],
)
@pytest.mark.parametrize("ended", [False, True])
def test_arguments_however_they_come(data: bytes, expected: str, ended: bool) -> None:
    made = joined(read(Reader(), data + (end(0) if ended else b"") + stop("tool_use") + LAST))
    assert made.content == (ToolUse("x", "f", expected),)


def test_calls_without_an_id_get_one() -> None:
    (call,) = joined(read(Reader(), begin(0, type="tool_use", name="f") + end(0))).content
    assert isinstance(call, ToolUse)
    assert call.id.startswith("call_")


def test_thinking() -> None:
    data = begin(0, type="thinking", thinking="", signature="")
    data += delta(0, "thinking_delta", thinking="a") + delta(0, "signature_delta", signature="sig") + end(0)
    data += begin(1, type="redacted_thinking", data="opaque") + end(1)
    data += begin(2, type="thinking", thinking="b", signature="at once") + end(2)
    data += begin(3, type="thinking", thinking="") + delta(3, "signature_delta", signature="alone") + end(3)
    assert read(Reader(), data) == [
        ThinkingPiece(0, "a", format=MESSAGES),
        ThinkingPiece(0, "", "sig", format=MESSAGES),
        BlockEnd(0),
        ThinkingPiece(1, redacted="opaque", format=MESSAGES),
        BlockEnd(1),
        ThinkingPiece(2, "b", "at once", format=MESSAGES),
        BlockEnd(2),
        ThinkingPiece(3, "", "alone", format=MESSAGES),
        BlockEnd(3),
    ]


def test_blocks_are_numbered_anew() -> None:
    server = begin(1, type="server_tool_use", id="s", name="web_search", input={})
    server += delta(1, "input_json_delta", partial_json='{"q":1}') + end(1)
    server += begin(2, type="web_search_tool_result", tool_use_id="s", content=[]) + end(2)
    empty = begin(3, type="text", text="") + end(3)
    cited = begin(4, type="text", text="x", citations=[]) + delta(4, "citations_delta", citation={}) + end(4)
    assert read(Reader(), TEXT + text("a") + end(0) + server + empty + cited + text("late", 9)) == [
        TextPiece(0, "a"),
        BlockEnd(0),
        TextPiece(1, "x"),
        BlockEnd(1),
        TextPiece(2, "late"),
    ]


def test_a_refusal_says_why() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Harm."}
    made = read(Reader(), TEXT + text("I") + stop("refusal", stop_details=details) + LAST)
    assert made == [
        TextPiece(0, "I"),
        BlockEnd(0),
        RefusalPiece(1, "Harm."),
        BlockEnd(1),
        Stopped("refusal"),
        Ended(),
    ]
    silent = {"type": "refusal", "category": None, "explanation": None}
    assert read(Reader(), stop("refusal", stop_details=silent)) == [Stopped("refusal")]


FULL = {"input_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1}


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (FULL, {"output_tokens": 9}, [Usage(5, 3, 2, 1), Usage(5, 3, 2, 9)]),
        (FULL, {**dict.fromkeys(FULL, 0), "output_tokens": 9}, [Usage(5, 3, 2, 1), Usage(5, 3, 2, 9)]),
        ({"input_tokens": 0, "output_tokens": 0}, FULL, [Usage(5, 3, 2, 1)]),
        (None, FULL, [Usage(5, 3, 2, 1)]),
        ({"input_tokens": 10}, {**FULL, "output_tokens": 9}, [Usage(10), Usage(5, 3, 2, 9)]),
        (FULL, None, [Usage(5, 3, 2, 1)]),
        (None, {"input_tokens": 0, "output_tokens": 0}, [Usage()]),
        (None, None, []),
    ],
)
def test_usage(first: Any, last: Any, told: list[Usage]) -> None:
    events = read(Reader(), start(first) + stop(usage=last) + LAST)
    assert [event.usage for event in events if isinstance(event, UsageTold)] == told


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (event("error", error={"type": "overloaded_error", "message": "Over\nloaded"}), "Over loaded"),
        (event("error", error="no"), "no"),
        (b'data: {"error":{"message":"x"}}\n\n', "x"),
    ],
)
def test_errors_inside_a_stream(data: bytes, words: str) -> None:
    assert read(Reader(), start() + TEXT + text("a") + data + text("evil") + LAST) == [
        Started(),
        TextPiece(0, "a"),
        Failed(words),
    ]


@pytest.mark.parametrize("tail", [LAST, LAST[:-1], LAST[:-2], b"data: [DONE]\n\n"])
def test_the_end_however_it_is_written(tail: bytes) -> None:
    assert read(Reader(), TEXT + text("a") + end(0) + stop() + tail)[-2:] == [Stopped("stop"), Ended()]


def test_nothing_behind_the_end_is_read() -> None:
    assert read(Reader(), stop() + LAST + text("evil")) == [Stopped("stop"), Ended()]


def test_the_name_of_an_event_does_not_matter() -> None:
    assert read(Reader(), text("a").replace(b"event: content_block_delta\n", b"")) == [TextPiece(0, "a")]
    assert read(Reader(), text("a").replace(b"event: content", b"event: odd")) == [TextPiece(0, "a")]


IGNORED = [b": waiting\n\n", b"event: ping\n\n", b"data: {}\n\n", event("ping"), event("new_kind", index=1)]
IGNORED += [
    event("content_block_delta", index=0),
    end(7),
    delta(0, "new_delta", x=1),
    delta(0, "text_delta", text=""),
]


@given(st.lists(st.sampled_from(IGNORED), max_size=9))
@settings(deadline=None)
def test_what_says_nothing_is_passed_over(pieces: list[bytes]) -> None:
    events: list[Event] = read(Reader(), b"".join(pieces))
    assert events == []


@pytest.mark.parametrize(
    "data", [b"data: {\n\n", b"data: 5\n\n", b'data: {"index":"x"}\n\n', b"data: <html>\n\n"]
)
def test_what_is_no_event(data: bytes) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        Reader().feed(data)
    reader = Reader()
    assert list(reader.feed(data[:-1])) == list(reader.flush()) == [], "cut off"
