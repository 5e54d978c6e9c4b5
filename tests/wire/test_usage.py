"""What providers report, in each of their dialects, as disjoint classes of tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.schema import Usage
from tokenworks.wire.usage import MAX_TOKENS, from_openai, from_responses, fuller


def usage(**fields: Any) -> Usage | None:
    return from_openai(json.dumps(fields).encode())


def counts(uncached: int, read: int, write: int, output: int, reasoning: int = 0) -> Usage:
    return Usage(
        uncached_input_tokens=uncached,
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=output,
        reasoning_tokens=reasoning,
    )


DIALECTS: dict[str, tuple[dict[str, Any], Usage]] = {
    "plain": ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, counts(10, 0, 0, 5)),
    "cached in the details": (
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 64}},
        counts(36, 64, 0, 5),
    ),
    "full details": (
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 192,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        counts(86, 1920, 0, 300, 192),
    ),
    "cached beside the totals": (
        {"prompt_tokens": 100, "completion_tokens": 5, "cached_tokens": 40},
        counts(60, 40, 0, 5),
    ),
    "hits and misses": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_cache_hit_tokens": 30,
            "prompt_cache_miss_tokens": 70,
        },
        counts(70, 30, 0, 5),
    ),
    "hits and details": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_cache_hit_tokens": 64,
            "prompt_tokens_details": {"cached_tokens": 64},
        },
        counts(36, 64, 0, 5),
    ),
    "read and creation": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "cache_read_input_tokens": 50,
            "cache_creation_input_tokens": 20,
        },
        counts(30, 50, 20, 5),
    ),
    "creation in the details": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_creation_tokens": 90},
        },
        counts(10, 0, 90, 5),
    ),
    "written in the details": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 90},
        },
        counts(2, 8, 90, 5),
    ),
    "an explicit zero is no absence": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0},
            "cached_tokens": 77,
        },
        counts(100, 0, 0, 5),
    ),
    "null details": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_tokens_details": None,
            "completion_tokens_details": None,
            "cached_tokens": None,
        },
        counts(100, 0, 0, 5),
    ),
    "null in the details": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": None},
            "cached_tokens": 7,
            "completion_tokens_details": {"reasoning_tokens": None},
        },
        counts(93, 7, 0, 5),
    ),
    "reasoning beside the totals": (
        {"prompt_tokens": 10, "completion_tokens": 50, "reasoning_tokens": 30, "total_tokens": 60},
        counts(10, 0, 0, 50, 30),
    ),
    "reasoning not in the completion": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 45,
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
        counts(10, 0, 0, 35, 30),
    ),
    "only input": ({"prompt_tokens": 10, "total_tokens": 10}, counts(10, 0, 0, 0)),
    "only output": ({"completion_tokens": 10}, counts(0, 0, 0, 10)),
    "nothing": ({"prompt_tokens": 0, "completion_tokens": 0}, counts(0, 0, 0, 0)),
    "more cached than there is": (
        {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 1000},
        counts(0, 10, 0, 5),
    ),
    "more written than is left": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "cached_tokens": 6,
            "cache_creation_input_tokens": 1000,
        },
        counts(0, 6, 4, 5),
    ),
    "negative cached": (
        {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": -3, "reasoning_tokens": -1},
        counts(10, 0, 0, 5),
    ),
    "more reasoning than output": (
        {"prompt_tokens": 10, "completion_tokens": 5, "reasoning_tokens": 500},
        counts(10, 0, 0, 5, 5),
    ),
    "details in an unknown form": (
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": []},
        counts(10, 0, 0, 5),
    ),
    "a detail in an unknown form": (
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": "3"}},
        counts(10, 0, 0, 5),
    ),
    "unknown fields": (
        {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.1, "x": {"y": [1]}, "num_sources_used": 0},
        counts(10, 0, 0, 5),
    ),
}


@pytest.mark.parametrize(("fields", "expected"), DIALECTS.values(), ids=DIALECTS)
def test_dialects(fields: dict[str, Any], expected: Usage) -> None:
    assert usage(**fields) == expected


UNBELIEVABLE = {
    "null": b"null",
    "empty": b"{}",
    "only a total": b'{"total_tokens":5}',
    "a list": b"[1]",
    "a number": b"7",
    "negative input": b'{"prompt_tokens":-1,"completion_tokens":5}',
    "negative output": b'{"prompt_tokens":1,"completion_tokens":-5}',
    "strings": b'{"prompt_tokens":"10","completion_tokens":"5"}',
    "fractions": b'{"prompt_tokens":1.5,"completion_tokens":5}',
    "true": b'{"prompt_tokens":true,"completion_tokens":5}',
    "absurd": b'{"prompt_tokens":1000000000000000000000000000000,"completion_tokens":5}',
    "absurd output": b'{"prompt_tokens":1,"completion_tokens":9223372036854775808}',
    "absurd with odd details": (
        b'{"prompt_tokens":1,"completion_tokens":9223372036854775808,"cached_tokens":[]}'
    ),
    "endless digits": b'{"prompt_tokens":' + b"9" * 100_000 + b"}",
    "deep": b'{"prompt_tokens":5,"x":' + b"[" * 100_000,
    "no JSON": b'{"prompt_tokens":5',
    "nothing at all": b"",
}


@pytest.mark.parametrize("data", UNBELIEVABLE.values(), ids=UNBELIEVABLE)
def test_what_cannot_be_believed_is_none(data: bytes) -> None:
    assert from_openai(data) is None


NUMBERS = st.none() | st.integers(-5, 50) | st.integers(-(10**30), 10**30)
KEYS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "prompt_cache_hit_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_tokens",
)
DETAILS = st.none() | st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("cached_tokens", "cache_write_tokens", "cache_creation_tokens", "reasoning_tokens"), NUMBERS
    ),
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(KEYS, NUMBERS),
            "prompt_tokens_details": DETAILS,
            "completion_tokens_details": DETAILS,
        },
    )
)
@settings(max_examples=500, deadline=None)
def test_whatever_is_reported_the_classes_are_disjoint_and_fit_the_ledger(fields: dict[str, Any]) -> None:
    found = usage(**fields)
    if found is None:
        return
    parts = (found.uncached_input_tokens, found.cache_read_tokens, found.cache_write_tokens)
    assert all(0 <= n <= MAX_TOKENS for n in parts)
    assert found.input_tokens == (fields.get("prompt_tokens") or 0)
    assert 0 <= found.reasoning_tokens <= found.output_tokens < 2**62


def test_fuller() -> None:
    with_cache, without = counts(20, 80, 0, 3), counts(100, 0, 0, 5, 2)
    assert fuller(without, None) == without
    assert fuller(without, with_cache) == counts(20, 80, 0, 5, 2)
    assert fuller(with_cache, without) == with_cache
    assert fuller(counts(90, 0, 0, 5), with_cache) == counts(90, 0, 0, 5), "another count of the input"
    assert fuller(counts(50, 50, 0, 5), with_cache) == counts(50, 50, 0, 5)


# --- responses ----------------------------------------------------------------------------------

RESPONSES: list[tuple[dict[str, Any], Usage | None]] = [
    ({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}, counts(10, 0, 0, 5)),
    (
        {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 20},
        },
        counts(10, 60, 30, 50, 20),
    ),
    ({"input_tokens": 10, "input_tokens_details": None, "output_tokens_details": None}, counts(10, 0, 0, 0)),
    (
        {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 99, "cache_write_tokens": 9}},
        counts(0, 10, 0, 0),
    ),
    ({"input_tokens": 10, "input_tokens_details": {"cached_tokens": -1}}, counts(10, 0, 0, 0)),
    ({"output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 9}}, counts(0, 0, 0, 5, 5)),
    ({}, None),
    ({"prompt_tokens": 3}, None),
    ({"input_tokens": -1, "output_tokens": 5}, None),
    ({"input_tokens": 5, "output_tokens": MAX_TOKENS + 1}, None),
    ({"input_tokens": "5"}, None),
]


@pytest.mark.parametrize(("told", "expected"), RESPONSES)
def test_usage_of_a_response(told: dict[str, Any], expected: Usage | None) -> None:
    assert from_responses(json.dumps(told).encode()) == expected


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'"x"', b"{", b"\xff", b"[" * 100_000], ids=range(7))
def test_what_is_no_usage_of_a_response(raw: bytes) -> None:
    assert from_responses(raw) is None
