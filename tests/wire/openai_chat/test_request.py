"""Chat requests: what a provider gets of each caller, and what is read of a caller."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import sdk_types
from client_requests import AGENT_CHAT, AGENT_MESSAGES, AGENT_RESPONSES, SCHEMA, fields_of

from tokenworks.errors import BadRequest
from tokenworks.wire.anthropic_messages import request as messages
from tokenworks.wire.conversation import Conversation, Format, Maker, Message, Reasoning, Text, ToolChoice
from tokenworks.wire.openai_chat.request import LOSSES, OFFICIAL, WIRE, read, write
from tokenworks.wire.openai_responses import request as responses
from tokenworks.wire.peek import peek, raw

USER = {"role": "user", "content": "Hi"}


def asked(**fields: Any) -> Conversation:
    return read(fields_of({"model": "acme/model", "messages": [USER]}, **fields))


def sent(conversation: Conversation, *quirks: str, **maker: Any) -> dict[str, Any]:
    """The body for a provider with these quirks, which the official client's types allow too."""
    body = json.loads(write(conversation, Maker("up", quirks=frozenset(quirks), **maker)))
    sdk_types.check(WIRE, body)
    assert isinstance(body, dict)
    return body


def call(id: str, name: str, arguments: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


# --- other callers ------------------------------------------------------------------------------

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}


def test_an_agent_of_the_messages_wire() -> None:
    assert sent(messages.read(fields_of(AGENT_MESSAGES))) == {
        "model": "up",
        "max_tokens": 32000,
        "temperature": 1.0,
        "reasoning_effort": "medium",
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {"name": "Read", "description": "Reads a file", "parameters": SCHEMA},
            },
            {"type": "function", "function": {"name": "Stop", "parameters": {"type": "object"}}},
        ],
        "messages": [
            {"role": "system", "content": "You are an agent.\n\nBe brief."},
            {"role": "user", "content": "<system-reminder>Today</system-reminder>\n\nFix it"},
            {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [
                    call("toolu_1", "Read", '{"path": "a.py"}'),
                    call("toolu_2", "Read", '{"path": "b.png"}'),
                    call("toolu_3", "Read", '{"path": "c"}'),
                ],
            },
            {"role": "tool", "tool_call_id": "toolu_1", "content": "print(1)"},
            {"role": "tool", "tool_call_id": "toolu_2", "content": "b.png"},
            {"role": "tool", "tool_call_id": "toolu_3", "content": "Error: no such file"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Result of the tool call toolu_2:"},
                    PICTURE,
                    {"type": "text", "text": "Go on"},
                ],
            },
        ],
    }


def test_an_aggregator_gets_reasoning_and_cache_marks_too() -> None:
    body = sent(
        messages.read(fields_of(AGENT_MESSAGES)), "reasoning_object", "cache_marks", "official_fields"
    )
    assert body["reasoning"] == {"enabled": True, "max_tokens": 16000}
    assert "reasoning_effort" not in body
    assert body["user"] == "user_1"
    assert [tool.get("cache_control") for tool in body["tools"]] == [None, {"type": "ephemeral"}]
    system, _, assistant, _, _, failed, _ = body["messages"]
    assert system["content"] == [
        {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert assistant["reasoning"] == "Two files."
    format = {"format": "anthropic-claude-v1"}
    assert assistant["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Two files.", "signature": "c2ln", "index": 0, **format},
        {"type": "reasoning.encrypted", "data": "b3BhcXVl", "index": 1, **format},
    ]
    assert failed["content"] == [
        {"type": "text", "text": "Error: no such file", "cache_control": {"type": "ephemeral"}}
    ]


def test_an_agent_of_the_responses_wire() -> None:
    custom = {
        "type": "object",
        "properties": {
            "input": {
                "type": "string",
                "description": "The whole input of the tool, as plain text. It must follow this lark grammar:"
                "\nstart: any",
            }
        },
        "required": ["input"],
        "additionalProperties": False,
    }
    body = sent(responses.read(fields_of(AGENT_RESPONSES)), "echo_reasoning_content")
    assert body == {
        "model": "up",
        "reasoning_effort": "high",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {"type": "function", "function": {"name": "shell", "description": "Runs", "parameters": SCHEMA}},
            {
                "type": "function",
                "function": {"name": "apply_patch", "description": "Edits files", "parameters": custom},
            },
        ],
        "messages": [
            {"role": "system", "content": "You are an agent.\n\n<permissions>all</permissions>"},
            {"role": "user", "content": "Fix it"},
            {
                "role": "assistant",
                "content": "Let me look.",
                "reasoning_content": "**Looking**\n\n**Reading**",
                "tool_calls": [
                    call("call_1", "shell", '{"path":"a"}'),
                    call("call_2", "apply_patch", '{"input":"*** \\"a\\""}'),
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "print(1)"},
            {"role": "tool", "tool_call_id": "call_2", "content": "Done"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Result of the tool call call_2:"},
                    PICTURE,
                    {"type": "text", "text": "Go on"},
                ],
            },
        ],
    }


