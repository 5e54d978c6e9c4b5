"""What providers of messages send, and arguments of calls, which are objects there."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.wire.anthropic_messages.block import StreamEvent, arguments_of, input_of
from tokenworks.wire.peek import raw

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v, max_size=2)
)


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=3))
def test_objects_stay_as_they_were_written(value: dict[str, Any]) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=1), json.dumps(value, ensure_ascii=False)):
        made = input_of(text)
        assert isinstance(made, msgspec.Raw)
        assert msgspec.json.encode(made).decode() == text
        assert arguments_of(made) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ("[1]", {"_raw": "[1]"}),
        ("null", {"_raw": "null"}),
        ('{"a":', {"_raw": '{"a":'}),
        ('{"a":1}{"b":2}', {"_raw": '{"a":1}{"b":2}'}),
        ("é", {"_raw": "é"}),
        ("[" * 100_000, {"_raw": "[" * 100_000}),
    ],
    ids=range(9),
)
def test_what_is_no_object_is_kept(text: str, value: dict[str, Any]) -> None:
    assert json.loads(msgspec.json.encode(input_of(text))) == value


@pytest.mark.parametrize(
    ("given_input", "text"),
    [({}, ""), (None, ""), ("", ""), ({"a": 1}, '{"a":1}'), ([1], "[1]"), ('{"a":1}', '{"a":1}')],
)
def test_input_with_the_start_of_a_block(given_input: Any, text: str) -> None:
    assert arguments_of(raw(given_input)) == text
    assert arguments_of(msgspec.Raw(b"{ }")) == ""


def test_fields_that_nobody_knows_are_passed_over() -> None:
    event = {"type": "x", "index": 1, "delta": {"type": "y", "citation": {}}, "new": [1], "error": None}
    made = msgspec.json.decode(json.dumps(event), type=StreamEvent)
    assert (made.type, made.index, bytes(made.error)) == ("x", 1, b"null")
