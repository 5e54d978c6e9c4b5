from typing import Any

import pytest

from tokenworks.providers.scripted.reply import Reply, Tokens
from tokenworks.providers.scripted.usage import chat_usage, messages_usage, responses_usage
from tokenworks.schema import Usage

USAGE = Usage(
    uncached_input_tokens=300,
    cache_read_tokens=600,
    cache_write_tokens=100,
    output_tokens=40,
    reasoning_tokens=12,
)


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (
            "openai",
            {
                "prompt_tokens": 1000,
                "completion_tokens": 40,
                "total_tokens": 1040,
                "prompt_tokens_details": {"cached_tokens": 600, "audio_tokens": 0, "cache_write_tokens": 100},
            },
        ),
        (
            "deepseek",
            {
                "prompt_tokens": 1000,
                "completion_tokens": 40,
                "total_tokens": 1040,
                "prompt_cache_hit_tokens": 600,
                "prompt_cache_miss_tokens": 400,
            },
        ),
        (
            "moonshot",
            {"prompt_tokens": 1000, "completion_tokens": 40, "total_tokens": 1040, "cached_tokens": 600},
        ),
        (
            "anthropic",
            {
                "prompt_tokens": 1000,
                "completion_tokens": 40,
                "total_tokens": 1040,
                "cache_read_input_tokens": 600,
                "cache_creation_input_tokens": 100,
            },
        ),
        (
            "xai",
            {
                "prompt_tokens": 1000,
                "completion_tokens": 28,
                "total_tokens": 1040,
                "prompt_tokens_details": {"cached_tokens": 600, "audio_tokens": 0, "cache_write_tokens": 100},
            },
        ),
    ],
)
def test_dialects_of_chat(style: Any, expected: dict[str, Any]) -> None:
    told = chat_usage(USAGE, Reply(usage_style=style))
    assert told is not None
    assert told.pop("completion_tokens_details")["reasoning_tokens"] == 12
    assert told == expected


def test_the_other_wires_have_one_dialect_each() -> None:
    responses = responses_usage(USAGE, Reply())
    assert responses == {
        "input_tokens": 1000,
        "input_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 100},
        "output_tokens": 40,
        "output_tokens_details": {"reasoning_tokens": 12},
        "total_tokens": 1040,
    }
    messages = messages_usage(USAGE, Reply(usage=Tokens(cache_write_tokens=100, cache_write_1h_tokens=30)))
    assert messages is not None
    assert (messages["input_tokens"], messages["output_tokens"]) == (300, 40)
    assert (messages["cache_read_input_tokens"], messages["cache_creation_input_tokens"]) == (600, 100)
    assert messages["cache_creation"] == {"ephemeral_5m_input_tokens": 70, "ephemeral_1h_input_tokens": 30}


@pytest.mark.parametrize("render", [chat_usage, responses_usage, messages_usage])
def test_none_and_raw_hold_on_every_wire(render: Any) -> None:
    assert render(USAGE, Reply(usage_style="none")) is None
    assert render(USAGE, Reply(usage_raw={"prompt_tokens": -1})) == {"prompt_tokens": -1}