def test_fields_of_the_protocols_owner_go_to_those_who_know_them() -> None:
    conversation = responses.read(fields_of(AGENT_RESPONSES, metadata={"a": "b"}, service_tier="flex"))
    assert not set(OFFICIAL) & set(sent(conversation))
    body = sent(conversation, "official_fields")
    assert {key: body[key] for key in OFFICIAL if key in body} == {
        "metadata": {"a": "b"},
        "prompt_cache_key": "thread-1",
        "service_tier": "flex",
        "verbosity": "low",
    }
    assert "store" not in body and "include" not in body
    claude = messages.read(fields_of(AGENT_MESSAGES, service_tier="standard_only"))
    assert "service_tier" not in sent(claude, "official_fields")


def test_a_long_user_is_told_by_its_hash() -> None:
    conversation = messages.read(fields_of(AGENT_MESSAGES, metadata={"user_id": "u" * 150}))
    user = sent(conversation, "official_fields")["user"]
    assert len(user) == 64
    assert user != "u" * 64


@pytest.mark.parametrize(
    ("fields", "culprit"),
    [
        ({"mcp_servers": [{"type": "url", "url": "https://e.com", "name": "x"}]}, "mcp_servers"),
        ({"container": "c_1"}, "container"),
        ({"inference_geo": "us"}, "inference_geo"),
    ],
)
def test_what_callers_of_messages_can_not_have_here(fields: dict[str, Any], culprit: str) -> None:
    with pytest.raises(BadRequest, match=f"'{culprit}' can't be said to the provider"):
        sent(messages.read(fields_of(AGENT_MESSAGES, **fields)))
    sent(messages.read(fields_of(AGENT_MESSAGES, mcp_servers=[], inference_geo="global", speed="fast", x=1)))


@pytest.mark.parametrize(
    ("fields", "culprit"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"top_logprobs": 2}, "top_logprobs"),
    ],
)
def test_what_callers_of_responses_can_not_have_here(fields: dict[str, Any], culprit: str) -> None:
    with pytest.raises(BadRequest, match=f"'{culprit}' can't be said to the provider"):
        sent(responses.read(fields_of(AGENT_RESPONSES, **fields)))
    sent(responses.read(fields_of(AGENT_RESPONSES, background=False, truncation="auto", top_logprobs=0)))


def test_a_strict_maker_wants_nothing_left_out() -> None:
    plain = {"model": "m", "messages": [USER], "max_tokens": 9}
    sent(messages.read(fields_of(plain)), strict=True)
    for fields, culprit in (
        ({"top_k": 5}, "top_k"),
        ({"metadata": {"user_id": "u"}}, "metadata"),
        ({"context_management": {}}, "context_management"),
        ({"service_tier": "standard_only", "speed": "fast"}, "speed"),
    ):
        with pytest.raises(BadRequest, match=f"'{culprit}' can't be said"):
            sent(messages.read(fields_of(plain, **fields)), strict=True)
    known = {"top_k": 5, "metadata": {"user_id": "u"}}
    body = sent(messages.read(fields_of(plain, **known)), "takes_top_k", "official_fields", strict=True)
    assert (body["top_k"], body["user"]) == (5, "u")


def test_every_loss_is_a_field_that_would_otherwise_be_forgotten() -> None:
    assert not set(LOSSES) & {"model", "messages", "input", "tools", "stream"}


# --- chat callers -------------------------------------------------------------------------------


def test_what_is_read_of_a_chat_client() -> None:
    conversation = read(fields_of(AGENT_CHAT))
    assert conversation.wire == WIRE
    assert conversation.model == "acme/model"
    assert conversation.system == (Text("You are brief."), Text("Long.", "5m"))
    assert [message.role for message in conversation.messages] == [
        "user",
        "assistant",
        "user",
        "system",
        "user",
    ]
    assert conversation.max_output_tokens == 8000
    assert (conversation.temperature, conversation.stop, conversation.user) == (1.5, ("END",), "user_1")
    assert conversation.reasoning == Reasoning(effort="high")
    assert conversation.tool_choice == ToolChoice("tool", "get_weather")
    assert conversation.parallel_tool_calls is False
    assert conversation.stream is True
    assert {key: bytes(value) for key, value in conversation.extra.items()} == {"seed": b"7"}


