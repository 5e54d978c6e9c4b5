"""Usage as it is told is usage as it is read."""

from __future__ import annotations

import json

from hypothesis import given
from wire_answers import USAGES

from tokenworks.schema import Usage
from tokenworks.wire.anthropic_messages.tally import Tally
from tokenworks.wire.usage import from_openai, from_responses
from tokenworks.wire.usage_written import chat_usage, messages_usage, responses_usage


@given(USAGES)
def test_there_and_back(usage: Usage) -> None:
    assert from_openai(json.dumps(chat_usage(usage)).encode()) == usage
    assert from_responses(json.dumps(responses_usage(usage)).encode()) == usage
    assert Tally().add(json.dumps(messages_usage(usage)).encode()) == usage


def test_what_each_wire_calls_it() -> None:
    usage = Usage(1, 2, 3, 10, 4)
    assert chat_usage(usage) == {
        "prompt_tokens": 6,
        "completion_tokens": 10,
        "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    told = responses_usage(usage)
    assert (told["input_tokens"], told["output_tokens"], told["total_tokens"]) == (6, 10, 16)
    told = messages_usage(usage)
    assert (told["input_tokens"], told["cache_read_input_tokens"]) == (1, 2)
    assert (told["cache_creation_input_tokens"], told["output_tokens"]) == (3, 10)
    assert told["output_tokens_details"] == {"thinking_tokens": 4}
