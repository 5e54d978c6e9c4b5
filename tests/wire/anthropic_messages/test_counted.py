"""Calls of tools in messages are counted where they begin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wire_answers import cut, telling

from tokenworks.wire.anthropic_messages.counted import CountedStream, calls_in, calls_of
from tokenworks.wire.anthropic_messages.relay import MessagesStream, MessagesWhole

GOLDENS = Path(__file__).parent.parent / "goldens" / "anthropic_messages"
EXPECTED = {"parallel_tools": 3, "tool": 1, "thinking_tool": 1}


@pytest.mark.parametrize("source", sorted(GOLDENS.glob("*.sse")), ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [0, 1, 7, 100])
def test_recorded_turns(source: Path, size: int) -> None:
    data = source.read_bytes()
    counted, plain = CountedStream(telling()), MessagesStream(telling())
    for piece in cut(data, range(size, len(data), size) if size else ()):
        assert counted.feed(piece) == plain.feed(piece), "the caller gets the very same"
    assert counted.tool_calls == EXPECTED.get(source.stem, 0)
    assert plain.tool_calls == 0


def events(*bodies: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (b["type"].encode(), json.dumps(b).encode()) for b in bodies)


@pytest.mark.parametrize(
    ("bodies", "calls"),
    [
        ([{"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a"}}], 1),
        ([{"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use"}}], 0),
        ([{"type": "content_block_delta", "delta": {"type": "text_delta", "text": "tool_use"}}], 0),
        ([{"type": "content_block_delta", "delta": {"type": "text_delta", "text": '"type":"tool_use"'}}], 0),
        ([{"type": "content_block_start", "content_block": {"type": "text", "text": "tool_use"}}], 0),
        ([{"type": "message_delta", "delta": {"stop_reason": "tool_use"}}], 0),
        ([{"type": "content_block_start", "content_block": "tool_use"}], 0),
    ],
)
def test_what_is_a_call(bodies: list[dict[str, Any]], calls: int) -> None:
    data = events(*bodies)
    for cuts in ((), range(5, len(data), 5)):
        stream = CountedStream(telling())
        for piece in cut(data, cuts):
            stream.feed(piece)
        assert stream.tool_calls == calls


def test_whole_answers() -> None:
    def of(*content: Any) -> int:
        return calls_of(MessagesWhole(json.dumps({"content": content, "stop_reason": "tool_use"}).encode()))

    tool, text = (
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "text", "text": "tool_use"},
    )
    assert (of(text, tool, tool), of(text), of({"type": "server_tool_use", "input": "tool_use"})) == (2, 0, 0)
    assert calls_in(b'["tool_use"]') == 0, "what can't be read has none"
