"""Anthropic's own client, unchanged but for base URL and key: against providers of both wires."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from serving import Server, acme, serving
from three_wires import MESSAGES_PROVIDER, SCRIPT

from tokenworks.providers.scripted import ThreadedProvider, running

TOOLS: Any = [
    {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
    {"name": "get_time", "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}}},
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadedProvider]:
    with running(SCRIPT) as provider:
        yield provider


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: ThreadedProvider) -> Iterator[Server]:
    config = acme(upstream.base_url) + MESSAGES_PROVIDER.format(origin=upstream.origin)
    with serving(tmp_path_factory.mktemp("anthropic") / "home", config) as one:
        yield one


@pytest.fixture(scope="module", params=["", "/api"])
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[Anthropic]:
    with Anthropic(base_url=server.url + request.param, api_key=server.key, max_retries=0, timeout=30) as one:
        yield one


@pytest.fixture(params=["acme/native", "acme/fast"], ids=["same_wire", "translated"])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def say(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_message(client: Anthropic, model: str) -> None:
    answer = client.messages.create(model=model, max_tokens=100, messages=say("hello there"))
    assert answer.role == "assistant" and answer.type == "message"
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].text == "You said: hello there"  # type: ignore[union-attr]
    assert (answer.stop_reason, answer.model) == ("end_turn", model)
    assert answer.usage.output_tokens == 4
    assert answer.usage.model_extra is not None and answer.usage.model_extra["cost"] > 0


def test_stream_events_come_in_order(client: Anthropic, model: str) -> None:
    with client.messages.create(model=model, max_tokens=100, messages=say("hello"), stream=True) as events:
        kinds = [event.type for event in events]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert kinds[1] == "content_block_start" and kinds[-3:-1] == ["content_block_stop", "message_delta"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


def test_thinking_keeps_its_signature(client: Anthropic, model: str) -> None:
    asked: Any = {
        "model": model,
        "max_tokens": 4000,
        "messages": say("think hard"),
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    for answer in (whole, streamed):
        thinking, text = answer.content
        assert thinking.type == "thinking" and thinking.thinking == "Paris is the capital."
        if model == "acme/native":
            assert thinking.signature == "c2lnbmF0dXJl"
        assert text.type == "text" and text.text == "It is Paris."
        usage = answer.usage
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (30, 60, 9)
        assert usage.cache_creation_input_tokens == 10


def test_parallel_tools_and_their_results(client: Anthropic, model: str, upstream: ThreadedProvider) -> None:
    asked: Any = {"model": model, "max_tokens": 500, "messages": say("use your tools"), "tools": TOOLS}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    for answer in (whole, streamed):
        assert answer.stop_reason == "tool_use"
        calls = [block for block in answer.content if block.type == "tool_use"]
        assert [(call.name, call.input) for call in calls] == [
            ("get_weather", {"city": "Paris"}),
            ("get_time", {"zone": "CET"}),
        ]
        assert len({call.id for call in calls}) == 2
    calls = [block for block in whole.content if block.type == "tool_use"]
    results: Any = [
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": "sunny"},
        {"type": "tool_result", "tool_use_id": calls[1].id, "content": [{"type": "text", "text": "noon"}]},
    ]
    turns = [*asked["messages"], {"role": "assistant", "content": whole.content}]
    client.messages.create(**{**asked, "messages": [*turns, {"role": "user", "content": results}]})
    sent = upstream.requests[-1].body["messages"]
    if model == "acme/fast":
        assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
        assert [m["tool_call_id"] for m in sent[2:]] == [call.id for call in calls]
        assert [m["content"] for m in sent[2:]] == ["sunny", "noon"]
        assert [json.loads(c["function"]["arguments"]) for c in sent[1]["tool_calls"]] == [
            {"city": "Paris"},
            {"zone": "CET"},
        ]
    else:
        assert sent[2]["content"] == results


def test_images_go_over(client: Anthropic, model: str, upstream: ThreadedProvider) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    source: Any = {"type": "base64", "media_type": "image/png", "data": pixel}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "what is it?"}]
    client.messages.create(model=model, max_tokens=100, messages=[{"role": "user", "content": content}])
    sent = upstream.requests[-1].body["messages"][0]["content"]
    if model == "acme/fast":
        assert sent[0]["image_url"]["url"] == f"data:image/png;base64,{pixel}"
    else:
        assert sent[0]["source"] == source


def test_max_tokens_ends_it(client: Anthropic, model: str) -> None:
    answer = client.messages.create(model=model, max_tokens=5, messages=say("a long story"))
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 5)


def test_count_tokens(client: Anthropic, model: str) -> None:
    counted = client.messages.count_tokens(model=model, messages=say("one two three four"))
    assert 1 <= counted.input_tokens <= 40


def test_errors_have_the_clients_own_types(client: Anthropic, server: Server) -> None:
    with pytest.raises(anthropic.BadRequestError, match="unknown model"):
        client.messages.create(model="acme/none", max_tokens=5, messages=say("x"))
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        client.messages.create(model="acme/native", max_tokens=5, messages=None)  # type: ignore[arg-type]
    stranger = Anthropic(base_url=server.url, api_key="tw-" + "x" * 43, max_retries=0)
    with pytest.raises(anthropic.AuthenticationError) as refused:
        stranger.messages.create(model="acme/native", max_tokens=5, messages=say("x"))
    stranger.close()
    body: Any = refused.value.body
    assert body["type"] == "error" and body["error"]["type"] == "authentication_error"


def test_bearer_tokens_work_as_well(server: Server) -> None:
    with Anthropic(base_url=server.url, auth_token=server.key, api_key=None, max_retries=0) as one:
        assert one.messages.create(model="acme/fast", max_tokens=9, messages=say("x")).content


def test_models_can_be_listed(client: Anthropic) -> None:
    listed = client.models.list(limit=1000)
    assert {"acme/native", "acme/fast"} <= {model.id for model in listed.data}
