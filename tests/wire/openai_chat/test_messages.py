"""Chat messages: turns, tools and their results, and what providers want of reasoning."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import File, Image, Maker, Message, Text, Thinking, ToolResult, ToolUse
from tokenworks.wire.openai_chat.messages import (
    ELSEWHERE,
    LONGEST_ID,
    UNSIGNED,
    read_messages,
    style_of,
    write_messages,
)
from tokenworks.wire.peek import raw

USE = ToolUse("call_1", "f", '{"a": 1}')
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
PNG = Image(media_type="image/png", data="iVBO")
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}


def read(*messages: dict[str, Any]) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    return read_messages(raw(messages))


def written(*messages: Message, quirks: str = "", same: bool = False) -> list[dict[str, Any]]:
    style = style_of(Maker("m", quirks=frozenset(quirks.split())), same)
    made: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(write_messages((), messages, style)))
    return made


def assistant(*content: Any) -> Message:
    return Message("assistant", content)


# --- reading ------------------------------------------------------------------------------------


def test_system_messages_at_the_head_are_instructions_later_ones_are_not() -> None:
    system, messages = read(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "c", "name": "ops"},
    )
    assert system == (Text("a"), Text("b"))
    assert messages == (Message("user", (Text("Hi"),)), Message("system", (Text("c"),), "ops"))


def test_results_in_a_row_and_the_users_words_behind_them_are_one_message() -> None:
    _, messages = read(
        {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "one"},
        {"role": "tool", "tool_call_id": "call_2", "content": ""},
        {"role": "user", "content": "Go on"},
        {"role": "user", "content": "Now"},
    )
    assert messages == (
        assistant(USE, ToolUse("call_2", "f", '{"a": 1}')),
        Message("user", (ToolResult("call_1", (Text("one"),)), ToolResult("call_2", ()), Text("Go on"))),
        Message("user", (Text("Now"),)),
    )


@pytest.mark.parametrize(
    "behind",
    [
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "ok", "name": "ann"},
        {"role": "system", "content": "ok"},
    ],
)
def test_results_alone(behind: dict[str, Any]) -> None:
    _, messages = read({"role": "tool", "tool_call_id": "call_1", "content": "one"}, behind)
    assert messages == (
        Message("user", (ToolResult("call_1", (Text("one"),)),)),
        Message(behind["role"], (Text("ok"),), behind.get("name", "")),
    )
    _, messages = read({"role": "tool", "tool_call_id": "call_1", "content": "one"})
    assert len(messages) == 1


def test_a_mark_within_a_result_is_the_results() -> None:
    content = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "b"},
        PNG_PART,
    ]
    _, messages = read({"role": "tool", "tool_call_id": "call_1", "content": content})
    assert messages[0].content == (ToolResult("call_1", (Text("a"), Text("b"), PNG), cache_ttl="1h"),)


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"content": "a"}, (Text("a"),)),
        ({"content": None}, ()),
        ({}, ()),
        ({"content": "a", "refusal": "No."}, (Text("a"), Text("No."))),
        ({"content": "a", "reasoning_content": "t"}, (Thinking("t"), Text("a"))),
        ({"content": "a", "reasoning": "t", "reasoning_content": ""}, (Thinking("t"), Text("a"))),
        (
            {
                "content": "a",
                "reasoning": "x",
                "reasoning_details": [{"type": "reasoning.text", "text": "t"}],
            },
            (Thinking("t"), Text("a")),
        ),
        ({"content": "a", "reasoning": "t", "reasoning_details": []}, (Thinking("t"), Text("a"))),
        ({"content": "a", "images": [PNG_PART]}, (Text("a"), PNG)),
        ({"tool_calls": [CALL]}, (USE,)),
        ({"tool_calls": [{"id": "1", "function": {"name": "f"}}]}, (ToolUse("1", "f", ""),)),
        (
            {"tool_calls": [{**CALL, "extra_content": {"vendor": {"thought_signature": "s"}, "x": 1}}]},
            (ToolUse("call_1", "f", '{"a": 1}', "s"),),
        ),
        ({"tool_calls": [{**CALL, "extra_content": {"v": {"thought_signature": UNSIGNED}}}]}, (USE,)),
    ],
)
def test_what_assistants_said(fields: dict[str, Any], content: tuple[Any, ...]) -> None:
    assert read({"role": "assistant", **fields})[1] == (Message("assistant", content),)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "function", "name": "f", "content": "x"}, "role 'function' can't be said"),
        (
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f"}}]},
            "tool calls of other types than 'function'",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {}}]},
            r"'messages\[0\].tool_calls\[0\].function'",
        ),
    ],
)
def test_what_other_wires_do_not_have(message: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read(message)


# --- writing ------------------------------------------------------------------------------------


def test_results_come_first_and_their_pictures_go_to_the_user() -> None:
    pdf = File("a.pdf", media_type="application/pdf", data="JVBE")
    results = (ToolResult("call_1", (PNG,)), ToolResult("call_2", (Text("x"), pdf), is_error=True))
    assert written(Message("user", (*results, Text("Go on")))) == [
        {"role": "tool", "tool_call_id": "call_1", "content": ELSEWHERE},
        {"role": "tool", "tool_call_id": "call_2", "content": "Error: x"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Result of the tool call call_1:"},
                PNG_PART,
                {"type": "text", "text": "Result of the tool call call_2:"},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
                },
                {"type": "text", "text": "Go on"},
            ],
        },
    ]


def test_a_result_of_several_texts_is_one() -> None:
    result = ToolResult("call_1", (Text("a"), File("n", text="b"), Text("c")))
    assert written(Message("user", (result,))) == [
        {"role": "tool", "tool_call_id": "call_1", "content": 'a\n\n<document name="n">\nb\n</document>\n\nc'}
    ]


def test_long_ids_are_shortened_alike() -> None:
    use, result = ToolUse("x" * 99, "f", "{}"), ToolResult("x" * 99, (Text("a"),))
    call, answer = written(assistant(use), Message("user", (result,)))
    assert call["tool_calls"][0]["id"] == answer["tool_call_id"]
    assert len(answer["tool_call_id"]) == LONGEST_ID


@pytest.mark.parametrize(
    ("message", "made"),
    [
        (assistant(), {"role": "assistant", "content": ""}),
        (assistant(Text("a"), Text("b")), {"role": "assistant", "content": "ab"}),
        (assistant(USE), {"role": "assistant", "content": None, "tool_calls": [CALL]}),
        (assistant(Text("a"), USE), {"role": "assistant", "content": "a", "tool_calls": [CALL]}),
        (assistant(Thinking("t", "s"), Text("a")), {"role": "assistant", "content": "a"}),
        (
            assistant(ToolUse("call_1", "f", " ")),
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{}"}}],
            },
        ),
        (Message("user", ()), {"role": "user", "content": ""}),
        (Message("user", (Text("a"),), "ann"), {"role": "user", "name": "ann", "content": "a"}),
        (Message("system", (Text("a"), Text("b"))), {"role": "system", "content": "a\n\nb"}),
    ],
)
def test_what_every_provider_reads(message: Message, made: dict[str, Any]) -> None:
    assert written(message) == [made]


def test_reasoning_content_stands_with_every_call_where_it_must() -> None:
    talk = (assistant(USE), assistant(Text("a")), assistant(Thinking("t"), Thinking("u"), Text("a")))
    required = [
        message.get("reasoning_content") for message in written(*talk, quirks="echo_reasoning_content")
    ]
    assert required == ["", None, "t\n\nu"]
    preserved = [
        message.get("reasoning_content") for message in written(*talk, quirks="preserve_thinking_flag")
    ]
    assert preserved == [None, None, "t\n\nu"]


@pytest.mark.parametrize("quirk", ["replay_full_assistant", "inline_think_tags", "reasoning_object"])
def test_reasoning_details_are_given_back(quirk: str) -> None:
    (made,) = written(assistant(Thinking("t", "s", format="x-v1"), USE), quirks=quirk)
    assert made["reasoning_details"] == [
        {"type": "reasoning.text", "text": "t", "signature": "s", "format": "x-v1", "index": 0}
    ]
    assert made.get("reasoning") == ("t" if quirk == "reasoning_object" else None)
    assert "reasoning_details" not in written(assistant(USE), quirks=quirk)[0]


def signatures(*content: Any) -> list[Any]:
    (made,) = written(assistant(*content), quirks="echo_thought_signatures")
    return [call.get("extra_content") for call in made["tool_calls"]]


def test_thought_signatures_stand_with_their_calls() -> None:
    signed = ToolUse("call_1", "f", "{}", "s")
    other = ToolUse("call_2", "f", "{}")
    assert signatures(signed, other) == [{"google": {"thought_signature": "s"}}, None]
    assert signatures(other, other) == [{"google": {"thought_signature": UNSIGNED}}, None]
    kept = Thinking(redacted="d", id="call_2", format="x-v1")
    assert signatures(kept, USE, other) == [None, {"google": {"thought_signature": "d"}}]
    assert "extra_content" not in written(assistant(signed))[0]["tool_calls"][0]


def test_pictures_of_assistants() -> None:
    (made,) = written(assistant(Text("a"), PNG), quirks="reasoning_object")
    assert made["images"] == [PNG_PART]
    for message in (assistant(Text("a"), PNG), assistant(File("n", text="x"))):
        with pytest.raises(BadRequest, match="images and files of the assistant can't"):
            written(message)


def test_marks_of_the_callers_own_are_kept() -> None:
    talk = (
        Message("user", (ToolResult("call_1", (Text("r"),), cache_ttl="1h"), Text("a", "5m"))),
        assistant(Text("b", "5m")),
    )
    mark = {"type": "ephemeral"}
    for made in (written(*talk, quirks="cache_marks"), written(*talk, same=True)):
        assert [message["content"] for message in made] == [
            [{"type": "text", "text": "r", "cache_control": {**mark, "ttl": "1h"}}],
            [{"type": "text", "text": "a", "cache_control": mark}],
            [{"type": "text", "text": "b", "cache_control": mark}],
        ]
    assert [message["content"] for message in written(*talk)] == ["r", "a", "b"]
