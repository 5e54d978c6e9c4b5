"""Messages of the messages wire, and what of others' can't be sent on it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.anthropic_messages.messages import (
    read_messages,
    read_system,
    write_messages,
    write_system,
)
from tokenworks.wire.conversation import Image, Message, Text, Thinking, ToolResult, ToolUse
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import MESSAGES, RESPONSES

PNG = Image(media_type="image/png", data="iVBO")
PNG_BLOCK = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}


def built(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def read(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return read_messages(raw(messages))


def written(*messages: Message) -> Any:
    return built(write_messages(messages))


def user(*content: Any, name: str = "") -> Message:
    return Message("user", content, name)


def assistant(*content: Any) -> Message:
    return Message("assistant", content)


# --- system -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "system", "back"),
    [
        ("Hi", (Text("Hi"),), "Hi"),
        ([{"type": "text", "text": "Hi"}], (Text("Hi"),), "Hi"),
        (
            [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}],
            (Text("Hi", "5m"),),
            [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}],
        ),
        ("", (), None),
        (None, (), None),
        (
            [{"type": "text", "text": "x-anthropic-billing-header: cch=1;"}, {"type": "text", "text": "a"}],
            (Text("a"),),
            "a",
        ),
    ],
)
def test_system(given: Any, system: tuple[Text, ...], back: Any) -> None:
    assert read_system({"system": raw(given)}) == system
    assert built(write_system(system)) == back


def test_system_is_text() -> None:
    assert read_system({}) == ()
    with pytest.raises(BadRequest, match="'system' holds text only"):
        read_system({"system": raw([PNG_BLOCK])})


# --- messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"role": "user", "content": "Hi"}, user(Text("Hi"))),
        ({"role": "user", "content": [{"type": "text", "text": "a"}, PNG_BLOCK]}, user(Text("a"), PNG)),
        (
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"},
                    {"type": "text", "text": "a"},
                    {
                        "type": "tool_use",
                        "id": "toolu_1",
                        "name": "f",
                        "input": {"a": [1.50]},
                        "cache_control": {"type": "ephemeral"},
                    },
                ],
            },
            assistant(
                Thinking("t", "s", format=MESSAGES),
                Thinking(redacted="d", format=MESSAGES),
                Text("a"),
                ToolUse("toolu_1", "f", '{"a":[1.5]}', cache_ttl="5m"),
            ),
        ),
        (
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a"},
                    {"type": "tool_result", "tool_use_id": "toolu_2"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_3",
                        "content": [{"type": "text", "text": "a"}, PNG_BLOCK],
                        "is_error": True,
                        "cache_control": {"type": "ephemeral", "ttl": "1h"},
                    },
                    {"type": "text", "text": "b"},
                ],
            },
            user(
                ToolResult("toolu_1", (Text("a"),)),
                ToolResult("toolu_2", ()),
                ToolResult("toolu_3", (Text("a"), PNG), True, "1h"),
                Text("b"),
            ),
        ),
    ],
)
def test_messages_both_ways(given: dict[str, Any], message: Message) -> None:
    assert read_messages(msgspec.Raw(msgspec.json.encode([given]))) == (message,)
    assert written(message) == [given]


def test_more_ways_to_say_it() -> None:
    nested = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    assert read(
        {"role": "user", "content": ""},
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [nested]}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": ""}]},
    ) == (
        user(),
        Message("system", (Text("Be brief."),)),
        user(ToolResult("1", (Text("a"),), cache_ttl="5m")),
        assistant(),
    )


def test_reasoning_that_came_sealed_is_its_makers() -> None:
    blocks = [
        {"type": "thinking", "thinking": "t", "signature": f"{RESPONSES}:gAAA"},
        {"type": "redacted_thinking", "data": f"{RESPONSES}:gBBB"},
    ]
    (message,) = read({"role": "assistant", "content": blocks})
    assert message.content == (
        Thinking("t", "gAAA", format=RESPONSES),
        Thinking(redacted="gBBB", format=RESPONSES),
    )


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "tool", "content": "x"}, "role 'tool' is unknown; it is user, assistant or system"),
        ({"role": "user"}, r"'messages\[0\]' is malformed: Object missing required field `content`"),
        ({"role": "system", "content": [PNG_BLOCK]}, "'messages' holds text only"),
        (
            {"role": "user", "content": [{"type": "web_search_tool_result"}]},
            "type 'web_search_tool_result' can't",
        ),
        ({"role": "user", "content": [{"text": "a"}]}, r"'messages\[0\].content\[0\]' is malformed"),
    ],
)
def test_what_can_not_be_read(message: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read(message)


def test_arguments_that_are_no_utf8_are_malformed() -> None:
    body = b'[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"a":"\xff"}}]}]'
    with pytest.raises(BadRequest, match="'messages' is malformed"):
        read_messages(msgspec.Raw(body))


# --- what others say ----------------------------------------------------------------------------


def test_reasoning_of_others_and_unsigned_is_left_out() -> None:
    kept = {"type": "thinking", "thinking": "t", "signature": "s"}
    assert written(
        assistant(
            Thinking("t"),
            Thinking("t", "s", format=RESPONSES),
            Thinking(redacted="d", format="x-v1"),
            Thinking("t", "s"),
            Text("a"),
        ),
        assistant(Thinking("t")),
        user(Text("b")),
    ) == [
        {"role": "assistant", "content": [kept, {"type": "text", "text": "a"}]},
        {"role": "user", "content": "b"},
    ]


@pytest.mark.parametrize(
    ("arguments", "input"),
    [
        ("", {}),
        (" \n", {}),
        ('{"a": 1}', {"a": 1}),
        ("{broken", {"invalid_json": "{broken"}),
        ("[1]", {"invalid_json": "[1]"}),
        ('"a"', {"invalid_json": '"a"'}),
        ("null", {"invalid_json": "null"}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, input: dict[str, Any]) -> None:
    assert written(assistant(ToolUse("1", "f", arguments)))[0]["content"][0]["input"] == input


def test_ids_are_made_of_what_is_allowed() -> None:
    call, result = written(assistant(ToolUse("f.g:0", "f", "{}")), user(ToolResult("f.g:0", ())))
    assert call["content"][0]["id"] == result["content"][0]["tool_use_id"] == "f_g_0"


def test_results_come_first() -> None:
    made = written(user(Text("a"), ToolResult("1", (Text("r"),)), ToolResult("2", (Text(" "),))))
    assert made == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "r"},
                {"type": "tool_result", "tool_use_id": "2"},
                {"type": "text", "text": "a"},
            ],
        }
    ]


def test_later_instructions_become_the_users_words() -> None:
    made = written(user(Text("a")), Message("system", (Text("Be brief.", "5m"), Text(""))))
    text = "<system>\nBe brief.\n</system>"
    mark = {"cache_control": {"type": "ephemeral"}}
    assert made[1] == {"role": "user", "content": [{"type": "text", "text": text, **mark}]}
    made = written(Message("system", (Text("Be brief."),)))
    assert made == [{"role": "user", "content": text}]


def test_speakers_are_named_in_words() -> None:
    assert written(user(Text("Hi"), name="ann")) == [{"role": "user", "content": "ann: Hi"}]


def test_empty_messages_are_left_out() -> None:
    assert written(user(Text("")), assistant(), user(Text("a"), Text(" ")), Message("system", ())) == [
        {"role": "user", "content": "a"}
    ]


def test_an_answer_to_go_on_with_does_not_end_in_white_space() -> None:
    assert written(assistant(Text("The answer is \n"))) == [{"role": "assistant", "content": "The answer is"}]
    kept = written(assistant(Text("a ")), user(Text("b ")))
    assert [message["content"] for message in kept] == ["a ", "b "]
    called = written(assistant(Text("a "), ToolUse("1", "f", "{}")))
    assert called[0]["content"][0]["text"] == "a "


def test_pictures_of_assistants_are_refused() -> None:
    with pytest.raises(BadRequest, match="images and files of the assistant can't"):
        written(assistant(PNG))
