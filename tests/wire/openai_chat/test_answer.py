"""Whole chat completions, read of providers and written for callers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_answers import scripted_whole, telling, whole

from tokenworks.providers.scripted import Reply, Tokens, ToolCall
from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.openai_chat.answer import finish_of, read, write
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import RESPONSES

CALLS = (ToolCall("f", '{"a": 1}', "x"), ToolCall("g", "", "y"))


@pytest.mark.parametrize("style", ["reasoning_content", "reasoning", "reasoning_details", "inline"])
def test_what_the_scripted_provider_says(style: Any) -> None:
    usage = Tokens(input_tokens=100, cache_read_tokens=60, output_tokens=40, reasoning_tokens=12)
    reply = Reply(text="Look.", reasoning="Hm.", reasoning_style=style, tool_calls=CALLS, usage=usage)
    made = read(scripted_whole("openai_chat", reply), frozenset(("inline_think_tags",)))
    thought = Thinking("Hm.", format="unknown" if style == "reasoning_details" else "")
    assert made.content == (thought, Text("Look."), ToolUse("x", "f", '{"a": 1}'), ToolUse("y", "g", "{}"))
    assert (made.stop, made.usage) == ("tool_calls", Usage(40, 60, 0, 40, 12))
    assert made.created > 1_700_000_000


def body(message: Any = None, finish: str | None = "stop", **fields: Any) -> bytes:
    choice = {"index": 0, "message": message or {"content": "a"}, "finish_reason": finish}
    return json.dumps({"choices": [choice], **fields}).encode()


def test_what_providers_leave_out() -> None:
    assert read(body()) == Answer((Text("a"),), "stop")
    assert read(body({"content": None, "refusal": "no"}, "content_filter")) == Answer(
        (), "content_filter", refusal="no"
    )
    assert read(body(finish=None)).stop == ""
    assert read(b'{"choices":[{"message":{}}]}') == Answer((), "")
    second = {"index": 1, "message": {"content": "b"}, "finish_reason": "length"}
    first = {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}
    assert read(json.dumps({"choices": [second, first]}).encode()) == Answer((Text("a"),), "stop")


NO_ANSWERS = {
    b"": "can't be read",
    b"<html>": "can't be read",
    b"[]": "can't be read",
    b"{}": "without a choice",
    b'{"choices":[]}': "without a choice",
    b'{"choices":[{}]}': "without 'message'",
    b'{"error":{"message":"over\\n quota"}}': r"^over quota$",
    b'{"error":"no","choices":[]}': r"^no$",
    b'{"object":"error","message":"gone"}': r"^gone$",
    b'{"choices":[{"message":{},"error":{"message":"half"},"finish_reason":"error"}]}': r"^half$",
    b'{"choices":[{"message":{"content":"x"},"finish_reason":"error"}]}': "ended its answer with an error",
}


@pytest.mark.parametrize(("data", "words"), NO_ANSWERS.items(), ids=range(len(NO_ANSWERS)))
def test_what_is_no_answer(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(data)


FULL = Answer(
    (
        Thinking("t", "sig", format="anthropic-claude-v1"),
        Thinking("s", "enc", "", "rs_1", RESPONSES),
        Text("a"),
        ToolUse("x", "f", '{"a":1}', "signed"),
        Text("b"),
        Image(url="https://c"),
        ToolUse("y", "g", "not json"),
    ),
    "tool_calls",
    Usage(1),
    created=1600,
)


def test_a_whole_answer() -> None:
    made = whole("openai_chat", write(FULL, telling(extra={"x": raw([1])}), Usage(10, 5, 0, 7, 3), 26_500))
    usage = made.pop("usage")
    assert made == {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 1600,
        "model": "acme/fast",
        "provider": "acme",
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "ab",
                    "refusal": None,
                    "reasoning": "t\n\ns",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "t",
                            "signature": "sig",
                            "format": "anthropic-claude-v1",
                            "index": 0,
                        },
                        {
                            "type": "reasoning.summary",
                            "summary": "s",
                            "id": "rs_1",
                            "format": RESPONSES,
                            "index": 1,
                        },
                        {
                            "type": "reasoning.encrypted",
                            "data": "enc",
                            "id": "rs_1",
                            "format": RESPONSES,
                            "index": 1,
                        },
                    ],
                    "images": [{"type": "image_url", "image_url": {"url": "https://c"}}],
                    "tool_calls": [
                        {
                            "id": "x",
                            "type": "function",
                            "function": {"name": "f", "arguments": '{"a":1}'},
                            "extra_content": {"google": {"thought_signature": "signed"}},
                        },
                        {"id": "y", "type": "function", "function": {"name": "g", "arguments": "not json"}},
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
                "native_finish_reason": "tool_calls",
            }
        ],
        "x": [1],
    }
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["cost"]) == (15, 7, 2.65e-05)


def message(answer: Answer, **fields: Any) -> dict[str, Any]:
    made = whole("openai_chat", write(answer, telling(**fields), Usage(), 0))["choices"][0]["message"]
    return {key: value for key, value in made.items() if key != "role" and value is not None}


def test_messages() -> None:
    assert message(FULL, exclude_reasoning=True).keys() == {"content", "images", "tool_calls"}
    assert message(Answer((), "stop")) == {"content": ""}
    assert message(Answer((), "stop", refusal="no")) == {"refusal": "no"}
    assert message(Answer((ToolUse("x", "f", "{}"),), "tool_calls")).keys() == {"tool_calls"}
    assert message(Answer((Text("a"),), "refusal", refusal="no")) == {"content": "a", "refusal": "no"}


def test_the_time_when_the_provider_told_none() -> None:
    assert whole("openai_chat", write(Answer((), "stop"), telling(), Usage(), 0))["created"] == 1700


def test_finish_reasons_are_words_that_clients_know() -> None:
    known = {"stop", "length", "tool_calls", "content_filter"}
    assert {
        finish_of(stop) for stop in ("stop", "length", "tool_calls", "content_filter", "refusal", "odd")
    } == known
