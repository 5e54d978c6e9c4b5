"""Tools of requests on the responses wire."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Tool, ToolChoice
from tokenworks.wire.openai_responses.tools import read_choice, read_tools, write_choice, write_tools
from tokenworks.wire.peek import raw

SCHEMA = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("given", "tool"),
    [
        (
            {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False},
            Tool("f", "", raw(SCHEMA)),
        ),
        (
            {"type": "function", "name": "f", "description": "F", "parameters": SCHEMA, "strict": True},
            Tool("f", "F", raw(SCHEMA), True),
        ),
    ],
)
def test_tools_both_ways(given: dict[str, Any], tool: Tool) -> None:
    assert read_tools({"tools": raw([given])})[0] == (tool,)
    assert msgspec.json.decode(msgspec.json.encode(write_tools((tool,)))) == [given]


def test_a_tool_without_a_schema_takes_nothing() -> None:
    assert read_tools({"tools": raw([{"type": "function", "name": "f", "parameters": None}])})[0] == (
        Tool("f"),
    )
    assert msgspec.json.decode(msgspec.json.encode(write_tools((Tool("f"),)))) == [
        {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}
    ]
    assert read_tools({}) == read_tools({"tools": raw(None)}) == ((), False)


def test_tools_of_free_text() -> None:
    ((tool,), _) = read_tools({"tools": raw([{"type": "custom", "name": "patch", "description": "P"}])})
    assert (tool.name, tool.description) == ("patch", "P")
    assert b'"required":["input"]' in bytes(tool.parameters or b"")


@pytest.mark.parametrize("type", ["web_search", "local_shell", "mcp", "namespace", "code_interpreter"])
def test_tools_that_the_provider_runs(type: str) -> None:
    with pytest.raises(BadRequest, match=f"'tools': type '{type}' can't be said"):
        read_tools({"tools": raw([{"type": type}])})


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("tool", "f")),
    ],
)
def test_choices_both_ways(given: Any, choice: ToolChoice) -> None:
    assert read_choice({"tool_choice": raw(given)}) == choice
    assert msgspec.to_builtins(write_choice(choice)) == given


def test_other_choices() -> None:
    assert read_choice({"tool_choice": raw({"type": "custom", "name": "f"})}) == ToolChoice("tool", "f")
    assert read_choice({}) is read_choice({"tool_choice": raw(None)}) is None
    with pytest.raises(BadRequest, match="'tool_choice' must be one of auto, none, required"):
        read_choice({"tool_choice": raw("any")})
    for given in ({"type": "allowed_tools", "mode": "auto", "tools": []}, {"type": "web_search_preview"}):
        with pytest.raises(BadRequest, match=f"'tool_choice': type '{given['type']}' can't"):
            read_choice({"tool_choice": raw(given)})
