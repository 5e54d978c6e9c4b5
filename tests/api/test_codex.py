"""The list of one client, which refuses all of it if a field is missing or a word is unknown to it."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tokenworks.api.codex import entry
from tokenworks.schema import Endpoint, Model, Price

TEXT: Any = {"type": "string"}
FLAG: Any = {"type": "boolean"}
WHOLE: Any = {"type": "integer"}


def optional(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


# What versions from early to late 2026 require: a field is here if any of them has no default for it,
# a word of a list only if all of them know it.
ENTRY: Any = {
    "type": "object",
    "properties": {
        "slug": TEXT,
        "display_name": TEXT,
        "description": optional(TEXT),
        "default_reasoning_level": optional({"enum": ["none", "minimal", "low", "medium", "high", "xhigh"]}),
        "supported_reasoning_levels": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "effort": {"enum": ["none", "minimal", "low", "medium", "high", "xhigh"]},
                    "description": TEXT,
                },
                "required": ["effort", "description"],
            },
        },
        "shell_type": {"enum": ["default", "local", "unified_exec", "disabled", "shell_command"]},
        "visibility": {"enum": ["list", "hide", "none"]},
        "supported_in_api": FLAG,
        "priority": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
        "availability_nux": {"type": "null"},
        "upgrade": {"type": "null"},
        "base_instructions": {"type": "string", "minLength": 1},
        "supports_reasoning_summaries": FLAG,
        "default_reasoning_summary": {"enum": ["auto", "concise", "detailed", "none"]},
        "support_verbosity": FLAG,
        "default_verbosity": {"type": "null"},
        "apply_patch_tool_type": optional({"enum": ["freeform"]}),
        "web_search_tool_type": {"enum": ["text", "text_and_image"]},
        "truncation_policy": {
            "type": "object",
            "properties": {"mode": {"enum": ["bytes", "tokens"]}, "limit": WHOLE},
            "required": ["mode", "limit"],
        },
        "supports_parallel_tool_calls": FLAG,
        "context_window": optional(WHOLE),
        "effective_context_window_percent": WHOLE,
        "experimental_supported_tools": {"type": "array", "items": TEXT},
        "input_modalities": {"type": "array", "items": {"enum": ["text", "image"]}, "minItems": 1},
    },
}
ENTRY["required"] = list(ENTRY["properties"])
PRICE = Price("p", 1.0, 2.0)


def model(inputs: tuple[str, ...] = ("text",), parameters: tuple[str, ...] | None = None) -> Model:
    return Model(
        "acme/fast", "Fast", "acme", "US", 1000, input_modalities=inputs, supported_parameters=parameters
    )


def endpoint(context: int) -> Endpoint:
    return Endpoint("acme/fast", "acme", "fast", PRICE, context)


@pytest.mark.parametrize("inputs", [("text",), ("text", "image", "file", "audio", "video"), ("audio",)])
@pytest.mark.parametrize("parameters", [None, (), ("tools", "reasoning", "parallel_tool_calls", "verbosity")])
def test_every_version_can_read_it(inputs: tuple[str, ...], parameters: tuple[str, ...] | None) -> None:
    jsonschema.validate(entry(model(inputs, parameters), (endpoint(1000),), 3), ENTRY)


def test_what_a_model_can_is_what_is_told() -> None:
    plain = entry(model(), (endpoint(1000), endpoint(9000)), 0)
    assert (plain["slug"], plain["display_name"], plain["priority"]) == ("acme/fast", "Fast", 0)
    assert plain["context_window"] == 9000
    assert plain["supported_reasoning_levels"] == []
    assert plain["default_reasoning_level"] is None
    assert not plain["supports_parallel_tool_calls"] and not plain["supports_reasoning_summaries"]
    able = entry(model(("text", "image"), ("reasoning_effort", "parallel_tool_calls")), (endpoint(1),), 1)
    assert [each["effort"] for each in able["supported_reasoning_levels"]] == ["low", "medium", "high"]
    assert able["default_reasoning_level"] == "medium"
    assert able["supports_parallel_tool_calls"]
    assert able["input_modalities"] == ["text", "image"]
