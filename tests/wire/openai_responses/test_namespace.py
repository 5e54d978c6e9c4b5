"""Grouped tools: there under one name, back under two."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenworks.errors import BadRequest
from tokenworks.schema import Price, Usage
from tokenworks.wire.answer import Answer, Stopped, Telling, ToolPiece
from tokenworks.wire.conversation import Maker, ToolUse
from tokenworks.wire.openai_chat import request as chat
from tokenworks.wire.openai_responses import answer, request, stream
from tokenworks.wire.openai_responses.namespace import LONGEST, joined, namespaces_in
from tokenworks.wire.peek import Fields, peek

INNER = [
    {
        "type": "function",
        "name": "close",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    },
    {"type": "custom", "name": "note"},
]
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "close", "parameters": {"type": "object", "properties": {}}},
    {"type": "namespace", "name": "agents", "description": "d", "tools": INNER},
    {"type": "web_search", "external_web_access": False},
]


def asked(**more: Any) -> Fields:
    return peek(json.dumps({"model": "m", "input": "hi", "tools": TOOLS, **more}).encode())


def telling(fields: Fields) -> Telling:
    return Telling("gen-1-a", "m", "p", Price("p", 1.0, 1.0), asked=fields)


def test_names_are_joined_and_found_again() -> None:
    assert joined("a", "b") == "a__b"
    long = [joined("n" * 40, "t" * 40 + end) for end in "xy"]
    assert len(set(long)) == 2 and all(len(name) <= LONGEST for name in long)
    found = namespaces_in(asked())
    assert found == {"agents__close": ("agents", "close"), "agents__note": ("agents", "note")}
    assert namespaces_in({}) == {}


def test_a_provider_of_another_wire_gets_a_flat_list_without_the_search() -> None:
    body = json.loads(chat.write(request.read(asked()), Maker("up")))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["close", "agents__close", "agents__note"]
    with pytest.raises(BadRequest, match="web_search"):
        chat.write(request.read(asked()), Maker("up", strict=True))
    with pytest.raises(BadRequest, match="web_search"):
        request.read(asked(tools=[{"type": "web_search"}]))
    with pytest.raises(BadRequest, match="mcp"):
        request.read(asked(tools=[*TOOLS, {"type": "mcp", "server_label": "x"}]))


def test_calls_come_back_under_both_names_and_go_there_under_one() -> None:
    calls = (
        ToolUse("c1", "close", "{}"),
        ToolUse("c2", "agents__close", "{}"),
        ToolUse("c3", "agents__note", '{"input":"text"}'),
    )
    body = answer.write(Answer(calls, "tool_calls"), telling(asked()), Usage(), 0)
    whole = json.loads(body)["output"]
    expected = [
        ("function_call", None, "close"),
        ("function_call", "agents", "close"),
        ("custom_tool_call", "agents", "note"),
    ]
    assert [(item["type"], item.get("namespace"), item["name"]) for item in whole] == expected
    writer = stream.Writer(telling(asked()))
    pieces = [ToolPiece(n, call.arguments, call.id, call.name) for n, call in enumerate(calls)]
    out = writer.write([*pieces, Stopped("tool_calls")]) + writer.close()
    events = [json.loads(line[6:]) for line in out.splitlines() if line.startswith(b"data: ")]
    last = events[-1]["response"]["output"]
    assert [(item["type"], item.get("namespace"), item["name"]) for item in last] == expected
    again = request.read(
        asked(input=[*whole, {"type": "function_call_output", "call_id": "c2", "output": "x"}])
    )
    used = [block for block in again.messages[0].content if isinstance(block, ToolUse)]
    assert [(use.name, json.loads(use.arguments)) for use in used] == [
        ("close", {}),
        ("agents__close", {}),
        ("agents__note", {"input": "text"}),
    ]
