"""Usage in the fields each provider has for it. ``Usage`` keeps the classes disjoint; most wires do not."""

from __future__ import annotations

from typing import Any

from tokenworks.providers.scripted.reply import Reply
from tokenworks.schema import Usage

NO_USAGE = Usage()


def chat_usage(usage: Usage, reply: Reply) -> dict[str, Any] | None:
    """The ``usage`` object of openai_chat in the reply's style; None for "none".

    Sources of the dialects: the providers' API references (deepseek: ``prompt_cache_hit_tokens``;
    moonshot: ``cached_tokens`` beside the sums; anthropic: names kept by gateways that translate;
    xai: reasoning counted beside the completion).
    """
    if reply.usage_raw is not None:
        return reply.usage_raw
    style = reply.usage_style
    if style == "none":
        return None
    beside = usage.reasoning_tokens if style == "xai" else 0
    told: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens - beside,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if style == "deepseek":
        told["prompt_cache_hit_tokens"] = usage.cache_read_tokens
        told["prompt_cache_miss_tokens"] = usage.input_tokens - usage.cache_read_tokens
    elif style == "moonshot":
        told["cached_tokens"] = usage.cache_read_tokens
    elif style == "anthropic":
        told["cache_read_input_tokens"] = usage.cache_read_tokens
        told["cache_creation_input_tokens"] = usage.cache_write_tokens
    else:
        told["prompt_tokens_details"] = _prompt_details(usage)
    told["completion_tokens_details"] = {
        "reasoning_tokens": usage.reasoning_tokens,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    return told


def responses_usage(usage: Usage, reply: Reply) -> dict[str, Any] | None:
    """The ``usage`` object of openai_responses; None for the style "none"."""
    if reply.usage_raw is not None:
        return reply.usage_raw
    if reply.usage_style == "none":
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def messages_usage(usage: Usage, reply: Reply) -> dict[str, Any] | None:
    """The ``usage`` object of anthropic_messages, whose input excludes what the cache saw."""
    if reply.usage_raw is not None:
        return reply.usage_raw
    if reply.usage_style == "none":
        return None
    hour = min(reply.usage.cache_write_1h_tokens, usage.cache_write_tokens)
    return {
        "input_tokens": usage.uncached_input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - hour,
            "ephemeral_1h_input_tokens": hour,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "service_tier": "standard",
    }


def _prompt_details(usage: Usage) -> dict[str, int]:
    details = {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0}
    if usage.cache_write_tokens:
        details["cache_write_tokens"] = usage.cache_write_tokens
    return details
