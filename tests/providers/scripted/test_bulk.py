"""Batches of the scripted provider, as the libraries of two providers drive them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import anthropic
import openai
import pytest

from tokenworks.providers.scripted import Script, ThreadedProvider, running


@pytest.fixture
def provider() -> Iterator[ThreadedProvider]:
    with running() as made:
        yield made


def test_files_and_batches(provider: ThreadedProvider) -> None:
    with openai.OpenAI(base_url=provider.base_url, api_key="k") as client:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
        file = client.files.create(file=("in.jsonl", io.BytesIO(json.dumps(line).encode())), purpose="batch")
        made = client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"a": "b"},
        )
        found = client.batches.retrieve(made.id)
        assert (found.status, found.metadata) == ("completed", {"a": "b"})
        assert found.request_counts is not None and found.request_counts.completed == 1
        assert found.output_file_id is not None and found.error_file_id is None
        told = json.loads(client.files.content(found.output_file_id).text)
        assert told["response"]["body"]["choices"][0]["message"]["content"] == "You said: hi"
        assert [each.id for each in client.batches.list()] == [made.id]
        provider.play(Script(bulk_delay_s=60))
        other = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        assert client.batches.retrieve(other.id).status == "in_progress"
        client.batches.cancel(other.id)
        assert client.batches.retrieve(other.id).status == "cancelled"


def test_messages(provider: ThreadedProvider) -> None:
    with anthropic.Anthropic(base_url=provider.origin, api_key="k") as client:
        params = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        batches = client.messages.batches
        made = batches.create(requests=[{"custom_id": "a", "params": params}])  # type: ignore[typeddict-item]
        found = batches.retrieve(made.id)
        assert found.processing_status == "ended" and found.request_counts.succeeded == 1
        provider.play(Script(bulk_delay_s=60))
        other = batches.create(requests=[{"custom_id": "a", "params": params}])  # type: ignore[typeddict-item]
        assert [each.id for each in batches.list()] == [other.id, made.id]
        batches.cancel(other.id)
        assert batches.retrieve(other.id).request_counts.canceled == 1


def test_wrong_ones_are_refused_and_the_key_counts(provider: ThreadedProvider) -> None:
    with openai.OpenAI(base_url=provider.base_url, api_key="k") as client:
        with pytest.raises(openai.NotFoundError):
            client.batches.retrieve("batch_nonsense")
        with pytest.raises(openai.BadRequestError):
            client.batches.create(
                input_file_id="file-x", endpoint="/v1/chat/completions", completion_window="24h"
            )
        provider.play(Script(api_key="other"))
        with pytest.raises(openai.AuthenticationError):
            client.batches.list()
    provider.reset()
    assert provider.provider.stage.bulk.handed_in == []
