"""A provider's stream of a response, as events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_answers import read

from tokenworks.schema import Usage
from tokenworks.wire.answer import BlockEnd, Ended, Failed, Started, Stopped, TextPiece, UsageTold
from tokenworks.wire.conversation import Text, Thinking, ToolUse
from tokenworks.wire.joined import joined
from tokenworks.wire.openai_responses.stream_reader import Reader
from tokenworks.wire.signature import RESPONSES


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


def end(status: str = "completed", **fields: Any) -> bytes:
    return event(f"response.{status}", response={"id": "resp_1", "status": status, **fields})


def text(words: str, index: int = 0) -> bytes:
    return event("response.output_text.delta", output_index=index, content_index=0, delta=words, logprobs=[])


CREATED = event(
    "response.created", response={"id": "resp_1", "status": "in_progress", "output": [], "usage": None}
)
TEXT = [Started(), TextPiece(0, "a")]


def test_a_stream() -> None:
    usage = {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 2}
    assert read(Reader(), CREATED + text("a") + end(usage=usage)) == [
        *TEXT,
        BlockEnd(0),
        UsageTold(Usage(6, 4, 0, 2)),
        Stopped("stop"),
        Ended(),
    ]


@pytest.mark.parametrize(
    ("status", "fields", "stop"),
    [
        ("completed", {}, "stop"),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ("incomplete", {}, "length"),
    ],
)
def test_why_the_model_stopped(status: str, fields: dict[str, Any], stop: str) -> None:
    assert read(Reader(), end(status, **fields)) == [Started(), Stopped(stop), Ended()]


def test_every_kind_of_event() -> None:
    place = {"output_index": 0, "item_id": "rs_1"}
    call = {"type": "function_call", "id": "fc", "call_id": "x", "name": "f", "arguments": ""}
    data = [
        CREATED,
        event("response.in_progress", response={}),
        event(
            "response.output_item.added",
            output_index=0,
            item={"type": "reasoning", "id": "rs_1", "summary": []},
        ),
        event(
            "response.reasoning_summary_part.added",
            **place,
            summary_index=0,
            part={"type": "summary_text", "text": ""},
        ),
        event("response.reasoning_summary_text.delta", **place, summary_index=0, delta="t"),
        event("response.reasoning_summary_text.done", **place, summary_index=0, text="th"),
        event(
            "response.output_item.done",
            output_index=0,
            item={"type": "reasoning", "encrypted_content": "e", "summary": [{"text": "th"}]},
        ),
        event("response.reasoning_text.delta", output_index=1, content_index=0, delta="u"),
        event("response.reasoning_text.done", output_index=1, content_index=0, text="uv"),
        event(
            "response.content_part.added",
            output_index=2,
            content_index=0,
            part={"type": "output_text", "text": ""},
        ),
        text("a", 2),
        event(
            "response.output_text.annotation.added", output_index=2, content_index=0, annotation={"type": "x"}
        ),
        event("response.output_text.done", output_index=2, content_index=0, text="ab"),
        event(
            "response.content_part.done",
            output_index=2,
            content_index=0,
            part={"type": "output_text", "text": "ab"},
        ),
        event("response.refusal.delta", output_index=2, content_index=1, delta="n"),
        event("response.refusal.done", output_index=2, content_index=1, refusal="no"),
        event("response.output_item.added", output_index=3, item=call),
        event("response.function_call_arguments.delta", output_index=3, delta="{"),
        event("response.function_call_arguments.done", output_index=3, arguments="{}"),
        event("response.output_item.done", output_index=3, item={**call, "arguments": "{}"}),
        event("response.new_kind", output_index=3, delta="?"),
        end(),
    ]
    made = joined(read(Reader(), b"".join(data)))
    assert made.content == (
        Thinking("th", "e", "", "rs_1", RESPONSES),
        Thinking("uv", format=RESPONSES),
        Text("ab"),
        ToolUse("x", "f", "{}"),
    )
    assert (made.refusal, made.stop) == ("no", "tool_calls")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (event("error", code="server_error", message="Over\nloaded", param=None), "Over loaded"),
        (event("error", error={"message": "x", "code": "y"}), "x"),
        (b'data: {"error":{"message":"x"}}\n\n', "x"),
        (event("error"), "an error without a message"),
        (end("failed", error={"code": "server_error", "message": "x"}), "x"),
        (end("failed"), "the response has failed"),
        (event("response.failed"), "the response has failed"),
    ],
)
def test_errors_inside_a_stream(data: bytes, words: str) -> None:
    assert read(Reader(), CREATED + text("a") + data + text("evil") + end()) == [*TEXT, Failed(words)]


def test_nothing_behind_the_end_is_read() -> None:
    assert read(Reader(), end() + text("evil") + b"data: [DONE]\n\n") == [Started(), Stopped("stop"), Ended()]


@pytest.mark.parametrize("short", [1, 2])
def test_an_end_that_lacks_its_blank_line(short: int) -> None:
    assert read(Reader(), text("a") + end()[:-short])[-1] == Ended()
    assert read(Reader(), text("a") + end()[:-3]) == TEXT, "cut off"


def test_the_name_of_an_event_does_not_matter() -> None:
    assert read(Reader(), text("a").replace(b"event: response.output_text.delta\n", b"")) == TEXT


IGNORED = [
    b": waiting\n\n",
    b"event: ping\n\n",
    b"data: {}\n\n",
    event("ping"),
    event("keepalive", sequence_number=1),
]


@given(st.lists(st.sampled_from(IGNORED), max_size=9))
@settings(deadline=None)
def test_what_says_nothing_is_passed_over(pieces: list[bytes]) -> None:
    assert read(Reader(), b"".join(pieces)) == []


@pytest.mark.parametrize(
    "data", [b"data: {\n\n", b"data: 5\n\n", b'data: {"type":5}\n\n', b"data: <html>\n\n"]
)
def test_what_is_no_event(data: bytes) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        Reader().feed(data)
