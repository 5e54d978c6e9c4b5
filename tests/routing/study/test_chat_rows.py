"""Rows as the trainers read them, and back."""

import json
from typing import Any

import pytest
from captured import captured

from tokenworks.routing.study.chat_rows import (
    answered,
    asked_of,
    dataset_info,
    encoded,
    messages_row,
    sharegpt_row,
    tools_of,
)
from tokenworks.routing.study.distilled import Example, example


def call(name: str, arguments: str, call_id: str = "c1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


TOOL = {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Look."},
    {"role": "assistant", "content": "", "tool_calls": [call("f", '{"a":1}'), call("f", "{}", "c2")]},
    {"role": "tool", "tool_call_id": "c1", "content": "one"},
    {"role": "tool", "tool_call_id": "c2", "content": "two"},
]


def one(**more: Any) -> Example:
    return example(captured(1, "Hi", "Hello", **more))


def test_messages() -> None:
    row = messages_row(one(), tools=False)
    assert row == {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        "id": "gen-0001",
        "task": "extraction",
        "teacher": "microsoft/phi-4",
    }
    assert messages_row(one(), tools=True)["tools"] is None, "every row has the same columns"
    assert json.loads(messages_row(one(tools=[TOOL]), tools=True)["tools"]) == [TOOL]
    assert encoded([row, row]).count(b"\n") == 2


def test_sharegpt_has_person_and_model_in_turn() -> None:
    row = sharegpt_row(one(messages=TURNS, tools=[TOOL]), tools=True)
    assert row is not None
    assert row["system"] == "Be brief."
    assert json.loads(row["tools"]) == [TOOL["function"]]
    assert [turn["from"] for turn in row["conversations"]] == ["human", "function_call", "observation", "gpt"]
    calls = json.loads(row["conversations"][1]["value"])
    assert calls == [{"name": "f", "arguments": {"a": 1}}, {"name": "f", "arguments": {}}]
    assert row["conversations"][2]["value"] == "one\ntwo"
    last = sharegpt_row(one(tool_calls=[call("f", '{"a":2}')]), tools=True)
    assert last is not None and json.loads(last["conversations"][-1]["value"]) == {
        "name": "f",
        "arguments": {"a": 2},
    }


@pytest.mark.parametrize("arguments", ["{", "[1]", "5"])
def test_calls_that_can_not_be_said_are_left_out(arguments: str) -> None:
    assert sharegpt_row(one(tool_calls=[call("f", arguments)]), tools=True) is None


def test_two_questions_in_a_row_become_one() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    row = sharegpt_row(one(messages=turns), tools=False)
    assert row is not None and row["conversations"][0] == {"from": "human", "value": "a\nb"}


@pytest.mark.parametrize(
    "more", [{}, {"messages": TURNS, "tools": [TOOL]}, {"tool_calls": [call("f", '{"a": 2}')]}]
)
def test_a_row_of_either_format_is_asked_again_in_the_same_words(more: dict[str, Any]) -> None:
    given = one(**more)
    messages, answer = asked_of(json.loads(encoded([messages_row(given, tools=True)])))
    assert (messages, answer) == (given.messages, answered(given))
    row = json.loads(encoded([sharegpt_row(given, tools=True) or {}]))
    messages, answer = asked_of(row)
    assert [each["role"] for each in messages] == [each["role"] for each in given.messages]
    said = [each["function"] for each in answer.get("tool_calls", ())]
    assert said == [each["function"] for each in given.tool_calls]
    assert tools_of(row) == given.tools


@pytest.mark.parametrize(
    "row", [{}, {"messages": []}, {"messages": [{"role": "user", "content": "x"}]}, {"messages": 5}]
)
def test_what_is_no_row_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        asked_of(row)


def test_dataset_info_names_the_columns() -> None:
    info = dataset_info({"t": "train.jsonl"}, tools=False, sharegpt=False)["t"]
    assert info["columns"] == {"messages": "messages"}
    assert info["tags"]["user_tag"] == "user"
    info = dataset_info({"t": "x.jsonl"}, tools=True, sharegpt=True)["t"]
    assert info["columns"] == {"messages": "conversations", "system": "system", "tools": "tools"}
