"""What official clients send and read fits; what no model takes does not."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openai.types import CreateEmbeddingResponse

from tokenworks.api.schemas import embeddings


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize("given", ["a text", ["two", "texts"], [1, 2, 3], [[1], [2, 3]]])
def test_requests_that_clients_send(given: Any) -> None:
    asked = {"model": "m", "input": given, "encoding_format": "base64", "dimensions": 64}
    assert fits(asked, embeddings.EMBEDDINGS_REQUEST)


@pytest.mark.parametrize(
    "more",
    [
        {"input": None},
        {"input": {"text": "x"}},
        {"input": [1, "x"]},
        {"encoding_format": "hex"},
        {"dimensions": 0},
    ],
)
def test_requests_that_no_model_takes(more: dict[str, Any]) -> None:
    assert not fits({"model": "m", "input": "x", **more}, embeddings.EMBEDDINGS_REQUEST)


def test_answers() -> None:
    answer: dict[str, Any] = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, -0.2]}],
        "model": "acme/vectors",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    CreateEmbeddingResponse.model_validate(answer)
    assert fits(answer, embeddings.EMBEDDINGS_ANSWER)
    packed = {"object": "embedding", "index": 0, "embedding": "AAAA"}
    assert fits({**answer, "data": [packed]}, embeddings.EMBEDDINGS_ANSWER)
    assert not fits({**answer, "data": [{"object": "embedding"}]}, embeddings.EMBEDDINGS_ANSWER)
