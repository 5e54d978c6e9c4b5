"""Tools on the messages wire."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.anthropic_messages.tools import read_choice, read_tools, write_choice, write_tools
from tokenworks.wire.conversation import Tool, ToolChoice
from tokenworks.wire.peek import raw

OBJECT = {"type": "object"}


def built(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("given", "tool"),
    [
        ({"name": "f", "input_schema": OBJECT}, Tool("f", "", raw(OBJECT))),
        (
            {
                "name": "f",
                "description": "F",
                "input_schema": {"type": "object", "properties": {}},
                "strict": True,
                "cache_control": {"type": "ephemeral"},
            },
            Tool("f", "F", raw({"type": "object", "properties": {}}), True, "5m"),
        ),
    ],
)
def test_tools_both_ways(given: dict[str, Any], tool: Tool) -> None:
    assert read_tools({"tools": raw([given])}) == (tool,)
    assert built(write_tools((tool,))) == [given]


def test_more_ways_to_define_a_tool() -> None:
    given = {"type": "custom", "name": "f", "input_schema": None, "defer_loading": True, "strict": False}
    assert read_tools({"tools": raw([given])}) == (Tool("f"),)
    assert read_tools({"tools": raw(None)}) == read_tools({}) == ()


@pytest.mark.parametrize("type", ["web_search_20250305", "bash_20250124", "computer_toolset_20260801"])
def test_tools_of_the_maker(type: str) -> None:
    with pytest.raises(BadRequest, match=f"'tools': type '{type}' can't be said.*define a tool of your own"):
        read_tools({"tools": raw([{"type": type, "name": "x"}])})


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"$schema": "x", "type": "object"}, {"$schema": "x", "type": "object"}),
        ({"type": "array"}, {"type": "array"}),
    ],
)
def test_schemas_have_a_type(schema: Any, written: dict[str, Any]) -> None:
    tool = Tool("f", "", None if schema is None else raw(schema))
    assert built(write_tools((tool,)))[0]["input_schema"] == written


def test_a_schema_is_an_object() -> None:
    with pytest.raises(BadRequest, match="must be a JSON schema"):
        write_tools((Tool("f", "", raw([1])),))


@pytest.mark.parametrize(
    ("given", "choice", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any"}, ToolChoice("required"), None),
        ({"type": "none"}, ToolChoice("none"), None),
        ({"type": "tool", "name": "f"}, ToolChoice("tool", "f"), None),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice("auto"), False),
        ({"type": "any", "disable_parallel_tool_use": False}, ToolChoice("required"), True),
    ],
)
def test_choices_both_ways(given: dict[str, Any], choice: ToolChoice, parallel: bool | None) -> None:
    assert read_choice({"tool_choice": raw(given)}) == (choice, parallel)
    assert built(write_choice(choice, parallel)) == given


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
    ],
)
def test_choices_that_become_others(choice: ToolChoice | None, parallel: bool | None, written: Any) -> None:
    assert built(write_choice(choice, parallel)) == written


@pytest.mark.parametrize("given", [{"type": "tool"}, {"type": "function"}])
def test_choices_that_are_none(given: dict[str, Any]) -> None:
    assert read_choice({}) == read_choice({"tool_choice": raw(None)}) == (None, None)
    with pytest.raises(BadRequest, match="'tool_choice' must be of type auto, any, none, tool"):
        read_choice({"tool_choice": raw(given)})
