"""Whole answers as legacy completions."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import openai.types
import pytest
from pydantic import TypeAdapter

from tokenworks.schema import Price, Usage
from tokenworks.wire.answer import STOPS, Answer, Telling
from tokenworks.wire.conversation import Text, Thinking
from tokenworks.wire.openai_completions.answer import write
from tokenworks.wire.peek import raw

TELLING = Telling("gen-1", "acme/fast", "acme", Price("p", 1.0, 2.0), extra={"metadata": raw([1])})
COMPLETION = TypeAdapter(openai.types.Completion)
USAGE = Usage(400, 600, 0, 40, 9)


def written(answer: Answer, **options: Any) -> Any:
    made = write(answer, msgspec.structs.replace(TELLING, **options), USAGE, 1000)
    COMPLETION.validate_json(made)
    return json.loads(made)


def test_a_whole_answer() -> None:
    made = written(Answer((Thinking("hm"), Text("Once "), Text("upon")), "stop", created=17))
    usage = made.pop("usage")
    assert made == {
        "id": "gen-1",
        "object": "text_completion",
        "created": 17,
        "model": "acme/fast",
        "provider": "acme",
        "system_fingerprint": None,
        "choices": [
            {"text": "Once upon", "index": 0, "logprobs": None, "finish_reason": "stop", "reasoning": "hm"}
        ],
        "metadata": [1],
    }
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (1000, 40, 1040)
    assert (usage["cost"], usage["prompt_tokens_details"]["cached_tokens"]) == (1e-6, 600)


def test_reasoning_may_be_kept_back() -> None:
    answer = Answer((Thinking("hm"), Text("a")), "stop")
    assert "reasoning" not in written(answer, exclude_reasoning=True)["choices"][0]


def test_a_refusal() -> None:
    choice = written(Answer((), "refusal", refusal="I can't."))["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == ("I can't.", "content_filter")


@pytest.mark.parametrize("stop", [*STOPS, "a provider's own"])
def test_only_three_reasons_to_stop_are_known(stop: str) -> None:
    expected = {"length": "length", "content_filter": "content_filter", "refusal": "content_filter"}
    assert written(Answer((Text("a"),), stop))["choices"][0]["finish_reason"] == expected.get(stop, "stop")
