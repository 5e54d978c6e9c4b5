"""Requests on the responses wire: what a provider gets of each caller, and what is read of a caller."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sdk_types
from client_requests import AGENT_CHAT, AGENT_MESSAGES, AGENT_RESPONSES, SCHEMA, fields_of

from tokenworks.errors import BadRequest
from tokenworks.wire.anthropic_messages import request as messages
from tokenworks.wire.conversation import Conversation, Format, Maker, Reasoning, Text
from tokenworks.wire.openai_chat import request as chat
from tokenworks.wire.openai_responses.request import WIRE, read, write

USER = {"role": "user", "content": "Hi"}
ITEM = {"type": "message", "role": "user", "content": "Hi"}


def sent(conversation: Conversation, *quirks: str, **maker: Any) -> dict[str, Any]:
    """The body for a provider with these quirks, which the official client's types allow too."""
    body = json.loads(write(conversation, Maker("up", quirks=frozenset(quirks), **maker)))
    sdk_types.check(WIRE, body)
    assert isinstance(body, dict)
    return body


def of_chat(**fields: Any) -> Conversation:
    return chat.read(fields_of({"model": "acme/model", "messages": [USER]}, **fields))


def asked(**fields: Any) -> Conversation:
    return read(fields_of({"model": "acme/model", "input": "Hi"}, **fields))


# --- other callers ------------------------------------------------------------------------------


def test_a_chat_client() -> None:
    assert sent(chat.read(fields_of(AGENT_CHAT, stop=None))) == {
        "model": "up",
        "max_output_tokens": 8000,
        "temperature": 1.5,
        "stream": True,
        "store": False,
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "tools": [
            {
                "type": "function",
                "name": "get_weather",
                "description": "Weather",
                "parameters": SCHEMA,
                "strict": True,
            }
        ],
        "tool_choice": {"type": "function", "name": "get_weather"},
        "parallel_tool_calls": False,
        "instructions": "You are brief.\n\nLong.",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "ann: What is this?"},
                    {"type": "input_image", "image_url": "data:image/jpg;base64,/9j/", "detail": "high"},
                    {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
                    {
                        "type": "input_file",
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,JVBE",
                    },
                ],
            },
            {
                "type": "function_call",
                "call_id": "functions.get_weather:0",
                "name": "get_weather",
                "arguments": '{"path": "Paris"}',
            },
            {"type": "function_call", "call_id": "call_2", "name": "get_weather", "arguments": "{broken"},
            {"type": "function_call_output", "call_id": "functions.get_weather:0", "output": "Sun"},
            {"type": "function_call_output", "call_id": "call_2", "output": "Rain"},
            {"type": "message", "role": "developer", "content": "Answer in French."},
            {"type": "message", "role": "user", "content": "And?"},
        ],
    }


def test_an_agent_of_the_messages_wire() -> None:
    body = sent(messages.read(fields_of(AGENT_MESSAGES)), "official_fields")
    tools = body.pop("tools")
    assert [(tool["type"], tool["name"], tool["strict"]) for tool in tools] == [
        ("function", "Read", False),
        ("function", "Stop", False),
    ]
    assert body == {
        "model": "up",
        "max_output_tokens": 32000,
        "temperature": 1.0,
        "stream": True,
        "store": False,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "user": "user_1",
        "instructions": "You are an agent.\n\nBe brief.",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "<system-reminder>Today</system-reminder>"},
                    {"type": "input_text", "text": "Fix it"},
                ],
            },
            {"type": "message", "role": "assistant", "content": "Let me look."},
            {"type": "function_call", "call_id": "toolu_1", "name": "Read", "arguments": '{"path": "a.py"}'},
            {"type": "function_call", "call_id": "toolu_2", "name": "Read", "arguments": '{"path": "b.png"}'},
            {"type": "function_call", "call_id": "toolu_3", "name": "Read", "arguments": '{"path": "c"}'},
            {"type": "function_call_output", "call_id": "toolu_1", "output": "print(1)"},
            {
                "type": "function_call_output",
                "call_id": "toolu_2",
                "output": [
                    {"type": "input_text", "text": "b.png"},
                    {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "auto"},
                ],
            },
            {"type": "function_call_output", "call_id": "toolu_3", "output": "Error: no such file"},
            {"type": "message", "role": "user", "content": "Go on"},
        ],
    }


def test_what_reasoned_before_does_so_again_where_nothing_was_said_of_it() -> None:
    detail = {"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1", "format": "openai-responses-v1"}
    said = {"role": "assistant", "content": "a", "reasoning_details": [detail]}
    assert "include" not in sent(of_chat())
    body = sent(of_chat(messages=[said, USER]))
    assert body["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize(
    ("given", "most", "written"),
    [(5, None, 16), (100, None, 100), (100, 50, 50), (None, 50, None)],
)
def test_the_cap_on_the_answer(given: int | None, most: int | None, written: int | None) -> None:
    body = sent(of_chat(max_tokens=given), max_output_tokens=most)
    assert body.get("max_output_tokens") == written


