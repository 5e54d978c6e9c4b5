"""How a prompt begins: what stays the same from turn to turn, on every wire."""

from __future__ import annotations

import json
from typing import Any

from tokenworks.routing.leading import LEADING, Lead, leading
from tokenworks.wire.peek import peek

SYSTEM = {"role": "system", "content": 'You are a clerk. {"role": "user"} is data.'}
FIRST = {"role": "user", "content": 'Where is my "assistant"? I want the "user" too.'}
ANSWER = {"role": "assistant", "content": "Here."}
SECOND = {"role": "user", "content": "Thanks."}


def lead(**fields: Any) -> Lead:
    return leading(peek(json.dumps({"model": "m", **fields}).encode()))


def test_a_chat_is_the_same_in_every_turn() -> None:
    first = lead(messages=[SYSTEM, FIRST])
    assert b"clerk" in first.instructions and b"Where" not in first.instructions
    assert b"Where" in first.turns and b"too." in first.turns
    assert lead(messages=[SYSTEM, FIRST, ANSWER, SECOND]) == first
    assert lead(messages=[SYSTEM, FIRST, ANSWER, SECOND, ANSWER, FIRST]) == first
    assert lead(messages=[SYSTEM, SECOND]).instructions == first.instructions
    assert lead(messages=[SYSTEM, SECOND]).turns != first.turns


def test_spaces_between_values_do_not_matter_at_the_end() -> None:
    body = b'{"model":"m","messages":[ {"role": "user", "content": "a"} %b]}'
    assert leading(peek(body % b"\n ")) == leading(peek(body % b', {"role": "assistant", "content": "b"}'))


def test_messages_keep_their_instructions_apart_and_marks_do_not_count() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    text = {"type": "text", "text": "Where?"}
    one = lead(
        system=[{"type": "text", "text": "clerk", **mark}],
        messages=[{"role": "user", "content": [text | mark]}],
    )
    two = lead(
        system=[{"type": "text", "text": "clerk"}],
        messages=[{"role": "user", "content": [text]}, ANSWER, {"role": "user", "content": [text | mark]}],
    )
    assert one == two
    assert b"clerk" in one.instructions and b"Where?" in one.turns


def test_responses_with_items_that_have_no_role() -> None:
    question = {"role": "user", "content": "weather?"}
    call = {"type": "function_call", "call_id": "1", "name": "w", "arguments": "{}"}
    first = lead(instructions="be brief", input=[question])
    assert first == lead(instructions="be brief", input=[question, call])
    assert first == lead(instructions="be brief", input=[question, {"type": "reasoning"}, call, ANSWER])
    assert first.instructions == b'"be brief"'


def test_texts_without_turns() -> None:
    assert lead(input='hello "user"') == Lead(b"", rb'"hello \"user\""')
    assert lead(prompt="hello") == Lead(b"", b'"hello"')
    assert lead() == Lead(b"", b"")
    assert lead(messages=[]) == Lead(b"", b"")
    assert lead(messages=None) == Lead(b"", b"null")


def test_no_more_than_the_beginning_is_read() -> None:
    long = "x" * 100_000
    found = lead(system=long, messages=[{"role": "user", "content": long}])
    assert len(found.instructions) == LEADING and len(found.turns) == LEADING - 1  # less a bracket
    found = lead(messages=[{"role": "system", "content": long}, FIRST])
    assert len(found.instructions) == LEADING - 1 and found.turns == b""


def test_names_of_roles_may_come_last() -> None:
    turned = [dict(reversed(each.items())) for each in (SYSTEM, FIRST, ANSWER, SECOND)]
    turned[0]["content"] = turned[1]["content"] = "no braces here"
    assert lead(messages=turned[:2]) == lead(messages=turned)
