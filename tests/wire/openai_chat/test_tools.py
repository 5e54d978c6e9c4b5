"""Tools of chat requests."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Tool, ToolChoice
from tokenworks.wire.openai_chat.tools import read_choice, read_tools, write_choice, write_tools
from tokenworks.wire.peek import raw

SCHEMA = raw({"type": "object"})


def function(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **fields}}


@pytest.mark.parametrize(
    ("given", "tool", "written"),
    [
        (function(), Tool("f"), function()),
        (function(parameters=None, description=None, strict=None), Tool("f"), function()),
        (
            function(parameters={"type": "object"}, description="F", strict=True),
            Tool("f", "F", SCHEMA, True),
            function(parameters={"type": "object"}, description="F", strict=True),
        ),
        (function(strict=False), Tool("f"), function()),
        (
            {**function(), "cache_control": {"type": "ephemeral"}},
            Tool("f", cache_ttl="5m"),
            {**function(), "cache_control": {"type": "ephemeral"}},
        ),
    ],
)
def test_tools_both_ways(given: dict[str, Any], tool: Tool, written: dict[str, Any]) -> None:
    assert read_tools({"tools": raw([given])}) == (tool,)
    assert msgspec.json.decode(msgspec.json.encode(write_tools((tool,), True))) == [written]
    unmarked = {key: value for key, value in written.items() if key != "cache_control"}
    assert msgspec.json.decode(msgspec.json.encode(write_tools((tool,), False))) == [unmarked]


@pytest.mark.parametrize("tools", [None, []])
def test_no_tools(tools: Any) -> None:
    assert read_tools({"tools": raw(tools)}) == ()
    assert read_tools({}) == ()


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ({"type": "custom", "custom": {"name": "x"}}, "'tools': type 'custom' can't be said"),
        ({"type": "openrouter:web_search"}, "type 'openrouter:web_search' can't"),
        ({"type": "function"}, "type 'function' can't"),
        ({"type": "function", "function": {}}, r"'tools\[0\].function' is malformed"),
    ],
)
def test_tools_that_other_wires_do_not_have(tool: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read_tools({"tools": raw([tool])})


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("tool", "f")),
    ],
)
def test_choices_both_ways(given: Any, choice: ToolChoice) -> None:
    assert read_choice({"tool_choice": raw(given)}) == choice
    assert msgspec.to_builtins(write_choice(choice)) == given


def test_choices_that_other_wires_do_not_have() -> None:
    assert read_choice({}) is read_choice({"tool_choice": raw(None)}) is None
    with pytest.raises(BadRequest, match="'tool_choice' must be one of auto, none, required"):
        read_choice({"tool_choice": raw("any")})
    with pytest.raises(BadRequest, match="'tool_choice': type 'allowed_tools' can't"):
        read_choice({"tool_choice": raw({"type": "allowed_tools", "allowed_tools": {}})})
