"""Tools of free text as functions of one text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.wire.openai_responses.custom_tool import (
    Grammar,
    arguments_of,
    as_function,
    input_of,
    names_in,
)
from tokenworks.wire.peek import raw


def test_the_function_that_stands_for_it() -> None:
    tool = as_function("apply_patch", "Edits", Grammar("grammar", "lark", "start: any"))
    assert (tool.name, tool.description, tool.strict) == ("apply_patch", "Edits", None)
    parameters = json.loads(bytes(tool.parameters or b""))
    assert parameters["required"] == ["input"] == list(parameters["properties"])
    assert parameters["properties"]["input"]["type"] == "string"
    assert "lark grammar:\nstart: any" in parameters["properties"]["input"]["description"]
    for grammar in (None, Grammar("text")):
        assert b"grammar" not in bytes(as_function("x", "", grammar).parameters or b"")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_it_is_given_goes_over_and_back(text: str) -> None:
    assert json.loads(arguments_of(text)) == {"input": text}
    assert input_of(arguments_of(text)) == text


@pytest.mark.parametrize("arguments", ["*** Begin", "", "[]", '{"patch":"x"}', '{"input":5}'])
def test_what_the_model_wrote_otherwise_is_taken_as_it_is(arguments: str) -> None:
    assert input_of(arguments) == arguments


def test_which_of_the_callers_tools_are_such() -> None:
    tools = [
        {"type": "custom", "name": "apply_patch"},
        {"type": "function", "name": "custom"},
        {"type": "web_search"},
    ]
    assert names_in({"tools": raw(tools)}) == {"apply_patch"}
    assert names_in({"tools": raw(None)}) == names_in({}) == frozenset()
