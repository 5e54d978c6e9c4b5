"""Tool calls, however a provider tells them in pieces."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.wire.answer import BlockEnd, Event, ToolPiece
from tokenworks.wire.conversation import ToolUse
from tokenworks.wire.joined import joined
from tokenworks.wire.openai_chat.calls import Calls
from tokenworks.wire.openai_chat.delta import Call


def told(*deltas: dict[str, Any], end: bool = True) -> list[Event]:
    numbers = iter(range(100))
    calls = Calls(lambda out: next(numbers))
    out: list[Event] = []
    for delta in deltas:
        calls.take(msgspec.json.decode(json.dumps(delta), type=Call), out)
    if end:
        calls.end(out)
    return out


def call(
    index: int | None, arguments: Any = None, id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    made: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    if index is not None:
        made["index"] = index
    if id is not None:
        made["id"] = id
    return made


A, B = ToolUse("a", "f", '{"x":1}'), ToolUse("b", "g", "{}")
DIALECTS: dict[str, list[dict[str, Any]]] = {
    "as documented": [
        call(0, "", "a", "f"),
        call(0, '{"x"'),
        call(0, ":1}"),
        call(1, "", "b", "g"),
        call(1, "{}"),
    ],
    "taking turns": [
        call(0, "", "a", "f"),
        call(1, "{", "b", "g"),
        call(0, '{"x":'),
        call(1, "}"),
        call(0, "1}"),
    ],
    "whole calls": [call(0, '{"x":1}', "a", "f"), call(1, "{}", "b", "g")],
    "arguments with the name and after it": [
        call(0, '{"x"', "a", "f"),
        call(0, ":1}"),
        call(1, "{}", "b", "g"),
    ],
    "without index": [call(None, '{"x":', "a", "f"), call(None, "1}"), call(None, "{}", "b", "g")],
    "id and name in every piece": [
        call(0, '{"x":', "a", "f"),
        call(1, "{}", "b", "g"),
        call(0, "1}", "a", "f"),
        call(1, None, "b", "g"),
    ],
    "id in every piece, no index": [
        call(None, '{"x":', "a", "f"),
        call(None, "{", "b", "g"),
        call(None, "1}", "a"),
        call(None, "}", "b"),
    ],
    "all of them number 0": [call(0, '{"x":', "a", "f"), call(0, "1}"), call(0, "{", "b", "g"), call(0, "}")],
    "empty ids in later pieces": [call(0, '{"x":', "a", "f"), call(0, "1}", "", ""), call(1, "{}", "b", "g")],
    "arguments before the name": [
        call(0, "", "a"),
        call(0, '{"x":'),
        call(0, "1}", None, "f"),
        call(1, "{}", "b", "g"),
    ],
    "objects": [call(0, {"x": 1}, "a", "f"), call(1, {}, "b", "g")],
    "no arguments": [call(0, '{"x":1}', "a", "f"), call(1, "", "b", "g")],
    "null arguments": [call(0, '{"x":1}', "a", "f"), call(1, None, "b", "g")],
}


@pytest.mark.parametrize("deltas", DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_tells_the_same(deltas: list[dict[str, Any]]) -> None:
    events = told(*deltas)
    assert joined(events).content == (A, B)
    assert [event.id for event in events if isinstance(event, ToolPiece) and event.id] == ["a", "b"]
    assert [event for event in events if isinstance(event, BlockEnd)] == [BlockEnd(0), BlockEnd(1)]


def test_calls_without_an_id_get_one() -> None:
    first, second = joined(told(call(0, "{}", None, "f"), call(1, "{}", "", "g"))).content
    assert isinstance(first, ToolUse) and isinstance(second, ToolUse)
    assert first.id.startswith("call_") and second.id.startswith("call_")
    assert first.id != second.id
    (one,) = joined(told(call(0, "{", None, "f"), call(0, "}", "late"))).content
    assert one == ToolUse(one.id, "f", "{}")  # type: ignore[union-attr]


def test_several_whole_calls_without_index_and_id() -> None:
    made = joined(told(call(None, "{}", None, "f"), call(None, '{"a":1}', None, "f"))).content
    assert [block.arguments for block in made] == ["{}", '{"a":1}']  # type: ignore[union-attr]


def test_a_call_without_a_name() -> None:
    assert told(call(0, "{}", "a"), end=False) == []
    assert joined(told(call(0, "{}", "a"))).content == (ToolUse("a", "", "{}"),)


def test_signatures() -> None:
    signed = {"acme": {"thought_signature": "sig"}}
    with_name = {**call(0, "{}", "a", "f"), "extra_content": signed}
    later = {**call(0, None), "extra_content": signed}
    for deltas in ([with_name], [call(0, "{}", "a", "f"), later]):
        assert joined(told(*deltas)).content == (ToolUse("a", "f", "{}", "sig"),)


@given(st.lists(st.tuples(st.integers(0, 2), st.text(max_size=3)), max_size=20))
def test_pieces_are_told_as_they_come(pieces: list[tuple[int, str]]) -> None:
    opened = [call(index, "", f"id{index}", f"f{index}") for index in range(3)]
    made = joined(told(*opened, *(call(index, text) for index, text in pieces))).content
    for index, block in enumerate(made):
        text = "".join(text for at, text in pieces if at == index)
        assert block == ToolUse(f"id{index}", f"f{index}", text or "{}")
