"""What official clients send and read fits; what no model takes does not."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openai.types import Completion
from openai.types.chat import ChatCompletion

from tokenworks.api.schemas import chat

USER = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 1e-6}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"temperature": 0, "top_p": 1, "n": 2, "stop": ["a"], "seed": -1, "user": None},
        {"messages": [{"role": "system", "content": [{"type": "text", "text": "x"}]}, USER]},
        {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}]},
        {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "42"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
        {"tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}]},
        {"tool_choice": "auto"},
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
        {"reasoning": {"effort": "high"}, "reasoning_effort": "low", "max_completion_tokens": 5},
        {"provider": {"order": ["acme"]}, "models": ["a/b"], "unheard_of": {"x": 1}},
    ],
)
def test_requests_that_clients_send(more: dict[str, Any]) -> None:
    assert fits({"model": "m", "messages": [USER], **more}, chat.CHAT_REQUEST)


@pytest.mark.parametrize(
    "more",
    [
        {"messages": []},
        {"messages": "hi"},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"model": ""},
        {"model": 1},
        {"stream": "yes"},
        {"temperature": 3},
        {"max_tokens": 0},
        {"tools": {}},
        {"tool_choice": "maybe"},
    ],
)
def test_requests_that_no_model_takes(more: dict[str, Any]) -> None:
    assert not fits({"model": "m", "messages": [USER], **more}, chat.CHAT_REQUEST)


def test_answers() -> None:
    answer = {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 1,
        "model": "acme/fast",
        "provider": "acme",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "system_fingerprint": None,
        "usage": USAGE,
    }
    ChatCompletion.model_validate(answer, strict=True)
    assert fits(answer, chat.CHAT_ANSWER)
    for name in chat.CHAT_ANSWER["required"]:
        assert not fits({k: v for k, v in answer.items() if k != name}, chat.CHAT_ANSWER), name


@pytest.mark.parametrize("prompt", ["once", ["once", "upon"], [1, 2], [[1], [2, 3]]])
def test_completions(prompt: Any) -> None:
    assert fits({"model": "m", "prompt": prompt, "max_tokens": 0, "echo": True}, chat.COMPLETIONS_REQUEST)
    assert not fits({"model": "m", "prompt": {"text": "x"}}, chat.COMPLETIONS_REQUEST)
    assert not fits({"model": "m"}, chat.COMPLETIONS_REQUEST)


def test_answers_of_completions() -> None:
    answer = {
        "id": "gen-1",
        "object": "text_completion",
        "created": 1,
        "model": "acme/fast",
        "choices": [{"index": 0, "text": "hi", "finish_reason": "stop", "logprobs": None}],
        "usage": USAGE,
    }
    Completion.model_validate(answer, strict=True)
    assert fits(answer, chat.COMPLETIONS_ANSWER)
    assert not fits({**answer, "choices": [{"index": 0}]}, chat.COMPLETIONS_ANSWER)
