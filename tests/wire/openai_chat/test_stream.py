"""Streams of chat completions, of a provider that knows nothing of this room and of our own."""

from __future__ import annotations

from typing import Any

import pytest
from wire_answers import read, scripted_stream

from tokenworks.providers.scripted import Reply, Tokens, ToolCall
from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer
from tokenworks.wire.conversation import Text, Thinking, ToolUse
from tokenworks.wire.joined import joined
from tokenworks.wire.openai_chat.stream import Reader, Writer

CALLS = (
    ToolCall("f", '{"a": 1, "b": [2, 3]}', "x", split_at=(1, 5)),
    ToolCall("g", "{}", "y", at_start=True),
)
TOKENS = Tokens(input_tokens=1000, cache_read_tokens=600, output_tokens=40, reasoning_tokens=12)


def script(**fields: Any) -> Reply:
    given = {"text": "Let me look.", "reasoning": "I should.", "tool_calls": CALLS, "usage": TOKENS}
    return Reply(**{**given, **fields})


def told(reply: Reply, *quirks: str) -> Answer:
    return joined(read(Reader(frozenset(quirks)), scripted_stream("openai_chat", reply)))


EXPECTED = Answer(
    (
        Thinking("I should."),
        Text("Let me look."),
        ToolUse("x", "f", '{"a": 1, "b": [2, 3]}'),
        ToolUse("y", "g", "{}"),
    ),
    "tool_calls",
    Usage(400, 600, 0, 40, 12),
)


@pytest.mark.parametrize("style", ["reasoning_content", "reasoning", "reasoning_details", "inline"])
@pytest.mark.parametrize("interleave", [False, True])
def test_what_the_scripted_provider_says(style: Any, interleave: bool) -> None:
    made = told(script(reasoning_style=style, interleave=interleave), "inline_think_tags")
    if style == "reasoning_details":
        assert made.content[0] == Thinking("I should.", format="unknown")
        assert made.content[1:] == EXPECTED.content[1:]
    else:
        assert made == EXPECTED


@pytest.mark.parametrize("style", ["openai", "deepseek", "moonshot", "anthropic", "xai"])
@pytest.mark.parametrize("place", ["auto", "final", "finish", "every", "choices"])
def test_usage_in_every_dialect(style: Any, place: Any) -> None:
    assert told(script(usage_style=style, usage_place=place)).usage == EXPECTED.usage


def test_a_signature() -> None:
    made = told(script(reasoning_style="reasoning_details", signature="sig"))
    assert made.content[0] == Thinking("I should.", "sig", format="unknown")


def test_a_refusal_and_no_usage() -> None:
    made = told(Reply(refusal="I can't.", usage_style="none"))
    assert made == Answer((), "stop", refusal="I can't.")


def test_both_ends_are_here() -> None:
    assert (Reader.__module__, Writer.__module__) == (
        "tokenworks.wire.openai_chat.stream_reader",
        "tokenworks.wire.openai_chat.stream_writer",
    )
