"""What official clients send and read fits; what no model takes does not."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message, MessageTokensCount
from jsonschema import Draft202012Validator

from tokenworks.api.schemas import messages

USER = {"role": "user", "content": "hi"}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"system": "be brief", "stream": True, "stop_sequences": ["x"], "temperature": 0.5},
        {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]}
            ]
        },
        {"tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]},
        {"tool_choice": {"type": "tool", "name": "f"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "metadata": {"user_id": "u"}},
        {"context_management": {"edits": []}},
    ],
)
def test_requests_that_clients_send(more: dict[str, Any]) -> None:
    asked = {"model": "m", "messages": [USER], **more}
    assert fits({"max_tokens": 10, **asked}, messages.MESSAGES_REQUEST)
    assert fits(asked, messages.COUNT_REQUEST)


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": None},
        {"max_tokens": 0},
        {"messages": []},
        {"messages": [{"role": "system", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
        {"temperature": 1.5},
        {"system": 5},
        {"tool_choice": "auto"},
    ],
)
def test_requests_that_no_model_takes(more: dict[str, Any]) -> None:
    asked = {"model": "m", "messages": [USER], "max_tokens": 10}
    assert not fits({**asked, **more}, messages.MESSAGES_REQUEST)
    assert not fits({"model": "m", "messages": [USER]}, messages.MESSAGES_REQUEST)


def test_answers() -> None:
    answer = {
        "id": "gen-1",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "hi"}],
        "model": "acme/fast",
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": None},
    }
    Message.model_validate(answer)
    assert fits(answer, messages.MESSAGES_ANSWER)
    for name in messages.MESSAGES_ANSWER["required"]:
        assert not fits({k: v for k, v in answer.items() if k != name}, messages.MESSAGES_ANSWER), name


def test_counts_and_errors() -> None:
    MessageTokensCount.model_validate({"input_tokens": 3})
    assert fits({"input_tokens": 3}, messages.COUNT_ANSWER)
    assert not fits({"input_tokens": -1}, messages.COUNT_ANSWER)
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "later"}, "request_id": "r"}
    assert fits(error, messages.MESSAGES_ERROR)
    assert not fits(error["error"], messages.MESSAGES_ERROR)
