"""Behaviours in which a provider departs from its wire: the words that ``quirks`` in a preset may use.

Each is read where it is dealt with; a quirk that nothing reads yet is still worth recording. They belong
to a provider, or to one of its offers alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenworks.config.check import nearest

QUIRKS = {
    "adaptive_thinking_only": "thinking.type=enabled is refused by the newest models: adaptive plus effort",
    "cache_marks": "cache_control on content parts and tools is understood",
    "cached_tokens_in_choices": "streams state cached tokens in choices[].usage.cached_tokens",
    "cached_tokens_top_level": "cached tokens stand in usage.cached_tokens",
    "echo_reasoning_content": "after tool calls, reasoning_content must be sent back or the call is refused",
    "echo_thought_signatures": "thought signatures must be sent back as they came",
    "enable_thinking_flag": "thinking is switched by enable_thinking and thinking_budget",
    "explicit_cache_write": "marked cache writes are billed at 125 %, their hits at 10 % of input",
    "implicit_cache_hit": "unmarked cache hits are billed at 20 % of input",
    "inline_think_tags": "reasoning stands in the text as <think> unless reasoning_split is set",
    "input_excludes_cache": "input_tokens leaves out cache reads and writes",
    "max_completion_tokens": "the output cap is called max_completion_tokens",
    "no_forced_tools": "a tool_choice that forces a call is refused",
    "no_models_list": "GET /models is not offered",
    "no_reasoning_control": "reasoning can't be asked for: effort and switches are refused",
    "official_fields": "knows user, metadata, service_tier, verbosity, prompt_cache_key, safety_identifier",
    "pin_session": "opaque reasoning breaks when key or route changes within a session",
    "prefer_anthropic_wire": "tool use works better at the anthropic_messages base",
    "preserve_thinking_flag": "thinking.clear_thinking=false keeps earlier reasoning",
    "prompt_cache_hit_tokens": "cached tokens stand in usage.prompt_cache_hit_tokens",
    "reasoning_object": "takes the aggregators' reasoning object: effort, max_tokens, enabled, exclude",
    "replay_full_assistant": "assistant messages must be sent back whole, reasoning_details included",
    "sampling_ignored_while_thinking": "temperature and the like have no effect while thinking",
    "sampling_refused": "temperature, top_p and the like are refused unless they say the default",
    "takes_top_k": "top_k is understood beside top_p",
    "thinking_always_on": "thinking can't be switched off",
    "thinking_by_default": "thinking is on unless switched off",
    "tool_stream_flag": "tool arguments stream only with tool_stream=true",
    "usage_cumulative": "usage comes in message_start and cumulatively in message_delta",
    "usage_final_chunk": "usage comes in a last chunk without choices, lost when the stream is cut",
}


def unknown_quirk(words: Iterable[str]) -> str | None:
    """A complaint about the first of ``words`` that is no quirk, with the one it is nearest to."""
    for word in words:
        if word not in QUIRKS:
            near = nearest(word, QUIRKS)
            return f"unknown quirk {word!r}; " + (
                f"did you mean {near!r}?" if near else "see docs/catalog.md"
            )
    return None
