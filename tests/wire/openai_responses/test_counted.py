"""Calls of tools in responses: those that the caller runs, counted once though they are told more often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wire_answers import cut, telling

from tokenworks.wire.openai_responses.counted import CALLS, CountedStream, calls_in, calls_of
from tokenworks.wire.openai_responses.relay import ResponsesStream, ResponsesWhole

GOLDENS = Path(__file__).parent.parent / "goldens" / "openai_responses"
EXPECTED = {"parallel_tools": 3, "tool": 1, "thinking_tool": 1}


@pytest.mark.parametrize("source", sorted(GOLDENS.glob("*.sse")), ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [0, 1, 7, 100])
def test_recorded_turns(source: Path, size: int) -> None:
    data = source.read_bytes()
    counted, plain = CountedStream(telling()), ResponsesStream(telling())
    for piece in cut(data, range(size, len(data), size) if size else ()):
        assert counted.feed(piece) == plain.feed(piece), "the caller gets the very same"
    assert counted.tool_calls == EXPECTED.get(source.stem, 0)
    assert plain.tool_calls == 0


def count(*bodies: dict[str, Any]) -> int:
    stream = CountedStream(telling())
    for body in bodies:
        stream.feed(b"event: %b\ndata: %b\n\n" % (body["type"].encode(), json.dumps(body).encode()))
    return stream.tool_calls


def added(kind: str) -> dict[str, Any]:
    return {"type": "response.output_item.added", "item": {"type": kind}}


def done(*kinds: str) -> dict[str, Any]:
    output = [{"type": kind} for kind in kinds]
    return {"type": "response.completed", "response": {"status": "completed", "output": output}}


@pytest.mark.parametrize("kind", sorted(CALLS))
def test_each_kind_of_call(kind: str) -> None:
    assert (count(added(kind)), count(done(kind)), count(added(kind), done(kind))) == (1, 1, 1)


def test_what_is_no_call() -> None:
    for kind in ("message", "reasoning", "web_search_call", "mcp_call", "function_call_output"):
        assert count(added(kind), done(kind)) == 0
    said = {"type": "response.output_text.delta", "delta": 'output_item.added "type":"function_call"'}
    assert count(said, {"type": "response.output_item.added", "item": "function_call"}) == 0
    assert count(added("function_call"), done("function_call", "custom_tool_call")) == 2, "the whole is right"


def test_whole_answers() -> None:
    def of(*kinds: str) -> int:
        body = {"status": "completed", "output": [{"type": kind} for kind in kinds]}
        return calls_of(ResponsesWhole(json.dumps(body).encode()))

    assert (of("message", "function_call", "custom_tool_call"), of("message"), of("web_search_call")) == (
        2,
        0,
        0,
    )
    assert calls_in(b'["a_call"]') == 0, "what can't be read has none"
