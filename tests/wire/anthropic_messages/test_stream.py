"""Streams of messages, of a provider that knows nothing of this room, and read by the official client."""

from __future__ import annotations

from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings
from pydantic import TypeAdapter
from wire_answers import EXPRESSIBLE, events_of, read, scripted_stream, told, writer_of

from tokenworks.providers.scripted import Reply, Tokens, ToolCall
from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer
from tokenworks.wire.anthropic_messages.answer import block_of
from tokenworks.wire.anthropic_messages.stream import Reader, Writer
from tokenworks.wire.conversation import Text, Thinking, ToolUse
from tokenworks.wire.joined import joined
from tokenworks.wire.signature import MESSAGES

CALLS = (
    ToolCall("f", '{"a": 1, "b": [2, 3]}', "x", split_at=(1, 5)),
    ToolCall("g", '{"a":1}', "y", at_start=True),
)
TOKENS = Tokens(
    input_tokens=1000,
    cache_read_tokens=600,
    cache_write_tokens=100,
    cache_write_1h_tokens=40,
    output_tokens=40,
    reasoning_tokens=12,
)
ADAPTER: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def test_what_the_scripted_provider_says() -> None:
    reply = Reply(
        text="Let me look.",
        reasoning="I should.",
        signature="sig",
        redacted_reasoning="opaque",
        tool_calls=CALLS,
        usage=TOKENS,
    )
    assert joined(read(Reader(), scripted_stream("anthropic_messages", reply))) == Answer(
        (
            Thinking("I should.", "sig", format=MESSAGES),
            Thinking(redacted="opaque", format=MESSAGES),
            Text("Let me look."),
            ToolUse("x", "f", '{"a": 1, "b": [2, 3]}'),
            ToolUse("y", "g", '{"a":1}'),
        ),
        "tool_calls",
        Usage(300, 600, 100, 40, 12),
    )


def test_usage_only_at_the_end_or_not_at_all() -> None:
    for place, style, usage in (("end_only", "auto", Usage(300, 600, 100, 40, 12)), ("auto", "none", None)):
        reply = Reply(text="a", usage=TOKENS, usage_place=place, usage_style=style)  # type: ignore[arg-type]
        assert joined(read(Reader(), scripted_stream("anthropic_messages", reply))).usage == usage


@given(told(EXPRESSIBLE["anthropic_messages"]))
@settings(max_examples=40, deadline=None)
def test_the_official_client_puts_it_together(made: Any) -> None:
    answer, events = made
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in events_of("anthropic_messages", writer_of("anthropic_messages").write(events)):
        parsed = ADAPTER.validate_python(event)
        snapshot = accumulate_event(event=parsed, current_snapshot=snapshot, json_bufs=buffers)
    got = [block.model_dump(exclude_none=True) for block in snapshot.content]
    assert len(got) == len(answer.content)
    for block, expected in zip(got, answer.content, strict=True):
        if isinstance(expected, ToolUse):
            assert (block["id"], block["name"]) == (expected.id, expected.name)
        else:
            shown = block_of(expected)
            assert block == {key: value for key, value in shown.items() if value is not None}
    assert answer.usage is not None
    assert snapshot.usage.output_tokens == answer.usage.output_tokens
    assert snapshot.usage.input_tokens == answer.usage.uncached_input_tokens


def test_both_ends_are_here() -> None:
    assert (Reader.__module__, Writer.__module__) == (
        "tokenworks.wire.anthropic_messages.stream_reader",
        "tokenworks.wire.anthropic_messages.stream_writer",
    )
