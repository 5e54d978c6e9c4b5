import json
from collections.abc import Callable
from typing import Any, get_args

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from tokenworks.providers.scripted import Fault, Reply, Script, Tokens, ToolCall, running

Client = Callable[..., openai.OpenAI]
EVENTS = {
    get_args(kind.model_fields["type"].annotation)[0]: kind
    for kind in get_args(get_args(ResponseStreamEvent)[0])
}
CALLS = (
    ToolCall("get_weather", '{"city": "Paris"}', split_at=(1, 9)),
    ToolCall("get_time", {"zone": "CET"}, at_start=True),
)
FULL = Reply(
    text="Let me look.",
    reasoning="I should look it up.",
    signature="c2ln",
    tool_calls=CALLS,
    usage=Tokens(input_tokens=1000, cache_read_tokens=600, output_tokens=40, reasoning_tokens=12),
)


def streamed(client: openai.OpenAI, **more: Any) -> list[Any]:
    """Events of a stream, each validated against its own type and numbered in order."""
    events = list(client.responses.create(model="m", input="hello there", stream=True, **more))
    for number, event in enumerate(events):
        EVENTS[event.type].model_validate(event.model_dump(exclude_unset=True))
        assert event.sequence_number == number
    return events


def test_a_whole_response(openai_client: Client) -> None:
    with running(Script(reply=(FULL,))) as provider:
        answer = openai_client(provider).responses.create(model="m", input="hi", instructions="be brief")
    Response.model_validate(answer.model_dump(exclude_unset=True))
    assert (answer.status, answer.output_text, answer.instructions) == (
        "completed",
        "Let me look.",
        "be brief",
    )
    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call", "function_call"]
    assert answer.output[0].encrypted_content == "c2ln"  # type: ignore[union-attr]
    assert answer.usage and answer.usage.input_tokens_details.cached_tokens == 600
    assert answer.usage.output_tokens_details.reasoning_tokens == 12


def test_events_come_in_the_documented_order(openai_client: Client) -> None:
    with running(Script(reply=(FULL,))) as provider:
        kinds = [event.type for event in streamed(openai_client(provider))]
    short = [kind for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1]]
    assert short == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_the_clients_own_accumulation_agrees_with_the_end(openai_client: Client) -> None:
    with running(Script(reply=(FULL,))) as provider:
        with openai_client(provider).responses.stream(model="m", input="hi") as stream:
            snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
            final = stream.get_final_response()
        assert snapshots[-1] == final.output_text == "Let me look."
        calls = [item for item in final.output if item.type == "function_call"]
        assert [(c.name, json.loads(c.arguments)) for c in calls] == [
            ("get_weather", {"city": "Paris"}),
            ("get_time", {"zone": "CET"}),
        ]
        (record,) = provider.requests
        assert final.usage and record.usage and final.usage.output_tokens == record.usage.output_tokens == 40


@pytest.mark.parametrize(
    ("reply", "last", "status", "reason"),
    [
        (Reply(tokens=50), "response.incomplete", "incomplete", "max_output_tokens"),
        (Reply(text="a", finish="content_filter"), "response.incomplete", "incomplete", "content_filter"),
        (Reply(text="a", finish="failed"), "response.failed", "failed", None),
    ],
)
def test_other_ends(reply: Reply, last: str, status: str, reason: str | None, openai_client: Client) -> None:
    with running(Script(reply=(reply,))) as provider:
        client = openai_client(provider)
        end = streamed(client, max_output_tokens=10)[-1]
        whole = client.responses.create(model="m", input="hello there", max_output_tokens=10)
    assert end.type == last
    for response in (end.response, whole):
        assert response.status == status
        assert (response.incomplete_details.reason if response.incomplete_details else None) == reason
        assert (response.error is not None) is (status == "failed")


def test_a_refusal_is_a_part_of_its_own(openai_client: Client) -> None:
    with running(Script(reply=(Reply(refusal="I can't do that."),))) as provider:
        events = streamed(openai_client(provider))
    kinds = {event.type for event in events}
    assert {"response.refusal.delta", "response.refusal.done"} <= kinds
    assert "response.output_text.delta" not in kinds
    assert events[-1].response.output[0].content[0].refusal == "I can't do that."


def test_an_error_event_goes_on_counting(openai_client: Client) -> None:
    with running(
        Script(reply=(Reply(fault=Fault("error_event", after_chunk=4, message="broke down")),))
    ) as provider:
        *_, error, failed = streamed(openai_client(provider))
    assert (error.type, error.message, failed.type) == ("error", "broke down", "response.failed")
    assert failed.response.error.message == "broke down"


def test_the_error_of_a_status_is_understood(openai_client: Client) -> None:
    fault = Fault("status", status=429, message="slow down")
    with (
        running(Script(reply=(Reply(fault=fault),))) as provider,
        pytest.raises(openai.RateLimitError, match="slow"),
    ):
        openai_client(provider).responses.create(model="m", input="hi")
