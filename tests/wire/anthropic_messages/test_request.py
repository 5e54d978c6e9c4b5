"""Requests on the messages wire: what a provider gets of each caller, and what is read of a caller."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sdk_types
from client_requests import AGENT_CHAT, AGENT_MESSAGES, AGENT_RESPONSES, SCHEMA, fields_of

from tokenworks.errors import BadRequest
from tokenworks.wire.anthropic_messages.request import WIRE, read, write
from tokenworks.wire.conversation import Conversation, Format, Maker, Reasoning, Text, ToolChoice
from tokenworks.wire.openai_chat import request as chat
from tokenworks.wire.openai_responses import request as responses

USER = {"role": "user", "content": "Hi"}


def sent(conversation: Conversation, *quirks: str, **maker: Any) -> dict[str, Any]:
    """The body for a provider with these quirks, which the official client's types allow too."""
    body = json.loads(write(conversation, Maker("up", quirks=frozenset(quirks), **maker)))
    sdk_types.check(WIRE, body)
    assert isinstance(body, dict)
    return body


def of_chat(**fields: Any) -> Conversation:
    return chat.read(fields_of({"model": "acme/model", "messages": [USER]}, **fields))


# --- other callers ------------------------------------------------------------------------------


def test_a_chat_client() -> None:
    assert sent(chat.read(fields_of(AGENT_CHAT))) == {
        "model": "up",
        "max_tokens": 8000,
        "stream": True,
        "thinking": {"type": "enabled", "budget_tokens": 6400},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "user_1"},
        "tools": [{"name": "get_weather", "description": "Weather", "input_schema": SCHEMA, "strict": True}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "system": [
            {"type": "text", "text": "You are brief."},
            {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "ann: What is this?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"},
                    },
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                    {
                        "type": "document",
                        "title": "a.pdf",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Two towns.", "signature": "c2ln"},
                    {
                        "type": "tool_use",
                        "id": "functions_get_weather_0",
                        "name": "get_weather",
                        "input": {"path": "Paris"},
                    },
                    {
                        "type": "tool_use",
                        "id": "call_2",
                        "name": "get_weather",
                        "input": {"invalid_json": "{broken"},
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "functions_get_weather_0", "content": "Sun"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "Rain"},
                ],
            },
            {"role": "user", "content": "<system>\nAnswer in French.\n</system>"},
            {"role": "user", "content": "And?"},
        ],
    }


