"""Clients of three wires that send a conversation back without anything that the model thought."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx

CHAT, MESSAGES, RESPONSES = "openai_chat", "anthropic_messages", "openai_responses"
PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages", RESPONSES: "/v1/responses"}
QUESTION, RESULT = "What is the weather?", "It rains."


class Called(NamedTuple):
    """One tool call as a client sees it."""

    id: str
    name: str
    arguments: str


def asks(wire: str, *, stream: bool, **more: Any) -> dict[str, Any]:
    """A question that may need a tool."""
    return {**_settings(wire, stream), **_turns(wire, [_user(QUESTION)]), **more}


def goes_on(wire: str, rounds: Sequence[Sequence[Called]], *, stream: bool, **more: Any) -> dict[str, Any]:
    """The question again, then each of ``rounds`` of calls and their results. No word of reasoning."""
    turns = [_user(QUESTION)]
    for calls in rounds:
        turns += {CHAT: _chat_round, MESSAGES: _messages_round, RESPONSES: _responses_round}[wire](calls)
    return {**_settings(wire, stream), **_turns(wire, turns), **more}


def called(wire: str, answer: httpx.Response, *, stream: bool) -> list[Called]:
    """The tool calls in an answer."""
    assert answer.status_code == 200, answer.text
    if stream:
        return {CHAT: _chat_stream, MESSAGES: _messages_stream, RESPONSES: _responses_stream}[wire](
            events(answer)
        )
    body = answer.json()
    if wire == CHAT:
        return [_chat_call(call) for call in body["choices"][0]["message"].get("tool_calls", ())]
    if wire == MESSAGES:
        return [
            Called(block["id"], block["name"], json.dumps(block["input"]))
            for block in body["content"]
            if block["type"] == "tool_use"
        ]
    return [_item_call(item) for item in body["output"] if item["type"] == "function_call"]


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream."""
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


# --- asking -------------------------------------------------------------------------------------


def _settings(wire: str, stream: bool) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    named = {"name": "get_weather", "description": "The weather now"}
    tool: dict[str, Any] = {"type": "function", **named, "parameters": schema}
    if wire == CHAT:
        tool = {"type": "function", "function": {**named, "parameters": schema}}
    if wire == MESSAGES:
        tool = {**named, "input_schema": schema}
    asked = {"model": "acme/fast", "stream": stream, "tools": [tool]}
    return asked if wire == RESPONSES else {**asked, "max_tokens": 500}


def _turns(wire: str, turns: list[dict[str, Any]]) -> dict[str, Any]:
    return {"input" if wire == RESPONSES else "messages": turns}


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _chat_round(calls: Sequence[Called]) -> list[dict[str, Any]]:
    return [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": respelled(call.arguments)},
                }
                for call in calls
            ],
        },
        *({"role": "tool", "tool_call_id": call.id, "content": RESULT} for call in calls),
    ]


def _messages_round(calls: Sequence[Called]) -> list[dict[str, Any]]:
    return [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
                for call in calls
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT} for call in calls],
        },
    ]


def _responses_round(calls: Sequence[Called]) -> list[dict[str, Any]]:
    return [
        *(
            {
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": respelled(call.arguments),
            }
            for call in calls
        ),
        *({"type": "function_call_output", "call_id": call.id, "output": RESULT} for call in calls),
    ]


def respelled(arguments: str) -> str:
    """The same JSON as another program would write it."""
    return json.dumps(json.loads(arguments), indent=1)


# --- reading ------------------------------------------------------------------------------------


def _chat_call(call: dict[str, Any]) -> Called:
    return Called(call["id"], call["function"]["name"], call["function"]["arguments"])


def _item_call(item: dict[str, Any]) -> Called:
    return Called(item["call_id"], item["name"], item["arguments"])


def _chat_stream(told: list[dict[str, Any]]) -> list[Called]:
    found: dict[int, dict[str, str]] = {}
    for event in told:
        for choice in event["choices"]:
            for piece in choice["delta"].get("tool_calls") or ():
                call = found.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
                call["id"] = piece.get("id") or call["id"]
                call["name"] = piece["function"].get("name") or call["name"]
                call["arguments"] += piece["function"].get("arguments") or ""
    return [Called(**found[index]) for index in sorted(found)]


def _messages_stream(told: list[dict[str, Any]]) -> list[Called]:
    found: dict[int, Called] = {}
    for event in told:
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
            block = event["content_block"]
            found[event["index"]] = Called(block["id"], block["name"], "")
        elif event["type"] == "content_block_delta" and event["delta"]["type"] == "input_json_delta":
            call = found[event["index"]]
            found[event["index"]] = call._replace(arguments=call.arguments + event["delta"]["partial_json"])
    return [found[index] for index in sorted(found)]


def _responses_stream(told: list[dict[str, Any]]) -> list[Called]:
    items = [event["item"] for event in told if event["type"] == "response.output_item.done"]
    return [_item_call(item) for item in items if item["type"] == "function_call"]
