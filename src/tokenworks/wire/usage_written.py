"""Usage as each wire tells it, without the cost (see ``costs``)."""

from __future__ import annotations

from typing import Any

from tokenworks.schema import Usage


def chat_usage(usage: Usage) -> dict[str, Any]:
    """``usage`` of a chat completion."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": _input_details(usage),
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def responses_usage(usage: Usage) -> dict[str, Any]:
    """``usage`` of a response."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": _input_details(usage),
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def messages_usage(usage: Usage) -> dict[str, Any]:
    """``usage`` of a message, whose input leaves out what the cache saw."""
    return {
        "input_tokens": usage.uncached_input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": None,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "inference_geo": None,
        "server_tool_use": None,
        "service_tier": None,
    }


def _input_details(usage: Usage) -> dict[str, int]:
    return {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": usage.cache_write_tokens}