def test_an_agent_of_the_responses_wire() -> None:
    body = sent(responses.read(fields_of(AGENT_RESPONSES)), max_output_tokens=64_000)
    (shell, patch) = body.pop("tools")
    assert shell == {"name": "shell", "description": "Runs", "input_schema": SCHEMA}
    assert (patch["name"], patch["input_schema"]["required"]) == ("apply_patch", ["input"])
    assert body == {
        "model": "up",
        "max_tokens": 32_000,
        "stream": True,
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": False},
        "system": [
            {"type": "text", "text": "You are an agent."},
            {"type": "text", "text": "<permissions>all</permissions>"},
        ],
        "messages": [
            {"role": "user", "content": "Fix it"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_use", "id": "call_1", "name": "shell", "input": {"path": "a"}},
                    {
                        "type": "tool_use",
                        "id": "call_2",
                        "name": "apply_patch",
                        "input": {"input": '*** "a"'},
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "print(1)"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "call_2",
                        "content": [
                            {"type": "text", "text": "Done"},
                            {
                                "type": "image",
                                "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
                            },
                        ],
                    },
                    {"type": "text", "text": "Go on"},
                ],
            },
        ],
    }, "thinking is left out: the turn under way began without any that can be shown"
    adaptive = sent(responses.read(fields_of(AGENT_RESPONSES)), "adaptive_thinking_only")
    assert adaptive["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert adaptive["output_config"] == {"effort": "high"}


@pytest.mark.parametrize(
    ("given", "maker", "max_tokens"),
    [
        ({}, {}, 4096),
        ({}, {"max_output_tokens": 8000}, 8000),
        ({}, {"max_output_tokens": 128_000}, 32_000),
        ({"max_tokens": 100}, {"max_output_tokens": 8000}, 100),
        ({"max_tokens": 99_000}, {"max_output_tokens": 8000}, 8000),
        ({"max_tokens": 99_000}, {}, 99_000),
    ],
)
def test_max_tokens_is_always_said(given: dict[str, Any], maker: dict[str, Any], max_tokens: int) -> None:
    assert sent(of_chat(**given), **maker)["max_tokens"] == max_tokens


SAMPLING = ("temperature", "top_p", "top_k")
THINK = {"reasoning_effort": "low"}


@pytest.mark.parametrize(
    ("given", "quirks", "kept"),
    [
        ({"temperature": 0.3, "top_k": 5}, (), {"temperature": 0.3, "top_k": 5}),
        ({"temperature": 1.7}, (), {"temperature": 1.0}),
        ({"temperature": 0.3, "top_p": 0.9}, (), {"temperature": 0.3}),
        ({"top_p": 0.9}, (), {"top_p": 0.9}),
        ({"temperature": 0.3, "top_k": 5, "top_p": 0.9, **THINK}, (), {}),
        ({"top_p": 0.95, **THINK}, (), {"top_p": 0.95}),
        ({"temperature": 0.3, "top_k": 5, **THINK}, ("adaptive_thinking_only",), {}),
        ({"temperature": 0.3, "top_k": 5}, ("adaptive_thinking_only",), {"temperature": 0.3, "top_k": 5}),
        ({"temperature": 0.3, "top_k": 5, "top_p": 0.95}, ("sampling_refused",), {}),
    ],
)
def test_sampling(given: dict[str, Any], quirks: tuple[str, ...], kept: dict[str, Any]) -> None:
    body = sent(of_chat(**given), *quirks)
    assert {key: body[key] for key in SAMPLING if key in body} == kept


TOOLS = AGENT_CHAT["tools"]


@pytest.mark.parametrize(
    ("fields", "culprit"),
    [
        ({"temperature": 0.3, **THINK}, "temperature"),
        ({"temperature": 0.3, "top_p": 0.9}, "top_p"),
        ({"top_k": 3, **THINK}, "top_k"),
        ({"tools": TOOLS, "tool_choice": "required", **THINK}, "tool_choice"),
        ({"seed": 1}, "seed"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"store": True}, "store"),
    ],
)
def test_a_strict_maker_wants_nothing_left_out(fields: dict[str, Any], culprit: str) -> None:
    with pytest.raises(BadRequest, match=f"'{culprit}' can't be said to the provider"):
        sent(of_chat(**fields), strict=True)
    sent(of_chat(**fields))


def test_thinking_that_has_no_room_is_left_out() -> None:
    assert "thinking" not in sent(of_chat(**THINK), max_output_tokens=1000)
    with pytest.raises(BadRequest, match="'reasoning' can't be said to the provider"):
        sent(of_chat(**THINK), max_output_tokens=1000, strict=True)


def test_a_call_can_not_always_be_forced() -> None:
    forced = of_chat(tools=TOOLS, tool_choice="required")
    assert sent(forced)["tool_choice"] == {"type": "any"}
    assert sent(forced, "no_forced_tools")["tool_choice"] == {"type": "auto"}
    assert sent(of_chat(tools=TOOLS, tool_choice="required", **THINK))["tool_choice"] == {"type": "auto"}


def test_what_says_nothing_is_no_loss_even_to_a_strict_maker() -> None:
    silent = {"n": 1, "temperature": 1, "top_p": 1, "frequency_penalty": 0, "store": False, "logit_bias": {}}
    body = sent(of_chat(**silent, logprobs=False, modalities=["text"], unknown=[1], provider={}), strict=True)
    assert body == {
        "model": "up",
        "max_tokens": 4096,
        "temperature": 1.0,
        "messages": [USER],
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"logprobs": True},
        {"top_logprobs": 3},
        {"logit_bias": {"5": 1}},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "x", "format": "wav"}},
        {"functions": [{"name": "f"}]},
        {"web_search_options": {}},
        {"response_format": {"type": "grammar", "grammar": "x"}},
    ],
)
def test_what_callers_of_chat_can_not_have_here(fields: dict[str, Any]) -> None:
    (culprit,) = fields
    with pytest.raises(BadRequest, match=f"'{culprit}' can't be said to the provider"):
        sent(of_chat(**fields))


def test_stop_sequences() -> None:
    assert sent(of_chat(stop="END"))["stop_sequences"] == ["END"]
    with pytest.raises(BadRequest, match=r"'stop' can't be said.*a stop sequence of white space"):
        sent(of_chat(stop=["END", "\n"]))


