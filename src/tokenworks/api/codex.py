"""The list of models as the Codex client reads it, which refuses all of it if one row lacks a field."""

from __future__ import annotations

from typing import Any

from tokenworks.api.model_card import parameters
from tokenworks.schema import Endpoint, Model

# The client takes a model's own instructions instead of its built-in ones, so they must not be empty.
INSTRUCTIONS = """\
You are a coding agent. You work in the user's repository through the tools that you are given.
- Read the code that a task touches before you change it, and follow its style.
- Make the smallest change that does the whole task; leave unrelated code alone.
- Use the tools to look and to test instead of guessing; run the checks that the repository has.
- Go on until the task is done. Ask only when you can't find out, or before anything that can't be undone.
- Say at the end, briefly, what you changed, what you checked and what is left.
"""
EFFORTS = {"low": "Quick answers", "medium": "Balanced", "high": "Thorough"}
_INPUTS = ("text", "image")  # all that every version of the client knows
MAX_TOOL_OUTPUT = 10_000  # bytes of one tool call's output that the client keeps


def entry(model: Model, endpoints: tuple[Endpoint, ...], priority: int) -> dict[str, Any]:
    """``model`` with the fields that any version of the client requires; the lowest ``priority`` is first."""
    known = set(parameters(model, endpoints))
    thinks = bool(known & {"reasoning", "reasoning_effort"})
    context = max(endpoint.context_length for endpoint in endpoints)
    return {
        "slug": model.id,
        "display_name": model.name,
        "description": f"{model.name} by {model.author}",
        "default_reasoning_level": "medium" if thinks else None,
        "supported_reasoning_levels": [
            {"effort": effort, "description": text} for effort, text in EFFORTS.items() if thinks
        ],
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "additional_speed_tiers": [],
        "service_tiers": [],
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": INSTRUCTIONS,
        "model_messages": None,
        "include_skills_usage_instructions": True,
        "supports_reasoning_summaries": thinks,
        "supports_reasoning_summary_parameter": thinks,
        "default_reasoning_summary": "auto" if thinks else "none",
        "support_verbosity": "verbosity" in known,
        "default_verbosity": None,
        "apply_patch_tool_type": None,
        "web_search_tool_type": "text",
        "truncation_policy": {"mode": "bytes", "limit": MAX_TOOL_OUTPUT},
        "supports_parallel_tool_calls": "parallel_tool_calls" in known,
        "supports_image_detail_original": False,
        "context_window": context,
        "max_context_window": context,
        "auto_compact_token_limit": None,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": [each for each in _INPUTS if each in model.input_modalities] or ["text"],
        "supports_search_tool": False,
    }
