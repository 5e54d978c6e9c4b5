"""One request a path that says nearly everything that may be said there, whatever model it is for."""

from __future__ import annotations

import copy
from typing import Any

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
# The gateway's own fields, which every path takes.
ROUTING: dict[str, Any] = {
    "models": ["acme/chat"],
    "provider": {
        "order": ["chat"],
        "ignore": ["nobody"],
        "allow_fallbacks": True,
        "require_parameters": False,
        "data_collection": "allow",
        "zdr": False,
        "quantizations": None,
        "sort": {"by": "price", "partition": "none"},
        "max_price": {"prompt": "5", "completion": 5, "request": 1, "image": None},
        "preferred_min_throughput": {"p50": 1},
        "preferred_max_latency": 3,
    },
    "session_id": "s",
    "plugins": [],
    "route": "fallback",
    "transforms": [],
    "usage": {"include": True},
    "trace": {"a": 1},
}
CHAT: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "hi", "name": "ann"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "x"}, {"type": "refusal", "refusal": "no"}],
            "refusal": None,
            "audio": None,
            "annotations": [],
            "reasoning_content": "r",
            "reasoning_details": [
                {"type": "reasoning.summary", "summary": "s", "id": "rs_1", "format": "openai-responses-v1"},
                {"type": "reasoning.encrypted", "data": "d", "id": "rs_1", "format": "openai-responses-v1"},
                {"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-claude-v1"},
            ],
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "c2ln"}},
                },
                {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{broken"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "no"}]},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
                },
                {"type": "text", "text": "look", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            ],
        },
    ],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "description": "d", "strict": True, "schema": SCHEMA},
    },
    "reasoning": {"effort": "low", "max_tokens": None, "enabled": True, "exclude": False, "summary": "auto"},
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}},
        {"type": "function", "function": {"name": "g", "strict": None}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "max_tokens": 100,
    "temperature": 1.5,
    "n": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
    "presence_penalty": 0,
    "frequency_penalty": 0.0,
    "top_p": 0.9,
    "seed": 7,
    "verbosity": "low",
    "metadata": {"a": "b"},
    "store": False,
    "service_tier": "auto",
    "modalities": ["text"],
    "prompt_cache_key": "k",
    "user": "u",
    "stream_options": {"include_usage": True},
    "include_reasoning": True,
    "fallbacks": [{"model": "acme/responses"}],
    **ROUTING,
}
_CONVERSATION: dict[str, Any] = {
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tools": [
        {"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True, "type": "custom"},
        {"name": "g", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "url", "url": "https://images.example/a.png"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                    "title": "t",
                    "context": None,
                },
                {"type": "text", "text": "look", "citations": None},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "x"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "b"}},
                {"type": "tool_use", "id": "t2", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "ok", "is_error": False},
                {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "no"}]},
                {"type": "text", "text": "go on"},
            ],
        },
    ],
    **ROUTING,
}
MESSAGES: dict[str, Any] = {
    "max_tokens": 2048,
    "stop_sequences": [],
    "top_p": 0.5,
    "temperature": 1,
    "service_tier": "auto",
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    "metadata": {"user_id": "u"},
    "container": None,
    "mcp_servers": [],
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    **_CONVERSATION,
}
RESPONSES: dict[str, Any] = {
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "x"},
                {"type": "input_image", "image_url": "https://images.example/a.png", "detail": "low"},
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,AA==",
                },
            ],
        },
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "x", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "no"},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "t"}],
            "content": [{"type": "reasoning_text", "text": "t"}],
            "encrypted_content": "e",
        },
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "p", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "t"}]},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "t"},
        {"role": "developer", "content": "d"},
    ],
    "instructions": "i",
    "max_output_tokens": 100,
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {
        "format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True, "description": "d"},
        "verbosity": "low",
    },
    "tools": [
        {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True, "description": "d"},
        {"type": "custom", "name": "p", "description": "d"},
    ],
    "tool_choice": {"type": "function", "name": "f"},
    "parallel_tool_calls": False,
    "top_p": 0.5,
    "temperature": 0.5,
    "truncation": "disabled",
    "metadata": {"a": "b"},
    "include": ["reasoning.encrypted_content"],
    "store": True,
    "background": False,
    "service_tier": "auto",
    "user": "u",
    "previous_response_id": None,
    **ROUTING,
}
COMPLETIONS: dict[str, Any] = {
    "prompt": ["Once"],
    "suffix": None,
    "echo": False,
    "best_of": 1,
    "n": 1,
    "logprobs": None,
    "max_tokens": 5,
    "temperature": 1,
    "stop": None,
    "stream_options": {"include_usage": True},
    "user": "u",
    "seed": 1,
    **ROUTING,
}
EMBEDDINGS: dict[str, Any] = {
    "input": ["a", [1, 2]],
    "encoding_format": "float",
    "dimensions": 3,
    "user": "u",
    **ROUTING,
}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": _CONVERSATION,
    "/v1/embeddings": EMBEDDINGS,
}
STREAMED = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages")


def request_for(valid: dict[str, Any], name: str, path: str, stream: bool) -> dict[str, Any]:
    """A copy of ``valid`` for the model ``acme/NAME``, streamed where ``path`` can be."""
    body = {**copy.deepcopy(valid), "model": f"acme/{name}"}
    body.pop("stream", None)
    if path in STREAMED and stream:
        body["stream"] = True
    return body