@pytest.mark.parametrize(
    "fields",
    [
        {"stop": ["END"]},
        {"n": 2},
        {"logprobs": True},
        {"top_logprobs": 3},
        {"logit_bias": {"5": 1}},
        {"modalities": ["audio"]},
        {"functions": [{"name": "f"}]},
    ],
)
def test_what_callers_of_chat_can_not_have_here(fields: dict[str, Any]) -> None:
    (culprit,) = fields
    with pytest.raises(BadRequest, match=f"'{culprit}' can't be said to the provider"):
        sent(of_chat(**fields))


def test_what_callers_of_messages_can_not_have_here() -> None:
    for fields in ({"stop_sequences": ["END"]}, {"container": "c"}, {"inference_geo": "us"}):
        (culprit,) = fields
        with pytest.raises(BadRequest, match=f"'{culprit}' can't be said to the provider"):
            sent(messages.read(fields_of(AGENT_MESSAGES, **fields)))


def test_a_strict_maker_wants_nothing_left_out() -> None:
    sent(of_chat(n=1, unknown=1, temperature=0.5), strict=True)
    for fields in ({"seed": 1}, {"user": "u"}, {"top_k": 1}, {"metadata": {"a": "b"}}, {"verbosity": "low"}):
        (culprit,) = fields
        sent(of_chat(**fields))
        with pytest.raises(BadRequest, match=f"'{culprit}' can't be said to the provider"):
            sent(of_chat(**fields), strict=True)


def test_fields_of_the_protocols_owner_go_to_those_who_know_them() -> None:
    fields = {"metadata": {"a": "b"}, "service_tier": "flex", "verbosity": "low", "prompt_cache_key": "k"}
    conversation = of_chat(**fields, user="u", top_k=3)
    assert set(sent(conversation)) == {"model", "input", "store"}
    body = sent(conversation, "official_fields", "takes_top_k", strict=True)
    assert body == {
        "model": "up",
        "input": [ITEM],
        "store": False,
        "metadata": {"a": "b"},
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "text": {"verbosity": "low"},
        "user": "u",
        "top_k": 3,
    }
    assert "service_tier" not in sent(
        messages.read(fields_of(AGENT_MESSAGES, service_tier="standard_only")), "official_fields"
    )


FORMATS: list[dict[str, Any]] = [
    {"type": "text"},
    {"type": "json_object"},
    {"type": "json_schema", "name": "town", "description": "A town", "schema": SCHEMA, "strict": True},
]


@pytest.mark.parametrize("format", FORMATS)
def test_formats_of_the_answer(format: dict[str, Any]) -> None:
    inner = {key: value for key, value in format.items() if key != "type"}
    wanted = {"type": format["type"], **({"json_schema": inner} if inner else {})}
    assert sent(of_chat(response_format=wanted))["text"] == {"format": format}
    assert sent(asked(text={"format": format}))["text"] == {"format": format}


# --- callers of this wire -----------------------------------------------------------------------


def test_what_is_read_of_an_agent() -> None:
    conversation = read(fields_of(AGENT_RESPONSES, previous_response_id="resp_1"))
    assert conversation.wire == WIRE
    assert conversation.system == (Text("You are an agent."), Text("<permissions>all</permissions>"))
    assert conversation.reasoning == Reasoning(effort="high", summary="auto")
    assert [message.role for message in conversation.messages] == ["user", "assistant", "user"]
    assert [tool.name for tool in conversation.tools] == ["shell", "apply_patch"]
    assert set(conversation.extra) == {"include", "prompt_cache_key", "store", "verbosity"}


def test_the_callers_own_fields_are_kept() -> None:
    fields = {
        "store": True,
        "include": ["x"],
        "metadata": {"a": "b"},
        "top_logprobs": 2,
        "truncation": "auto",
    }
    body = json.loads(write(asked(**fields, text={"verbosity": "low"}, user="u"), Maker("up")))
    assert body == {"model": "up", "input": [ITEM], "text": {"verbosity": "low"}, "user": "u", **fields}


def test_a_kind_of_answer_without_a_schema() -> None:
    assert asked(text={"format": None}).format is None
    assert asked(text={"format": {"type": "json_schema", "name": "x"}}).format == Format("json_schema", "x")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"input": None}, "'input' is missing"),
        ({"input": 5}, "'input' is malformed"),
        ({"instructions": 5}, "'instructions' must be a string"),
        ({"text": "x"}, "'text' is malformed"),
        ({"text": {"format": {"type": "grammar"}}}, r"'text.format': type 'grammar' can't"),
        ({"max_output_tokens": -1}, "'max_output_tokens' must not be negative"),
    ],
)
def test_what_is_malformed_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        asked(**fields)
