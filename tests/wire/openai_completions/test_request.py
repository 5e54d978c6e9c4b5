"""Legacy completion requests: a prompt becomes a conversation, what can't be done is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Maker, Message, Text
from tokenworks.wire.openai_chat import request as chat_request
from tokenworks.wire.openai_completions.request import CompletionsRequest, read
from tokenworks.wire.peek import raw


def fields(**given: Any) -> dict[str, Any]:
    return {key: raw(value) for key, value in {"model": "acme/fast", "prompt": "Once", **given}.items()}


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_a_prompt_is_said_by_the_user(prompt: Any) -> None:
    conversation = read(
        fields(
            prompt=prompt,
            max_tokens=7,
            temperature=0.5,
            top_p=0.9,
            stop=["a", "b"],
            user="u",
            stream=True,
            seed=3,
            frequency_penalty=0.25,
            echo=False,
            n=1,
            best_of=1,
            suffix=None,
            logprobs=None,
        )
    )
    assert conversation.messages == (Message("user", (Text("Once"),)),)
    assert (conversation.model, conversation.max_output_tokens, conversation.temperature) == (
        "acme/fast",
        7,
        0.5,
    )
    assert (conversation.top_p, conversation.stop, conversation.user) == (0.9, ("a", "b"), "u")
    assert conversation.stream
    made = json.loads(chat_request.write(conversation, Maker("fast-1")))
    assert made["messages"] == [{"role": "user", "content": "Once"}]
    assert (made["seed"], made["frequency_penalty"]) == (3, 0.25)
    assert not {"prompt", "echo", "n", "best_of", "suffix", "logprobs"} & set(made)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prompt": ["a", "b"]}, "'prompt' holds 2 texts; send one request for each"),
        ({"prompt": []}, "'prompt' holds 0 texts"),
        ({"prompt": [1, 2]}, "token ids are not understood"),
        ({"prompt": [[1]]}, "token ids are not understood"),
        ({"prompt": None}, "is missing"),
        ({"suffix": "end"}, "'suffix' is not possible here: .*leave 'suffix' out"),
        ({"echo": True}, "'echo' is not possible here"),
        ({"best_of": 2}, "'best_of' is not possible here"),
        ({"n": 2}, "'n' is not possible here"),
        ({"logprobs": 0}, "'logprobs'"),
        ({"temperature": "hot"}, "'temperature'"),
    ],
)
def test_what_can_not_be_done_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read(fields(**given))


def asked(**given: Any) -> CompletionsRequest:
    return CompletionsRequest(json.dumps({"model": "acme/fast", "prompt": "Once", **given}).encode())


def test_what_the_gateway_needs_to_know() -> None:
    request = asked()
    assert (request.wire, request.model, request.stream) == ("openai_completions", "acme/fast", False)
    assert (request.wants_usage, request.input_bytes) == (True, len(b'"Once"'))
    assert read(request.fields).messages == (Message("user", (Text("Once"),)),)
    with pytest.raises(BadRequest, match="use /v1/chat/completions"):
        request.upstream_body(raw("x"))


@pytest.mark.parametrize(
    ("options", "wants"),
    [(None, False), ({}, False), ({"include_usage": True}, True), ({"include_usage": False}, False)],
)
def test_usage_of_a_stream(options: Any, wants: bool) -> None:
    assert asked(stream=True, stream_options=options).wants_usage is wants
    assert asked(stream_options=options).wants_usage


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"prompt":"x"}', "'model' is missing"),
        (b'{"model":"a"}', "'prompt' is missing"),
        (b'{"model":"a","prompt":"x","stream":1}', "'stream' must be true or false"),
        (
            b'{"model":"a","prompt":"x","stream":true,"stream_options":[]}',
            "'stream_options' must be an object",
        ),
    ],
)
def test_requests_that_are_refused(body: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        CompletionsRequest(body)
