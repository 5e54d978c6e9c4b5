"""Requests as well-known clients send them, one a wire, cut short."""

from __future__ import annotations

import json
from typing import Any

from tokenworks.wire.peek import Fields, peek

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}

# A coding agent of the messages wire amid its work: two calls at once, one of which failed.
AGENT_MESSAGES: dict[str, Any] = {
    "model": "acme/model",
    "max_tokens": 32000,
    "stream": True,
    "temperature": 1,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.177; cch=71fea;"},
        {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 16000},
    "metadata": {"user_id": "user_1"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "tools": [
        {"name": "Read", "description": "Reads a file", "input_schema": SCHEMA},
        {"name": "Stop", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
    ],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<system-reminder>Today</system-reminder>"},
                {"type": "text", "text": "Fix it"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Two files.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "b3BhcXVl"},
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a.py"}},
                {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": {"path": "b.png"}},
                {"type": "tool_use", "id": "toolu_3", "name": "Read", "input": {"path": "c"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "print(1)"},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "content": [
                        {"type": "text", "text": "b.png"},
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
                        },
                    ],
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_3",
                    "content": "no such file",
                    "is_error": True,
                    "cache_control": {"type": "ephemeral"},
                },
                {"type": "text", "text": "Go on"},
            ],
        },
    ],
}

# A coding agent of the responses wire: reasoning goes back and forth encrypted.
AGENT_RESPONSES: dict[str, Any] = {
    "model": "acme/model",
    "instructions": "You are an agent.",
    "stream": True,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "thread-1",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "reasoning": {"effort": "high", "summary": "auto"},
    "text": {"verbosity": "low"},
    "tools": [
        {"type": "function", "name": "shell", "description": "Runs", "strict": False, "parameters": SCHEMA},
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edits files",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: any"},
        },
    ],
    "input": [
        {
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "<permissions>all</permissions>"}],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Fix it"}]},
        {
            "type": "reasoning",
            "summary": [
                {"type": "summary_text", "text": "**Looking**"},
                {"type": "summary_text", "text": "**Reading**"},
            ],
            "content": None,
            "encrypted_content": "gAAAAB",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Let me look."}],
            "phase": "commentary",
        },
        {"type": "function_call", "name": "shell", "arguments": '{"path":"a"}', "call_id": "call_1"},
        {"type": "custom_tool_call", "name": "apply_patch", "input": '*** "a"', "call_id": "call_2"},
        {"type": "function_call_output", "call_id": "call_1", "output": "print(1)"},
        {
            "type": "custom_tool_call_output",
            "call_id": "call_2",
            "output": [
                {"type": "input_text", "text": "Done"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
            ],
        },
        {"role": "user", "content": "Go on"},
    ],
}

# A chat client with all kinds of content.
AGENT_CHAT: dict[str, Any] = {
    "model": "acme/model",
    "max_completion_tokens": 8000,
    "stream": True,
    "stream_options": {"include_usage": False},
    "reasoning_effort": "high",
    "temperature": 1.5,
    "stop": ["END"],
    "seed": 7,
    "user": "user_1",
    "session_id": "s-1",
    "provider": {"sort": "price"},
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "Weather",
                "parameters": SCHEMA,
                "strict": True,
            },
        }
    ],
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    "parallel_tool_calls": False,
    "messages": [
        {"role": "developer", "content": "You are brief."},
        {
            "role": "system",
            "content": [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}],
        },
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,/9j/", "detail": "high"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "auto"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning": "Two towns.",
            "reasoning_details": [
                {
                    "type": "reasoning.text",
                    "text": "Two towns.",
                    "signature": "c2ln",
                    "format": "anthropic-claude-v1",
                    "index": 0,
                }
            ],
            "tool_calls": [
                {
                    "id": "functions.get_weather:0",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"path": "Paris"}'},
                },
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": "{broken"},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "functions.get_weather:0", "content": "Sun"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "Rain"}]},
        {"role": "system", "content": "Answer in French."},
        {"role": "user", "content": "And?"},
    ],
}


def fields_of(body: dict[str, Any], **changes: Any) -> Fields:
    """The undecoded top level of ``body`` with ``changes``, of which None takes a field out."""
    whole = {key: value for key, value in {**body, **changes}.items() if value is not None}
    return peek(json.dumps(whole).encode())
