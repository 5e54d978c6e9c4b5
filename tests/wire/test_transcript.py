"""The same conversation from three wires becomes the same chat messages."""

import json
from typing import Any

import pytest
from wire_answers import scripted_stream, scripted_whole

from tokenworks.errors import BadRequest
from tokenworks.providers.scripted.reply import Reply, ToolCall
from tokenworks.wire.pairs import CHAT, MESSAGES, RESPONSES
from tokenworks.wire.peek import peek
from tokenworks.wire.transcript import WIRES, read, said

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather in Bern?"},
            {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "user", "content": "And then?"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}}
        ],
    },
    MESSAGES: {
        "max_tokens": 100,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Weather in Bern?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Bern"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "rain"},
                    {"type": "text", "text": "And then?"},
                ],
            },
        ],
        "tools": [{"name": "weather", "description": "d", "input_schema": SCHEMA}],
    },
    RESPONSES: {
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "Weather in Bern?"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Let me look."}]},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Bern"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
            {"role": "user", "content": "And then?"},
        ],
        "tools": [{"type": "function", "name": "weather", "description": "d", "parameters": SCHEMA}],
    },
}


@pytest.mark.parametrize("wire", WIRES)
def test_what_was_asked(wire: str) -> None:
    body = json.dumps({"model": "m", **ASKED[wire]}, separators=(",", ":"))
    found = read(wire, peek(body.encode()))
    assert found.messages == ASKED[CHAT]["messages"]
    assert found.tools == ASKED[CHAT]["tools"]
    assert found.media == 0


def test_pictures_are_counted_and_left_out() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    content = [{"type": "text", "text": "What is it?"}, picture]
    found = read(CHAT, peek(json.dumps({"messages": [{"role": "user", "content": content}]}).encode()))
    assert found.messages == [{"role": "user", "content": "What is it?"}]
    assert found.media == 1


def test_what_is_malformed_is_refused() -> None:
    with pytest.raises(BadRequest):
        read(CHAT, peek(b'{"messages": 5}'))


@pytest.mark.parametrize("wire", WIRES)
def test_what_was_answered_whole_and_streamed(wire: str) -> None:
    reply = Reply(
        text="Let me look.",
        reasoning="hm",
        tool_calls=(ToolCall(name="weather", arguments='{"city":"Bern"}', id="c1"),),
    )
    stream = scripted_stream(wire, reply)
    whole = said(wire, scripted_whole(wire, reply))
    streamed = said(wire, [stream[at : at + 50] for at in range(0, len(stream), 50)])
    for found in (whole, streamed):
        assert found.text == "Let me look."
        assert [call["function"]["name"] for call in found.tool_calls] == ["weather"]
        assert json.loads(found.tool_calls[0]["function"]["arguments"]) == {"city": "Bern"}
        assert found.finish == "tool_calls"


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(ValueError):
        said(CHAT, b'{"error": {"message": "no"}}')
