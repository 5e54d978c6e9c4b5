import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tokenworks.providers.scripted import Fault, Reply, Script, Tokens, ToolCall, When, running

Client = Callable[..., openai.OpenAI]
HELLO: Any = [{"role": "user", "content": "hello there"}]
CALLS = (
    ToolCall("get_weather", '{"city": "Paris"}', split_at=(1, 9)),
    ToolCall("get_time", {"zone": "CET"}, id="call_mine"),
)
FULL = Reply(
    When(model="full"),
    text="Let me look.",
    reasoning="I should look it up.",
    tool_calls=CALLS,
    usage=Tokens(input_tokens=1000, cache_read_tokens=600, output_tokens=40, reasoning_tokens=12),
)


def check(answer: Any, kind: type = ChatCompletionChunk) -> None:
    """Clients build without validating; this validates against the types."""
    kind.model_validate(answer.model_dump(exclude_unset=True))  # type: ignore[attr-defined]


def test_a_whole_answer(openai_client: Client) -> None:
    with running(Script(reply=(FULL,))) as provider:
        answer = openai_client(provider).chat.completions.create(model="full", messages=HELLO)
    check(answer, ChatCompletion)
    (choice,) = answer.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me look.")
    assert choice.message.reasoning_content == "I should look it up."  # type: ignore[attr-defined]
    assert [
        (c.id, c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls or ()
    ] == [
        ("call_" + "0" * 19 + "10000", "get_weather", {"city": "Paris"}),
        ("call_mine", "get_time", {"zone": "CET"}),
    ]
    assert answer.usage and answer.usage.prompt_tokens_details
    assert (answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (1000, 600)


@pytest.mark.parametrize("interleave", [False, True])
def test_a_stream_of_reasoning_text_and_parallel_calls(interleave: bool, openai_client: Client) -> None:
    script = Script(
        reply=(Reply(text="Let me look.", tool_calls=CALLS, reasoning="Hm, so.", interleave=interleave),)
    )
    with running(script) as provider:
        client = openai_client(provider)
        with client.chat.completions.stream(model="m", messages=HELLO) as stream:
            order = []
            for event in stream:
                if event.type == "chunk":
                    check(event.chunk)
                    order += [call.index for c in event.chunk.choices for call in c.delta.tool_calls or ()]
            final = stream.get_final_completion()
    message = final.choices[0].message
    assert (message.content, final.choices[0].finish_reason) == ("Let me look.", "tool_calls")
    assert [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or ()] == [
        ("get_weather", {"city": "Paris"}),
        ("get_time", {"zone": "CET"}),
    ]
    assert order == ([0, 1, 0, 1, 0, 1, 0] if interleave else [0, 0, 0, 0, 1, 1, 1])


def chunks(client: openai.OpenAI, **more: Any) -> list[ChatCompletionChunk]:
    made = list(client.chat.completions.create(model="m", messages=HELLO, stream=True, **more))
    for chunk in made:
        check(chunk)
    return made


def test_usage_of_a_stream_is_told_only_when_asked_for(openai_client: Client) -> None:
    with running() as provider:
        client = openai_client(provider)
        without = chunks(client)
        assert not any("usage" in chunk.model_fields_set for chunk in without)
        assert provider.requests[0].usage is None, "nothing was claimed"
        told = chunks(client, stream_options={"include_usage": True})
    *others, last = told
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in others)
    assert last.choices == [] and last.usage and last.usage.completion_tokens == 4
    assert others[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("place", "style", "asked", "where"),
    [
        ("finish", "auto", False, ["finish"]),
        ("every", "auto", False, ["chunk"] * 5 + ["finish"]),
        ("choices", "auto", True, ["choice"]),
        ("auto", "moonshot", False, ["choice"]),
        ("auto", "moonshot", True, ["choice", "final"]),
        ("auto", "none", True, []),
    ],
)
def test_other_places_of_usage(
    place: Any, style: Any, asked: bool, where: list[str], openai_client: Client
) -> None:
    options = {"stream_options": {"include_usage": True}} if asked else {}
    with running(Script(reply=(Reply(usage_place=place, usage_style=style),))) as provider:
        found = []
        for chunk in chunks(openai_client(provider), **options):
            choice = chunk.choices[0] if chunk.choices else None
            if choice is not None and getattr(choice, "usage", None):
                found.append("choice")
            if chunk.usage:
                found.append("final" if choice is None else "finish" if choice.finish_reason else "chunk")
        assert found == where
        assert (provider.requests[0].usage is not None) is bool(where)


def test_several_choices_with_logprobs(openai_client: Client) -> None:
    asked: dict[str, Any] = {"n": 2, "logprobs": True, "top_logprobs": 3}
    with running() as provider:
        client = openai_client(provider)
        answer = client.chat.completions.create(model="m", messages=HELLO, **asked)
        check(answer, ChatCompletion)
        streamed = chunks(client, **asked)
        assert provider.requests[0].usage and provider.requests[0].usage.output_tokens == 8
    assert [choice.index for choice in answer.choices] == [0, 1]
    logprobs = answer.choices[1].logprobs
    assert logprobs and logprobs.content
    assert "".join(entry.token for entry in logprobs.content) == answer.choices[1].message.content
    for index in (0, 1):
        mine = [c.choices[0] for c in streamed if c.choices[0].index == index]
        assert "".join(c.delta.content or "" for c in mine) == "You said: hello there"
        assert mine[-1].finish_reason == "stop"
        assert [e.token for c in mine if c.logprobs for e in c.logprobs.content or ()] == [
            entry.token for entry in logprobs.content
        ]


def test_a_refusal(openai_client: Client) -> None:
    with running(Script(reply=(Reply(refusal="I can't do that."),))) as provider:
        client = openai_client(provider)
        message = client.chat.completions.create(model="m", messages=HELLO).choices[0].message
        assert (message.content, message.refusal) == (None, "I can't do that.")
        deltas = [c.choices[0].delta for c in chunks(client)]
        assert "".join(d.refusal or "" for d in deltas) == "I can't do that."
        assert not any(d.content for d in deltas)


def test_arguments_may_come_with_the_name(openai_client: Client) -> None:
    call = ToolCall("f", '{"a":1}', at_start=True)
    with running(Script(reply=(Reply(tool_calls=(call,), finish="stop"),))) as provider:
        made = chunks(openai_client(provider))
    calls = [c for chunk in made for c in chunk.choices[0].delta.tool_calls or ()]
    assert [(c.function.name, c.function.arguments) for c in calls if c.function] == [("f", '{"a":1}')]
    assert made[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_errors_are_understood(status: int, kind: type[openai.APIStatusError], openai_client: Client) -> None:
    fault = Fault("status", status=status, message="as scripted", retry_after_s=2)
    with running(Script(reply=(Reply(fault=fault),))) as provider, pytest.raises(kind) as caught:
        openai_client(provider).chat.completions.create(model="m", messages=HELLO)
    assert caught.value.body["message"] == "as scripted"  # type: ignore[index]
    assert caught.value.response.headers["retry-after"] == "2"


def test_an_error_event_is_understood(openai_client: Client) -> None:
    fault = Fault("error_event", after_chunk=2, message="broke down")
    with running(Script(reply=(Reply(fault=fault),))) as provider:
        client = openai_client(provider)
        with pytest.raises(openai.APIError, match="broke down"):
            chunks(client)
