from collections.abc import Callable
from typing import Any

import openai
import pytest

from tokenworks.providers.scripted import Reply, Script, Tokens, running

MODELS = ("fast-1", "acme/slow")
HELLO: Any = [{"role": "user", "content": "hello there"}]


def test_the_list_in_openais_shape(openai_client: Callable[..., openai.OpenAI]) -> None:
    with running(Script(models=MODELS)) as provider:
        client = openai_client(provider)
        assert [model.id for model in client.models.list()] == list(MODELS)
        assert client.models.retrieve("fast-1").owned_by == "scripted"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("absent")


def test_the_list_in_anthropics_shape(anthropic_client: Callable[..., Any]) -> None:
    with running(Script(models=MODELS)) as provider:
        listed = list(anthropic_client(provider).models.list())
    assert [(model.id, model.type) for model in listed] == [(name, "model") for name in MODELS]


def test_counting_is_free(anthropic_client: Callable[..., Any]) -> None:
    with running() as provider:
        client = anthropic_client(provider)
        assert client.messages.count_tokens(model="m", system="be brief", messages=HELLO).input_tokens == 4
        assert provider.requests[0].usage is None
        provider.play(Script(reply=(Reply(usage=Tokens(input_tokens=99)),)))
        assert client.messages.count_tokens(model="m", messages=HELLO).input_tokens == 99
