"""Usage of messages: what is told later stands over what was told earlier."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.schema import Usage
from tokenworks.wire.anthropic_messages.tally import Tally
from tokenworks.wire.usage import MAX_TOKENS

FULL = {
    "input_tokens": 300,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 600,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 12},
    "service_tier": "standard",
}
FULL_USAGE = Usage(300, 600, 100, 40, 12)


def after(*told: Any) -> Usage | None:
    tally, usage = Tally(), None
    for each in told:
        usage = tally.add(json.dumps(each).encode())
    return usage


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([FULL], FULL_USAGE),
        ([{"input_tokens": 5, "output_tokens": 1}], Usage(5, output_tokens=1)),
        ([{"input_tokens": 5}], Usage(5)),
        ([{"output_tokens": 5}], Usage(output_tokens=5)),
        ([{**FULL, "output_tokens": 1}, {"output_tokens": 40}], FULL_USAGE),
        ([{**FULL, "output_tokens": 1}, FULL], FULL_USAGE),
        # nothing but zeros at the start, or at the end
        ([{"input_tokens": 0, "output_tokens": 0}, FULL], FULL_USAGE),
        (
            [FULL, {"input_tokens": 0, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}],
            FULL_USAGE,
        ),
        # a guess at the start, the truth at the end
        (
            [{"input_tokens": 1000, "output_tokens": 0}, {**FULL, "input_tokens": 0}],
            Usage(0, 600, 100, 40, 12),
        ),
        ([FULL, {key: None for key in FULL}], FULL_USAGE),
        ([FULL, None, [], "x", {"input_tokens": "many"}], FULL_USAGE),
        ([{**FULL, "output_tokens_details": "odd"}], Usage(300, 600, 100, 40)),
        ([{**FULL, "output_tokens": 5}], Usage(300, 600, 100, 5, 5)),
        ([FULL, {"input_tokens": -1, "output_tokens": 9}], FULL_USAGE),
        ([FULL, {"output_tokens": MAX_TOKENS + 1}], FULL_USAGE),
        ([{"input_tokens": None}], None),
        ([{}], None),
        ([None], None),
        ([{"input_tokens": -1}], None),
    ],
)
def test_what_is_told(told: list[Any], expected: Usage | None) -> None:
    assert after(*told) == expected


@given(
    st.lists(st.dictionaries(st.sampled_from(list(FULL)), st.none() | st.integers(-5, 10**13)), max_size=5)
)
def test_counts_are_never_absurd(told: list[dict[str, Any]]) -> None:
    usage = after(*told)
    if usage is not None:
        counts = (usage.uncached_input_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
        assert all(0 <= count <= MAX_TOKENS for count in (*counts, usage.output_tokens))
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens
