"""Whole messages, read of providers and written for callers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_answers import scripted_whole, telling, whole

from tokenworks.providers.scripted import Reply, Tokens, ToolCall
from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer
from tokenworks.wire.anthropic_messages.answer import ending, read, write
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import MESSAGES, RESPONSES


def test_what_the_scripted_provider_says() -> None:
    reply = Reply(
        text="Look.",
        reasoning="Hm.",
        signature="sig",
        redacted_reasoning="opaque",
        tool_calls=(ToolCall("f", '{"a": 1}', "x"), ToolCall("g", "", "y")),
        usage=Tokens(input_tokens=100, cache_read_tokens=60, cache_write_tokens=10, output_tokens=40),
    )
    made = read(scripted_whole("anthropic_messages", reply))
    assert made == Answer(
        (
            Thinking("Hm.", "sig", format=MESSAGES),
            Thinking(redacted="opaque", format=MESSAGES),
            Text("Look."),
            ToolUse("x", "f", '{"a":1}'),
            ToolUse("y", "g", "{}"),
        ),
        "tool_calls",
        Usage(30, 60, 10, 40, 1),
    )


def body(*content: dict[str, Any], reason: str = "end_turn", **fields: Any) -> bytes:
    return json.dumps({"type": "message", "content": content, "stop_reason": reason, **fields}).encode()


def test_what_only_this_wire_has() -> None:
    blocks = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "x"}]},
        {"type": "text", "text": "a", "citations": [{"type": "char_location"}]},
        {"type": "text", "text": ""},
    ]
    assert read(body(*blocks)) == Answer((Text("a"),), "stop")
    assert read(body(reason="stop_sequence", stop_sequence="END")) == Answer((), "stop", stop_sequence="END")
    details = {"type": "refusal", "category": "bio", "explanation": "Harm."}
    assert read(body(reason="refusal", stop_details=details)) == Answer((), "refusal", refusal="Harm.")
    assert read(body(reason="pause_turn")).stop == "pause_turn"
    assert read(b'{"content":[]}') == Answer((), "")


NO_ANSWERS = {
    b"": "can't be read",
    b"[]": "can't be read",
    b"{}": "without 'content'",
    b'{"content":"text"}': "can't be read",
    b'{"type":"error","error":{"type":"overloaded_error","message":"Over\\nloaded"}}': r"^Over loaded$",
}


@pytest.mark.parametrize(("data", "words"), NO_ANSWERS.items(), ids=range(len(NO_ANSWERS)))
def test_what_is_no_answer(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(data)


FULL = Answer(
    (
        Thinking("t", "sig", format=MESSAGES),
        Thinking("s", "enc", "", "rs_1", RESPONSES),
        Thinking(redacted="opaque", format=MESSAGES),
        Text("a"),
        ToolUse("x", "f", '{"a": [1, 1.50]}', "signed"),
        ToolUse("y", "g", "not json"),
        Image(media_type="image/png", data="aa"),
    ),
    "tool_calls",
    refusal="no",
)


def test_a_whole_answer() -> None:
    data = write(FULL, telling(extra={"x": raw([1])}), Usage(10, 5, 2, 7, 3), 29_000)
    assert b'"input":{"a": [1, 1.50]}' in data
    made = whole("anthropic_messages", data)
    usage = made.pop("usage")
    direct = {"type": "direct"}
    assert made == {
        "id": "gen-1",
        "type": "message",
        "role": "assistant",
        "model": "acme/fast",
        "provider": "acme",
        "container": None,
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "sig"},
            {"type": "thinking", "thinking": "s", "signature": f"{RESPONSES}:enc"},
            {"type": "redacted_thinking", "data": "opaque"},
            {"type": "text", "text": "a", "citations": None},
            {"type": "tool_use", "id": "x", "name": "f", "caller": direct, "input": {"a": [1, 1.5]}},
            {"type": "tool_use", "id": "y", "name": "g", "caller": direct, "input": {"_raw": "not json"}},
            {"type": "text", "text": "![image](data:image/png;base64,aa)", "citations": None},
            {"type": "text", "text": "no", "citations": None},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "stop_details": None,
        "x": [1],
    }
    assert (usage["input_tokens"], usage["output_tokens"], usage["cost"]) == (10, 7, 2.9e-05)


def test_reasoning_is_left_out() -> None:
    made = whole("anthropic_messages", write(FULL, telling(exclude_reasoning=True), Usage(), 0))
    assert [block["type"] for block in made["content"]] == ["text", "tool_use", "tool_use", "text", "text"]


@pytest.mark.parametrize(
    ("stop", "sequence", "refused", "reason"),
    [
        ("stop", "", False, "end_turn"),
        ("stop", "END", False, "stop_sequence"),
        ("stop", "", True, "refusal"),
        ("length", "", True, "max_tokens"),
        ("tool_calls", "", False, "tool_use"),
        ("content_filter", "", False, "refusal"),
        ("refusal", "", False, "refusal"),
        ("pause_turn", "", False, "pause_turn"),
        ("odd", "", False, "end_turn"),
        ("", "", False, "end_turn"),
    ],
)
def test_how_it_ended(stop: str, sequence: str, refused: bool, reason: str) -> None:
    made = ending(stop, sequence, refused)
    assert (made["stop_reason"], made["stop_sequence"]) == (reason, sequence or None)
    assert (made["stop_details"] is not None) == (reason == "refusal")
