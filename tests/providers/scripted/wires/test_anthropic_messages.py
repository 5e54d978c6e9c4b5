from collections.abc import Callable
from typing import Any, get_args

import pytest

from tokenworks.providers.scripted import Fault, Reply, Script, Tokens, ToolCall, running
from tokenworks.schema import Usage

anthropic = pytest.importorskip("anthropic", reason="pip install anthropic")

Client = Callable[..., Any]
HELLO: Any = [{"role": "user", "content": "hello there"}]
ASK: Any = {"model": "m", "max_tokens": 100, "messages": HELLO}
EVENTS = {
    get_args(kind.model_fields["type"].annotation)[0]: kind
    for kind in get_args(get_args(anthropic.types.RawMessageStreamEvent)[0])
}
FULL = Reply(
    text="Let me look.",
    reasoning="I should look it up.",
    signature="c2ln",
    tool_calls=(
        ToolCall("get_weather", '{"city": "Paris"}', split_at=(1, 9)),
        ToolCall("get_time", {"zone": "CET"}, at_start=True),
    ),
    usage=Tokens(
        input_tokens=1000,
        cache_read_tokens=600,
        cache_write_tokens=100,
        output_tokens=40,
        reasoning_tokens=12,
    ),
)
CONTENT = [
    {"type": "thinking", "thinking": "I should look it up.", "signature": "c2ln"},
    {"type": "text", "text": "Let me look."},
    {
        "type": "tool_use",
        "id": "toolu_" + "0" * 19 + "10000",
        "name": "get_weather",
        "input": {"city": "Paris"},
    },
    {"type": "tool_use", "id": "toolu_" + "0" * 19 + "10001", "name": "get_time", "input": {"zone": "CET"}},
]


def content(message: Any) -> list[Any]:
    return [block.model_dump(exclude_none=True) for block in message.content]


def test_a_whole_message(anthropic_client: Client) -> None:
    with running(Script(reply=(FULL,))) as provider:
        message = anthropic_client(provider).messages.create(**ASK)
        assert provider.requests[0].usage == Usage(300, 600, 100, 40, 12)
    anthropic.types.Message.model_validate(message.model_dump(exclude_unset=True))
    assert content(message) == CONTENT
    assert message.stop_reason == "tool_use"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (
        300,
        600,
        100,
    )


def test_a_stream_builds_the_same_message(anthropic_client: Client) -> None:
    with running(Script(reply=(FULL,))) as provider:
        with anthropic_client(provider).messages.stream(**ASK) as stream:
            for _ in stream:
                pass
            message = stream.get_final_message()
        assert provider.requests[0].usage == Usage(300, 600, 100, 40, 12)
    assert content(message) == CONTENT
    assert (message.stop_reason, message.usage.output_tokens, message.usage.input_tokens) == (
        "tool_use",
        40,
        300,
    )


def test_events_come_in_the_documented_order(anthropic_client: Client) -> None:
    with running(Script(reply=(FULL,))) as provider:
        told = list(anthropic_client(provider).messages.create(**ASK, stream=True))
    order = []
    for event in told:
        EVENTS[event.type].model_validate(event.model_dump(exclude_unset=True))
        name = event.delta.type if event.type == "content_block_delta" else event.type
        if not order or order[-1] != name:
            order.append(name)
    block = ["content_block_start", "content_block_stop"]
    assert order == [
        "message_start",
        *(block[0], "thinking_delta", "signature_delta", block[1]),
        *(block[0], "text_delta", block[1]),
        *(block[0], "input_json_delta", block[1]),
        *block,  # a call whose arguments came with its start
        "message_delta",
        "message_stop",
    ]
    assert (told[1].content_block.thinking, told[1].content_block.signature) == ("", "")
    start, end = told[0].message.usage, told[-2].usage
    assert (start.input_tokens, start.cache_read_input_tokens, start.output_tokens) == (300, 600, 1)
    assert (end.input_tokens, end.cache_read_input_tokens, end.output_tokens) == (300, 600, 40)


def test_pings_go_out(ask: Any, dechunk: Any, events: Any) -> None:
    with running() as provider:
        names = [name for name, _ in events(dechunk(ask(provider, "/messages", stream=True)[1]))]
    assert names[:3] == ["message_start", "content_block_start", "ping"]


def test_the_input_is_claimed_with_the_first_event(ask: Any) -> None:
    with running(Script(reply=(Reply(fault=Fault("early_close", after_chunk=1)),))) as provider:
        ask(provider, "/messages", stream=True)
        provider.until(lambda p: p.requests[0].ended)
        assert provider.requests[0].usage == Usage(uncached_input_tokens=2, output_tokens=1)


def test_usage_may_come_at_the_end_only(anthropic_client: Client) -> None:
    with running(Script(reply=(Reply(usage_place="end_only"),))) as provider:
        start, *_, end, _ = anthropic_client(provider).messages.create(**ASK, stream=True)
    assert (start.message.usage.input_tokens, end.usage.input_tokens, end.usage.output_tokens) == (0, 2, 4)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(), "end_turn"),
        (Reply(tokens=500), "max_tokens"),
        (Reply(text="a", finish="pause_turn"), "pause_turn"),
        (Reply(refusal="I can't."), "refusal"),
    ],
)
def test_reasons_to_stop(reply: Reply, reason: str, anthropic_client: Client) -> None:
    with running(Script(reply=(reply,))) as provider:
        client = anthropic_client(provider)
        whole = client.messages.create(**ASK)
        with client.messages.stream(**ASK) as stream:
            final = stream.get_final_message()
    for message in (whole, final):
        assert message.stop_reason == reason
        if reply.refusal:
            assert message.stop_details.explanation == "I can't."


def test_redacted_reasoning(anthropic_client: Client) -> None:
    with running(Script(reply=(Reply(text="a", redacted_reasoning="b3BhcXVl"),))) as provider:
        client = anthropic_client(provider)
        with client.messages.stream(**ASK) as stream:
            message = stream.get_final_message()
    assert content(message)[0] == {"type": "redacted_thinking", "data": "b3BhcXVl"}


def test_arguments_that_are_no_object_are_kept(anthropic_client: Client) -> None:
    with running(Script(reply=(Reply(tool_calls=(ToolCall("f", "{oops"),)),))) as provider:
        message = anthropic_client(provider).messages.create(**ASK)
    assert message.content[0].input == {"malformed": "{oops"}


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error")]
)
def test_errors_are_understood(status: int, kind: str, anthropic_client: Client) -> None:
    fault = Fault("status", status=status, message="as scripted")
    with running(Script(reply=(Reply(fault=fault),))) as provider:
        client = anthropic_client(provider)
        with pytest.raises(anthropic.APIStatusError, match="as scripted") as caught:
            client.messages.create(**ASK)
    assert (caught.value.status_code, caught.value.body["error"]["type"]) == (status, kind)


def test_an_error_event_is_understood(anthropic_client: Client) -> None:
    fault = Fault("error_event", after_chunk=3, message="Overloaded")
    with running(Script(reply=(Reply(fault=fault),))) as provider:
        client = anthropic_client(provider)
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            list(client.messages.create(**ASK, stream=True))