def test_a_chat_request_for_a_chat_provider_keeps_the_callers_own_fields() -> None:
    body = sent(
        asked(n=2, seed=7, user="u", top_k=3, logprobs=True, metadata={"a": "b"}, provider={}, x=None)
    )
    assert body == {
        "model": "up",
        "messages": [USER],
        "n": 2,
        "seed": 7,
        "user": "u",
        "top_k": 3,
        "logprobs": True,
        "metadata": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("given", "quirks", "maker", "written"),
    [
        ({"max_tokens": 9}, (), {}, {"max_tokens": 9}),
        ({"max_completion_tokens": 9, "max_tokens": 5}, (), {}, {"max_tokens": 9}),
        ({"max_tokens": 9}, ("max_completion_tokens",), {}, {"max_completion_tokens": 9}),
        ({"max_tokens": 999}, (), {"max_output_tokens": 100}, {"max_tokens": 100}),
        ({"max_tokens": None}, (), {"max_output_tokens": 100}, {}),
        ({"max_tokens": 0}, (), {}, {"max_tokens": 0}),
    ],
)
def test_the_cap_on_the_answer(
    given: dict[str, Any], quirks: tuple[str, ...], maker: dict[str, Any], written: dict[str, Any]
) -> None:
    body = sent(asked(**given), *quirks, **maker)
    assert {key: value for key, value in body.items() if key.startswith("max_")} == written


SCHEMA_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "town", "description": "A town", "schema": SCHEMA, "strict": True},
}


@pytest.mark.parametrize(
    ("given", "format"),
    [
        ({"type": "text"}, Format("text")),
        ({"type": "json_object"}, Format("json_object")),
        (SCHEMA_FORMAT, Format("json_schema", "town", raw(SCHEMA), True, "A town")),
    ],
)
def test_formats_of_the_answer(given: dict[str, Any], format: Format) -> None:
    conversation = asked(response_format=given)
    assert conversation.format is not None
    assert json.loads(bytes(conversation.format.schema or raw(None))) == (
        SCHEMA if format.kind == "json_schema" else None
    )
    assert msgspec.structs.replace(conversation.format, schema=format.schema) == format
    assert sent(conversation)["response_format"] == given


def test_a_schema_gets_a_name_where_it_had_none() -> None:
    output = {"format": {"type": "json_schema", "schema": SCHEMA}}
    body = sent(messages.read(fields_of(AGENT_MESSAGES, output_config=output)))
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA},
    }


def test_a_format_of_another_kind_stays_on_this_wire() -> None:
    grammar = {"type": "grammar", "grammar": "root ::= x"}
    conversation = asked(response_format=grammar)
    assert json.loads(write(conversation, Maker("up")))["response_format"] == grammar
    with pytest.raises(BadRequest, match="'response_format' can't be said"):
        messages.write(conversation, Maker("up"))


def test_tool_arguments_stream_where_they_must_be_asked_to() -> None:
    tools = AGENT_CHAT["tools"]
    assert sent(asked(stream=True, tools=tools), "tool_stream_flag")["tool_stream"] is True
    assert "tool_stream" not in sent(asked(stream=True), "tool_stream_flag")
    assert "tool_stream" not in sent(asked(tools=tools), "tool_stream_flag")


def test_how_to_call_tools_is_said_only_where_there_are_tools() -> None:
    body = sent(asked(tool_choice="auto", parallel_tool_calls=True, tools=[]))
    assert set(body) == {"model", "messages"}


def test_what_a_model_refuses_is_left_out() -> None:
    asked_for = asked(temperature=0.2, top_p=0.9, tools=AGENT_CHAT["tools"], tool_choice="required")
    assert {"temperature", "top_p"} <= set(sent(asked_for))
    body = sent(asked_for, "sampling_refused", "no_forced_tools")
    assert body["tool_choice"] == "auto"
    assert not {"temperature", "top_p"} & set(body)


def test_thoughts_are_always_asked_apart_from_the_text() -> None:
    assert sent(asked(), "inline_think_tags")["reasoning_split"] is True
    assert sent(asked(reasoning={"effort": "low"}), "inline_think_tags")["reasoning_split"] is True


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": None}, "'messages' is missing"),
        ({"messages": {}}, "'messages' is malformed"),
        (
            {"messages": [{"content": "x"}]},
            r"'messages\[0\]' is malformed: Object missing required field `role`",
        ),
        ({"messages": [{"role": "user", "content": 5}]}, r"'messages\[0\].content' is malformed"),
        ({"temperature": "hot"}, "'temperature' is malformed"),
        ({"max_tokens": 1.5}, "'max_tokens' is malformed"),
        ({"max_tokens": -1}, "'max_tokens' must not be negative"),
        ({"stop": [1]}, r"'stop\[0\]' is malformed"),
        ({"response_format": {"type": "json_schema"}}, "'response_format' of type json_schema needs"),
        ({"reasoning_effort": "ultra"}, "the reasoning effort 'ultra' is unknown"),
        ({"stream": "yes"}, "'stream' must be true or false"),
    ],
)
def test_what_is_malformed_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        asked(**fields)


def test_messages_alone_can_be_read_and_written() -> None:
    """As it is done where only reasoning is put back into them."""
    fields = fields_of(AGENT_CHAT)
    conversation = read({"model": fields["model"], "messages": fields["messages"]})
    whole = peek(write(conversation, Maker("up", quirks=frozenset(("replay_full_assistant",)))))
    back = read(whole)
    assert back.messages == conversation.messages
    assert isinstance(back.messages[0], Message)
