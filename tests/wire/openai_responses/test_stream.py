"""Streams of responses, of a provider that knows nothing of this room, and read by the official client."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from wire_answers import EXPRESSIBLE, events_of, read, scripted_stream, told, writer_of

from tokenworks.providers.scripted import Reply, Tokens, ToolCall
from tokenworks.schema import Usage
from tokenworks.wire.conversation import Text, Thinking, ToolUse
from tokenworks.wire.joined import joined
from tokenworks.wire.openai_responses.stream import Reader, Writer
from tokenworks.wire.signature import RESPONSES

CALLS = (
    ToolCall("f", '{"a": 1, "b": [2, 3]}', "x", split_at=(1, 5)),
    ToolCall("g", '{"a":1}', "y", at_start=True),
)
TOKENS = Tokens(
    input_tokens=1000, cache_read_tokens=600, cache_write_tokens=100, output_tokens=40, reasoning_tokens=12
)
ADAPTER: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def test_what_the_scripted_provider_says() -> None:
    reply = Reply(text="Let me look.", reasoning="I should.", signature="enc", tool_calls=CALLS, usage=TOKENS)
    made = joined(read(Reader(), scripted_stream("openai_responses", reply)))
    thought = made.content[0]
    assert isinstance(thought, Thinking)
    assert thought == Thinking("I should.", "enc", "", thought.id, RESPONSES)
    assert thought.id.startswith("rs_")
    assert made.content[1:] == (
        Text("Let me look."),
        ToolUse("x", "f", '{"a": 1, "b": [2, 3]}'),
        ToolUse("y", "g", '{"a":1}'),
    )
    assert (made.stop, made.usage) == ("tool_calls", Usage(300, 600, 100, 40, 12))


@pytest.mark.parametrize(("finish", "stop"), [("length", "length"), ("content_filter", "content_filter")])
def test_an_incomplete_answer_and_no_usage(finish: str, stop: str) -> None:
    reply = Reply(text="a", refusal="no", finish=finish, usage_style="none")
    made = joined(read(Reader(), scripted_stream("openai_responses", reply)))
    assert (made.content, made.refusal, made.stop, made.usage) == ((Text("a"),), "no", stop, None)


@given(told(EXPRESSIBLE["openai_responses"]))
@settings(max_examples=25, deadline=None)
def test_the_official_client_puts_it_together(made: Any) -> None:
    answer, events = made
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    found = events_of("openai_responses", writer_of("openai_responses").write(events))
    for event in found:
        for fired in state.handle_event(ADAPTER.validate_python(event)):
            if fired.type == "response.function_call_arguments.delta":
                call = answer.content[fired.output_index]
                assert isinstance(call, ToolUse)
                assert call.arguments.startswith(fired.snapshot)
    texts = [block.text for block in answer.content if isinstance(block, Text)]
    assert Response.model_validate(found[-1]["response"]).output_text == "".join(texts)


def test_both_ends_are_here() -> None:
    assert (Reader.__module__, Writer.__module__) == (
        "tokenworks.wire.openai_responses.stream_reader",
        "tokenworks.wire.openai_responses.stream_writer",
    )
