"""Answers on their way between wires: nothing that a wire can say is lost, whole or in a stream."""

from __future__ import annotations

import time
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_answers import (
    ANSWERS,
    EXPRESSIBLE,
    PAIRS,
    SHARED,
    events_of,
    plain,
    read,
    reader_of,
    telling,
    told,
    whole,
    writer_of,
)

from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer, new_call_id
from tokenworks.wire.joined import joined

EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("wire", ANSWERS)
@given(data=st.data())
@EXAMPLES
def test_a_whole_answer_comes_back(wire: str, data: Any) -> None:
    answer: Answer = data.draw(EXPRESSIBLE[wire])
    assert answer.usage is not None
    body = ANSWERS[wire].write(answer, telling(), answer.usage, 7)
    whole(wire, body)
    assert ANSWERS[wire].read(body) == answer


@pytest.mark.parametrize("wire", ANSWERS)
@given(data=st.data(), cuts=st.lists(st.integers(0, 9000), max_size=6))
@EXAMPLES
def test_a_stream_tells_the_same(wire: str, data: Any, cuts: list[int]) -> None:
    answer, events = data.draw(told(EXPRESSIBLE[wire]))
    writer = writer_of(wire)
    out = writer.write(events)
    events_of(wire, out)
    assert writer.close() == b""
    assert joined(read(reader_of(wire), out, cuts)) == msgspec.structs.replace(answer, created=0)


@pytest.mark.parametrize("wire", ANSWERS)
@given(data=st.data())
@EXAMPLES
def test_how_events_are_batched_does_not_matter(wire: str, data: Any) -> None:
    _, events = data.draw(told(EXPRESSIBLE[wire]))
    one = writer_of(wire)
    with mock.patch("time.time", return_value=1700.0):  # some tell when they ended
        assert b"".join([one.write([event]) for event in events]) == writer_of(wire).write(events)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@given(made=told(SHARED))
@EXAMPLES
def test_what_all_wires_can_say_survives_two_of_them(first: str, second: str, made: Any) -> None:
    answer, events = made
    for wire in (first, second):
        events = read(reader_of(wire), writer_of(wire).write(events))
    assert plain(joined(events)) == plain(answer)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@given(answer=SHARED)
@EXAMPLES
def test_a_whole_answer_survives_two_of_them(first: str, second: str, answer: Answer) -> None:
    assert answer.usage is not None
    made = answer
    for wire in (first, second):
        made = ANSWERS[wire].read(ANSWERS[wire].write(made, telling(), answer.usage, 0))
    ordered = "openai_chat" not in (first, second)  # there, a message has one text and the calls behind it
    assert key(made, ordered) == key(answer, ordered)


def key(answer: Answer, ordered: bool) -> Any:
    simple = plain(answer)
    if ordered:
        return simple
    groups: dict[str, list[Any]] = {"Text": [], "Thinking": [], "ToolUse": []}
    for block in simple.content:
        groups[type(block).__name__].append(block)
    text = "".join([block.text for block in groups["Text"]])
    return text, groups["Thinking"], groups["ToolUse"], simple.stop, simple.usage


def test_when_an_answer_was_made() -> None:
    assert telling(created=5).created_at(3) == 3
    assert telling(created=5).created_at() == 5
    assert abs(telling(created=0).created_at() - time.time()) < 2


def test_ids_of_calls_differ() -> None:
    made = {new_call_id() for _ in range(100)}
    assert len(made) == 100
    assert all(id.startswith("call_") and len(id) == 29 for id in made)


def test_usage_is_of_the_caller_not_of_the_provider() -> None:
    for wire, module in ANSWERS.items():
        body = module.write(Answer((), "stop", Usage(1)), telling(), Usage(3, 4, 5, 6, 2), 0)
        assert module.read(body).usage == Usage(3, 4, 5, 6, 2), wire
