from typing import Any

import pytest

from tokenworks.wire.loose import (
    ARGUMENTS,
    HEAD,
    NOTHING,
    TAIL,
    arguments_of,
    calls_of,
    content_of,
    items_of,
    result_text,
    texts_of,
    value_of,
    word_of,
    words_of,
)
from tokenworks.wire.peek import raw


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hi", "hi"),
        (None, ""),
        ([], ""),
        ([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}], "a\nb"),
        ([7, {"type": "text", "text": "a"}, None], "a"),
        ([{"type": "text", "text": 5}, {"type": "text", "text": "a"}], "a"),
        ({"type": "text", "text": "alone"}, "alone"),
        (7, ""),
    ],
)
def test_words_are_found_whatever_stands_around_them(content: Any, text: str) -> None:
    assert texts_of(content_of(raw(content))) == text
    assert words_of(raw(content)) == text


def test_what_is_no_message_is_passed_over() -> None:
    assert [item.role for item in items_of(raw([1, {"role": "user"}, None, [], {"role": "tool"}]))] == [
        "user",
        "tool",
    ]
    (alone,) = items_of(raw("hi"))
    assert (alone.role, texts_of(content_of(alone.content))) == ("user", "hi")
    assert items_of(raw([])) == []


def test_results_are_cut_in_the_middle() -> None:
    text = result_text(raw("a" * HEAD + "b" * 100 + "c" * TAIL))
    assert text.startswith("a" * HEAD + "\n[100 characters left out]\nc") and text.endswith("c" * TAIL)
    assert result_text(raw("a" * (HEAD + TAIL))) == "a" * (HEAD + TAIL)


def test_an_object_of_the_tool_s_own_stays_json_and_a_shell_s_tells_its_exit_code() -> None:
    assert value_of(raw({"n": 1})) == {"n": 1}
    assert result_text(raw({"stdout": "x", "stderr": "", "return_code": 3})) == "Exit code: 3\nx"
    late = [{"stdout": "x", "stderr": "", "outcome": {"type": "timeout"}}]
    assert result_text(raw(late)) == "command timed out\nx"
    assert result_text(raw(7)) == result_text(NOTHING) == ""


def test_arguments_are_json_text_whether_they_come_as_text_or_object() -> None:
    assert arguments_of(raw('{"a":1}')) == arguments_of(raw({"a": 1})) == '{"a":1}'
    assert arguments_of(NOTHING) == ""
    assert len(arguments_of(raw({"a": "x" * 9000}))) < ARGUMENTS + 100


def test_calls_that_are_none_are_no_calls() -> None:
    calls = calls_of(raw([{"id": "c", "function": {"name": "f", "arguments": "{}"}}]))
    assert [call.id for call in calls] == ["c"]
    assert calls_of(raw("x")) == calls_of(raw(None)) == []
    assert (word_of("a"), word_of(7), value_of(NOTHING)) == ("a", "", None)
