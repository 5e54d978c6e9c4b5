"""What another maker signed does not reach a maker of the caller's own wire."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tokenworks.wire.conversation import Maker
from tokenworks.wire.foreign import without_foreign
from tokenworks.wire.pairs import MESSAGES, RESPONSES, pair
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import sealed

OTHER = sealed("c2ln", "openai-responses-v1", "anthropic-claude-v1")
THINK: dict[str, Any] = {"type": "thinking", "thinking": "t", "signature": "b3du"}
TEXT = {"type": "text", "text": '{"signature":"x-v1:y"} as text'}


def cleaned(value: Any) -> Any:
    return json.loads(bytes(without_foreign(raw(value))))


def test_own_and_unsigned_reasoning_stays_as_it_came() -> None:
    given = msgspec.Raw(b'[ {"role":"assistant", "content":[{"type":"thinking","signature":"b3du"}] } ]')
    assert without_foreign(given) is given
    assert without_foreign(msgspec.Raw(b'"plain text"')) == msgspec.Raw(b'"plain text"')
    tool = {"type": "tool_use", "id": "1", "name": "f", "input": {"signature": "evil-v1:x", "data": "a-v1:b"}}
    said = [
        {"role": "assistant", "content": [THINK, TEXT, tool]},
        {"role": "user", "content": "signature-v1:"},
    ]
    assert cleaned(said) == said, "only reasoning is looked at"


def test_foreign_reasoning_is_taken_out() -> None:
    foreign = {**THINK, "signature": OTHER}
    hidden = {"type": "redacted_thinking", "data": OTHER}
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [foreign, hidden, TEXT]},
        {"role": "assistant", "content": [foreign]},
        {"role": "user", "content": [TEXT]},
    ]
    assert cleaned(turns) == [turns[0], {"role": "assistant", "content": [TEXT]}, turns[3]]
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "anthropic-claude-v1:abc"},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAAown"},
        {"type": "message", "role": "user", "content": "x"},
    ]
    assert cleaned(items) == items[1:]


@pytest.mark.parametrize(
    "value", ['{"signature":"a-v1:b"}', '[1,{"signature":"a-v1:b"}]', '["signature"]', "7"]
)
def test_what_is_malformed_is_left_to_the_provider(value: str) -> None:
    given = msgspec.Raw(value.encode())
    assert without_foreign(given) == given


def test_the_relays_of_both_wires_do_it() -> None:
    from tokenworks.wire.anthropic_messages.relay import MessagesRequest
    from tokenworks.wire.openai_responses.relay import ResponsesRequest

    body = {
        "model": "m",
        "messages": [{"role": "assistant", "content": [{**THINK, "signature": OTHER}, TEXT]}],
    }
    start, rest = pair(MESSAGES, MESSAGES).body(
        MessagesRequest(json.dumps(body).encode()), Maker("up"), raw("up")
    )
    sent = json.loads(start + bytes(rest) + b"}")
    assert sent["messages"] == [{"role": "assistant", "content": [TEXT]}]
    asked = {
        "model": "m",
        "input": [{"type": "reasoning", "summary": [], "encrypted_content": "anthropic-claude-v1:a"}],
    }
    start, rest = pair(RESPONSES, RESPONSES).body(
        ResponsesRequest(json.dumps(asked).encode()), Maker("up"), raw("up")
    )
    assert json.loads(start + bytes(rest) + b"}")["input"] == []
