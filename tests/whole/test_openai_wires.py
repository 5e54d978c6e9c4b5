"""The official OpenAI client on every wire it speaks: responses, embeddings, completions, chat with tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel
from serving import Server, acme, serving
from three_wires import JSON_SCRIPT, MESSAGES_PROVIDER, RESPONSES_PROVIDER, SCRIPT

from tokenworks.providers.scripted import ThreadedProvider, running

MODELS = ["acme/fast", "acme/native", "acme/responder"]


class City(BaseModel):
    city: str
    people: int


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadedProvider]:
    with running(JSON_SCRIPT + SCRIPT) as provider:
        yield provider


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: ThreadedProvider) -> Iterator[Server]:
    config = (
        acme(upstream.base_url)
        + MESSAGES_PROVIDER.format(origin=upstream.origin)
        + RESPONSES_PROVIDER.format(base_url=upstream.base_url)
    )
    with serving(tmp_path_factory.mktemp("openai") / "home", config, workers=2) as one:
        yield one


@pytest.fixture(scope="module", params=["/v1", "/api/v1"])
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[OpenAI]:
    url = server.url + request.param
    with OpenAI(base_url=url, api_key=server.key, max_retries=0, timeout=30) as one:
        yield one


@pytest.fixture(params=MODELS, ids=["chat", "messages", "responses"])
def model(request: pytest.FixtureRequest) -> str:
    """Of a provider on each of the three wires."""
    return str(request.param)


CHAT_TOOLS: Any = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {key: {"type": "string"}}}},
    }
    for name, key in (("get_weather", "city"), ("get_time", "zone"))
]
TOOLS: Any = [{"type": "function", **tool["function"], "strict": False} for tool in CHAT_TOOLS]


# --- chat ---------------------------------------------------------------------------------------


def test_chat_with_parallel_tools(client: OpenAI, model: str) -> None:
    asked: Any = {
        "model": model,
        "messages": [{"role": "user", "content": "use your tools"}],
        "tools": CHAT_TOOLS,
        "max_tokens": 500,
    }
    whole = client.chat.completions.create(**asked)
    with client.chat.completions.stream(**asked) as stream:
        streamed = stream.get_final_completion()
    for answer in (whole, streamed):
        choice = answer.choices[0]
        assert choice.finish_reason == "tool_calls"
        calls: Any = choice.message.tool_calls
        assert [(c.function.name, json.loads(c.function.arguments)) for c in calls] == [
            ("get_weather", {"city": "Paris"}),
            ("get_time", {"zone": "CET"}),
        ]
        assert len({call.id for call in calls}) == 2


def test_chat_with_a_schema(client: OpenAI, model: str, upstream: ThreadedProvider) -> None:
    answer = client.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": "a city as json"}],
        response_format=City,
        max_tokens=200,
    )
    assert answer.choices[0].message.parsed == City(city="Paris", people=2100000)
    sent = upstream.requests[-1].body
    told = {
        "acme/fast": lambda: sent["response_format"]["json_schema"]["schema"],
        "acme/native": lambda: sent["output_config"]["format"]["schema"],
        "acme/responder": lambda: sent["text"]["format"]["schema"],
    }[model]()
    assert set(told["properties"]) == {"city", "people"}


def test_chat_shows_reasoning(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "think hard"}],
        reasoning_effort="low",
        max_completion_tokens=4000,
    )
    extra = answer.choices[0].message.model_extra or {}
    assert "Paris is the capital." in (extra.get("reasoning") or extra.get("reasoning_content") or "")
    hidden = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "think hard"}],
        extra_body={"reasoning": {"exclude": True, "effort": "low"}},
        max_completion_tokens=4000,
    )
    assert "capital" not in hidden.model_dump_json()
    assert hidden.choices[0].message.content == "It is Paris."


# --- responses ----------------------------------------------------------------------------------


def test_response(client: OpenAI, model: str) -> None:
    answer = client.responses.create(model=model, input="hello there", max_output_tokens=100)
    assert (answer.output_text, answer.status) == ("You said: hello there", "completed")
    assert answer.usage is not None and answer.usage.output_tokens == 4
    assert answer.model == model


def test_response_stream_events_come_in_order(client: OpenAI, model: str) -> None:
    with client.responses.create(model=model, input="hello", stream=True) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    for kind in ("output_item.added", "content_part.added", "output_text.done", "output_item.done"):
        assert f"response.{kind}" in kinds
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    last: Any = events[-1]
    deltas = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert last.response.output_text == deltas == "You said: hello"
    first: Any = events[0]
    assert first.response.id == last.response.id


def test_response_with_tools_and_their_results(client: OpenAI, model: str) -> None:
    asked: Any = {"model": model, "input": "use your tools", "tools": TOOLS}
    whole = client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        streamed: Any = stream.get_final_response()
    for answer in (whole, streamed):
        calls: Any = [item for item in answer.output if item.type == "function_call"]
        assert [(c.name, json.loads(c.arguments)) for c in calls] == [
            ("get_weather", {"city": "Paris"}),
            ("get_time", {"zone": "CET"}),
        ]
    results: Any = [{"type": "function_call_output", "call_id": c.call_id, "output": "x"} for c in calls]
    after = client.responses.create(model=model, input=results, previous_response_id=whole.id, tools=TOOLS)
    assert after.status == "completed"


def test_a_conversation_is_continued_on_any_worker(
    client: OpenAI, model: str, upstream: ThreadedProvider
) -> None:
    first = client.responses.create(model=model, input="my name is Ann", instructions="Be kind.")
    answer = first
    for turn in range(4):  # new connections reach both workers
        with OpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0) as another:
            if turn % 2:
                answer = another.responses.create(
                    model=model, input=f"turn {turn}", previous_response_id=answer.id
                )
            else:
                with another.responses.stream(
                    model=model, input=f"turn {turn}", previous_response_id=answer.id
                ) as stream:
                    answer = stream.get_final_response()  # type: ignore[assignment]
    sent = json.dumps(upstream.requests[-1].body)
    for text in ("my name is Ann", "You said: my name is Ann", "turn 0", "turn 2", "turn 3"):
        assert sent.count(text) >= 1, f"{text!r} is missing"
    assert "Be kind." not in sent, "instructions are those of each request"
    kept = client.responses.retrieve(first.id)
    assert kept.output_text == "You said: my name is Ann"
    listed = client.responses.input_items.list(first.id)
    assert "my name is Ann" in listed.model_dump_json()
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_what_is_not_stored_cannot_be_continued(client: OpenAI, server: Server) -> None:
    first = client.responses.create(model="acme/fast", input="secret", store=False)
    with pytest.raises(openai.NotFoundError, match="no response"):
        client.responses.create(model="acme/fast", input="more", previous_response_id=first.id)
    kept = client.responses.create(model="acme/fast", input="mine")
    _, other = server.new_key("other")
    with (
        OpenAI(base_url=client.base_url, api_key=other, max_retries=0) as stranger,
        pytest.raises(openai.NotFoundError),
    ):
        stranger.responses.create(model="acme/fast", input="yours?", previous_response_id=kept.id)


def test_response_with_reasoning_items(client: OpenAI, model: str) -> None:
    asked: Any = {
        "model": model,
        "input": "think hard",
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }
    whole = client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        streamed: Any = stream.get_final_response()
    for answer in (whole, streamed):
        assert [item.type for item in answer.output] == ["reasoning", "message"]
        told: Any = answer.output[0]
        texts = [part.text for part in (*told.summary, *(told.content or ()))]
        assert "Paris is the capital." in texts
        assert answer.usage is not None and answer.usage.output_tokens_details.reasoning_tokens == 4
        assert answer.usage.input_tokens_details.cached_tokens == 60


def test_structured_response(client: OpenAI, model: str) -> None:
    answer = client.responses.parse(model=model, input="a city as json", text_format=City)
    assert answer.output_parsed == City(city="Paris", people=2100000)


# --- embeddings and completions -----------------------------------------------------------------


def test_embeddings(client: OpenAI, server: Server) -> None:
    answer = client.embeddings.create(model="acme/fast", input=["one two", "three"])
    assert [each.index for each in answer.data] == [0, 1]
    assert all(len(each.embedding) > 1 for each in answer.data)
    assert answer.usage.prompt_tokens == 3
    with pytest.raises(openai.BadRequestError, match="embeddings"):
        client.embeddings.create(model="acme/native", input="x")


def test_completions(client: OpenAI, model: str) -> None:
    answer = client.completions.create(model=model, prompt="hello there", max_tokens=50)
    assert answer.choices[0].text == "You said: hello there"
    assert answer.usage is not None and answer.usage.completion_tokens == 4
    pieces = client.completions.create(model=model, prompt="hello", max_tokens=50, stream=True)
    assert "".join(p.choices[0].text for p in pieces if p.choices) == "You said: hello"


def test_every_kind_is_in_the_ledger(client: OpenAI, server: Server) -> None:
    used = server.usage("model")
    assert {row["model"] for row in used["rows"]} >= set(MODELS)
    assert used["requests"] > 10
