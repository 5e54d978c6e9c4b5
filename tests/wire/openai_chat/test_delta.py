"""What providers of chat completions send, in their dialects."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tokenworks.schema import Usage
from tokenworks.wire.openai_chat.delta import (
    Body,
    Choice,
    extra_content,
    stop_of,
    thought_signature,
    usage_of,
)
from tokenworks.wire.peek import raw

decode = msgspec.json.Decoder(Body).decode


def body(**fields: Any) -> Body:
    return decode(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("reason", "native", "called", "expected"),
    [
        ("stop", None, False, "stop"),
        ("stop", None, True, "tool_calls"),
        ("length", None, True, "length"),
        ("tool_calls", None, False, "tool_calls"),
        ("function_call", None, True, "tool_calls"),
        ("content_filter", None, False, "content_filter"),
        ("content_filter", "refusal", False, "refusal"),
        ("content_filter", "SAFETY", False, "content_filter"),
        ("stop", "end_turn", False, "stop"),
        ("model_length", None, False, "length"),
        ("eos", None, False, "stop"),
        ("eos", None, True, "tool_calls"),
        ("insufficient_system_resource", None, False, "insufficient_system_resource"),
        (None, None, False, ""),
    ],
)
def test_why_the_model_stopped(reason: str | None, native: str | None, called: bool, expected: str) -> None:
    assert stop_of(Choice(finish_reason=reason, native_finish_reason=native), called) == expected


SUM = {"prompt_tokens": 9, "completion_tokens": 2}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"usage": None, "choices": []}, None),
        ({"usage": SUM}, Usage(9, 0, 0, 2)),
        ({"choices": [{"usage": {**SUM, "cached_tokens": 8}}]}, Usage(1, 8, 0, 2)),
        ({"usage": SUM, "choices": [{"usage": {**SUM, "cached_tokens": 8}}]}, Usage(1, 8, 0, 2)),
        ({"usage": SUM, "choices": [{"usage": {"prompt_tokens": 5}}]}, Usage(9, 0, 0, 2)),
        ({"usage": "odd", "choices": [{"usage": None}, {"usage": SUM}]}, Usage(9, 0, 0, 2)),
        ({"usage": [], "choices": [{"usage": 5}]}, None),
    ],
)
def test_usage_wherever_it_stands(fields: dict[str, Any], expected: Usage | None) -> None:
    assert usage_of(body(**fields)) == expected


def test_errors() -> None:
    assert body().complaint is None
    assert body(error=None, choices=[]).complaint is None
    assert body(error={"message": "x"}).complaint == b'{"message": "x"}'
    assert body(error="x").complaint == b'"x"'
    assert body(object="error", message="no such model", code=404).complaint == b'"no such model"'
    assert body(object="chat.completion", message="x").complaint is None


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (None, ""),
        ({}, ""),
        ({"acme": {"thought_signature": "sig"}}, "sig"),
        ({"x": {"y": 1}, "acme": {"thought_signature": "sig", "z": []}}, "sig"),
        ({"acme": {"thought_signature": 5}}, ""),
        ({"thought_signature": "loose"}, ""),
        (["thought_signature"], ""),
        (extra_content("sig"), "sig"),
    ],
)
def test_signatures_of_calls(extra: Any, expected: str) -> None:
    assert thought_signature(raw(extra)) == expected


def test_what_a_dialect_leaves_out_or_adds() -> None:
    made = body(
        id=1,
        created=1.5,
        choices=[
            {
                "index": None,
                "delta": {
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "a"}]},
                        {"text": "b"},
                    ],
                    "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}, "x": 1}],
                    "reasoning_details": [{"text": "t"}, {"type": "reasoning.server_tool_call", "call": {}}],
                    "images": [{"image_url": "u"}, {"image_url": {"url": "v", "detail": "low"}}],
                    "audio": {"data": ""},
                },
                "logprobs": {"content": []},
            }
        ],
    )
    assert made.choices is not None
    delta = made.choices[0].delta
    assert delta is not None and delta.tool_calls is not None
    function = delta.tool_calls[0].function
    assert function is not None
    assert function.arguments == {"a": 1}
