"""Whole responses, read of providers and written for callers."""

from __future__ import annotations

from typing import Any

import pytest
from wire_answers import scripted_whole, telling, whole

from tokenworks.providers.scripted import Reply, Tokens, ToolCall
from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.openai_responses.answer import read, reasoning_id, write
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import MESSAGES, RESPONSES


def test_what_the_scripted_provider_says() -> None:
    reply = Reply(
        text="Look.",
        reasoning="Hm.",
        signature="enc",
        refusal="no",
        tool_calls=(ToolCall("f", '{"a": 1}', "x"), ToolCall("g", "", "y")),
        usage=Tokens(input_tokens=100, cache_read_tokens=60, cache_write_tokens=10, output_tokens=40),
    )
    made = read(scripted_whole("openai_responses", reply))
    thought = made.content[0]
    assert isinstance(thought, Thinking)
    assert thought.id.startswith("rs_")
    assert (thought.text, thought.signature, thought.format) == ("Hm.", "enc", RESPONSES)
    assert made.content[1:] == (Text("Look."), ToolUse("x", "f", '{"a": 1}'), ToolUse("y", "g", "{}"))
    assert (made.refusal, made.stop, made.usage) == ("no", "tool_calls", Usage(30, 60, 10, 40, 1))
    assert made.created > 1_700_000_000


@pytest.mark.parametrize(("finish", "stop"), [("length", "length"), ("content_filter", "content_filter")])
def test_an_incomplete_answer(finish: str, stop: str) -> None:
    assert read(scripted_whole("openai_responses", Reply(text="a", finish=finish))).stop == stop


NO_ANSWERS = {
    b"": "can't be read",
    b"[]": "can't be read",
    b"{}": "without 'output'",
    b'{"error":{"message":"over\\n quota"}}': r"^over quota$",
    b'{"output":[],"status":"failed","error":{"code":"server_error","message":"x"}}': r"^x$",
    b'{"output":[],"status":"failed"}': "has failed",
}


@pytest.mark.parametrize(("data", "words"), NO_ANSWERS.items(), ids=range(len(NO_ANSWERS)))
def test_what_is_no_answer(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(data)


FULL = Answer(
    (
        Thinking("t", "sig", format=MESSAGES),
        Thinking("", "", "enc", "rs_1", RESPONSES),
        Text("a"),
        ToolUse("x", "f", "not json", "signed"),
        ToolUse("y", "patch", '{"input":"+a\\n"}'),
        Image(media_type="image/png", data="aa"),
        Image(url="https://b"),
    ),
    "tool_calls",
    refusal="no",
    created=1600,
)
CUSTOM = {
    "tools": raw([{"type": "custom", "name": "patch"}, {"type": "function", "name": "f", "parameters": {}}])
}


def test_a_whole_answer() -> None:
    data = write(FULL, telling(extra={"x": raw([1])}, asked=CUSTOM), Usage(10, 5, 2, 7, 3), 29_000)
    made = whole("openai_responses", data)
    assert (made["id"], made["object"], made["created_at"], made["status"]) == (
        "gen-1",
        "response",
        1600,
        "completed",
    )
    assert (made["model"], made["provider"], made["x"]) == ("acme/fast", "acme", [1])
    assert (made["usage"]["input_tokens"], made["usage"]["total_tokens"], made["usage"]["cost"]) == (
        17,
        24,
        2.9e-05,
    )
    text = {"type": "output_text", "annotations": [], "logprobs": []}
    message = {"type": "message", "status": "completed", "role": "assistant"}
    assert made["output"] == [
        {
            "id": "rs_1000",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "t"}],
            "encrypted_content": f"{MESSAGES}:sig",
            "status": "completed",
        },
        {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "enc", "status": "completed"},
        {**message, "id": "msg_1002", "content": [{**text, "text": "a"}]},
        {
            "id": "fc_1003",
            "type": "function_call",
            "status": "completed",
            "call_id": "x",
            "name": "f",
            "arguments": "not json",
        },
        {
            "id": "ctc_1004",
            "type": "custom_tool_call",
            "status": "completed",
            "call_id": "y",
            "name": "patch",
            "input": "+a\n",
        },
        {
            "id": "ig_1005",
            "type": "image_generation_call",
            "status": "completed",
            "result": "aa",
            "output_format": "png",
        },
        {**message, "id": "msg_1006", "content": [{**text, "text": "![image](https://b)"}]},
        {**message, "id": "msg_1007", "content": [{"type": "refusal", "refusal": "no"}]},
    ]


def output(answer: Answer, **fields: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = whole("openai_responses", write(answer, telling(**fields), Usage(), 0))[
        "output"
    ]
    return made


def test_items() -> None:
    assert [item["type"] for item in output(FULL, exclude_reasoning=True)][:2] == ["message", "function_call"]
    assert output(Answer((), "stop")) == []
    cut_off = output(Answer((Text("a"), Text("b")), "length"))
    assert [item["status"] for item in cut_off] == ["completed", "incomplete"]
    assert output(Answer((Image(media_type="image/png", data="a"),), "length"))[0]["status"] == "completed"


def test_ids_of_reasoning() -> None:
    assert reasoning_id("rs_1", "gen-2", 3) == "rs_1"
    assert reasoning_id("reasoning-text-1", "gen-2", 3) == reasoning_id("", "gen-2", 3) == "rs_2003"
