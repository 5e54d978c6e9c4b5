import math
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tokenworks.providers.scripted import Reply, Script, Tokens, running
from tokenworks.providers.scripted.wires.embeddings import inputs, vector

Client = Callable[..., openai.OpenAI]


def test_vectors_follow_from_the_text() -> None:
    assert vector("a") == vector("a") != vector("b")
    for dimensions in (1, 3, 1024):
        made = vector("text", dimensions)
        assert len(made) == dimensions
        assert math.isclose(math.hypot(*made), 1, rel_tol=1e-5)


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_the_client_reads_both_encodings(encoding: Any, openai_client: Client) -> None:
    with running() as provider:
        answer = openai_client(provider).embeddings.create(
            model="m", input=["one two", "three"], dimensions=8, encoding_format=encoding
        )
        assert provider.totals().usage.input_tokens == 3
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3
    if encoding == "float":
        assert [item.embedding for item in answer.data] == [vector("one two", 8), vector("three", 8)]
    else:
        assert all(isinstance(item.embedding, str) for item in answer.data)


def test_the_clients_default(openai_client: Client) -> None:
    with running(Script(reply=(Reply(usage=Tokens(input_tokens=77)),))) as provider:
        answer = openai_client(provider).embeddings.create(model="m", input="one two")
    assert answer.data[0].embedding == pytest.approx(vector("one two"))
    assert answer.usage.prompt_tokens == 77


def test_tokens_count_as_one_input_a_list() -> None:
    assert inputs("a") == ["a"]
    assert inputs([1, 2]) == ["[1, 2]"]
    assert inputs([[1, 2], [3]]) == ["[1, 2]", "[3]"]
    assert inputs(None) == inputs([]) == []
