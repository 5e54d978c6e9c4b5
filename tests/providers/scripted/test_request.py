from typing import Any

import pytest

from tokenworks.providers.scripted.request import Ask, input_words, last_said, texts, wire_of


@pytest.mark.parametrize(
    ("method", "path", "wire"),
    [
        ("POST", "/v1/chat/completions", "openai_chat"),
        ("POST", "/chat/completions?beta=true", "openai_chat"),
        ("POST", "/api/v1/responses/", "openai_responses"),
        ("POST", "/anthropic/v1/messages?beta=true", "anthropic_messages"),
        ("POST", "/v1/messages/count_tokens", "count_tokens"),
        ("POST", "/v1/embeddings", "embeddings"),
        ("GET", "/v1/models", "models"),
        ("GET", "/v1/models/acme/fast", "models"),
        ("GET", "/v1/chat/completions", None),
        ("POST", "/v1/models", None),
        ("POST", "/v1/completion", None),
    ],
)
def test_a_path_belongs_to_a_wire_by_its_end(method: str, path: str, wire: str | None) -> None:
    assert wire_of(method, path) == wire


@pytest.mark.parametrize(
    ("body", "words", "said"),
    [
        ({"messages": [{"role": "user", "content": "one two"}]}, 2, "one two"),
        (
            {
                "system": [{"type": "text", "text": "be brief"}],
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "look up"}, {"type": "image"}]},
                    {"role": "assistant", "content": [{"type": "tool_use", "input": {"text": "no"}}]},
                    {"role": "user", "content": [{"type": "tool_result", "content": "18 degrees"}]},
                ],
            },
            6,
            "18 degrees",
        ),
        ({"instructions": "be brief", "input": "one two three"}, 5, "one two three"),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "what is it"}]},
                    {"type": "function_call", "arguments": "{}"},
                    {"type": "function_call_output", "output": "18 degrees"},
                ]
            },
            5,
            "what is it",
        ),
        ({"messages": "not a list"}, 3, "not a list"),
        ({"messages": [None, 3, {"role": "user"}]}, 0, ""),
        ({}, 0, ""),
        ([], 0, ""),
    ],
)
def test_words_and_last_message_on_every_wire(body: Any, words: int, said: str) -> None:
    assert input_words(body) == words
    assert last_said(body) == said


def test_texts_keep_their_order() -> None:
    assert list(texts([{"text": "a", "content": ["b", {"output": "c"}]}, "d"])) == ["a", "b", "c", "d"]


def ask(**body: Any) -> Ask:
    return Ask(1, "openai_chat", "/v1/chat/completions", {}, body)


def test_what_is_asked_for() -> None:
    assert ask(model="m", stream=True).stream
    assert not ask(stream="yes").stream
    assert not Ask(1, "embeddings", "/v1/embeddings", {}, {"stream": True}).stream
    assert ask(max_completion_tokens=5, max_tokens=9).max_tokens == 5
    assert ask(max_output_tokens=7).max_tokens == 7
    assert ask().max_tokens is None
    assert ask(stream_options={"include_usage": True}).include_usage
    assert not ask(stream_options=None).include_usage
    assert ask(model=3).model == ""
