"""Items of input: several make up a message, and reasoning stays with what it led to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import File, Image, Message, Text, Thinking, ToolResult, ToolUse
from tokenworks.wire.openai_responses.input import LONGEST_ID, read_input, write_input
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import MESSAGES, RESPONSES

PNG = Image(media_type="image/png", data="iVBO")
PNG_PART = {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "auto"}


def read(*items: dict[str, Any]) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    return read_input(raw(items))


def written(*messages: Message, reasoning_text: bool = False) -> Any:
    return msgspec.json.decode(msgspec.json.encode(write_input(messages, reasoning_text)))


def said(role: str, content: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def call(id: str, **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": id, "name": "f", "arguments": "{}", **more}


def output(id: str, output: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id, "output": output}


def assistant(*content: Any) -> Message:
    return Message("assistant", content)


def user(*content: Any) -> Message:
    return Message("user", content)


# --- both ways ----------------------------------------------------------------------------------

SUMMARY = {"type": "summary_text", "text": "t"}


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        ([said("user", "Hi"), said("user", "Now")], [user(Text("Hi")), user(Text("Now"))]),
        ([said("user", [PNG_PART, {"type": "input_text", "text": "a"}])], [user(PNG, Text("a"))]),
        (
            [
                said("user", "Hi"),
                {"type": "reasoning", "id": "rs_1", "summary": [SUMMARY], "encrypted_content": "e"},
                said("assistant", "a"),
                {"type": "reasoning", "summary": [], "encrypted_content": "f"},
                call("1"),
                call("2"),
                output("1", "r"),
                output("2", [{"type": "input_text", "text": "r"}, PNG_PART]),
                said("user", "Go on"),
                said(
                    "assistant", [{"type": "output_text", "text": "b"}, {"type": "output_text", "text": "c"}]
                ),
                said("developer", "Be brief."),
            ],
            [
                user(Text("Hi")),
                assistant(
                    Thinking("t", "e", "", "rs_1", RESPONSES),
                    Text("a"),
                    Thinking(redacted="f", format=RESPONSES),
                    ToolUse("1", "f", "{}"),
                    ToolUse("2", "f", "{}"),
                ),
                user(ToolResult("1", (Text("r"),)), ToolResult("2", (Text("r"), PNG)), Text("Go on")),
                assistant(Text("b"), Text("c")),
                Message("system", (Text("Be brief."),)),
            ],
        ),
        (
            [call("1"), output("1", ""), call("2"), output("2", "r")],
            [
                assistant(ToolUse("1", "f", "{}")),
                user(ToolResult("1", ())),
                assistant(ToolUse("2", "f", "{}")),
                user(ToolResult("2", (Text("r"),))),
            ],
        ),
    ],
)
def test_items_both_ways(items: list[dict[str, Any]], messages: list[Message]) -> None:
    assert read(*items) == ((), tuple(messages))
    assert written(*messages) == items


# --- reading ------------------------------------------------------------------------------------


def test_a_text_is_a_question() -> None:
    assert read_input(raw("Hi")) == ((), (user(Text("Hi")),))
    assert read_input(raw("")) == ((), (user(),))


def test_instructions_at_the_head_and_later() -> None:
    system, messages = read(
        {"role": "developer", "content": "a"}, said("system", "b"), said("user", "Hi"), said("system", "c")
    )
    assert system == (Text("a"), Text("b"))
    assert messages == (user(Text("Hi")), Message("system", (Text("c"),)))


def test_more_ways_to_say_it() -> None:
    text = {"type": "input_text", "text": "r", "cache_control": {"type": "ephemeral"}}
    _, messages = read(
        {"type": "custom_tool_call", "call_id": "1", "name": "patch", "input": "*** x"},
        {"type": "custom_tool_call_output", "call_id": "1", "output": [text]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
        {"type": "reasoning", "summary": [SUMMARY, SUMMARY], "encrypted_content": f"{MESSAGES}:c2ln"},
    )
    assert messages == (
        assistant(ToolUse("1", "patch", '{"input":"*** x"}')),
        user(ToolResult("1", (Text("r"),), cache_ttl="5m")),
        assistant(Thinking("t"), Thinking("t\n\nt", "c2ln", format=MESSAGES)),
    )


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "an item of type 'item_reference' can't be said"),
        ({"id": "msg_1"}, "an item of type 'item_reference' can't be said"),
        ({"type": "web_search_call", "id": "ws_1"}, "an item of type 'web_search_call' can't"),
        ({"type": "local_shell_call", "call_id": "1"}, "an item of type 'local_shell_call' can't"),
        ({"type": "message", "role": "tool", "content": "x"}, "role 'tool' is unknown"),
        ({"type": "message", "content": "x"}, "role 'None' is unknown"),
        (said("developer", [PNG_PART]), "system messages hold text only"),
        ({"role": "user", "content": 5}, r"'input\[0\].content' is malformed"),
    ],
)
def test_what_other_wires_do_not_have(item: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read(item)


# --- writing ------------------------------------------------------------------------------------


def test_reasoning_of_others_and_unsigned_is_left_out() -> None:
    foreign = (Thinking("t"), Thinking("t", "s", format=MESSAGES), Thinking(redacted="d", format=MESSAGES))
    assert written(assistant(*foreign, Text("a"))) == [said("assistant", "a")]
    plain = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]}
    assert written(assistant(*foreign, Text("a")), reasoning_text=True) == [
        plain,
        plain,
        said("assistant", "a"),
    ]
    assert written(assistant(Thinking("t", "s"), Text("a")))[0] == {
        "type": "reasoning",
        "summary": [SUMMARY],
        "encrypted_content": "s",
    }


def test_reasoning_that_led_to_nothing_is_left_out() -> None:
    thought = Thinking("t", "s", format=RESPONSES)
    assert written(assistant(Text("a"), thought), user(Text("b"))) == [
        said("assistant", "a"),
        said("user", "b"),
    ]


def test_errors_and_empty_results() -> None:
    results = [
        ToolResult("1", (Text("no file"),), True),
        ToolResult("2", (PNG,), True),
        ToolResult("3", (), True),
        ToolResult("4", ()),
        ToolResult("5", (Text("a"), File("n", text="b"))),
    ]
    assert [item["output"] for item in written(user(*results))] == [
        "Error: no file",
        [{"type": "input_text", "text": "Error:"}, PNG_PART],
        "Error:",
        "",
        [
            {"type": "input_text", "text": "a"},
            {"type": "input_text", "text": '<document name="n">\nb\n</document>'},
        ],
    ]


def test_long_ids_are_shortened_alike() -> None:
    one, other = written(assistant(ToolUse("x" * 99, "f", " ")), user(ToolResult("x" * 99, ())))
    assert one["call_id"] == other["call_id"]
    assert len(one["call_id"]) == LONGEST_ID
    assert one["arguments"] == "{}"


def test_speakers_are_named_in_words() -> None:
    assert written(Message("user", (Text("Hi"),), "ann")) == [said("user", "ann: Hi")]


def test_pictures_of_assistants_are_refused() -> None:
    with pytest.raises(BadRequest, match="images and files of the assistant can't"):
        written(assistant(PNG))
