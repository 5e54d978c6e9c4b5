"""What official clients send and read fits; what no model takes does not."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openai.types.responses import Response

from tokenworks.api.schemas import responses


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"input": [{"role": "user", "content": "hi"}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
        {
            "input": [
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "42"},
                {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x"},
            ]
        },
        {
            "instructions": "be brief",
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
        },
        {
            "tools": [
                {"type": "function", "name": "f", "parameters": {}, "strict": True},
                {"type": "web_search"},
            ]
        },
        {"tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": False},
        {"reasoning": {"effort": "medium", "summary": "auto"}, "text": {"format": {"type": "text"}}},
        {"previous_response_id": "resp_1", "max_output_tokens": 16, "prompt_cache_key": "k"},
    ],
)
def test_requests_that_clients_send(more: dict[str, Any]) -> None:
    assert fits({"model": "m", "input": "hi", **more}, responses.RESPONSES_REQUEST)


@pytest.mark.parametrize(
    "more",
    [
        {"input": 5},
        {"input": [{"content": "hi"}]},
        {"input": ["hi"]},
        {"stream": "yes"},
        {"max_output_tokens": 0},
        {"tool_choice": "maybe"},
        {"truncation": "middle"},
    ],
)
def test_requests_that_no_model_takes(more: dict[str, Any]) -> None:
    assert not fits({"model": "m", "input": "hi", **more}, responses.RESPONSES_REQUEST)


def test_answers() -> None:
    text = {"type": "output_text", "text": "hi", "annotations": []}
    answer: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1.0,
        "status": "completed",
        "model": "acme/fast",
        "output": [
            {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "usage": {
            "input_tokens": 1,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 3,
        },
    }
    Response.model_validate(answer)
    assert fits(answer, responses.RESPONSES_ANSWER)
    assert fits({**answer, "usage": None, "status": "in_progress"}, responses.RESPONSES_ANSWER)
    for name in responses.RESPONSES_ANSWER["required"]:
        assert not fits({k: v for k, v in answer.items() if k != name}, responses.RESPONSES_ANSWER), name
