"""Events as a stream that every client of responses reads."""

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
from tokenworks.wire.conversation import Image
from tokenworks.wire.openai_responses.stream_writer import Writer
from tokenworks.wire.peek import raw

USAGE = UsageTold(Usage(10, 5, 2, 7, 3))


def made(*events: Event, **fields: Any) -> list[dict[str, Any]]:
    """The events of a stream, in which the last response has the items that were told before."""
    found = events_of("openai_responses", Writer(telling(**fields)).write([*events, Ended()]))
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    done = {e["output_index"]: e["item"] for e in found if e["type"] == "response.output_item.done"}
    output = found[-1]["response"]["output"]
    assert [done[index] for index in sorted(done)] == output
    assert sorted(done) == list(range(len(output)))
    return found


def kinds(*events: Event, **fields: Any) -> list[str]:
    return [event["type"].removeprefix("response.") for event in made(*events, **fields)]


def test_a_stream() -> None:
    assert kinds(Started(), TextPiece(0, "a"), TextPiece(0, "b"), Stopped("stop"), USAGE) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def items(*events: Event, **fields: Any) -> list[str]:
    """What of the items happens, in order."""
    told = []
    for event in made(*events, **fields):
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            told.append(f"+{event['output_index']}")
        elif kind == "output_item.done":
            told.append(f"-{event['output_index']}")
    return told


def test_items_end_when_the_next_one_begins() -> None:
    text, call = TextPiece(0, "a"), ToolPiece(1, "{}", "x", "f")
    assert items(text, call) == ["+0", "-0", "+1", "-1"]
    assert items(text, BlockEnd(0), call, BlockEnd(1)) == ["+0", "-0", "+1", "-1"]
    assert items(ThinkingPiece(0, "t"), TextPiece(1, "a")) == ["+0", "-0", "+1", "-1"]
    assert items(call, ToolPiece(2, "{}", "y", "g"), ToolPiece(1, " ")) == ["+0", "+1", "-0", "-1"]
    assert items(call, BlockEnd(1), BlockEnd(1), ToolPiece(2, "{}", "y", "g")) == ["+0", "-0", "+1", "-1"]
    assert items(call, TextPiece(2, "a"), ToolPiece(1, " ")) == ["+0", "+1", "-0", "-1"]


def test_what_comes_behind_the_end_of_a_block_is_a_new_one() -> None:
    late = TextPiece(0, "b")
    assert items(TextPiece(0, "a"), BlockEnd(0), late) == ["+0", "-0", "+1", "-1"]
    assert items(TextPiece(0, "a"), ThinkingPiece(1, "t"), late) == ["+0", "-0", "+1", "-1", "+2", "-2"]


def test_refusals_and_pictures() -> None:
    found = made(
        TextPiece(0, "a"),
        ImagePiece(1, Image(media_type="image/png", data="aa")),
        ImagePiece(2, Image(url="https://b")),
        RefusalPiece(3, "no"),
        Stopped("stop"),
    )
    text, picture, address, refusal = found[-1]["response"]["output"]
    assert text["content"][0]["text"] == "a"
    assert picture["result"] == "aa"
    assert address["content"][0]["text"] == "![image](https://b)"
    assert refusal["content"][0]["refusal"] == "no"
    assert found[-1]["response"]["status"] == "completed"


def test_reasoning() -> None:
    thoughts = [ThinkingPiece(0, "t", id="rs_9"), BlockEnd(0), ThinkingPiece(1, redacted="d"), BlockEnd(1)]
    output = made(*thoughts, TextPiece(2, "a"))[-1]["response"]["output"]
    assert [item["id"] for item in output] == ["rs_9", "rs_1001", "msg_1002"]
    output = made(*thoughts, TextPiece(2, "a"), exclude_reasoning=True)[-1]["response"]["output"]
    assert [item["id"] for item in output] == ["msg_1000"]


def test_tools_of_free_text() -> None:
    asked = {"tools": raw([{"type": "custom", "name": "patch"}])}
    pieces = [ToolPiece(0, '{"input":', "x", "patch"), ToolPiece(1, "{}", "y", "f"), ToolPiece(0, '"a"}')]
    free, plain = made(*pieces, asked=asked)[-1]["response"]["output"]
    assert (free["type"], free["input"], plain["type"]) == ("custom_tool_call", "a", "function_call")


@pytest.mark.parametrize(
    ("stop", "kind", "statuses"),
    [
        ("stop", "completed", ["completed", "completed"]),
        ("odd", "completed", ["completed", "completed"]),
        ("length", "incomplete", ["completed", "incomplete"]),
        ("content_filter", "incomplete", ["completed", "incomplete"]),
        ("refusal", "incomplete", ["completed", "incomplete"]),
    ],
)
@pytest.mark.parametrize("ended", [False, True])
def test_an_answer_that_is_cut_off(stop: str, kind: str, statuses: list[str], ended: bool) -> None:
    ends: list[Event] = [BlockEnd(1)] if ended else []
    found = made(TextPiece(0, "a"), BlockEnd(0), TextPiece(1, "b"), *ends, Stopped(stop), Stopped("stop"))
    assert found[-1]["type"] == f"response.{kind}"
    assert [item["status"] for item in found[-1]["response"]["output"]] == statuses


def test_the_usage_is_told_with_the_end() -> None:
    found = made(UsageTold(Usage(1)), Started(), Stopped("stop"), USAGE, extra={"x": raw([1])})
    assert not any("usage" in event["response"] for event in found[:2])
    assert "x" not in found[0]["response"]
    last = found[-1]["response"]
    assert last["x"] == [1]
    assert (last["usage"]["input_tokens"], last["usage"]["cost"]) == (17, 2.9e-05)
    assert "usage" not in made(Started())[-1]["response"]


def test_what_was_asked_is_repeated_in_every_response() -> None:
    found = made(Started(), asked={"instructions": raw("be kind"), "temperature": raw(0.5)})
    told = [(event["response"]["instructions"], event["response"]["temperature"]) for event in found]
    assert told == [("be kind", 0.5)] * 3


def test_nothing_is_written_before_the_answer_begins() -> None:
    assert Writer(telling()).write([USAGE, Failed("x")]) == b""


def test_ends() -> None:
    writer = Writer(telling())
    out = writer.write([TextPiece(0, "a"), Stopped("length")])
    assert b"output_item.done" not in out
    assert events_of("openai_responses", out + writer.close())[-1]["type"] == "response.incomplete"
    assert writer.close() == writer.write([TextPiece(0, "evil"), Ended()]) == b""


@pytest.mark.parametrize("begun", [False, True])
def test_a_failure(begun: bool) -> None:
    writer = Writer(telling())
    before = [TextPiece(0, "a"), BlockEnd(0), ThinkingPiece(1, "t"), Failed("evil")]
    out = writer.write(before if begun else []) + writer.failure("broken", 429, "x")
    found = events_of("openai_responses", out)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert [event["type"] for event in (*found[:2], found[-1])] == [
        "response.created",
        "response.in_progress",
        "response.failed",
    ]
    response = found[-1]["response"]
    assert (response["status"], response["error"]) == (
        "failed",
        {"code": "rate_limit_exceeded", "message": "broken"},
    )
    assert len(response["output"]) == int(begun), "what was finished"
    assert b"evil" not in out
    assert writer.close() == b""
