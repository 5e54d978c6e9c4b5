"""Embeddings: vectors go through as they came, what is ours is put around them."""

from __future__ import annotations

import json
from typing import Any

import openai.types
import pytest
from pydantic import TypeAdapter

from tokenworks.errors import BadRequest
from tokenworks.providers.scripted.reply import Reply
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.turn import take
from tokenworks.providers.scripted.wires import embeddings as scripted
from tokenworks.schema import Price, Usage
from tokenworks.wire.answer import Telling
from tokenworks.wire.asking import CONTROLS
from tokenworks.wire.openai_embeddings.relay import EmbeddingsRequest, EmbeddingsWhole
from tokenworks.wire.peek import raw

PRICE = Price("test", input_mtok=1.0, output_mtok=0.0)
TELLING = Telling("gen-1", "acme/embed", "acme", PRICE, extra={"metadata": raw([1])})
RESPONSE = TypeAdapter(openai.types.CreateEmbeddingResponse)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "acme/embed", "input": ["a b", "c"], **fields}).encode()


def answer(**fields: Any) -> bytes:
    asked = {"model": "m", "input": ["a b", "c"], **fields}
    return scripted.whole(take(Ask(1, "embeddings", "/v1/embeddings", {}, asked), Reply())).data


def test_a_request_is_passed_on_with_the_name_the_provider_knows() -> None:
    asked = EmbeddingsRequest(body(**{key: {} for key in CONTROLS}, dimensions=4, encoding_format="base64"))
    assert (asked.wire, asked.model, asked.stream) == ("openai_embeddings", "acme/embed", False)
    assert asked.wants_usage
    assert asked.input_bytes == len(b'["a b", "c"]')
    start, given = asked.upstream_body(raw("embed-1"))
    assert bytes(given) == b'["a b", "c"]'
    assert json.loads(start + bytes(given) + b"}") == {
        "model": "embed-1",
        "dimensions": 4,
        "encoding_format": "base64",
        "input": ["a b", "c"],
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"input":"x"}', "'model' is missing"),
        (b'{"model":"a"}', "'input' is missing"),
        (b'{"model":"a","input":"x","stream":true}', "never streamed"),
    ],
)
def test_requests_that_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        EmbeddingsRequest(data)


@pytest.mark.parametrize("packed", ["float", "base64"])
def test_a_whole_answer(packed: str) -> None:
    data = answer(encoding_format=packed)
    whole = EmbeddingsWhole(data)
    assert (whole.finish, whole.usage, whole.size) == ("stop", Usage(uncached_input_tokens=3), 0)
    made = json.loads(whole.render(TELLING, Usage(3), 3000))
    assert made["data"] == json.loads(data)["data"]
    if packed == "float":
        assert RESPONSE.validate_python(made).model == "acme/embed"
    assert (made["id"], made["model"], made["metadata"]) == ("gen-1", "acme/embed", [1])
    usage = made["usage"]
    assert (usage["prompt_tokens"], usage["total_tokens"], usage["cost"]) == (3, 3, 3e-6)
    assert usage["cost_details"]["upstream_inference_prompt_cost"] == 3e-6


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        ({"prompt_tokens": 5, "total_tokens": 9}, 5),
        ({"total_tokens": 9}, 9),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}}, 5),
        ({}, None),
        (None, None),
        ({"prompt_tokens": -1}, None),
        ({"prompt_tokens": "many"}, None),
    ],
)
def test_usage(told: Any, tokens: int | None) -> None:
    whole = EmbeddingsWhole(json.dumps({"data": [], "usage": told}).encode())
    assert whole.usage == (None if tokens is None else Usage(tokens))
    made = json.loads(whole.render(TELLING, Usage(7), 0))
    assert made["object"] == "list"
    if not told:
        assert (made["usage"]["prompt_tokens"], made["usage"]["total_tokens"]) == (7, 7)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"x", "not JSON"), (b"{}", "without 'data'"), (b'{"error":{"message":"no"}}', "^no$")],
)
def test_what_is_no_answer(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EmbeddingsWhole(data)