def test_formats_of_the_answer() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "town", "schema": SCHEMA, "strict": True}}
    body = sent(of_chat(response_format=wanted))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    body = sent(of_chat(response_format=wanted, reasoning_effort="low"), "adaptive_thinking_only")
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}
    assert "output_config" not in sent(of_chat(response_format={"type": "text"}))
    with pytest.raises(BadRequest, match=r"'response_format' can't be said.*type json_schema"):
        sent(of_chat(response_format={"type": "json_object"}))
    with pytest.raises(BadRequest, match=r"'text' can't be said.*type json_schema"):
        sent(responses.read(fields_of(AGENT_RESPONSES, text={"format": {"type": "json_object"}})))


def test_instructions_alone_are_a_question() -> None:
    body = sent(of_chat(messages=[{"role": "system", "content": "Tell a joke"}]))
    assert body["messages"] == [{"role": "user", "content": "Tell a joke"}]
    assert "system" not in body


def test_how_to_call_tools_is_said_only_where_there_are_tools() -> None:
    body = sent(of_chat(tool_choice="auto", parallel_tool_calls=False))
    assert set(body) == {"model", "max_tokens", "messages"}


def test_a_mark_for_the_whole_request_is_kept() -> None:
    assert sent(of_chat(cache_control={"type": "ephemeral"}))["cache_control"] == {"type": "ephemeral"}


def test_a_long_user_is_told_by_its_hash() -> None:
    assert sent(of_chat(user="u" * 256))["metadata"] == {"user_id": "u" * 256}
    assert len(sent(of_chat(user="u" * 257))["metadata"]["user_id"]) == 64


# --- callers of this wire -----------------------------------------------------------------------


def test_what_is_read_of_an_agent() -> None:
    conversation = read(fields_of(AGENT_MESSAGES))
    assert conversation.wire == WIRE
    assert conversation.system == (Text("You are an agent.", "5m"), Text("Be brief.", "1h"))
    assert conversation.reasoning == Reasoning(True, max_tokens=16_000)
    assert (conversation.max_output_tokens, conversation.stream, conversation.user) == (
        32_000,
        True,
        "user_1",
    )
    assert [message.role for message in conversation.messages] == ["user", "assistant", "user"]
    assert [tool.cache_ttl for tool in conversation.tools] == ["", "5m"]
    assert set(conversation.extra) == {"context_management"}


def test_an_agents_own_request_comes_out_as_it_went_in() -> None:
    body = sent(read(fields_of(AGENT_MESSAGES)))
    wanted = json.loads(json.dumps(AGENT_MESSAGES))
    wanted["model"] = "up"
    del wanted["temperature"], wanted["system"][0]
    assert body == wanted


def test_other_fields() -> None:
    fields = {
        "top_k": 5,
        "top_p": 0.5,
        "stop_sequences": ["a"],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "thinking": {"type": "disabled"},
        "output_config": {"effort": None, "format": {"type": "json_schema", "schema": SCHEMA}},
        "mcp_servers": [],
        "container": None,
        "user": "u",
        "metadata": {"user_id": None},
    }
    conversation = read(fields_of(AGENT_MESSAGES, **fields))
    assert (conversation.top_k, conversation.top_p, conversation.stop) == (5, 0.5, ("a",))
    assert (conversation.tool_choice, conversation.parallel_tool_calls) == (ToolChoice("required"), False)
    assert conversation.reasoning == Reasoning(False)
    assert conversation.format is not None
    assert json.loads(bytes(conversation.format.schema or b"")) == SCHEMA
    assert conversation.user == "u"
    assert set(conversation.extra) == {"context_management", "mcp_servers"}


def test_the_format_where_it_stood_of_old() -> None:
    given = {"type": "json_schema", "schema": {}}
    assert isinstance(read(fields_of(AGENT_MESSAGES, output_format=given)).format, Format)
    with pytest.raises(BadRequest, match="'output_format': the format 'xml' is unknown"):
        read(fields_of(AGENT_MESSAGES, output_format={"type": "xml", "schema": {}}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": None}, "'messages' is missing"),
        ({"max_tokens": "many"}, "'max_tokens' is malformed"),
        ({"stop_sequences": "x"}, "'stop_sequences' is malformed"),
        ({"metadata": {"user_id": 5}}, "'metadata.user_id' is malformed"),
        ({"system": 5}, "'system' is malformed"),
    ],
)
def test_what_is_malformed_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read(fields_of(AGENT_MESSAGES, **fields))
