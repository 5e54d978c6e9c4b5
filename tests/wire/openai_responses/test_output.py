"""What providers of responses send."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.openai_responses.output import Item, Response, blocks_of, refusal_of
from tokenworks.wire.signature import RESPONSES


def item(**fields: Any) -> Item:
    return msgspec.json.decode(json.dumps(fields), type=Item)


def response(**fields: Any) -> Response:
    return msgspec.json.decode(json.dumps(fields), type=Response)


def parts(*texts: str, kind: str = "summary_text") -> list[dict[str, Any]]:
    return [{"type": kind, "text": text} for text in texts]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "message", "content": [*parts("a", "", "b", kind="output_text")]}, [Text("a"), Text("b")]),
        ({"type": "message", "content": None}, []),
        (
            {"type": "function_call", "call_id": "x", "name": "f", "arguments": "{}"},
            [ToolUse("x", "f", "{}")],
        ),
        ({"type": "function_call", "id": "x", "name": "f", "arguments": ""}, [ToolUse("x", "f", "{}")]),
        (
            {"type": "function_call", "call_id": "x", "name": "f", "arguments": {"a": 1}},
            [ToolUse("x", "f", '{"a":1}')],
        ),
        (
            {"type": "reasoning", "id": "rs_1", "summary": parts("a", "b"), "encrypted_content": "e"},
            [Thinking("a\n\nb", "e", "", "rs_1", RESPONSES)],
        ),
        (
            {"type": "reasoning", "summary": parts("s"), "content": parts("t", kind="reasoning_text")},
            [Thinking("t", format=RESPONSES)],
        ),
        (
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"},
            [Thinking("", "", "e", "rs_1", RESPONSES)],
        ),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, []),
        ({"type": "image_generation_call", "result": "aa"}, [Image(media_type="image/png", data="aa")]),
        (
            {"type": "image_generation_call", "result": "aa", "output_format": "webp"},
            [Image(media_type="image/webp", data="aa")],
        ),
        ({"type": "image_generation_call", "result": None}, []),
        ({"type": "web_search_call", "id": "ws", "action": {"type": "search"}}, []),
        ({"type": "mcp_call", "arguments": "{}", "output": "x"}, []),
    ],
)
def test_blocks_of_an_item(fields: dict[str, Any], expected: list[Any]) -> None:
    assert blocks_of(item(**fields)) == expected


def test_refusals() -> None:
    content = [
        {"type": "refusal", "refusal": "n"},
        *parts("a", kind="output_text"),
        {"type": "refusal", "refusal": "o"},
    ]
    assert refusal_of(item(type="message", content=content)) == "no"
    assert refusal_of(item(type="reasoning")) == ""


@pytest.mark.parametrize(
    ("fields", "called", "stop"),
    [
        ({"status": "completed"}, False, "stop"),
        ({"status": "completed"}, True, "tool_calls"),
        ({}, False, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, True, "length"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            False,
            "content_filter",
        ),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, False, "steered"),
        ({"status": "incomplete", "incomplete_details": None}, False, "length"),
        ({"status": "incomplete", "incomplete_details": {}}, False, "length"),
    ],
)
def test_why_the_model_stopped(fields: dict[str, Any], called: bool, stop: str) -> None:
    assert response(**fields).stop(called) == stop


def test_complaints() -> None:
    assert response(error=None).complaint == ""
    assert response(error={"code": "server_error", "message": "a\nb"}).complaint == "a b"
    assert response(status="failed").complaint == "the response has failed"
    assert response(status="failed", error={"message": "x"}).complaint == "x"
