"""Calls of tools in chat completions are counted as they are, however they are numbered, named and cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wire_answers import cut, telling

from tokenworks.wire.openai_chat.counted import CountedStream, calls_in, calls_of
from tokenworks.wire.openai_chat.relay import ChatStream, ChatWhole

GOLDENS = Path(__file__).parent.parent / "goldens" / "openai_chat"
EXPECTED = {"parallel_tools": 3, "tool": 1, "thinking_tool": 1}


def chunk(delta: dict[str, Any], index: int = 0, finish: str | None = None) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    body = {"id": "c-123456", "object": "chat.completion.chunk", "model": "fast-1-2026", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(body).encode()


def call(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: str = ""
) -> Any:
    made: dict[str, Any] = {
        "function": {"arguments": arguments} | ({"name": name} if name is not None else {})
    }
    made |= {} if index is None else {"index": index}
    return made | ({} if id is None else {"id": id})


def count(*chunks: bytes, cuts: tuple[int, ...] = ()) -> int:
    stream = CountedStream(telling())
    for piece in cut(b"".join(chunks), cuts):
        stream.feed(piece)
    return stream.tool_calls


@pytest.mark.parametrize("source", sorted(GOLDENS.glob("*.sse")), ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [0, 1, 7, 100])
def test_recorded_turns(source: Path, size: int) -> None:
    data = source.read_bytes()
    counted, plain = CountedStream(telling()), ChatStream(telling())
    for piece in cut(data, range(size, len(data), size) if size else ()):
        assert counted.feed(piece) == plain.feed(piece), "the caller gets the very same"
    assert counted.tool_calls == EXPECTED.get(source.stem, 0)
    assert (plain.tool_calls, counted.done) == (0, plain.done)


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        ([{"tool_calls": [call(0, "a", "f")]}, {"tool_calls": [call(1, "b", "f")]}], 2),
        ([{"tool_calls": [call(0, "a", "f", "{}"), call(1, "b", "g", "{}")]}], 2),
        ([{"tool_calls": [call(0, "a", "f")]}, {"tool_calls": [call(0, "b", "f")]}], 2),  # all numbered 0
        ([{"tool_calls": [call(0, "a", "f")]}] * 4, 1),  # named in every chunk
        ([{"tool_calls": [call(0, "a", "f")]}, {"tool_calls": [call(0, None, "f", "{}")]}], 1),
        ([{"tool_calls": [call(0, "a", "f")]}, {"tool_calls": [call(0, "", "", "{}")]}], 1),
        ([{"tool_calls": [call(0, "a")]}, {"tool_calls": [call(0, None, "f")]}], 1),  # named later
        ([{"tool_calls": [call(None, None, "f", "{}")]}, {"tool_calls": [call(None, None, "g", "{}")]}], 2),
        ([{"tool_calls": [{"index": 0, "id": "a", "custom": {"name": "patch", "input": ""}}]}], 1),
        ([{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}], 1),
        ([{"content": 'say "tool_calls":[{"function":{"name":"f"}}]'}], 0),
        ([{"content": "name"}, {"content": "tool_calls"}, {"reasoning": '"name"'}], 0),
        ([{"tool_calls": None}, {"tool_calls": []}, {"tool_calls": 5, "name": 1}], 0),
        ([{"tool_calls": [call(0, "a", "f", '{"name":"tool_calls"}')]}], 1),
    ],
)
def test_providers_ways(deltas: list[dict[str, Any]], calls: int) -> None:
    data = b"".join(map(chunk, deltas))
    assert count(data) == calls
    assert count(data, cuts=tuple(range(3, len(data), 3))) == calls


def test_choices_are_counted_each_for_itself_and_a_broken_stream_as_far_as_it_came() -> None:
    first = chunk({"tool_calls": [call(0, None, "f")]})
    assert count(first, chunk({"tool_calls": [call(0, None, "f")]}, index=1)) == 2
    stream = CountedStream(telling())
    stream.feed(first + b'data: {"error": {"message": "out"}}\n\n')
    assert (stream.error, stream.tool_calls) == ("out", 1)
    late = CountedStream(telling())
    late.feed(first[:-1])
    late.flush()
    assert late.tool_calls == 1, "an event that lacked only its blank line"


def whole(message: dict[str, Any], *more: dict[str, Any]) -> int:
    choices = [{"index": n, "message": each} for n, each in enumerate((message, *more))]
    return calls_of(ChatWhole(json.dumps({"choices": choices}).encode()))


def test_whole_answers() -> None:
    two = {"tool_calls": [call(None, "a", "f"), call(None, "b", "g")]}
    assert (whole(two), whole(two, two), whole({"function_call": {"name": "f"}})) == (2, 4, 1)
    talk = {"role": "assistant", "content": '"tool_calls":[{}] and "function_call"'}
    assert (whole(talk), whole({"content": "tool_calls"}), whole({"tool_calls": None})) == (0, 0, 0)
    assert (calls_in(b'["tool_calls"]'), calls_in(b"[]")) == (0, 0), "what can't be read has none"
